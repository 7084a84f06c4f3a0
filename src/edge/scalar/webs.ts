/**
 * Gives each use of a local that has nothing to do with its other uses a local of its own, so that
 * each gets the type that suits it. Constants go where they are used.
 */

import * as ir from '../../kernels/wasm/ir.js'

/** For each local of vectors the number of the value that it holds; undefined in dead code. */
type State = Map<number, number> | undefined

interface Value {
  readonly local: number
  /** Values that meet here: those that come. */
  readonly from: number[] | undefined
  /** What was assigned. */
  readonly set: ir.Expression | undefined
}

export const splitWebs = (func: ir.Func): void => new Webs(func).run()

class Webs {
  private readonly values: Value[] = []
  /** Values at each get, set and tee, in the order of evaluation. */
  private readonly sites: { value: number; isGet: boolean }[] = []
  private state: State = new Map()
  private readonly arrivals = new Map<ir.Label, State[]>()
  private readonly starts = new Map<ir.Label, Map<number, number>>()
  private readonly parents: number[] = []

  constructor(private readonly func: ir.Func) {}

  run(): void {
    const { func } = this
    for (let local = 0; local < func.params.length + func.locals.length; local++)
      if (ir.localType(func, local) === 'v128') this.state?.set(local, this.value(local))
    if (this.values.length === 0) return
    for (const e of func.body) this.find(e)
    for (const { value, isGet } of this.sites) if (isGet && value >= 0) this.use(value)
    this.rewrite()
  }

  private value(local: number, from?: number[], set?: ir.Expression): number {
    this.parents.push(this.values.length)
    return this.values.push({ local, from, set }) - 1
  }

  private root(value: number): number {
    let at = value
    while (this.parents[at] !== at) at = this.parents[at]
    return at
  }

  private readonly done = new Set<number>()

  /** A value that is read is one with those that come to it. */
  private use(value: number): void {
    if (this.done.has(value)) return
    this.done.add(value)
    for (const other of this.values[value].from ?? []) {
      this.parents[this.root(other)] = this.root(value)
      this.use(other)
    }
  }

  private site(local: number, isGet: boolean, set?: ir.Expression): void {
    if (ir.localType(this.func, local) !== 'v128') return
    let value = this.state?.get(local) ?? -1
    if (!isGet && this.state) {
      value = this.value(local, undefined, set)
      this.state.set(local, value)
    }
    this.sites.push({ value, isGet })
  }

  private merge(states: readonly State[]): State {
    const [first, ...rest] = states.filter((state) => state !== undefined)
    if (!first) return undefined
    const merged = new Map(first)
    for (const [local, value] of first) {
      const others = rest.map((state) => state.get(local) as number)
      if (others.some((other) => other !== value))
        merged.set(local, this.value(local, [value, ...others]))
    }
    return merged
  }

  private branch(label: ir.Label): void {
    const start = this.starts.get(label)
    if (start)
      for (const [local, value] of start) {
        const now = this.state?.get(local)
        if (now !== undefined) this.values[value].from?.push(now)
      }
    else this.arrivals.get(label)?.push(this.state && new Map(this.state))
  }

  private find(e: ir.Expression): void {
    switch (e.kind) {
      case 'get':
        this.site(e.local, true)
        return
      case 'set':
      case 'tee':
        this.find(e.value)
        this.site(e.local, false, e.value)
        return
      case 'block': {
        this.arrivals.set(e.label, [])
        for (const x of e.body) this.find(x)
        this.state = this.merge([this.state, ...(this.arrivals.get(e.label) as State[])])
        return
      }
      case 'if': {
        this.arrivals.set(e.label, [])
        this.find(e.condition)
        const before = this.state && new Map(this.state)
        for (const x of e.yes) this.find(x)
        const yes = this.state
        this.state = before
        for (const x of e.no) this.find(x)
        this.state = this.merge([yes, this.state, ...(this.arrivals.get(e.label) as State[])])
        return
      }
      case 'loop':
        this.loop(e.label, e.body)
        return
      default:
        for (const part of ir.parts(e)) this.find(part)
        this.leave(e)
    }
  }

  private leave(e: ir.Expression): void {
    if (e.kind === 'br' || e.kind === 'br_if') this.branch(e.label)
    if (e.kind === 'br_table') for (const label of e.labels) this.branch(label)
    if (ir.ends(e)) this.state = undefined
  }

  private loop(label: ir.Label, body: readonly ir.Expression[]): void {
    const start = new Map<number, number>()
    ir.visit(body, (x) => {
      if (x.kind !== 'set' && x.kind !== 'tee') return
      const before = this.state?.get(x.local)
      if (before !== undefined && !start.has(x.local))
        start.set(x.local, this.value(x.local, [before]))
    })
    for (const [local, value] of start) this.state?.set(local, value)
    this.starts.set(label, start)
    for (const x of body) this.find(x)
  }

  private rewrite(): void {
    const { func } = this
    const locals = new Map<number, number>()
    const taken = new Set<number>()
    const assigned = new Map<number, (ir.Expression | undefined)[]>()
    this.values.forEach(({ from, set }, value) => {
      if (from) return
      const root = this.root(value)
      assigned.set(root, [...(assigned.get(root) ?? []), set])
    })
    const constants = new Map<number, ir.Constant>()
    for (const [root, sets] of assigned) {
      const constant = sets.length === 1 && sets[0] ? constantOf(sets[0]) : undefined
      if (constant) constants.set(root, constant)
    }
    const localOf = (local: number, value: number): number => {
      if (value < 0) return local
      const root = this.root(value)
      const found = locals.get(root) ?? (taken.has(local) ? ir.newLocal(func, 'v128') : local)
      taken.add(local)
      locals.set(root, found)
      return found
    }
    let next = 0
    const one = (e: ir.Expression): ir.Expression => {
      const inside = ir.withParts(e, one)
      if (inside.kind !== 'get' && inside.kind !== 'set' && inside.kind !== 'tee') return inside
      if (ir.localType(func, inside.local) !== 'v128') return inside
      const { value } = this.sites[next++]
      const constant = value < 0 ? undefined : constants.get(this.root(value))
      if (constant) return inside.kind === 'set' ? { kind: 'drop', value: constant } : constant
      return { ...inside, local: localOf(inside.local, value) }
    }
    func.body = func.body.map(one)
  }
}

const splats = { i8x16: Int8Array, i16x8: Int16Array, i32x4: Int32Array, f32x4: Float32Array }

/** A vector that is known. */
function constantOf(e: ir.Expression): ir.Constant | undefined {
  if (e.kind === 'const') return e
  if (e.kind !== 'op' || e.args[0]?.kind !== 'const') return undefined
  const numbers = splats[/^(.*)\.splat$/.exec(e.op.name)?.[1] as keyof typeof splats]
  if (!numbers) return undefined
  const value = new numbers(16 / numbers.BYTES_PER_ELEMENT).fill(e.args[0].value as number)
  return { kind: 'const', type: 'v128', value: new Uint8Array(value.buffer) }
}
