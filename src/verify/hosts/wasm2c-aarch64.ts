/** wasm2c and a cross compiler for AArch64; the program runs in QEMU, unless this is AArch64. */

import { copyFile, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { compileHost, hostArguments } from '../compile.js'
import type { Host } from '../host.js'
import { findProgram, runHost } from '../process.js'
import { findSimde, findWasm2c, translate } from './wasm2c.js'

export const wasm2cAarch64: Host = {
  name: 'wasm2c-aarch64',
  install:
    'apt-get install wabt libsimde-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user',
  find: async () => {
    const found = await findWasm2c()
    const compiler = await findProgram('aarch64-linux-gnu-gcc')
    const qemu = await findProgram('qemu-aarch64', 'qemu-aarch64-static')
    if (found === undefined || compiler === undefined || qemu === undefined) return undefined
    const simde = await findSimde()
    return {
      version: found.version,
      run: async (job) => {
        const code = await translate(job, found)
        // Headers of their own: those beside them in the system are for this machine's processor.
        const headers = join(job.folder, 'aarch64-headers')
        await mkdir(headers)
        await copyFile(join(found.headers, 'wasm-rt.h'), join(headers, 'wasm-rt.h'))
        if (simde) await symlink(join(simde, 'simde'), join(headers, 'simde'))
        const more = [...code, `-I${headers}`, '-static', '-lpthread']
        const program = await compileHost(job, compiler, 'wasm2c.c', more)
        return runHost(job, qemu, [program, ...hostArguments(job)])
      },
    }
  },
}
