/** What forward functions of blocks may do beside calling children: join values, return several. */

import { describe, fail, isOptions } from '../base/errors.js'
import type { Layer } from './kind.js'
import { MOST_INPUTS, type Ops } from './module.js'
import { isValue, type Shape, show, sizeOf, type Value } from './value.js'

/** What a traced graph that is traced once more needs: the names that sums and joins had. */
export interface TraceOps extends Ops {
  joinAs(kind: Joint['kind'], name: string, ...values: Value[]): Value
}

/** Puts a layer that no block has as a child behind values. */
export type Applied = (layer: Layer, name: string, ...values: readonly Value[]) => Value

type LayerOn = (layer: Layer, ...values: readonly Value[]) => Value

/** What forward functions do by layers that no block has as children. */
export type LayerOps = (layerOn: LayerOn, joins: Pick<Ops, 'add'>) => Omit<Ops, 'concat'>

/** A node that joins others. */
export interface Joint {
  readonly kind: 'add' | 'concat'
  readonly name: string
  readonly inputs: readonly number[]
  readonly shape: Shape
  readonly flat: boolean
}

/** Several outputs by name; @throws SpikewasmError for a name that none can have */
export function exitsOf(result: unknown): [string, Value][] | undefined {
  if (!isOptions(result) || isValue(result)) return undefined
  const entries = Object.entries(result) as [string, Value][]
  if (entries.length === 0 || !entries.every(([, value]) => isValue(value))) return undefined
  const [last, output] = entries[entries.length - 1]
  for (const [name, value] of entries) {
    if (!(name !== '' && name !== '__proto__' && !/^\d+$/.test(name)))
      fail(
        `network: an output's name must be no number, not empty and not __proto__, got ` +
          describe(name),
      )
    if (name !== last && value.node === output.node)
      fail(`network: outputs ${name} and ${last} are one value; return it once`)
  }
  return entries
}

/** A block that is called: what messages call it, its own name, and its children by names. */
type Place = { readonly where: string; readonly name: string; readonly children: object }

/**
 * What a block's forward function may do.
 *
 * @param push adds a node
 */
export function opsOf(
  place: Place,
  push: (node: Joint) => Value,
  applied: Applied,
  layerOps?: LayerOps,
): Partial<TraceOps> {
  const joined = joinsOf(place, push)
  return { ...joined, ...layerOps?.(layerOnOf(place, applied), joined) }
}

/** Sums and joins. */
function joinsOf(
  { where, name }: Place,
  push: (node: Joint) => Value,
): Pick<TraceOps, 'add' | 'concat' | 'joinAs'> {
  const several = (what: string, values: readonly Value[]): void => {
    if (values.length < 2)
      fail(
        `${where}: ${what} needs two or more values` +
          (Array.isArray(values[0]) ? `, one by one: ${what}(a, b), not ${what}([a, b])` : ''),
      )
    if (values.length > MOST_INPUTS)
      fail(`${where}: ${what} takes at most ${MOST_INPUTS} values, got ${values.length}`)
    for (const value of values)
      if (!isValue(value))
        fail(`${where}: ${what} needs values that the children gave, got ${describe(value)}`)
  }
  const joinAs = (kind: Joint['kind'], name: string, ...values: Value[]): Value => {
    several(kind, values)
    const [{ shape, flat }] = values
    const isSum = kind === 'add'
    // Which sizes must be the same; flat values are joined whatever they come of.
    const axes = isSum ? [0, 1, 2] : flat ? [] : [1, 2]
    if (!values.every((v) => v.flat === flat && axes.every((i) => v.shape[i] === shape[i])))
      fail(
        `${where}: ` +
          (isSum
            ? 'add needs values of one shape'
            : 'concat joins channels of values of one height and width, or flat values') +
          `, got ${values.map(show).join(' and ')}`,
      )
    const width = (v: Value): number => (flat ? sizeOf(v.shape) : v.shape[0])
    const joined = values.reduce((sum, v) => sum + width(v), 0)
    const whole: Shape = flat ? [joined, 1, 1] : [joined, shape[1], shape[2]]
    const inputs = values.map((v) => v.node)
    return push({ kind, name, inputs, shape: isSum ? shape : whole, flat })
  }
  const add = (...values: Value[]): Value => joinAs('add', name, ...values)
  const concat = (...values: Value[] | [readonly Value[]]): Value => {
    const [first] = values
    if (!Array.isArray(first)) return joinAs('concat', name, ...(values as Value[]))
    if (values.length !== 1)
      fail(
        `${where}: concat takes one list alone, and joins channels, got ` +
          `${describe(values[1])} behind it`,
      )
    return joinAs('concat', name, ...first)
  }
  return { add, concat, joinAs }
}

/** Puts layers behind values in a block, by names that no child and no other of the call has. */
function layerOnOf({ name, children }: Place, applied: Applied): LayerOn {
  const used = new Set(Object.keys(children))
  return (layer, ...values) => {
    let key: string = layer.kind
    for (let i = 2; used.has(key); i++) key = `${layer.kind}${i}`
    used.add(key)
    return applied(layer, name === '' ? key : `${name}.${key}`, ...values)
  }
}
