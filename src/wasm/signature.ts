/** Types, constants and calls through tables, as a module's bytes have them. */

import type { Constant, Expression, Func, Label } from './ir.js'
import { i32, operation } from './ir.js'
import type { Reader } from './reader.js'
import { typeCodes, type ValueType } from './types.js'

export type Signature = ReturnType<typeof readSignature>

const typesByCode = new Map(
  Object.entries(typeCodes).map(([name, code]) => [code, name as ValueType]),
)

export function valueType(code: number): ValueType {
  const type = typesByCode.get(code)
  if (!type) throw new Error(`value type 0x${code.toString(16)} is unknown`)
  return type
}

/** A function that calls one of a table, by an index before its arguments. */
export function choosing({ params, result }: Signature, table: readonly Func[]): Func {
  const label: Label = { kind: 'block', result }
  const args = params.map((type, i): Expression => ({ kind: 'get', local: i + 1, type }))
  const index: Expression = { kind: 'get', local: 0, type: 'i32' }
  const body = table.map((callee, i): Expression => {
    const call: Expression = { kind: 'call', callee, args }
    const yes: Expression[] = result
      ? [{ kind: 'return', value: call }]
      : [call, { kind: 'return', value: undefined }]
    const condition = operation('i32.eq', [index, i32(i)])
    return { kind: 'if', label: { kind: 'block', result: undefined }, condition, yes, no: [] }
  })
  return {
    name: 'indirect',
    params: ['i32', ...params],
    result,
    label,
    locals: [],
    body: [...body, { kind: 'unreachable' }],
  }
}

export function readSignature(r: Reader) {
  if (r.byte() !== 0x60) throw new Error('a type is no function')
  const types = (): ValueType[] => Array.from({ length: r.u32() }, () => valueType(r.byte()))
  const params = types()
  const results = types()
  if (results.length > 1) throw new Error('a function gives several values')
  return { params, result: results.at(0) }
}

/** A constant of any type. */
export function readGlobal(r: Reader): Constant {
  const type = r.byte()
  const isMutable = r.byte() !== 0
  const value = isMutable ? undefined : readConstant(r, r.byte())
  if (value?.type !== typesByCode.get(type) || r.byte() !== 0x0b)
    throw new Error('a global is no constant')
  return value as Constant
}

/** What a constant instruction gives; undefined: it is none of numbers. */
export function readConstant(r: Reader, code: number): Constant | undefined {
  switch (code) {
    case 0x41:
      return i32(r.s32())
    case 0x42:
      return { kind: 'const', type: 'i64', value: r.s64() }
    case 0x43:
      return { kind: 'const', type: 'f32', value: r.f32() }
    case 0x44:
      return { kind: 'const', type: 'f64', value: r.f64() }
    default:
      return undefined
  }
}
