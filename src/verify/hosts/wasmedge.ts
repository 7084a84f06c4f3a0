/** WasmEdge, its interpreter, through the C API. */

import { compileOnce, findCompiler, hostArguments } from '../compile.js'
import type { FoundHost, Host } from '../host.js'
import type { Job } from '../job.js'
import { findProgram, firstPath, runHost, versionOf } from '../process.js'

const install = 'apt-get install wasmedge libwasmedge-dev gcc, or WASMEDGE_DIR=its folder'

export const wasmedge: Host = { name: 'wasmedge', install, find: () => findWasmEdge() }

/**
 * @param ahead what makes the file that runs, for the compiler ahead of time
 */
export async function findWasmEdge(
  ahead?: (job: Job, program: string) => Promise<string>,
): Promise<FoundHost | undefined> {
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
      const net = ahead && (await ahead(job, program))
      const host = await compileOnce(job, compiler, 'wasmedge.c', [...places, ...library])
      return runHost(job, host, hostArguments(job, net))
    },
  }
}
