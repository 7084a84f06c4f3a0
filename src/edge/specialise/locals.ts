/** Parameters and locals: which are used, and functions without those that are not. */

import type { Expression, Func, Label } from '../../wasm/ir.js'
import { changed, isPure, localType, map, parts, withParts } from '../../wasm/ir.js'
import type { ValueType } from '../../wasm/types.js'

type Call = Extract<Expression, { kind: 'call' }>

/** What a function uses. */
export type Uses = ReturnType<typeof usesOf>

const count = <K>(map: Map<K, number>, key: K): void => void map.set(key, (map.get(key) ?? 0) + 1)

/** Counts labels, locals, calls of other functions, and expressions in all. */
export function usesOf(body: readonly Expression[]) {
  const branches = new Map<Label, number>()
  const [gets, sets] = [new Map<number, number>(), new Map<number, number>()]
  const calls: Call[] = []
  let size = 0
  // By hand: bodies are counted each time that they change, which is most of what an export does.
  const list = (body: readonly Expression[]): void => {
    for (let i = 0; i < body.length; i++) one(body[i])
  }
  const one = (e: Expression): void => {
    size++
    switch (e.kind) {
      case 'const':
        return
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
        list(e.args)
        return
      case 'op':
      case 'select':
        list(e.args)
        return
      case 'br':
      case 'br_if':
        count(branches, e.label)
        break
      case 'br_table':
        for (const label of e.labels) count(branches, label)
    }
    list(parts(e))
  }
  list(body)
  return { branches, gets, sets, calls, size }
}

/** Takes away parameters that no function reads. Returns whether there were any. */
export function dropParameters(functions: readonly Func[], kept: ReadonlySet<Func>): boolean {
  const dropped = new Map<Func, ReadonlySet<number>>()
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
      if (unused && args.some((arg, i) => unused.has(i) && !isPure(arg))) dropped.delete(callee)
    }
  if (dropped.size === 0) return false
  const arg = (e: Expression): Expression => {
    const inside = withParts(e, arg)
    const unused = e.kind === 'call' ? dropped.get(e.callee) : undefined
    if (!unused || inside.kind !== 'call') return inside
    return { ...inside, args: inside.args.filter((_, i) => !unused.has(i)) }
  }
  for (const func of functions)
    if (usesOf(func.body).calls.some(({ callee }) => dropped.has(callee)))
      func.body = map(func.body, arg)
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

function renumber(func: Func, index: readonly number[]): void {
  const one = (e: Expression): Expression => {
    const inside = withParts(e, one)
    if (inside.kind !== 'get' && inside.kind !== 'set' && inside.kind !== 'tee') return inside
    return changed(inside, { local: index[inside.local] })
  }
  func.body = map(func.body, one)
}

const order: readonly ValueType[] = ['i32', 'i64', 'f32', 'f64', 'v128']

/** Leaves out locals that are not used, and puts those of a type together. */
export function compactLocals(func: Func): void {
  const { gets, sets } = usesOf(func.body)
  const first = func.params.length
  const count = first + func.locals.length
  const used = Array.from({ length: count }, (_, i) => i).filter(
    (i) => i >= first && (gets.has(i) || sets.has(i)),
  )
  const rank = (i: number): number => order.indexOf(localType(func, i))
  const uses = (i: number): number => (gets.get(i) ?? 0) + (sets.get(i) ?? 0)
  used.sort((a, b) => rank(a) - rank(b) || uses(b) - uses(a))
  const index = Array.from({ length: count }, (_, i) => (i < first ? i : -1))
  used.forEach((old, i) => {
    index[old] = first + i
  })
  const locals = used.map((i) => localType(func, i))
  renumber(func, index)
  func.locals = locals
}
