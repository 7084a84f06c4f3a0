/** What loops assign. */

import type { Expression } from '../../wasm/ir.js'
import { visit } from '../../wasm/ir.js'

export type Loop = Extract<Expression, { kind: 'block' | 'loop' }>

/** Locals that a loop assigns. */
export function assigned(loop: Loop): ReadonlySet<number> {
  const found = new Set<number>()
  visit(loop.body, (e) => {
    if (e.kind === 'set' || e.kind === 'tee') found.add(e.local)
  })
  return found
}
