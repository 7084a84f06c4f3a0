/**
 * Which values of a program are known before it runs. Functions are run over sets of known values:
 * arguments, records, control words. Each *entry* is analysed by itself, for example a kernel with
 * one record; what holds for all entries may become a constant.
 */

import * as ir from '../../kernels/wasm/ir.js'
import type { ValueType } from '../../kernels/wasm/types.js'
import { type Constants, type Entry, type Facts, fold, loads, same, type Value } from './fold.js'
import { usesOf } from './locals.js'
import { effects } from './tidy.js'

type Loop = Extract<ir.Expression, { kind: 'block' | 'loop' }>

/** Values of the locals; undefined where control does not come. */
type Locals = Value[] | undefined

/** Analyses all entries. Calls of functions in `opaque` are not followed: these are entries. */
export function analyse(
  entries: readonly Entry[],
  constants: Constants,
  opaque: ReadonlySet<ir.Func> = new Set(),
): Facts {
  const facts: Facts = { of: new Map(), functions: new Set(), read: new Map(), escaped: new Set() }
  for (const entry of entries) {
    const turns = new Set<ir.Expression>()
    // What calls return is unknown at first; then it is what they returned.
    const first = new Run(entry, constants, opaque, new Map(), turns)
    first.solve()
    const second = new Run(entry, constants, opaque, first.results(), turns)
    second.solve()
    second.record(facts)
  }
  return facts
}

const zero = (type: ValueType): Value => (type === 'i64' ? 0n : type === 'v128' ? undefined : 0)

/** One entry and the functions that it calls. */
class Run {
  private readonly args = new Map<ir.Func, Value[]>()
  private readonly queue: ir.Func[] = []
  private locals: Locals
  private readonly arrivals = new Map<ir.Label, { locals: Value[]; value: Value }>()
  /** Loops whose first turn runs by itself. */
  private readonly single = new Set<ir.Label>()
  private facts: Facts | undefined
  private returned: { value: Value } | undefined
  private func!: ir.Func

  constructor(
    private readonly entry: Entry,
    private readonly constants: Constants,
    private readonly opaque: ReadonlySet<ir.Func>,
    private readonly known: ReadonlyMap<ir.Func, Value>,
    /** Loops that may run more than once. */
    private readonly turns: Set<ir.Expression>,
  ) {}

  /** Finds the arguments of all functions. */
  solve(): void {
    this.args.set(this.entry.func, [...this.entry.args])
    this.queue.push(this.entry.func)
    while (this.queue.length > 0) this.run(this.queue.pop() as ir.Func)
  }

  results(): Map<ir.Func, Value> {
    const results = new Map<ir.Func, Value>()
    for (const func of this.args.keys()) results.set(func, this.run(func))
    return results
  }

  /** Adds what is known of every expression. */
  record(facts: Facts): void {
    this.facts = facts
    for (const func of this.args.keys()) {
      facts.functions.add(func)
      this.run(func)
    }
  }

  private run(func: ir.Func): Value {
    const before = { locals: this.locals, returned: this.returned, func: this.func }
    this.func = func
    this.locals = [...(this.args.get(func) as Value[]), ...func.locals.map(zero)]
    this.returned = undefined
    const value = this.list(func.body, func.result !== undefined)
    if (this.locals) this.leave(value)
    const arrival = this.arrivals.get(func.label)
    if (arrival) this.leave(arrival.value)
    this.arrivals.delete(func.label)
    const result = (this.returned as { value: Value } | undefined)?.value
    Object.assign(this, before)
    return result
  }

  /** Asked anew: the compiler would take the value before the last call for this one. */
  private current(): Locals {
    return this.locals
  }

  private leave(value: Value): void {
    this.returned =
      this.returned && !same(this.returned.value, value) ? { value: undefined } : { value }
  }

  /** A known address that takes part in an unknown one. */
  private escape(value: Value): void {
    if (this.entry.interprets) return
    if (this.facts && typeof value === 'number' && this.constants.has(value, 1))
      this.facts.escaped.add(value)
  }

  private join(a: Value, b: Value): Value {
    if (same(a, b)) return a
    this.escape(a)
    this.escape(b)
    return undefined
  }

  private joinLocals(a: Value[], b: readonly Value[]): Value[] {
    return a.map((value, i) => this.join(value, b[i]))
  }

  private arrive(label: ir.Label, value: Value): void {
    if (!this.locals || (label.kind === 'loop' && !this.single.has(label))) return
    const before = this.arrivals.get(label)
    const locals = before ? this.joinLocals(before.locals, this.locals) : [...this.locals]
    this.arrivals.set(label, { locals, value: before ? this.join(before.value, value) : value })
  }

  /** Runs statements; the value of the last one where it is that of the list. */
  private list(body: readonly ir.Expression[], wanted: boolean): Value {
    let value: Value
    for (const e of body) value = this.one(e)
    return wanted ? value : undefined
  }

  private one(e: ir.Expression): Value {
    if (!this.locals) return undefined
    const value = this.evaluate(e)
    if (this.facts) this.note(e, value)
    return value
  }

  private note(e: ir.Expression, value: Value): void {
    const facts = this.facts as Facts
    const fact = facts.of.get(e)
    if (!fact) facts.of.set(e, { value, ways: undefined })
    else if (!same(fact.value, value)) fact.value = undefined
  }

  private noteWay(e: ir.Expression, way: number): void {
    const of = this.facts?.of
    const ways = of?.get(e)?.ways
    if (ways) ways.add(way)
    else of?.set(e, { value: undefined, ways: new Set([way]) })
  }

  private evaluate(e: ir.Expression): Value {
    switch (e.kind) {
      case 'const':
        return e.type === 'v128' ? undefined : e.value
      case 'get':
        return this.locals?.[e.local]
      case 'set':
      case 'tee': {
        const value = this.one(e.value)
        if (this.locals) this.locals[e.local] = value
        return e.kind === 'tee' ? value : undefined
      }
      case 'drop':
        this.one(e.value)
        return undefined
      case 'op':
        return this.operation(e)
      case 'select':
        return this.select(e)
      case 'call':
        return this.call(e)
      case 'block':
        return this.joined(e.label, this.list(e.body, e.label.result !== undefined))
      case 'loop':
        return this.loop(e)
      case 'if':
        return this.branch(e)
      case 'br': {
        const value = e.value && this.one(e.value)
        this.arrive(e.label, value)
        this.locals = undefined
        return undefined
      }
      case 'br_if': {
        const value = e.value && this.one(e.value)
        const condition = this.one(e.condition)
        if (!this.locals) return undefined
        if (condition !== 0) {
          this.noteWay(e, 1)
          this.arrive(e.label, value)
        }
        if (condition === undefined || condition === 0) this.noteWay(e, 0)
        else this.locals = undefined
        return value
      }
      case 'br_table':
        return this.table(e)
      case 'return': {
        const value = e.value && this.one(e.value)
        if (this.locals) this.leave(value)
        this.locals = undefined
        return undefined
      }
      case 'unreachable':
        this.locals = undefined
    }
  }

  private select(e: Extract<ir.Expression, { kind: 'select' }>): Value {
    const [a, b, condition] = e.args.map((x) => this.one(x))
    if (!condition) this.noteWay(e, 0)
    if (condition !== 0) this.noteWay(e, 1)
    return condition === undefined ? this.join(a, b) : condition !== 0 ? a : b
  }

  /** The value behind a block: that of its end, and those that branches to its label bring. */
  private joined(label: ir.Label, value: Value): Value {
    const arrival = this.arrivals.get(label)
    this.arrivals.delete(label)
    if (!arrival) return value
    const { locals } = this
    this.locals = locals ? this.joinLocals(locals, arrival.locals) : arrival.locals
    return locals ? this.join(value, arrival.value) : arrival.value
  }

  /**
   * Many loops run once: over one image, one source, one block. Those are found by running the
   * first turn with what is known at their start.
   */
  private loop(e: Loop): Value {
    if (this.turns.has(e)) return this.manyTurns(e)
    const { facts } = this
    const before = [...(this.locals as Value[])]
    this.facts = undefined
    const once = this.oneTurn(e)
    this.facts = facts
    if (!once) {
      this.turns.add(e)
      this.locals = before
      return this.manyTurns(e)
    }
    if (facts) {
      this.locals = before
      this.noteWay(e, 1)
      this.oneTurn(e)
    }
  }

  /** Runs the first turn; returns whether no second one follows in any case. */
  private oneTurn(e: Loop): boolean {
    this.single.add(e.label)
    this.list(e.body, false)
    this.single.delete(e.label)
    const arrival = this.arrivals.get(e.label)
    this.arrivals.delete(e.label)
    if (!arrival) return true
    const [first] = e.body
    if (e.body.length > 1 || first.kind !== 'if' || !ir.isPure(first.condition)) return false
    const { locals, facts } = this
    this.locals = [...arrival.locals]
    this.facts = undefined
    const again = this.one(first.condition)
    this.facts = facts
    this.locals = locals ? this.joinLocals(locals, arrival.locals) : arrival.locals
    return again === 0 && first.no.length === 0
  }

  private manyTurns(e: Loop): Value {
    this.noteWay(e, 2)
    for (const local of usesOf(e.body).sets.keys()) {
      const { locals } = this
      if (!locals) break
      this.escape(locals[local])
      locals[local] = undefined
    }
    return this.list(e.body, true)
  }

  private branch(e: Extract<ir.Expression, { kind: 'if' }>): Value {
    const condition = this.one(e.condition)
    if (!this.locals) return undefined
    const wanted = e.label.result !== undefined
    let value: Value
    const before = [...this.locals]
    let after: Locals
    if (condition !== 0) {
      this.noteWay(e, 1)
      value = this.list(e.yes, wanted)
      after = this.locals
    }
    if (condition === undefined || condition === 0) {
      this.noteWay(e, 0)
      this.locals = before
      const other = this.list(e.no, wanted)
      const locals = this.current()
      if (after && locals) {
        value = this.join(value, other)
        this.locals = this.joinLocals(after, locals)
      } else if (locals) value = other
      else this.locals = after
    }
    return this.joined(e.label, value)
  }

  private table(e: Extract<ir.Expression, { kind: 'br_table' }>): undefined {
    const value = e.value && this.one(e.value)
    const index = this.one(e.index)
    const last = e.labels.length - 1
    const ways =
      index === undefined ? e.labels.map((_, i) => i) : [Math.min(last, Number(index) >>> 0)]
    for (const way of ways) {
      this.noteWay(e, way)
      this.arrive(e.labels[way], value)
    }
    this.locals = undefined
  }

  private operation(e: ir.Operation): Value {
    const args = e.args.map((x) => this.one(x))
    const { name, reads } = e.op
    if (!reads) return fold(name, args)
    const address = name === 'memory.copy' ? args[1] : args[0]
    if (address === undefined) return undefined
    const at = (Number(address) >>> 0) + e.offset
    const load = loads[name]
    if (!load || !this.constants.has(at, load[0])) {
      this.escape(Number(address))
      return undefined
    }
    if (this.facts) {
      const addresses = this.facts.read.get(e) ?? new Set()
      addresses.add(at)
      this.facts.read.set(e, addresses)
    }
    const value = load[1](this.constants.view, at)
    return Number.isNaN(value) ? undefined : value
  }

  private call(e: Extract<ir.Expression, { kind: 'call' }>): Value {
    const args = e.args.map((x) => this.one(x))
    if (!this.locals) return undefined
    const { callee } = e
    if (this.opaque.has(callee)) return undefined
    const before = this.args.get(callee)
    if (!before) {
      this.args.set(callee, args)
      this.queue.push(callee)
    } else {
      const joined = this.joinLocals(before, args)
      if (joined.some((value, i) => !same(value, before[i]))) {
        this.args.set(callee, joined)
        this.queue.push(callee)
      }
    }
    return this.known.get(callee)
  }
}

// Functions with what is known put in: constants, and only those ways that are taken.

/** A block around statements; no branch goes to its end. */
export function sequence(body: readonly ir.Expression[]): ir.Expression {
  if (body.length === 1) return body[0]
  const last = body[body.length - 1]
  const label: ir.Label = { kind: 'block', result: last && ir.typeOf(last) }
  return { kind: 'block', label, body }
}

const drop = (value: ir.Expression): ir.Expression => ({ kind: 'drop', value })

function constant(e: ir.Expression, value: Value): ir.Constant | undefined {
  const type = ir.typeOf(e)
  if (value === undefined || type === undefined || type === 'v128') return undefined
  return { kind: 'const', type, value } as ir.Constant
}

/** Puts the facts into the functions that run. */
export function rewrite(facts: Facts): void {
  for (const func of facts.functions) rewriteFunction(func, facts)
}

function rewriteFunction(func: ir.Func, { of }: Facts): void {
  const list = (body: readonly ir.Expression[]): ir.Expression[] => {
    const end = body.findIndex((e) => !of.has(e))
    return end < 0 ? body.map(one) : [...body.slice(0, end).map(one), { kind: 'unreachable' }]
  }
  /** Labels of loops that have one turn, and of the blocks that they become. */
  const ends = new Map<ir.Label, ir.Label>()
  const one = (e: ir.Expression): ir.Expression => {
    const fact = of.get(e)
    if (!fact) return { kind: 'unreachable' }
    if (e.kind === 'loop' && fact.ways?.size === 1 && fact.ways.has(1)) {
      const label: ir.Label = { kind: 'block', result: undefined }
      ends.set(e.label, label)
      return { kind: 'block', label, body: list(e.body) }
    }
    const known = constant(e, fact.value)
    const inside = taken(relabel(ir.withParts(e, one, list), ends), fact.ways)
    if (!known || e.kind === 'tee') return inside
    return sequence([...effects(inside), known])
  }
  func.body = list(func.body)
}

/** Branches to loops that have become blocks. */
function relabel(e: ir.Expression, ends: ReadonlyMap<ir.Label, ir.Label>): ir.Expression {
  if (e.kind === 'br' || e.kind === 'br_if') return { ...e, label: ends.get(e.label) ?? e.label }
  if (e.kind !== 'br_table') return e
  return { ...e, labels: e.labels.map((label) => ends.get(label) ?? label) }
}

/** An expression without the ways that are not taken. */
function taken(e: ir.Expression, ways: ReadonlySet<number> | undefined): ir.Expression {
  if (!ways) return e
  const [way] = ways
  switch (e.kind) {
    case 'if': {
      if (ways.size > 1) return e
      const body = way ? e.yes : e.no
      const block: ir.Expression = { kind: 'block', label: e.label, body }
      return sequence([...effects(e.condition), block])
    }
    case 'select':
      if (ways.size > 1 || !e.args.every(ir.isPure)) return e
      return e.args[way ? 0 : 1]
    case 'br_if': {
      if (ways.size > 1) return e
      if (way) {
        // The condition is computed behind the value, so what it does cannot go before it.
        if (e.value && !ir.isPure(e.condition)) return sequence([drop(e), { kind: 'unreachable' }])
        const br: ir.Expression = { kind: 'br', label: e.label, value: e.value }
        return sequence([...effects(e.condition), br])
      }
      if (e.value && !ir.isPure(e.condition)) return e
      return e.value ?? sequence(effects(e.condition))
    }
    case 'br_table': {
      const { labels, index, value } = e
      if (ways.size === 1 && ir.isPure(index))
        return { ...e, kind: 'br' as const, label: labels[way] }
      return { kind: 'br_table' as const, labels: shortTable(labels, ways), index, value }
    }
    default:
      return e
  }
}

/** The labels of a table up to the last that is taken, which is where all others go. */
function shortTable(labels: readonly ir.Label[], ways: ReadonlySet<number>): ir.Label[] {
  const last = Math.max(...ways)
  return labels.slice(0, last + 1).map((label, i) => (ways.has(i) ? label : labels[last]))
}
