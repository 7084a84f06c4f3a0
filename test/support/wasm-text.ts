/** Trees of WebAssembly as text, for tests that compare them. */
import { type Expression, type Func, type Label, parts } from '../../src/kernels/wasm/ir.js'

/** What stands before the parts of an expression. */
function headOf(e: Expression, name: (label: Label) => string): string {
  switch (e.kind) {
    case 'const':
      return `${e.type} ${e.type === 'v128' ? [...e.value] : Object.is(e.value, -0) ? '-0' : e.value}`
    case 'op': {
      const { op, offset, align, lanes } = e
      const memory = op.immediate.startsWith('memory') ? [`+${offset}`, `^${align}`] : []
      return [op.name, ...memory, ...lanes].join(' ')
    }
    case 'get':
      return `get ${e.local}`
    case 'set':
    case 'tee':
      return `${e.kind} ${e.local}`
    case 'call':
      return `call ${e.callee.name}`
    case 'select':
      return `select ${e.type}`
    case 'block':
    case 'loop':
    case 'if':
      return `${e.kind} ${name(e.label)}${e.label.result ? `: ${e.label.result}` : ''}`
    case 'br':
    case 'br_if':
      return `${e.kind} ${name(e.label)}`
    case 'br_table':
      return `br_table ${e.labels.map(name).join(' ')}`
    default:
      return e.kind
  }
}

/** The statements of a body; labels are $0, $1, … in the order in which they are met. */
export function textOf(func: Func): string {
  const labels = new Map<Label, number>([[func.label, 0]])
  const name = (label: Label): string => {
    if (!labels.has(label)) labels.set(label, labels.size)
    return `$${labels.get(label)}`
  }
  const one = (e: Expression): string => {
    const head = headOf(e, name)
    const list = (body: readonly Expression[]): string => body.map((x) => ` ${one(x)}`).join('')
    if (e.kind !== 'if') return `(${head}${list(parts(e))})`
    return `(${head}${list([e.condition])} (then${list(e.yes)}) (else${list(e.no)}))`
  }
  return func.body.map(one).join(' ')
}
