/** Hosts in C: the sources that come with the package, and the compiler. */

import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rename, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageFile } from '../../package-files.js'
import { findProgram, firstPath, type Host, type Job, runHost, runProgram } from './job.js'

/** Folder of run.c, host.h and a file for each host. */
export const sources = fileURLToPath(packageFile('src/edge/verify/c/'))

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
 * What compiles a host, its file among the sources, for example wasm3.c, and further arguments:
 * sources, folders of headers, libraries.
 */
type Compilation = readonly [compiler: string, host: string, more: readonly string[]]

/** Compiles a host with run.c and returns the path of the program. */
export async function compileHost(job: Job, [compiler, host, more]: Compilation): Promise<string> {
  const program = join(job.folder, host.replace(/\.c$/, ''))
  const args = [...flags, `-I${sources}`, join(sources, 'run.c'), join(sources, host)]
  const limits = { cwd: job.folder, seconds: COMPILE_SECONDS }
  await runProgram(compiler, [...args, ...more, '-o', program], limits)
  return program
}

/**
 * The same for a host that holds nothing of the network: compiled once, and kept in the user's
 * cache until a source, the compiler's path or an argument changes.
 */
async function compileOnce(job: Job, of: Compilation): Promise<string> {
  const name = `${of[1].replace(/\.c$/, '')}-${await fingerprint(of)}`
  const kept = join(cacheFolder(), name)
  if ((await firstPath(kept)) !== undefined) return kept
  const program = await compileHost(job, of)
  try {
    await mkdir(cacheFolder(), { recursive: true })
    // Under another name first: two may compile at once.
    const half = `${kept}.${process.pid}`
    await copyFile(program, half)
    await rename(half, kept)
    return kept
  } catch {
    return program // The cache cannot be written.
  }
}

function cacheFolder(): string {
  const { XDG_CACHE_HOME } = process.env
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'spikewasm', 'hosts')
}

async function fingerprint([compiler, host, more]: Compilation): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([compiler, flags, more]))
  const own = ['run.c', 'host.h', host].map((name) => join(sources, name))
  for (const path of own) hash.update(await readFile(path))
  for (const path of more.filter((argument) => argument.endsWith('.c'))) {
    const { size, mtimeMs } = await stat(path)
    hash.update(`${size} ${mtimeMs}\n`)
  }
  return hash.digest('hex').slice(0, 16)
}

/** What a host in C takes that holds nothing of the network. */
interface Compiled {
  readonly version: string
  /** What is compiled with it: sources, folders of headers, libraries. */
  readonly more: () => Promise<readonly string[]>
  /** Makes the file that it runs; default: the network's. */
  readonly net?: (job: Job) => Promise<string>
}

/**
 * Such a host.
 *
 * @param source its file among the sources
 * @param locate looks for it; undefined: it is not there
 */
export const compiled = (
  about: Pick<Host, 'name' | 'install' | 'refuses'>,
  source: string,
  locate: () => Promise<Compiled | undefined>,
): Host => ({
  ...about,
  find: async () => {
    const [compiler, found] = [await findCompiler(), await locate()]
    if (compiler === undefined || found === undefined) return undefined
    return {
      version: found.version,
      run: async (job) => {
        const net = await found.net?.(job)
        const program = await compileOnce(job, [compiler, source, await found.more()])
        return runHost(job, program, hostArguments(job, net))
      },
    }
  },
})

/** The files in C of a folder; none where there is no such folder. */
export async function sourcesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter((name) => name.endsWith('.c')).map((name) => join(folder, name))
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
