/** Assignments whose value nobody reads. */

import type { Expression, Func, Label } from '../wasm/ir.js'

/** Locals as the bits of a number: those whose value may still be read. */
type Live = bigint

const bit = (local: number): Live => 1n << BigInt(local)

/** An expression without its dead assignments, and what is live before it. */
interface Result<T> {
  readonly e: T
  readonly live: Live
}

/** Takes out assignments that are not read. What they compute is left to be dropped. */
export function dropDeadStores(func: Func): void {
  func.body = new Liveness(func.label).list(func.body, 0n).e
}

class Liveness {
  /** What is live where a branch to a label goes. */
  private readonly at = new Map<Label, Live>()

  constructor(body: Label) {
    this.at.set(body, 0n)
  }

  /** Statements from the last to the first. */
  list(body: readonly Expression[], after: Live): Result<Expression[]> {
    let live = after
    const e = body.toReversed().map((x) => {
      const result = this.one(x, live)
      live = result.live
      return result.e
    })
    return { e: e.reverse(), live }
  }

  private args<T extends readonly Expression[]>(args: T, after: Live): Result<T> {
    return this.list(args, after) as unknown as Result<T>
  }

  private label(label: Label): Live {
    return this.at.get(label) ?? 0n
  }

  private one(e: Expression, after: Live): Result<Expression> {
    switch (e.kind) {
      case 'get':
        return { e, live: after | bit(e.local) }
      case 'set':
      case 'tee': {
        const value = this.one(e.value, after & ~bit(e.local))
        if (after & bit(e.local)) return { e: { ...e, value: value.e }, live: value.live }
        const dead: Expression = e.kind === 'tee' ? value.e : { kind: 'drop', value: value.e }
        return { e: dead, live: value.live }
      }
      case 'drop': {
        const value = this.one(e.value, after)
        return { e: { ...e, value: value.e }, live: value.live }
      }
      case 'op':
      case 'call': {
        const args = this.args(e.args, after)
        return { e: { ...e, args: args.e }, live: args.live }
      }
      case 'select': {
        const args = this.args(e.args, after)
        return { e: { ...e, args: args.e }, live: args.live }
      }
      case 'block': {
        this.at.set(e.label, after)
        const body = this.list(e.body, after)
        return { e: { ...e, body: body.e }, live: body.live }
      }
      case 'loop':
        return this.loop(e, after)
      case 'if': {
        this.at.set(e.label, after)
        const yes = this.list(e.yes, after)
        const no = this.list(e.no, after)
        const condition = this.one(e.condition, yes.live | no.live)
        return {
          e: { ...e, condition: condition.e, yes: yes.e, no: no.e },
          live: condition.live,
        }
      }
      case 'br':
        return this.leave(e, this.label(e.label))
      case 'return':
        return this.leave(e, 0n)
      case 'br_if': {
        const condition = this.one(e.condition, after | this.label(e.label))
        const value = e.value && this.one(e.value, condition.live)
        return {
          e: { ...e, condition: condition.e, value: value?.e },
          live: value?.live ?? condition.live,
        }
      }
      case 'br_table': {
        const live = e.labels.reduce((sum, label) => sum | this.label(label), 0n)
        const index = this.one(e.index, live)
        const value = e.value && this.one(e.value, index.live)
        return { e: { ...e, index: index.e, value: value?.e }, live: value?.live ?? index.live }
      }
      case 'unreachable':
        return { e, live: 0n }
      case 'const':
        return { e, live: after }
    }
  }

  private leave(e: Extract<Expression, { kind: 'br' | 'return' }>, live: Live) {
    const value = e.value && this.one(e.value, live)
    return { e: { ...e, value: value?.e }, live: value?.live ?? live }
  }

  /** What is live at the head is live at each branch to it. */
  private loop(
    e: Extract<Expression, { kind: 'block' | 'loop' }>,
    after: Live,
  ): Result<Expression> {
    for (let head = 0n; ; ) {
      this.at.set(e.label, head)
      const body = this.list(e.body, after)
      if ((body.live | head) === head) return { e: { ...e, body: body.e }, live: body.live }
      head |= body.live
    }
  }
}
