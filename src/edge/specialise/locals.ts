/** Parameters and locals: which are used, and functions without those that are not. */

import * as ir from '../../kernels/wasm/ir.js'
import type { ValueType } from '../../kernels/wasm/types.js'

type Call = Extract<ir.Expression, { kind: 'call' }>

/** What a function uses. */
export type Uses = ReturnType<typeof usesOf>

const count = <K>(map: Map<K, number>, key: K): void => void map.set(key, (map.get(key) ?? 0) + 1)

/** Counts labels, locals, calls of other functions, and expressions in all. */
export function usesOf(body: readonly ir.Expression[]) {
  const branches = new Map<ir.Label, number>()
  const [gets, sets] = [new Map<number, number>(), new Map<number, number>()]
  const calls: Call[] = []
  let size = 0
  // By hand: bodies are counted each time that they change, which is most of what an export does.
  const list = (body: readonly ir.Expression[]): void => {
    for (let i = 0; i < body.length; i++) one(body[i])
  }
  const one = (e: ir.Expression): void => {
    size++
    switch (e.kind) {
      case 'get':
        count(gets, e.local)
        return
      case 'set':
      case 'tee':
        count(sets, e.local)
        one(e.value)
        return
      case 'call':
        calls.push(e)
        break
      case 'br':
      case 'br_if':
        count(branches, e.label)
        break
      case 'br_table':
        for (const label of e.labels) count(branches, label)
    }
    list(ir.parts(e))
  }
  list(body)
  return { branches, gets, sets, calls, size }
}

/** Takes away parameters that no function reads. Returns whether there were any. */
export function dropParameters(functions: readonly ir.Func[], kept: ReadonlySet<ir.Func>): boolean {
  const dropped = new Map<ir.Func, ReadonlySet<number>>()
  for (const func of functions) {
    if (kept.has(func)) continue
    const { gets, sets } = usesOf(func.body)
    const unused = func.params.flatMap((_, i) => (gets.has(i) || sets.has(i) ? [] : [i]))
    if (unused.length > 0) dropped.set(func, new Set(unused))
  }
  // An argument that does something has to stay.
  for (const func of functions)
    for (const { callee, args } of usesOf(func.body).calls) {
      const unused = dropped.get(callee)
      if (unused && args.some((arg, i) => unused.has(i) && !ir.isPure(arg))) dropped.delete(callee)
    }
  if (dropped.size === 0) return false
  const arg = (e: ir.Expression): ir.Expression => {
    const inside = ir.withParts(e, arg)
    const unused = e.kind === 'call' ? dropped.get(e.callee) : undefined
    if (!unused || inside.kind !== 'call') return inside
    return { ...inside, args: inside.args.filter((_, i) => !unused.has(i)) }
  }
  for (const func of functions)
    if (usesOf(func.body).calls.some(({ callee }) => dropped.has(callee)))
      func.body = ir.map(func.body, arg)
  for (const [func, unused] of dropped) {
    const index: number[] = []
    let next = 0
    func.params.forEach((_, i) => void index.push(unused.has(i) ? -1 : next++))
    func.locals.forEach(() => void index.push(next++))
    func.params = func.params.filter((_, i) => !unused.has(i))
    renumber(func, index)
  }
  return true
}

function renumber(func: ir.Func, index: readonly number[]): void {
  const one = (e: ir.Expression): ir.Expression => {
    const inside = ir.withParts(e, one)
    if (inside.kind !== 'get' && inside.kind !== 'set' && inside.kind !== 'tee') return inside
    return ir.changed(inside, { local: index[inside.local] })
  }
  func.body = ir.map(func.body, one)
}

const order: readonly ValueType[] = ['i32', 'i64', 'f32', 'f64', 'v128']

/** Leaves out locals that are not used, and puts those of a type together. */
export function compactLocals(func: ir.Func): void {
  const { gets, sets } = usesOf(func.body)
  const first = func.params.length
  const count = first + func.locals.length
  const used = Array.from({ length: count }, (_, i) => i).filter(
    (i) => i >= first && (gets.has(i) || sets.has(i)),
  )
  const rank = (i: number): number => order.indexOf(ir.localType(func, i))
  const uses = (i: number): number => (gets.get(i) ?? 0) + (sets.get(i) ?? 0)
  used.sort((a, b) => rank(a) - rank(b) || uses(b) - uses(a))
  const index = Array.from({ length: count }, (_, i) => (i < first ? i : -1))
  used.forEach((old, i) => {
    index[old] = first + i
  })
  const locals = used.map((i) => ir.localType(func, i))
  renumber(func, index)
  func.locals = locals
}

// Assignments whose value nobody reads.

/** Locals as bits: those whose value may still be read. */
type Live = Uint32Array

/** Takes out assignments that are not read. What they compute is left to be dropped. */
export function dropDeadStores(func: ir.Func): void {
  func.body = new Liveness(func).list(func.body)
}

/** Goes over a function from its end. */
class Liveness {
  /** What is live where a branch to a label goes. */
  private readonly at = new Map<ir.Label, Live>()
  /** What is live at the heads of loops, as far as it is known. */
  private readonly heads = new Map<ir.Expression, Live>()
  /** What is live behind the expression that comes next. */
  private live: Live
  private readonly none: Live

  constructor({ label, params, locals }: ir.Func) {
    this.none = new Uint32Array(Math.ceil((params.length + locals.length) / 32))
    this.live = this.none.slice()
    this.at.set(label, this.none)
  }

  private readonly each = (e: ir.Expression): ir.Expression => this.one(e)

  list(body: readonly ir.Expression[]): readonly ir.Expression[] {
    return ir.map(body, this.each, true)
  }

  private add(more: Live): void {
    for (let i = 0; i < more.length; i++) this.live[i] |= more[i]
  }

  private label(label: ir.Label): Live {
    return this.at.get(label) ?? this.none
  }

  private one(e: ir.Expression): ir.Expression {
    switch (e.kind) {
      case 'get':
        this.live[e.local >> 5] |= 1 << (e.local & 31)
        return e
      case 'set':
      case 'tee': {
        const bit = 1 << (e.local & 31)
        const isRead = (this.live[e.local >> 5] & bit) !== 0
        this.live[e.local >> 5] &= ~bit
        const value = this.one(e.value)
        if (isRead) return value === e.value ? e : { ...e, value }
        return e.kind === 'tee' ? value : { kind: 'drop', value }
      }
      case 'loop':
        return this.loop(e)
      case 'if':
        return this.conditional(e)
      case 'block':
        this.at.set(e.label, this.live.slice())
        break
      case 'br':
        this.live = this.label(e.label).slice()
        break
      case 'br_if':
        this.add(this.label(e.label))
        break
      case 'br_table':
        this.live.fill(0)
        for (const label of e.labels) this.add(this.label(label))
        break
      case 'return':
      case 'unreachable':
        this.live.fill(0)
    }
    return ir.withParts(e, this.each, undefined, true)
  }

  private conditional(e: Extract<ir.Expression, { kind: 'if' }>): ir.Expression {
    const after = this.live.slice()
    this.at.set(e.label, after)
    const yes = this.list(e.yes)
    const taken = this.live
    this.live = after.slice()
    const no = this.list(e.no)
    this.add(taken)
    return ir.changed(e, { condition: this.one(e.condition), yes, no })
  }

  /**
   * What is live at the head is live at each branch to it. In a loop around this one more and more
   * is live, never less: each turn goes on with the head of the one before.
   */
  private loop(e: Extract<ir.Expression, { kind: 'block' | 'loop' }>): ir.Expression {
    const after = this.live
    for (let head = this.heads.get(e) ?? this.none; ; head = this.live) {
      this.at.set(e.label, head)
      this.live = after.slice()
      const body = this.list(e.body)
      if (this.live.every((bits, i) => (bits & ~head[i]) === 0)) {
        this.heads.set(e, head)
        return ir.changed(e, { body })
      }
      this.add(head)
    }
  }
}
