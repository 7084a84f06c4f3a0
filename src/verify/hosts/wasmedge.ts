/** WasmEdge through its C API: its interpreter, and its compiler ahead of time. */

import { join } from 'node:path'
import { findCompiler, runCompiled } from '../compile.js'
import type { Host } from '../host.js'
import { findProgram, firstPath, runProgram, versionOf } from '../process.js'

/** @param ahead whether the file is compiled before it runs */
const host = (name: string, ahead: boolean): Host => ({
  name,
  install: 'apt-get install wasmedge libwasmedge-dev gcc, or WASMEDGE_DIR=its folder',
  find: async () => {
    const folder = process.env.WASMEDGE_DIR
    const own = folder === undefined ? [] : [folder]
    const compiler = await findCompiler()
    const program = await findProgram(...own.map((path) => `${path}/bin/wasmedge`), 'wasmedge')
    const roots = [...own, '/usr', '/usr/local', `${process.env.HOME}/.wasmedge`]
    const header = await firstPath(...roots.map((root) => `${root}/include/wasmedge/wasmedge.h`))
    if (compiler === undefined || program === undefined || header === undefined) return undefined
    const root = header.replace('/include/wasmedge/wasmedge.h', '')
    const places = [`-I${root}/include`, `-L${root}/lib`, `-L${root}/lib64`]
    const library = ['-lwasmedge', `-Wl,-rpath,${root}/lib`]
    return {
      version: await versionOf(program),
      run: async (job) => {
        const net = ahead ? join(job.folder, 'net.so') : job.net
        if (ahead) await runProgram(program, ['compile', job.net, net], { seconds: 900 })
        return runCompiled(job, compiler, 'wasmedge.c', [...places, ...library], net)
      },
    }
  },
})

export const wasmedge = host('wasmedge', false)
export const wasmedgeAot = host('wasmedge-aot', true)
