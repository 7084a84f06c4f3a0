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
import type { Entry, RecordKind, Schema } from './schema.js'
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

const exported = modules.flatMap((module) => Object.entries<unknown>(module))
const hasSchema = (value: unknown): value is { readonly schema: Schema } =>
  typeof value === 'object' && value !== null && 'schema' in value
const isKind = (value: unknown): value is RecordKind => hasSchema(value) && 'op' in value

export { kernelOf } from './schema.js'

/** All kinds, by the numbers of their operations. */
export const kinds: readonly RecordKind[] = exported
  .map(([, value]) => value)
  .filter(isKind)
  .sort((a, b) => a.op - b.op)

/** Entries of tables, by the names of their classes. */
export const entries: ReadonlyMap<string, Entry> = new Map(
  exported.flatMap(([name, value]) =>
    hasSchema(value) && 'bytes' in value
      ? [[name[0].toUpperCase() + name.slice(1), value as Entry]]
      : [],
  ),
)
