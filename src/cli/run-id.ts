/** Tells runs apart by what their numbers depend on. */

import { createHash } from 'node:crypto'
import { datasets } from './datasets.js'
import type { RunOptions } from './run-folder.js'
import { trainingSchema } from './training-flags.js'
import { trainingOf } from './training-options.js'

/** What no number depends on, or what is in the id in another form. */
const leftOut: readonly string[] = [
  'threads',
  'checkpointEvery',
  // Gradients are the same to the last bit.
  'gradientCheckpoint',
  // Places of files: of weights that a run starts from there is the hash.
  'data',
  'load',
  ...Object.keys(trainingSchema),
]

/**
 * Equal runs have equal ids: 12 hexadecimal digits of what numbers depend on. Options count by what
 * they do, so that one that does nothing is the same as none.
 */
export function idOf(options: RunOptions): string {
  const { defaults } = datasets[options.dataset]
  const { optimizer, fit } = trainingOf(options, { ...options, defaults })
  const { penalties, accumulate = 1, ema = 0, freeze, ...plain } = fit
  const { schedule, warmup, earlyStopping, monitor = 'testLoss' } = options
  const rest = Object.entries(options).filter(([key]) => !leftOut.includes(key))
  const whole = {
    ...Object.fromEntries(rest),
    ...plain,
    optimizer,
    penalties: penalties?.filter(({ weight }) => weight > 0),
    accumulate,
    ema,
    freeze: [...new Set(freeze)].sort(),
    schedule,
    warmup,
    // Elsewhere it chooses the best weights alone.
    ...(earlyStopping === undefined ? {} : { earlyStopping, monitor }),
  }
  const given = Object.entries(whole).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  )
  const sorted = given.sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 12)
}
