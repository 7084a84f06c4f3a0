/** Programs of bench/peers: other libraries, which are installed there on demand, and PyTorch. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SpikewasmError } from '../src/base/errors.js'
import { digits } from '../src/bench/report.js'

export const peersFolder: string = fileURLToPath(new URL('../../bench/peers/', import.meta.url))

/** @throws SpikewasmError when npm cannot install them */
export function installPeers(progress: (text: string) => void): void {
  if (existsSync(`${peersFolder}node_modules`)) return
  progress('npm install in bench/peers')
  const options = {
    cwd: peersFolder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  } as const
  // The script of onnxruntime-node fetches libraries for GPUs, and fails where it cannot.
  const args = ['install', '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund']
  const { status, stderr, error } = spawnSync('npm', args, options)
  if (status !== 0)
    throw new SpikewasmError(
      '--only single needs the packages of bench/peers, but npm install failed there: ' +
        `${(error?.message ?? stderr).trim()}; run it by hand`,
    )
}

/**
 * The system's allocator (glibc's) gives large blocks back, and PyTorch asks for them again at each
 * step, page by page. So tuned it keeps them: 8 to 25 % of PyTorch's time.
 */
const TUNED = { MALLOC_MMAP_THRESHOLD_: '4294967296', MALLOC_TRIM_THRESHOLD_: '8589934592' }

/** Without settings that choose how PyTorch's OpenBLAS works: it knows best. */
function environment(tuned: boolean): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(OPENBLAS|GOTO)_/.test(name))
  return { ...Object.fromEntries(kept), ...(tuned && TUNED) }
}

/**
 * Runs a program of bench/peers.
 * @returns what it wrote, or why it has no result: its last line of errors, or what killed it
 */
export function runPeer(
  command: string,
  args: readonly string[],
  { input, tuned = false }: { input?: Uint8Array; tuned?: boolean } = {},
): { readonly output: string } | { readonly why: string } {
  const options = { cwd: peersFolder, encoding: 'utf8', maxBuffer: 2 ** 26, input } as const
  const result = spawnSync(command, args, { ...options, env: environment(tuned) })
  const { status, signal, stdout, stderr, error } = result
  if (status === 0) return { output: stdout }
  const last = stderr?.trim().split('\n').at(-1)
  return { why: error?.message ?? (signal ? `it was killed by ${signal}` : last || 'it failed') }
}

/**
 * What is wrong with a PyTorch's BLAS. Debian's falls back to a reference BLAS of about 6 GFLOP/s
 * where libopenblas is missing; convolutions do not use it.
 * @param matmul GFLOP/s of a product of matrices
 * @param peak of the fastest of it and two convolutions
 */
export const blasNotes = ({ matmul, peak }: { matmul: number; peak: number }): string[] =>
  matmul < peak / 8
    ? [
        `PyTorch has a slow BLAS: ${digits(matmul)} GFLOP/s of matmul and nn.Linear, where ` +
          `convolutions reach ${digits(peak)}; install OpenBLAS (libopenblas0) for fair figures.`,
      ]
    : []

/** The JSON that a program has written last. */
export const lastLineOf = <T>(output: string): T =>
  JSON.parse(output.split('\n').findLast((line) => line.startsWith('{')) ?? '') as T
