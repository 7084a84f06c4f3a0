/** The kind of record of each operation. */

import * as activity from './activity.js'
import * as dense from './dense.js'
import * as gradient from './gradient.js'
import * as groupNorm from './group-norm.js'
import * as grouped from './grouped.js'
import * as lists from './lists.js'
import * as loss from './loss.js'
import * as neuron from './neuron.js'
import * as norm from './norm.js'
import * as optimizer from './optimizer.js'
import * as patterns from './patterns.js'
import * as schema from './schema.js'
import * as signals from './signals.js'
import * as spikes from './spikes.js'
import * as values from './values.js'
import * as winograd from './winograd.js'

type Entry = schema.Entry
type RecordKind = schema.RecordKind

const modules = [
  activity,
  schema,
  dense,
  gradient,
  groupNorm,
  grouped,
  lists,
  loss,
  neuron,
  norm,
  optimizer,
  patterns,
  signals,
  spikes,
  values,
  winograd,
]

const exported = modules.flatMap((module) => Object.entries<unknown>(module))
const hasSchema = (value: unknown): value is { readonly schema: schema.Schema } =>
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
