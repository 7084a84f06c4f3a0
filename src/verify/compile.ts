/** Hosts in C: the sources that come with the package, and the compiler. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Job } from './job.js'
import { findProgram, runProgram } from './process.js'

/** Folder of run.c, host.h and a file for each host. */
export const sources = fileURLToPath(new URL('../../../src/verify/c/', import.meta.url))

/**
 * Flags for every compiler. Without the last but one, compilers may turn a·b + c into one
 * instruction that rounds once (those for AArch64 do so by default), and outputs differ.
 */
export const flags = ['-std=gnu11', '-O3', '-DNDEBUG', '-ffp-contract=off', '-w'] as const

/** The C compiler: CC, or cc, gcc, clang. */
export function findCompiler(): Promise<string | undefined> {
  const { CC } = process.env
  return findProgram(...(CC ? [CC] : []), 'cc', 'gcc', 'clang')
}

/** Seconds that a compiler may take: deep networks become much C. */
const COMPILE_SECONDS = 900

/**
 * Compiles a host with run.c and returns the path of the program.
 *
 * @param host its file among the sources, for example wasm3.c
 * @param more further arguments: sources, folders of headers, libraries
 */
export async function compileHost(
  job: Job,
  compiler: string,
  host: string,
  more: readonly string[],
): Promise<string> {
  const program = join(job.folder, host.replace(/\.c$/, ''))
  const args = [...flags, `-I${sources}`, join(sources, 'run.c'), join(sources, host)]
  await runProgram(compiler, [...args, ...more, '-o', program], {
    cwd: job.folder,
    seconds: COMPILE_SECONDS,
  })
  return program
}

/**
 * The arguments of a compiled host.
 *
 * @param net the network's file; the job's by default
 */
export function hostArguments(job: Job, net: string = job.net): string[] {
  const { input, expected, call, inputType } = job
  const { samples, sampleBytes, frameBytes, steps, classes, seconds } = job
  const numbers = [samples, sampleBytes, frameBytes, steps, classes, seconds].map(String)
  return [net, input, expected, call, inputType, ...numbers]
}
