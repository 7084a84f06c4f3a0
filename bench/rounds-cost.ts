/**
 * How long a round takes, and when more machines pay: a model of what `train --redis` does, for
 * numbers of machines that nobody has at hand. `tools/rounds-cost.mjs` prints its tables;
 * docs/scale.md says what follows. Beside rounds of 1 to 3 workers that were measured on one machine
 * it predicted 0.98 to 1.13 of their time.
 */

import type { RoundsSetting } from '../src/scale/rounds/options.js'
import {
  changeBytes,
  keepsResidual,
  residualBytes,
  type Sizes,
} from '../src/scale/rounds/vectors.js'

/** What the time of a round follows from. */
export interface CostOf {
  readonly sizes: Sizes
  readonly rounds: Pick<RoundsSetting, 'replicas' | 'syncEvery' | 'compress' | 'innerState'>
  /** Seconds that one machine alone takes for a step with its batch. */
  readonly stepSeconds: number
  /** Standard deviation of that time, as a share of it; default 0.05. */
  readonly spread?: number
  /** Bits per second of each link, that of Redis included; Infinity: all on one machine. */
  readonly bitsPerSecond: number
  /** Seconds of a round beside all that grows: jobs, answers, looking. Default 0.06. */
  readonly fixedSeconds?: number
  /**
   * Seconds for a byte that is written or read, beside the link: hashed, copied, sent by Redis.
   * Default 3e-9.
   */
  readonly byteSeconds?: number
  /**
   * Seconds of a replica for a byte that it reads or writes, beside that: given to its thread,
   * checked, laid out as the network wants it. Default 4e-9.
   */
  readonly handleSeconds?: number
  /** Seconds of the outer step for a parameter, whatever the number of replicas; default 34e-9. */
  readonly outerSeconds?: number
  /** And for one of each replica, whose change is read, checked and added; default 10e-9. */
  readonly addSeconds?: number
  /**
   * How much longer a step takes while all replicas are at work, where some share a machine: its
   * processors, their caches, its memory. To be measured there. Default 1.
   */
  readonly sharing?: number
  /** The same for a byte that is written or read; default: as for a step. */
  readonly byteSharing?: number
}

const presets = {
  spread: 0.05,
  fixedSeconds: 0.06,
  byteSeconds: 3e-9,
  handleSeconds: 4e-9,
  outerSeconds: 34e-9,
  addSeconds: 10e-9,
  sharing: 1,
}
const complete = (of: CostOf) => ({ ...presets, ...of })

/** The state of a replica, as stored. */
const stateOf = ({ compress, innerState }: CostOf['rounds'], sizes: Sizes): number =>
  (innerState === 'keep' ? 4 * sizes.states * sizes.parameters : 0) +
  (keepsResidual(compress) ? residualBytes(sizes) : 0)

/**
 * The expected largest of K normal numbers, in standard deviations above their mean (Blom 1958):
 * Φ⁻¹((K − 0.375) / (K + 0.25)).
 */
export function largestOf(count: number): number {
  return count === 1 ? 0 : quantile((count - 0.375) / (count + 0.25))
}

/** Φ⁻¹ to 4.5e-4, for p from 0.5 to 1 (Abramowitz and Stegun, 26.2.23). */
function quantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(1 - p))
  const over = 2.515517 + t * (0.802853 + t * 0.010328)
  return t - over / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
}

/**
 * The cost of a round as `train --redis` does it: all bytes go through one Redis.
 *
 * @returns its parts, in seconds, and what it sends, in bytes
 */
export function roundCost(of: CostOf) {
  const { sizes, rounds, stepSeconds, bitsPerSecond, spread, fixedSeconds, byteSeconds } =
    complete(of)
  const { handleSeconds, outerSeconds, addSeconds, sharing, byteSharing = sharing } = complete(of)
  const { replicas: K, syncEvery: H, compress } = rounds
  const weights = 4 * (sizes.parameters + sizes.statistics)
  const state = stateOf(rounds, sizes)
  /** A replica's change with running statistics: what the outer step needs. */
  const bytesChange = changeBytes(compress, sizes) + 4 * sizes.statistics
  /** What one replica reads, and what it writes. */
  const [bytesDown, bytesUp] = [weights + state, bytesChange + state]
  const link = (bytes: number): number => (8 * bytes) / bitsPerSecond
  /** H steps of one machine. */
  const compute = H * stepSeconds * sharing
  /** What the slowest of K takes longer. Steps vary by themselves, so their sum does by less. */
  const waiting = compute * (spread / Math.sqrt(H)) * largestOf(K)
  // Redis reads and writes with one link, and does one thing at a time.
  const perByte = byteSeconds * byteSharing + handleSeconds * sharing
  /** Until all replicas have what they read, and Redis what they have written. */
  const transfer = link(K * (bytesDown + bytesUp)) + perByte * (bytesDown + bytesUp)
  /** Until the process of the outer step has all changes and states, and has made its step. */
  const gathering =
    link(K * bytesUp + weights) +
    byteSeconds * (K * bytesUp + weights) +
    (outerSeconds + addSeconds * K) * sizes.parameters
  const seconds = compute + waiting + transfer + gathering + fixedSeconds
  return {
    bytesDown,
    bytesUp,
    bytesChange,
    compute,
    waiting,
    transfer,
    gathering,
    seconds,
    bytesOfRedis: K * (bytesDown + 2 * bytesUp) + weights,
    /** How much faster than one machine that trains the same samples. */
    speedup: (K * H * stepSeconds) / seconds,
  }
}

/**
 * The cost if replicas stayed on their machines and added changes up among themselves (a ring:
 * reduce-scatter, then all-gather): what would come next. States do not travel, and every link
 * carries 2·(K − 1)/K changes whatever K is.
 */
export function ringCost(of: CostOf) {
  const { sizes, rounds, stepSeconds, bitsPerSecond, fixedSeconds, byteSeconds } = complete(of)
  const { outerSeconds, addSeconds } = complete(of)
  const { replicas: K, syncEvery: H } = rounds
  const { compute, waiting, bytesChange } = roundCost(of)
  const bytes = (2 * (K - 1) * bytesChange) / K
  const moved = (8 * bytes) / bitsPerSecond + byteSeconds * bytes
  const outer = (outerSeconds + addSeconds) * sizes.parameters
  const seconds = compute + waiting + moved + outer + fixedSeconds
  return { seconds, speedup: (K * H * stepSeconds) / seconds }
}
