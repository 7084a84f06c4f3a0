/** Assignments whose value nobody reads. */

import { changed, type Expression, type Func, type Label, map, withParts } from '../../wasm/ir.js'

/** Locals as bits: those whose value may still be read. */
type Live = Uint32Array

/** Takes out assignments that are not read. What they compute is left to be dropped. */
export function dropDeadStores(func: Func): void {
  func.body = new Liveness(func).list(func.body)
}

/** Goes over a function from its end. */
class Liveness {
  /** What is live where a branch to a label goes. */
  private readonly at = new Map<Label, Live>()
  /** What is live at the heads of loops, as far as it is known. */
  private readonly heads = new Map<Expression, Live>()
  /** What is live behind the expression that comes next. */
  private live: Live
  private readonly none: Live

  constructor({ label, params, locals }: Func) {
    this.none = new Uint32Array(Math.ceil((params.length + locals.length) / 32))
    this.live = this.none.slice()
    this.at.set(label, this.none)
  }

  private readonly each = (e: Expression): Expression => this.one(e)

  list(body: readonly Expression[]): readonly Expression[] {
    return map(body, this.each, true)
  }

  private add(more: Live): void {
    for (let i = 0; i < more.length; i++) this.live[i] |= more[i]
  }

  private label(label: Label): Live {
    return this.at.get(label) ?? this.none
  }

  private one(e: Expression): Expression {
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
    return withParts(e, this.each, undefined, true)
  }

  private conditional(e: Extract<Expression, { kind: 'if' }>): Expression {
    const after = this.live.slice()
    this.at.set(e.label, after)
    const yes = this.list(e.yes)
    const taken = this.live
    this.live = after.slice()
    const no = this.list(e.no)
    this.add(taken)
    return changed(e, { condition: this.one(e.condition), yes, no })
  }

  /**
   * What is live at the head is live at each branch to it. In a loop around this one more and more
   * is live, never less: each turn goes on with the head of the one before.
   */
  private loop(e: Extract<Expression, { kind: 'block' | 'loop' }>): Expression {
    const after = this.live
    for (let head = this.heads.get(e) ?? this.none; ; head = this.live) {
      this.at.set(e.label, head)
      this.live = after.slice()
      const body = this.list(e.body)
      if (this.live.every((bits, i) => (bits & ~head[i]) === 0)) {
        this.heads.set(e, head)
        return changed(e, { body })
      }
      this.add(head)
    }
  }
}
