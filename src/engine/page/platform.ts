/** The surroundings in a page, or in a worker of one. Registers them. */

import { files } from '../../page-files.js'
import { lend } from '../memory/memories.js'
import { type Platform, registerPlatform } from '../platform.js'
import { breathe } from '../threads/breathe.js'
import { hostBytes, MirrorExecutor } from './mirror.js'
import { SharedExecutor } from './shared.js'

/** Whether memory can be shared with workers. */
const isIsolated = (): boolean =>
  globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer === 'function'

let said = false

function sayIsolation(threads: number): void {
  if (said) return
  said = true
  const instead = 'one worker runs instead, with the same numbers'
  pagePlatform.warn(
    `threads is ${threads}, but ${
      globalThis.crossOriginIsolated
        ? `this browser has no SharedArrayBuffer: ${instead}`
        : 'a page may share memory with workers only when it is isolated from other origins: ' +
          `${instead}. Serve it with the headers "Cross-Origin-Opener-Policy: same-origin" and ` +
          '"Cross-Origin-Embedder-Policy: require-corp"'
    }`,
    'SPIKEWASM_THREADS',
  )
}

export const pagePlatform: Platform = {
  kind: 'page',
  processors: () => navigator.hardwareConcurrency || 1,
  sharesMemory: isIsolated,
  staysFree: true,
  threads(asked) {
    if (asked === 1 || isIsolated()) return asked
    sayIsolation(asked)
    return 1
  },
  async executors(_workers, script) {
    // The plan has just been made: before threads start, the page draws and answers.
    await breathe()
    return (module, memory, workers) => new SharedExecutor(module, memory, workers, script)
  },
  apart() {
    if (isIsolated()) return undefined
    return async (plan, { module, shared, script, before }) => {
      const memory = await lend(hostBytes(plan), false)
      const options = { url: script, shared }
      return { memory, executor: await MirrorExecutor.open(plan, memory, module, options, before) }
    }
  },
  address: (where) => new URL(where, globalThis.document?.baseURI ?? location.href),
  packageFile: (path) => files[path]?.(),
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
