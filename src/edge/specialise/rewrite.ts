/** Functions with what is known put in: constants, and only those ways that are taken. */

import type { Constant, Expression, Func, Label } from '../../wasm/ir.js'
import { isPure, typeOf, withParts } from '../../wasm/ir.js'
import type { Facts } from './facts.js'
import type { Value } from './fold.js'
import { effects } from './tidy.js'

/** A block around statements; no branch goes to its end. */
export function sequence(body: readonly Expression[]): Expression {
  if (body.length === 1) return body[0]
  const last = body[body.length - 1]
  const label: Label = { kind: 'block', result: last && typeOf(last) }
  return { kind: 'block', label, body }
}

const drop = (value: Expression): Expression => ({ kind: 'drop', value })

function constant(e: Expression, value: Value): Constant | undefined {
  const type = typeOf(e)
  if (value === undefined || type === undefined || type === 'v128') return undefined
  return { kind: 'const', type, value } as Constant
}

/** Puts the facts into the functions that run. */
export function rewrite(facts: Facts): void {
  for (const func of facts.functions) rewriteFunction(func, facts)
}

function rewriteFunction(func: Func, { of }: Facts): void {
  const list = (body: readonly Expression[]): Expression[] => {
    const end = body.findIndex((e) => !of.has(e))
    return end < 0 ? body.map(one) : [...body.slice(0, end).map(one), { kind: 'unreachable' }]
  }
  /** Labels of loops that have one turn, and of the blocks that they become. */
  const ends = new Map<Label, Label>()
  const one = (e: Expression): Expression => {
    const fact = of.get(e)
    if (!fact) return { kind: 'unreachable' }
    if (e.kind === 'loop' && fact.ways?.size === 1 && fact.ways.has(1)) {
      const label: Label = { kind: 'block', result: undefined }
      ends.set(e.label, label)
      return { kind: 'block', label, body: list(e.body) }
    }
    const known = constant(e, fact.value)
    const inside = taken(relabel(withParts(e, one, list), ends), fact.ways)
    if (!known || e.kind === 'tee') return inside
    return sequence([...effects(inside), known])
  }
  func.body = list(func.body)
}

/** Branches to loops that have become blocks. */
function relabel(e: Expression, ends: ReadonlyMap<Label, Label>): Expression {
  if (e.kind === 'br' || e.kind === 'br_if') return { ...e, label: ends.get(e.label) ?? e.label }
  if (e.kind !== 'br_table') return e
  return { ...e, labels: e.labels.map((label) => ends.get(label) ?? label) }
}

/** Of an expression with several ways only those that are taken. */
function taken(e: Expression, ways: ReadonlySet<number> | undefined): Expression {
  if (!ways) return e
  const [way] = ways
  switch (e.kind) {
    case 'if': {
      if (ways.size > 1) return e
      const body = way ? e.yes : e.no
      const block: Expression = { kind: 'block', label: e.label, body }
      return sequence([...effects(e.condition), block])
    }
    case 'select':
      if (ways.size > 1 || !e.args.every(isPure)) return e
      return e.args[way ? 0 : 1]
    case 'br_if': {
      if (ways.size > 1) return e
      if (way) {
        // The condition is computed behind the value, so what it does cannot go before it.
        if (e.value && !isPure(e.condition)) return sequence([drop(e), { kind: 'unreachable' }])
        const br: Expression = { kind: 'br', label: e.label, value: e.value }
        return sequence([...effects(e.condition), br])
      }
      if (e.value && !isPure(e.condition)) return e
      return e.value ?? sequence(effects(e.condition))
    }
    case 'br_table': {
      const { labels, index, value } = e
      if (ways.size === 1 && isPure(index)) return { ...e, kind: 'br' as const, label: labels[way] }
      return { kind: 'br_table' as const, labels: shortTable(labels, ways), index, value }
    }
    default:
      return e
  }
}

/** The labels of a table up to the last that is taken, which is where all others go. */
function shortTable(labels: readonly Label[], ways: ReadonlySet<number>): Label[] {
  const last = Math.max(...ways)
  return labels.slice(0, last + 1).map((label, i) => (ways.has(i) ? label : labels[last]))
}
