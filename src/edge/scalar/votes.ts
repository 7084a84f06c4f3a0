/** Which type the lanes of a local take, by what they are used for most. */

import * as ir from '../../kernels/wasm/ir.js'
import { isWide, type LaneType } from './lanes.js'
import { laneAccess } from './memory.js'
import { ruleOf } from './rules.js'
import { wholeWords } from './shuffle.js'

/** Something that holds a vector: a local by its number, or what a block gives. */
export type Place = number | ir.Label

const types: readonly LaneType[] = ['f32', 'i32', 'f64', 'i64']

export class Votes {
  private readonly parents = new Map<Place, Place>()
  private readonly counts = new Map<Place, Map<LaneType, number>>()

  constructor(private readonly func: ir.Func) {
    this.list(func.body, undefined, 1)
  }

  /** Type of the lanes of a place. What is only copied goes by eight bytes. */
  of(place: Place): LaneType {
    const counts = this.counts.get(this.find(place))
    if (!counts) return 'i64'
    const count = (type: LaneType): number => counts.get(type) ?? 0
    return types.reduce((a, b) => (count(b) > count(a) ? b : a))
  }

  /** Type of the lanes that an expression gives by itself; undefined if any will do. */
  natural(e: ir.Expression): LaneType | undefined {
    const found = this.source(e)
    return typeof found === 'string' || found === undefined ? found : this.of(found)
  }

  /** Type of the lanes that an instruction takes, other than by a load, a store. */
  takes(e: ir.Operation): LaneType | undefined {
    const rule = ruleOf(e.op.name)
    if (!rule) return undefined
    const found = (): (LaneType | undefined)[] =>
      e.args.filter((arg) => ir.typeOf(arg) === 'v128').map((arg) => this.natural(arg))
    if (/^v128\.(and|or|xor|not|andnot|bitselect)$/.test(e.op.name))
      return found().some((type) => type && isWide(type)) ? 'i64' : 'i32'
    if (e.op.name === 'i8x16.shuffle' && wholeWords(e.lanes))
      return found().includes('f32') ? 'f32' : 'i32'
    return rule.takes
  }

  private find(place: Place): Place {
    let at = place
    for (let up = this.parents.get(at); up !== undefined; up = this.parents.get(at)) at = up
    return at
  }

  private unite(a: Place, b: Place): void {
    const [from, to] = [this.find(a), this.find(b)]
    if (from === to) return
    this.parents.set(from, to)
    for (const [type, count] of this.counts.get(from) ?? []) this.add(to, type, count)
    this.counts.delete(from)
  }

  private add(place: Place, type: LaneType, count: number): void {
    const at = this.find(place)
    const counts = this.counts.get(at) ?? new Map<LaneType, number>()
    counts.set(type, (counts.get(type) ?? 0) + count)
    this.counts.set(at, counts)
  }

  /** Where a vector comes from: a type of lanes, a place, or memory or a constant. */
  private source(e: ir.Expression): LaneType | Place | undefined {
    switch (e.kind) {
      case 'get':
      case 'tee':
        return e.local
      case 'select':
        return this.source(e.args[0]) ?? this.source(e.args[1])
      case 'block':
      case 'if':
        return e.label
      case 'op': {
        if (e.op.name === 'i8x16.shuffle' && wholeWords(e.lanes))
          return this.source(e.args[0]) ?? this.source(e.args[1])
        return ruleOf(e.op.name)?.gives
      }
      default:
        return undefined
    }
  }

  /** A value comes to a place. */
  private flow(place: Place, value: ir.Expression, weight: number): void {
    const found = this.source(value)
    if (typeof found === 'string') this.add(place, found, weight)
    else if (found !== undefined) this.unite(place, found)
  }

  private list(body: readonly ir.Expression[], result: ir.Label | undefined, weight: number): void {
    body.forEach((e, i) => {
      if (result && i === body.length - 1 && ir.typeOf(e) === 'v128') this.flow(result, e, weight)
      this.one(e, weight)
    })
  }

  private one(e: ir.Expression, weight: number): void {
    switch (e.kind) {
      case 'set':
      case 'tee':
        if (ir.localType(this.func, e.local) === 'v128') this.flow(e.local, e.value, weight)
        break
      case 'select': {
        const [a, b] = e.args.map((arg) => this.source(arg))
        if (typeof a === 'string' || typeof b === 'string') {
          if (b !== undefined && typeof b !== 'string') this.flow(b, e.args[0], weight)
        } else if (a !== undefined && b !== undefined) this.unite(a, b)
        break
      }
      case 'br':
      case 'br_if':
        if (e.value && ir.typeOf(e.value) === 'v128') this.flow(e.label, e.value, weight)
        break
      case 'op':
        this.consume(e, weight)
        break
      case 'block':
        this.list(e.body, e.label, weight)
        return
      case 'if':
        this.one(e.condition, weight)
        this.list(e.yes, e.label, weight)
        this.list(e.no, e.label, weight)
        return
      case 'loop':
        this.list(e.body, undefined, weight * 8)
        return
      default:
        break
    }
    for (const part of ir.parts(e)) this.one(part, weight)
  }

  private consume(e: ir.Operation, weight: number): void {
    const { name } = e.op
    // Words of any kind: floats are the most frequent.
    const words = name === 'i8x16.shuffle' && wholeWords(e.lanes)
    const type = words ? 'f32' : (laneAccess(e, 'f32')?.type ?? ruleOf(name)?.takes)
    if (!type) return
    for (const arg of e.args) {
      const found = ir.typeOf(arg) === 'v128' ? this.source(arg) : undefined
      if (found !== undefined && typeof found !== 'string') this.add(found, type, weight)
    }
  }
}
