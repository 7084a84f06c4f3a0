/** The kind of record of each operation. */

import * as active from './active.js'
import * as activity from './activity.js'
import * as choose from './choose.js'
import * as dense from './dense.js'
import * as dropout from './dropout.js'
import * as gradient from './gradient.js'
import * as groupNorm from './group-norm.js'
import * as grouped from './grouped.js'
import * as lists from './lists.js'
import * as loss from './loss.js'
import * as neuron from './neuron.js'
import * as norm from './norm.js'
import * as optimizer from './optimizer.js'
import * as patterns from './patterns.js'
import * as pool from './pool.js'
import * as relu from './relu.js'
import type { RecordKind } from './schema.js'
import * as selfDistillation from './self-distillation.js'
import * as signals from './signals.js'
import * as spikes from './spikes.js'
import * as stabilized from './stabilized.js'
import * as standardise from './standardise.js'
import * as sums from './sums.js'
import * as winograd from './winograd.js'

const modules = [
  ...[active, activity, choose, dense, dropout, gradient, groupNorm, grouped, lists, loss, neuron],
  ...[norm, optimizer, patterns, pool, selfDistillation, signals, spikes, stabilized, standardise],
  ...[sums, winograd, relu],
]

const isKind = (value: unknown): value is RecordKind =>
  typeof value === 'object' && value !== null && 'op' in value && 'schema' in value

export { kernelOf } from './schema.js'

/** All kinds, by the numbers of their operations. */
export const kinds: readonly RecordKind[] = modules
  .flatMap((module) => Object.values<unknown>(module))
  .filter(isKind)
  .sort((a, b) => a.op - b.op)
