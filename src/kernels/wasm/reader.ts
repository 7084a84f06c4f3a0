/** Reads WebAssembly's binary format byte by byte: of modules that an engine has compiled. */

import { type Constant, type Expression, type Func, i32, type Label, operation } from './ir.js'
import { constantCodes, typeCodes, type ValueType } from './types.js'

export class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
    readonly end = bytes.length,
  ) {}

  get done(): boolean {
    return this.at >= this.end
  }

  byte(): number {
    if (this.at >= this.end) throw new RangeError('the bytes end too early')
    return this.bytes[this.at++]
  }

  take(count: number): Uint8Array {
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  /** An unsigned LEB128 of up to 32 bits. */
  u32(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }

  /** A signed LEB128 of up to 64 bits. */
  s64(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, byte & 0x40 ? value - (1n << (shift + 7n)) : value)
    }
  }

  s32(): number {
    return Number(BigInt.asIntN(32, this.s64()))
  }

  float(bits: 32 | 64): number {
    const { buffer, byteOffset } = this.take(bits / 8)
    return new DataView(buffer, byteOffset)[`getFloat${bits}`](0, true)
  }

  /** A name in UTF-8. */
  name(): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.take(this.u32()))
  }
}

/** The sections of a module, in their order: their numbers, and what is in them. */
export function* sectionsOf(bytes: Uint8Array) {
  const reader = new Reader(bytes, HEADER_BYTES)
  while (!reader.done) {
    const id = reader.byte()
    const size = reader.u32()
    yield { id, contents: new Reader(bytes, reader.at, reader.at + size) }
    reader.at += size
  }
}

const HEADER_BYTES = 8

// Types, constants and calls through tables, as a module's bytes have them.

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
export const readConstant = (r: Reader, code: number): Constant | undefined => constants[code]?.(r)

const constants: Readonly<Record<number, (r: Reader) => Constant>> = {
  [constantCodes.i32]: (r) => i32(r.s32()),
  [constantCodes.i64]: (r) => ({ kind: 'const', type: 'i64', value: r.s64() }),
  [constantCodes.f32]: (r) => ({ kind: 'const', type: 'f32', value: r.float(32) }),
  [constantCodes.f64]: (r) => ({ kind: 'const', type: 'f64', value: r.float(64) }),
}
