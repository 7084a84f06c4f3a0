/** Whether a checkpoint says what one of a training does. A right hash does not tell that. */

import { fail, quote } from '../errors.js'
import type { CheckpointContent } from '../io/checkpoint.js'
import { stepStateOf } from '../runtime/update.js'
import * as v from '../runtime/vendor/valibot/index.js'
import type { Snapshot } from './snapshot.js'

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const isPlain = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const plain = v.custom<Record<string, unknown>>(isPlain)
const rates = v.custom<Record<string, number>>(
  (value) => isPlain(value) && Object.values(value as object).every((x) => typeof x === 'number'),
)

/** In JSON, null stands for what is not finite. */
const figure = v.nullable(v.number())

const record = v.looseObject({
  epoch: count,
  trainLoss: figure,
  trainAccuracy: v.optional(figure),
  testLoss: v.optional(figure),
  testAccuracy: v.optional(figure),
  testMeanAbsoluteError: v.optional(figure),
  learningRate: figure,
  stepMs: figure,
  dataWaitMs: figure,
  samplesPerSecond: figure,
  firingRates: rates,
  silent: v.optional(v.array(v.string())),
})

const isStepState = (value: unknown): boolean => {
  const { averaged, accumulated } = stepStateOf(value) ?? {}
  return Number.isSafeInteger(averaged) && Number.isSafeInteger(accumulated)
}

const schema = v.looseObject({
  version: v.string(),
  setting: plain,
  first: count,
  epochs: count,
  steps: count,
  progress: v.looseObject({
    epoch: count,
    step: count,
    sums: v.looseObject({ steps: count, loss: v.number(), correct: count, seen: count, rates }),
    data: v.optional(v.string()),
  }),
  optimizer: v.optional(v.custom(isStepState)),
  // One by one: there may be ten thousands, and each copy would stay.
  records: v.custom((value) => Array.isArray(value)),
  callbacks: plain,
  ended: v.optional(v.string()),
})

/** @throws SpikewasmError unless a checkpoint's JSON is that of a training */
export function checkSnapshot(content: CheckpointContent, name: string): Snapshot {
  // All issues of a file that was made to have many would fill the memory.
  const { success, issues } = v.safeParse(schema, content.about, { abortEarly: true })
  const place = success
    ? contradiction((content as Snapshot).about)
    : (v.getDotPath(issues[0]) ?? 'its root')
  if (place !== undefined)
    fail(
      `${name}: must be a checkpoint of a training, got one that says other things at ` +
        `${quote(place)}; use one that fit or train has written`,
    )
  const snapshot = content as Snapshot
  for (const record of snapshot.about.records as unknown as Record<string, unknown>[])
    for (const key of Object.keys(record)) if (record[key] === null) record[key] = Number.NaN
  return snapshot
}

/** Where it contradicts itself. */
function contradiction({ first, epochs, progress, records, setting }: Snapshot['about']) {
  const { epoch, step, sums } = progress
  if (first > epoch || epoch > epochs) return 'progress.epoch'
  if (records.length !== epoch - first) return 'records'
  const wrong = records.findIndex((of, i) => !v.is(record, of) || of.epoch !== first + i + 1)
  if (wrong >= 0) return `records.${wrong}`
  const { data, batchSize } = setting as { data?: { length?: unknown }; batchSize?: unknown }
  const steps = Number(data?.length) / Number(batchSize)
  if (sums.steps !== step || step > Math.ceil(steps)) return 'progress.step'
  return undefined
}
