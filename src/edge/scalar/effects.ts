/** What expressions read and statements change. */

import { type Expression, type Func, parts, typeOf, visit } from '../../wasm/ir.js'

export const isVector = (e: Expression): boolean => typeOf(e) === 'v128'

/** Whether an expression gives a vector or has one inside. */
export function hasVector(e: Expression): boolean {
  if (isVector(e)) return true
  if ((e.kind === 'block' || e.kind === 'if') && e.label.result === 'v128') return true
  return parts(e).some(hasVector)
}

/** Locals that an expression reads, and whether it reads memory. */
export function reads(e: Expression): { locals: number[]; memory: boolean } {
  const locals: number[] = []
  let memory = false
  visit([e], (x) => {
    if (x.kind === 'get') locals.push(x.local)
    else if (x.kind === 'op' && x.op.reads) memory = true
  })
  return { locals, memory }
}

/** Locals that statements set, and whether they may write memory. */
export function changesOf(
  statements: readonly Expression[],
  helpers: ReadonlySet<Func>,
): { locals: ReadonlySet<number>; memory: boolean } {
  const locals = new Set<number>()
  let memory = false
  visit(statements, (e) => {
    if (e.kind === 'set' || e.kind === 'tee') locals.add(e.local)
    else if (e.kind === 'call' ? !helpers.has(e.callee) : e.kind === 'op' && e.op.writes)
      memory = true
  })
  return { locals, memory }
}
