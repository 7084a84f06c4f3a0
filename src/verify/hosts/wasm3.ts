/** wasm3, from a checkout of its sources. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findCompiler, runCompiled } from '../compile.js'
import { type Host, refusesSimd } from '../host.js'
import { firstPath } from '../process.js'

export const wasm3: Host = {
  name: 'wasm3',
  install: 'git clone https://github.com/wasm3/wasm3, then WASM3_DIR=its folder; and a C compiler',
  refuses: refusesSimd,
  find: async () => {
    const folder = process.env.WASM3_DIR
    const compiler = await findCompiler()
    if (folder === undefined || compiler === undefined) return undefined
    const source = join(folder, 'source')
    const header = await firstPath(join(source, 'wasm3.h'))
    if (header === undefined) return undefined
    const version = /M3_VERSION\s+"([^"]+)"/.exec(await readFile(header, 'utf8'))?.[1]
    return {
      version: version ?? 'unknown',
      run: async (job) => {
        const files = (await readdir(source))
          .filter((name) => name.endsWith('.c'))
          .map((name) => join(source, name))
        const more = [`-I${source}`, '-Dd_m3HasWASI=0', ...files, '-lm']
        return runCompiled(job, compiler, 'wasm3.c', more)
      },
    }
  },
}
