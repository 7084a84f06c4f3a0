/** Takes away assignments to locals that are not read before the next one. */

import { type Expression, type Func, isPure, type Label, withParts } from '../wasm/ir.js'

type Live = Set<number>

/** @param pure functions that do nothing but give a value */
export function dropDeadSets(func: Func, pure: ReadonlySet<Func>): void {
  func.body = new Backwards(pure).function(func)
}

/** Goes over a function from its end, with the locals that are still read. */
class Backwards {
  private readonly targets = new Map<Label, Live>()
  private live: Live = new Set()
  /** Off while a loop's start is not known yet. */
  private changes = true
  /** What is known meanwhile of the starts of the loops inside. */
  private starts = new Map<Expression, Live>()

  constructor(private readonly pure: ReadonlySet<Func>) {}

  function(func: Func): Expression[] {
    this.targets.set(func.label, new Set())
    return this.list(func.body)
  }

  private list(body: readonly Expression[]): Expression[] {
    const out: Expression[] = []
    for (let i = body.length - 1; i >= 0; i--) {
      const e = body[i]
      if (e.kind === 'set' && !this.live.has(e.local) && this.isHarmless(e.value)) {
        if (this.changes) continue
      }
      out.push(this.one(e))
    }
    return out.reverse()
  }

  private isHarmless(e: Expression): boolean {
    switch (e.kind) {
      case 'call':
        return this.pure.has(e.callee) && e.args.every((arg) => this.isHarmless(arg))
      case 'op':
        return !e.op.writes && !e.op.traps && e.args.every((arg) => this.isHarmless(arg))
      case 'select':
        return e.args.every((arg) => this.isHarmless(arg))
      default:
        return isPure(e)
    }
  }

  private target(label: Label): Live {
    return this.targets.get(label) ?? new Set()
  }

  private add(more: Live): void {
    for (const local of more) this.live.add(local)
  }

  /** The parts in the opposite order. */
  private backwards(e: Expression): Expression {
    const originals: Expression[] = []
    withParts(e, (part) => {
      originals.push(part)
      return part
    })
    const done = originals.reverse().map((part) => this.one(part))
    return withParts(e, () => done.pop() as Expression)
  }

  private one(e: Expression): Expression {
    switch (e.kind) {
      case 'get':
        this.live.add(e.local)
        return e
      case 'set':
        this.live.delete(e.local)
        return this.backwards(e)
      case 'tee': {
        const isRead = this.live.delete(e.local)
        const value = this.one(e.value)
        return isRead || !this.changes ? { ...e, value } : value
      }
      case 'br':
      case 'return':
      case 'br_table': {
        this.live = new Set()
        if (e.kind === 'br') this.add(this.target(e.label))
        else if (e.kind === 'br_table') for (const label of e.labels) this.add(this.target(label))
        return this.backwards(e)
      }
      case 'unreachable':
        this.live = new Set()
        return e
      case 'br_if':
        this.add(this.target(e.label))
        return this.backwards(e)
      case 'block':
        this.targets.set(e.label, new Set(this.live))
        return { ...e, body: this.list(e.body) }
      case 'if': {
        const after = new Set(this.live)
        this.targets.set(e.label, after)
        const yes = this.list(e.yes)
        const taken = this.live
        this.live = new Set(after)
        const no = this.list(e.no)
        this.add(taken)
        return { ...e, yes, no, condition: this.one(e.condition) }
      }
      case 'loop':
        return this.loop(e)
      default:
        return this.backwards(e)
    }
  }

  /**
   * What is read at the start of a loop is read behind each branch to it. Until the start of the
   * loop around this one is known, it only grows: each turn goes on with what was found before.
   */
  private loop(e: Extract<Expression, { kind: 'block' | 'loop' }>): Expression {
    const after = this.live
    const outer = this.changes
    if (outer) this.starts = new Map()
    this.changes = false
    let start: Live = this.starts.get(e) ?? new Set()
    for (let before = -1; before !== start.size; ) {
      before = start.size
      this.targets.set(e.label, start)
      this.live = new Set(after)
      this.list(e.body)
      start = new Set([...start, ...this.live])
    }
    this.starts.set(e, start)
    if (!outer) return e
    this.changes = true
    this.targets.set(e.label, start)
    this.live = new Set(after)
    return { ...e, body: this.list(e.body) }
  }
}
