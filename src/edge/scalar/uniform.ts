/** Locals whose four words are always the same: one number stands for all. */

import { type Expression, type Func, localType, typeOf, visit } from '../../wasm/ir.js'
import { ruleOf } from './rules.js'

export function uniformLocals(func: Func): ReadonlySet<number> {
  const values: { local: number; value: Expression }[] = []
  visit(func.body, (e) => {
    if ((e.kind === 'set' || e.kind === 'tee') && localType(func, e.local) === 'v128')
      values.push(e)
  })
  // All are taken to be, until one gets something else.
  const found = new Set(values.map(({ local }) => local))
  for (let before = -1; before !== found.size; ) {
    before = found.size
    for (const { local, value } of values) if (!isEven(value, found)) found.delete(local)
  }
  return found
}

function isEven(e: Expression, locals: ReadonlySet<number>): boolean {
  switch (e.kind) {
    case 'const': {
      const bytes = e.value as Uint8Array
      return bytes.every((byte, i) => byte === bytes[i & 3])
    }
    case 'get':
    case 'tee':
      return locals.has(e.local)
    case 'select':
      return isEven(e.args[0], locals) && isEven(e.args[1], locals)
    case 'op':
      if (/^v128\.load(8|16|32)_splat$/.test(e.op.name)) return true
      return (
        ruleOf(e.op.name)?.isEven === true &&
        e.args.every((arg) => typeOf(arg) !== 'v128' || isEven(arg, locals))
      )
    default:
      return false
  }
}
