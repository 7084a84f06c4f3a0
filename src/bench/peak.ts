/**
 * What the machine gives a WebAssembly program of one thread at best, measured in this process and
 * beside what is held against it.
 */
import { SpikewasmError } from '../errors.js'
import { median } from '../median.js'
import { platform } from '../runtime/platform.js'

interface PeakExports {
  multiplyAdd(out: number, rounds: number, s: number, t: number): void
  multiplyAddWide(out: number, rounds: number, s: number, t: number): void
  addRows(sum: number, rows: number, count: number): void
  addBytes(sum: number, rows: number, count: number): void
  copy(dst: number, src: number, bytes: number): void
  combine(dst: number, a: number, b: number, bytes: number): void
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
/** How long one look at a limit takes, about. */
const BURST_MS = 0.4
/** Looks at a limit beside one slice of a measurement. */
const BURSTS = 5

let bytes: Uint8Array | undefined
let loaded: { exports: PeakExports; memory: WebAssembly.Memory } | undefined

const urlOf = (): URL => new URL('../../wasm/bench-peak.wasm', import.meta.url)

/** Loads the loops, for a page, where nothing can be read without waiting. */
export async function loadPeak(): Promise<void> {
  bytes ??= await platform().readPackageFile(urlOf())
}

function peak(): PeakExports {
  if (!loaded) {
    const memory = new WebAssembly.Memory({ initial: 2 })
    bytes ??= platform().readPackageFileSync?.(urlOf())
    if (!bytes)
      throw new SpikewasmError('the loops of the limits are not loaded yet; call loadPeak() first')
    const module = new WebAssembly.Module(bytes as BufferSource)
    const { exports } = new WebAssembly.Instance(module, { env: { memory } })
    loaded = { exports: exports as unknown as PeakExports, memory }
  }
  return loaded.exports
}

/** The same with room for copies of so many bytes. */
function peakWith(bytes: number): PeakExports {
  const exports = peak()
  const memory = loaded!.memory
  const missing = Math.ceil(bytes / PAGE) - memory.buffer.byteLength / PAGE
  if (missing > 0) memory.grow(missing)
  return exports
}

/** A loop whose rate is a limit: work of `count` rounds, in 1e9 units. */
interface Loop {
  readonly unit: string
  readonly gigaPerRound: number
  run(rounds: number): void
}

/** A limit of this machine, in 1e9 units a second. */
export interface LimitRate {
  readonly unit: string
  /** The highest that looks have found so far. */
  readonly best: number
  /** A look of a few milliseconds. */
  look(): number
}

class LoopRate implements LimitRate {
  /** Rounds of a burst; found by the first one. */
  private rounds = 0
  private highest = 0

  constructor(private readonly loop: Loop) {}

  get unit(): string {
    return this.loop.unit
  }

  get best(): number {
    return this.highest
  }

  /** A look of about two milliseconds: the median of bursts, which one interruption leaves. */
  look(): number {
    if (this.rounds === 0) this.prepare()
    const rates = Array.from({ length: BURSTS }, () => this.burst())
    const rate = median(rates)
    this.highest = Math.max(this.highest, rate)
    return rate
  }

  private burst(): number {
    const start = performance.now()
    this.loop.run(this.rounds)
    const ms = performance.now() - start
    return (1000 * this.rounds * this.loop.gigaPerRound) / Math.max(ms, 1e-4)
  }

  /** Runs until V8 has optimised the loop, and finds how many rounds make a burst. */
  private prepare(): void {
    let ms = 0
    this.rounds = 1
    for (let spent = 0; spent < 20 || ms < BURST_MS / 2; spent += ms) {
      const start = performance.now()
      this.loop.run(this.rounds)
      ms = performance.now() - start
      if (ms < BURST_MS / 2) this.rounds *= 2
    }
    // A round that is far longer than a burst is one, however fast others are.
    if (this.rounds === 1 && ms > 20 * BURST_MS) return
    for (let i = 0; i < 10; i++) this.highest = Math.max(this.highest, this.burst())
    this.rounds = Math.max(1, Math.round((BURST_MS * this.highest) / 1000 / this.loop.gigaPerRound))
    this.highest = 0
  }
}

const multiply = (wide: boolean): LimitRate =>
  new LoopRate({
    unit: 'GFLOP/s',
    gigaPerRound: (64 * (wide ? WIDE : NARROW)) / 1e9,
    run: (rounds) => {
      if (wide) peak().multiplyAddWide(SUMS, 64 * rounds, 0.9999999, 1e-7)
      else peak().multiplyAdd(SUMS, 64 * rounds, 0.9999999, 1e-7)
    },
  })

let multiplyAddLimit: LimitRate | undefined

/** Multiplications and additions in registers, without memory: GFLOP/s. */
export function multiplyAdds(): LimitRate {
  if (!multiplyAddLimit) {
    // More chains help where V8 joins vectors into wide ones, and then they help much.
    const loops = [multiply(false), multiply(true)]
    for (let i = 0; i < 5; i++) for (const loop of loops) loop.look()
    multiplyAddLimit = loops[1].best > WIDE_GAIN * loops[0].best ? loops[1] : loops[0]
  }
  return multiplyAddLimit
}

let [rowAddLimit, byteAddLimit]: (LimitRate | undefined)[] = []

/** Additions of weights from the nearest cache to sums in registers: 1e9 a second. */
export function eventAdds(): LimitRate {
  rowAddLimit ??= new LoopRate({
    unit: 'GSOP/s',
    gigaPerRound: (64 * LANES) / 1e9,
    run: (rounds) => peak().addRows(SUMS, ROWS, 64 * rounds),
  })
  return rowAddLimit
}

/** The same of weights of one byte. */
export function byteAdds(): LimitRate {
  byteAddLimit ??= new LoopRate({
    unit: 'GSOP/s',
    gigaPerRound: (64 * LANES) / 1e9,
    run: (rounds) => peak().addBytes(SUMS, ROWS, 64 * rounds),
  })
  return byteAddLimit
}

/** What needs several loops at once is as fast as the slowest of them alone, at most. */
class SlowestRate implements LimitRate {
  constructor(private readonly parts: readonly LimitRate[]) {}

  get unit(): string {
    return this.parts[0].unit
  }

  get best(): number {
    return Math.min(...this.parts.map(({ best }) => best))
  }

  look(): number {
    return Math.min(...this.parts.map((part) => part.look()))
  }
}

const moves = new Map<string, LimitRate>()
const whole = (bytes: number): number => Math.ceil(bytes / 64) * 64

/**
 * Bytes read and written together, GB/s, at which a pass can read and write as many bytes as a
 * kernel does: as fast as passes that write all of it, reading up to twice as much for it, and as
 * fast as one that reads all of it.
 *
 * @param bytes in all
 * @param written share of them that is written
 */
export function memoryMoves(bytes: number, written = 0.5): LimitRate {
  const scale = Math.min(1, COPY_MAX_BYTES / Math.max(bytes * written, bytes * (1 - written)))
  const writes = whole(scale * bytes * written)
  const reads = Math.max(writes === 0 ? 64 : 0, whole(scale * bytes * (1 - written)))
  const key = `${reads} ${writes}`
  let limit = moves.get(key)
  if (!limit) {
    limit = new SlowestRate(passes(reads, writes).map((run) => passRate(run, reads + writes)))
    moves.set(key, limit)
  }
  return limit
}

type Pass = (exports: PeakExports) => void

/** Passes that each take less time than what reads and writes so many bytes. */
function passes(reads: number, writes: number): Pass[] {
  // Two numbers are read for one that is written, as far as there are so many.
  const combined = Math.min(writes, Math.max(0, reads - writes))
  const copied = Math.min(reads, writes) - combined
  const all: Pass[] = []
  if (combined + copied > 0)
    all.push((exports) => {
      const at = SOURCE + combined
      if (combined > 0) exports.combine(TARGET, SOURCE, at, combined)
      if (copied > 0) exports.copy(TARGET + combined, SOURCE + 2 * combined, copied)
    })
  if (writes > reads) all.push((exports) => exports.fill(TARGET, writes))
  if (reads > 2 * writes) all.push((exports) => exports.read(SUMS, SOURCE, reads))
  return all
}

const passRate = (pass: Pass, bytes: number): LimitRate =>
  new LoopRate({
    unit: 'GB/s',
    gigaPerRound: bytes / 1e9,
    run: (rounds) => {
      const exports = peakWith(TARGET + COPY_MAX_BYTES + PAGE)
      for (let i = 0; i < rounds; i++) pass(exports)
    },
  })

/** The best of looks of about the given time: whoever else uses the processor only takes away. */
function bestWithin(limit: LimitRate, milliseconds: number): number {
  const end = performance.now() + milliseconds
  do limit.look()
  while (performance.now() < end)
  return limit.best
}

/** GFLOP/s of multiplications and additions, the highest seen so far in this process. */
export function peakGflops(milliseconds = 30): number {
  return bestWithin(multiplyAdds(), milliseconds)
}
