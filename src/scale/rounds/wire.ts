/** What rounds say over Redis: the job of a replica as JSON, and its numbers as bytes. */

import { fail } from '../../base/errors.js'
import { stepStateOf } from '../../engine/run/update.js'
import * as v from '../../engine/vendor/valibot/index.js'
import type { StepRate } from '../../train/comparable-lr.js'
import { loadQueues, type RedisPlace } from '../redis.js'
import { type Json, limits } from '../store.js'
import {
  compressions,
  innerStates,
  MOST_REPLICAS,
  type RoundsSetting,
  roundsSetting,
} from './options.js'
import type { ReplicaState, Shard } from './replica.js'
import {
  bytesOf,
  changeBytes,
  keepsResidual,
  residualBytes,
  residualOfBytes,
  residualToBytes,
  type Sent,
  type Sizes,
  type Weights,
} from './vectors.js'

/** The queue of replicas' jobs, by its kind. */
export const ROUNDS = 'rounds'
/** The queue of a run's rounds. */
export const parentsOf = (run: string): string => `${ROUNDS}-${run}`

/** Seconds that a round's bytes are kept: longer than any round, and than a machine is mended. */
export const KEPT_SECONDS = 24 * 3600

/** Behind the key of a job: itself, and what its children have answered. */
const ofJob = ['', ':dependencies', ':processed', ':failed', ':unsuccessful']

/**
 * From now on Redis forgets the parents of a run, and their queue, unless something happens to them
 * before: its process may have died.
 */
export async function expireParents(
  { client, namespace }: Pick<RedisPlace, 'client' | 'namespace'>,
  run: string,
  parent: string | undefined,
): Promise<void> {
  const { bull } = await loadQueues()
  const queue = new bull.QueueKeys(namespace).getKeys(parentsOf(run))
  const jobs = parent === undefined ? [] : ofJob.map((part) => `${queue['']}${parent}${part}`)
  const all = client.pipeline()
  for (const key of [...Object.values(queue), ...jobs]) all.expire(key, KEPT_SECONDS)
  await all.exec()
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const rate = v.pipe(v.number(), v.finite(), v.minValue(0))
const sumsSchema = v.strictObject({
  steps: count,
  loss: v.pipe(v.number(), v.finite()),
  correct: count,
  answers: v.optional(count),
  seen: count,
  rates: v.record(v.string(), v.pipe(v.number(), v.finite())),
})

/** Which run; the names of its bytes begin with it. */
const runSchema = v.pipe(v.string(), v.regex(/^[0-9a-f]{24}$/))

const jobSchema = v.strictObject({
  run: runSchema,
  /** Counted through all epochs. */
  round: count,
  replica: v.pipe(count, v.maxValue(MOST_REPLICAS - 1)),
  /** SHA-256 of all that the run's numbers depend on; a worker's must be the same. */
  setting: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** The same, part by part, so that the worker can say what differs. */
  parts: v.record(v.string(), v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/))),
  rounds: v.strictObject({
    replicas: count,
    syncEvery: count,
    outerLr: v.number(),
    outerMomentum: v.number(),
    compress: v.picklist(compressions),
    innerState: v.picklist(innerStates),
  }),
  epoch: count,
  first: count,
  /** How often, the learning rate, and the schedule's factor in it. */
  rates: v.pipe(v.array(v.strictTuple([v.pipe(count, v.minValue(1)), rate, rate])), v.minLength(1)),
  steps: count,
  clipNorm: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0))),
  /** Whether there is a state of the replica from the round before. */
  begun: v.boolean(),
  /** Where the run's bytes are. */
  where: v.picklist(['redis', 'folder']),
  /** How the model and the data are made; who has them already needs nothing. */
  options: v.optional(v.record(v.string(), v.unknown())),
})

/** What `jobSchema` reads, with its parts under names: how the rounds go, which share is its. */
export interface ReplicaJob
  extends Omit<v.InferOutput<typeof jobSchema>, 'rounds' | 'options' | keyof Shard> {
  readonly rounds: RoundsSetting
  readonly shard: Shard
  readonly options?: Readonly<Record<string, unknown>>
}

/** More steps than this take a day on any machine. */
const MOST_STEPS = 1_000_000

/** @throws SpikewasmError for a schedule that changes too often for a job */
export function jobToJson(job: ReplicaJob): Json {
  const { shard, ...rest } = job
  const { rates, clipNorm, ...where } = shard
  const found = { ...rest, ...where, rates: shortened(rates), clipNorm }
  const text = JSON.stringify(found)
  // An envelope comes around it.
  if (text.length > limits.length / 2 || 3 * found.rates.length > limits.values / 2)
    fail(
      `the learning rate changes ${found.rates.length} times in a round, which is more than a ` +
        'job holds; average more often, or take a schedule that changes by epochs',
    )
  return JSON.parse(text) as Json
}

/** @throws SpikewasmError for what is no job of a replica */
export function jobOfJson(payload: Json): ReplicaJob {
  const { success, output, issues } = v.safeParse(jobSchema, payload, { abortEarly: true })
  if (!success)
    fail(
      `the job of a replica is wrong at ${v.getDotPath(issues[0]) ?? 'its root'}; it must be one ` +
        'that train --redis has made',
    )
  const { epoch, first, rates, steps, clipNorm, rounds, ...rest } = output
  const setting = roundsSetting(rounds, 'the job: rounds')
  const all = rates.reduce((sum, [times]) => sum + times, 0)
  if (rest.replica >= setting.replicas || all > Math.min(MOST_STEPS, setting.syncEvery))
    fail(
      `the job of a replica must be one of ${setting.replicas} with ${setting.syncEvery} steps ` +
        `at most, got replica ${rest.replica} with ${all} steps`,
    )
  const long = rates.flatMap(([times, learningRate, factor]) =>
    Array.from({ length: times }, () => ({ learningRate, factor })),
  )
  return { ...rest, rounds: setting, shard: { epoch, first, rates: long, steps, clipNorm } }
}

/** Which run a job is of, however wrong the rest of it is. */
export function runOfJob(data: unknown): string | undefined {
  const found = v.safeParse(v.object({ payload: v.object({ run: runSchema }) }), data)
  return found.success ? found.output.payload.run : undefined
}

/** Equal neighbours once. */
function shortened(rates: readonly StepRate[]): [number, number, number][] {
  const found: [number, number, number][] = []
  for (const { learningRate, factor } of rates) {
    const last = found.at(-1)
    if (last && last[1] === learningRate && last[2] === factor) last[0]++
    else found.push([1, learningRate, factor])
  }
  return found
}

/** What a job gives back as JSON. */
export interface ReplicaAnswer {
  readonly sums: v.InferOutput<typeof sumsSchema>
}

/** @throws SpikewasmError for what no worker has answered */
export function answerOfJson(value: unknown): ReplicaAnswer {
  const found = v.safeParse(v.looseObject({ sums: sumsSchema }), value, { abortEarly: true })
  if (found.success) return found.output
  fail(`a replica's answer is wrong at ${v.getDotPath(found.issues[0]) ?? 'its root'}`)
}

/** Names of a run's bytes. */
export const names = {
  start: (run: string, round: number): string => `${run}.${round}.start`,
  /** What a replica keeps, from before a round. */
  state: (run: string, round: number, replica: number): string =>
    `${run}.${round}.${replica}.state`,
  change: (run: string, round: number, replica: number): string =>
    `${run}.${round}.${replica}.change`,
}

/** Its buffer holds nothing else. */
const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** @throws SpikewasmError for another length */
function expectLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) fail(`${what} must have ${length} bytes, got ${bytes.length}`)
}

/** Finite numbers; a copy, which lies at a multiple of 4. */
function floats(what: string, bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.slice().buffer)
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i])) fail(`${what} must be finite, got ${values[i]} at ${i}`)
  return values
}

/** The weights that a round begins with: float32 [P], then [S]. */
export const startToBytes = ({ parameters, statistics }: Weights): Uint8Array =>
  joined(bytesOf(parameters), bytesOf(statistics))

/** Bytes of these weights. */
export const startBytes = ({ parameters, statistics }: Sizes): number =>
  4 * (parameters + statistics)

/** @throws SpikewasmError for another length, and for what is not finite */
export function startOfBytes(bytes: Uint8Array, sizes: Sizes): Weights {
  expectLength('the weights of a round', bytes, startBytes(sizes))
  const all = floats('the weights of a round', bytes)
  const { parameters: count } = sizes
  return { parameters: all.subarray(0, count), statistics: all.subarray(count) }
}

/** What a replica sends: its change, then float32 [S]. */
export const sentToBytes = ({ change, statistics }: Sent): Uint8Array =>
  joined(change, bytesOf(statistics))

/** Bytes of what a replica sends. */
export const sentBytes = ({ compress }: RoundsSetting, sizes: Sizes): number =>
  changeBytes(compress, sizes) + 4 * sizes.statistics

/** @throws SpikewasmError for another length, and for statistics that are not finite */
export function sentOfBytes(bytes: Uint8Array, sizes: Sizes, rounds: RoundsSetting): Sent {
  expectLength('what a replica sends', bytes, sentBytes(rounds, sizes))
  const length = changeBytes(rounds.compress, sizes)
  const statistics = floats("a replica's running statistics", bytes.subarray(length))
  return { change: bytes.subarray(0, length), statistics }
}

/** Five float64: powers of the moments' shares, steps of the average, batches added up, steps. */
const NUMBERS = 40

/** A replica's state: five float64, float32 [states][P], then what rounding lost, as rows. */
export function stateToBytes({ inner, residual }: ReplicaState, sizes: Sizes): Uint8Array {
  const parts: Uint8Array[] = []
  if (inner) {
    const { powers, averaged, accumulated, steps = 0 } = inner.numbers
    const numbers = Float64Array.of(...powers, averaged, accumulated, steps)
    parts.push(bytesOf(numbers), bytesOf(inner.arrays))
  }
  if (residual) parts.push(residualToBytes(sizes, residual))
  return joined(...parts)
}

/** Bytes of a replica's state behind its first round. */
export const stateBytes = ({ compress, innerState }: RoundsSetting, sizes: Sizes): number =>
  (innerState === 'keep' ? NUMBERS + 4 * sizes.states * sizes.parameters : 0) +
  (keepsResidual(compress) ? residualBytes(sizes) : 0)

/** @throws SpikewasmError for another length, and for what no optimizer keeps */
export function stateOfBytes(bytes: Uint8Array, sizes: Sizes, rounds: RoundsSetting): ReplicaState {
  expectLength("a replica's state", bytes, stateBytes(rounds, sizes))
  const end = bytes.length - (keepsResidual(rounds.compress) ? residualBytes(sizes) : 0)
  const residual = end < bytes.length ? residualOfBytes(sizes, bytes.subarray(end)) : undefined
  if (rounds.innerState === 'reset') return { residual }
  const all = new Float64Array(bytes.slice(0, NUMBERS).buffer)
  const [one, two, averaged, accumulated, steps] = all
  const numbers = stepStateOf({ powers: [one, two], averaged, accumulated, steps })
  if (!numbers) fail("a replica's state must hold what an optimizer keeps")
  const arrays = floats("a replica's state", bytes.subarray(NUMBERS, end))
  return { inner: { numbers, arrays }, residual }
}
