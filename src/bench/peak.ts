/**
 * The machine's peak as a WebAssembly program of one thread sees it, measured in this process: what
 * kernels are held against.
 */
import { readFileSync } from 'node:fs'

interface PeakExports {
  multiplyAdd(rounds: number, s: number, t: number): number
  copy(dst: number, src: number, bytes: number): void
}

const OPERATIONS_PER_ROUND = 96
const ROUNDS = 40_000
const COPY_MAX_BYTES = 32 * 2 ** 20

const memory = new WebAssembly.Memory({ initial: (2 * COPY_MAX_BYTES) / 65536 + 1 })
const exports = new WebAssembly.Instance(
  new WebAssembly.Module(readFileSync(new URL('../../wasm/bench-peak.wasm', import.meta.url))),
  {
    env: { memory },
  },
).exports as unknown as PeakExports

/**
 * Fastest of many runs of about the given time: whoever else uses the processor only takes away
 * from it.
 */
function fastest(call: () => void, milliseconds: number): number {
  let best = Number.POSITIVE_INFINITY
  const end = performance.now() + milliseconds
  for (let i = 0; i < 5 || performance.now() < end; i++) {
    const start = performance.now()
    call()
    best = Math.min(best, performance.now() - start)
  }
  return best
}

let best = 0

/**
 * GFLOP/s of independent f32x4 multiplications and additions in registers: the highest seen so far
 * in this process.
 */
export function peakGflops(milliseconds = 30): number {
  // Called often and briefly, since V8 replaces its code between calls and neighbours come and go.
  best = Math.max(
    best,
    (ROUNDS * OPERATIONS_PER_ROUND) /
      fastest(() => void exports.multiplyAdd(ROUNDS, 0.9999999, 1e-7), milliseconds) /
      1e6,
  )
  return best
}

const copies = new Map<number, number>()

/**
 * GB/s, read and written together, of a copy that moves so many bytes in all: what passes over a
 * tensor are held against.
 */
export function copyGbPerSecond(bytes: number): number {
  const half = Math.min(COPY_MAX_BYTES, Math.max(64, Math.ceil(bytes / 2 / 64) * 64))
  let rate = copies.get(half)
  if (rate === undefined) {
    const repeats = Math.max(1, Math.floor(2 ** 22 / half))
    const time = fastest(() => {
      for (let i = 0; i < repeats; i++) exports.copy(64 + COPY_MAX_BYTES, 64, half)
    }, 30)
    rate = (2 * half * repeats) / time / 1e6
    copies.set(half, rate)
  }
  return rate
}
