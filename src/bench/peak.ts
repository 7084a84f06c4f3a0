/**
 * What the machine gives a WebAssembly program of one thread at best, measured in this process and
 * beside what is held against it.
 */

import { readFileSync } from 'node:fs'
import { median } from '../base/numbers.js'
import { packageFile } from '../package-files.js'
import type { Limit } from './benchmark.js'

interface PeakExports {
  multiplyAdd(out: number, rounds: number, s: number, t: number): void
  multiplyAddWide(out: number, rounds: number, s: number, t: number): void
  addRows(sum: number, rows: number, count: number): void
  addBytes(sum: number, rows: number, count: number): void
  copy(dst: number, src: number, bytes: number): void
  read(sum: number, src: number, bytes: number): void
  fill(dst: number, bytes: number): void
}

/** Places in memory: sums, rows for the additions, then what is copied from and to. */
const [SUMS, ROWS, SOURCE] = [64, 1024, 65536]
const COPY_MAX_BYTES = 32 * 2 ** 20
const TARGET = SOURCE + COPY_MAX_BYTES
const PAGE = 65536
/** Operations of a round of `multiplyAdd`, and of the one with 24 chains. */
const [NARROW, WIDE] = [96, 192]
const LANES = 32
/** A disturbed look must not pass for wide vectors, which nearly double the rate. */
const WIDE_GAIN = 1.3
/** How long one look at a limit takes, about, and how many of them count together. */
const [BURST_MS, BURSTS] = [0.4, 5]

let loaded: { exports: PeakExports; memory: WebAssembly.Memory } | undefined

/** @param bytes room for copies */
function peak(bytes = 0): PeakExports {
  if (!loaded) {
    const memory = new WebAssembly.Memory({ initial: 2 })
    const code = readFileSync(packageFile('build/wasm/bench-peak.wasm'))
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } })
    loaded = { exports: exports as unknown as PeakExports, memory }
  }
  const missing = Math.ceil((bytes - loaded.memory.buffer.byteLength) / PAGE)
  if (missing > 0) loaded.memory.grow(missing)
  return loaded.exports
}

/** A limit of this machine, in 1e9 units a second. */
export type LimitRate = Readonly<ReturnType<typeof limitOf>>

/** @param run the loop whose rate is a limit, so many rounds of it */
function limitOf(unit: string, gigaPerRound: number, run: (rounds: number) => void) {
  let [best, count] = [0, 0]
  const time = (rounds: number): number => {
    const start = performance.now()
    run(rounds)
    return Math.max(performance.now() - start, 1e-4)
  }
  /** Runs until V8 has optimised the loop, and finds how many rounds make a burst. */
  const prepare = (): number => {
    let [rounds, ms] = [1, 0]
    for (let spent = 0; spent < 20 || ms < BURST_MS / 2; spent += ms) {
      if (ms > 0 && ms < BURST_MS / 2) rounds *= 2
      ms = time(rounds)
      // A round that is far longer than a burst is one, however fast others are.
      if (ms > 20 * BURST_MS) break
    }
    const fastest = Math.min(...Array.from({ length: 10 }, () => time(rounds)))
    return Math.max(1, Math.round((rounds * BURST_MS) / fastest))
  }
  return {
    unit,
    /** The highest that looks have found so far. */
    get best() {
      return best
    },
    /** A look of about two milliseconds: the median of bursts, which one interruption leaves. */
    look() {
      count ||= prepare()
      const ms = median(Array.from({ length: BURSTS }, () => time(count)))
      const rate = (1000 * count * gigaPerRound) / ms
      best = Math.max(best, rate)
      return rate
    },
  }
}

const found = new Map<string, LimitRate>()

/** Measured when it is first asked for: a limit takes a while, and holds for the process. */
function once(name: string, make: () => LimitRate): LimitRate {
  const limit = found.get(name) ?? make()
  found.set(name, limit)
  return limit
}

const multiply = (wide: boolean): LimitRate =>
  limitOf('GFLOP/s', (64 * (wide ? WIDE : NARROW)) / 1e9, (rounds) =>
    peak()[wide ? 'multiplyAddWide' : 'multiplyAdd'](SUMS, 64 * rounds, 0.9999999, 1e-7),
  )

/** Multiplications and additions in registers, without memory: GFLOP/s. */
export const multiplyAdds = (): LimitRate =>
  once('multiply-add', () => {
    // More chains help where V8 joins vectors into wide ones, and then they help much.
    const [narrow, wide] = [multiply(false), multiply(true)]
    for (let i = 0; i < 5; i++) for (const limit of [narrow, wide]) limit.look()
    return wide.best > WIDE_GAIN * narrow.best ? wide : narrow
  })

const additions = (add: 'addRows' | 'addBytes'): LimitRate =>
  once(add, () =>
    limitOf('GSOP/s', (64 * LANES) / 1e9, (rounds) => peak()[add](SUMS, ROWS, 64 * rounds)),
  )

/**
 * Bytes read and written together, GB/s: a pass over so many, of which a share is written, that
 * copies, and reads or fills the rest.
 */
export function memoryMoves(bytes: number, written = 0.5): LimitRate {
  const scale = Math.min(1, COPY_MAX_BYTES / Math.max(bytes * written, bytes * (1 - written)))
  const whole = (part: number): number => Math.ceil((scale * bytes * part) / 64) * 64
  const [reads, writes] = [whole(1 - written), whole(written)]
  const both = Math.min(reads, writes)
  return once(`${reads} ${writes}`, () =>
    limitOf('GB/s', (reads + writes) / 1e9, (rounds) => {
      const exports = peak(TARGET + COPY_MAX_BYTES + PAGE)
      for (let i = 0; i < rounds; i++) {
        if (both > 0) exports.copy(TARGET, SOURCE, both)
        if (reads > both) exports.read(SUMS, SOURCE + both, reads - both)
        if (writes > both) exports.fill(TARGET + both, writes - both)
      }
    }),
  )
}

/** Limits that do not depend on how many bytes a call moves. */
export const limits: Readonly<Record<Exclude<Limit, 'memory'>, () => LimitRate>> = {
  'multiply-add': multiplyAdds,
  /** Additions of weights from the nearest cache to sums in registers. */
  'event-adds': () => additions('addRows'),
  /** The same of weights of one byte. */
  'byte-adds': () => additions('addBytes'),
}
