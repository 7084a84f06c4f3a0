/** What loops assign. */

import type { Expression } from '../wasm/ir.js'
import { visit } from '../wasm/ir.js'

export type Loop = Extract<Expression, { kind: 'block' | 'loop' }>

const assignedIn = new WeakMap<Expression, readonly number[]>()

/** Locals that a loop assigns. */
export function assigned(loop: Loop): readonly number[] {
  let locals = assignedIn.get(loop)
  if (!locals) {
    const found = new Set<number>()
    visit(loop.body, (e) => {
      if (e.kind === 'set' || e.kind === 'tee') found.add(e.local)
    })
    locals = [...found]
    assignedIn.set(loop, locals)
  }
  return locals
}
