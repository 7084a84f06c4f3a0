/** The surroundings in a page, or in a worker of one. Registers them. */

import { localExecutor } from '../local.js'
import { type Platform, registerPlatform } from '../platform.js'

export const pagePlatform: Platform = {
  kind: 'page',
  processors: () => navigator.hardwareConcurrency || 1,
  sharesMemory: () => false,
  executors: async () => localExecutor,
  address: (where) => new URL(where, globalThis.document?.baseURI ?? location.href),
  async readPackageFile(url) {
    const answer = await fetch(url)
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`)
    return new Uint8Array(await answer.arrayBuffer())
  },
  warn(message) {
    console.warn(message)
  },
}

registerPlatform(pagePlatform)
