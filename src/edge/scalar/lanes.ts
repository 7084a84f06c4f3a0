/** Vectors of 128 bits as four or two numbers. */

import { type Constant, type Expression, i32, operation } from '../../kernels/wasm/ir.js'

/** Type of the numbers that a vector is taken apart into. */
export type LaneType = 'i32' | 'f32' | 'i64' | 'f64'

/**
 * A vector as its lanes, the lowest bytes first. Lanes do nothing but read memory and locals, and
 * each may be evaluated once, or not at all. Equal lanes are the same object; it may be evaluated
 * several times.
 */
export interface Vector {
  readonly type: LaneType
  readonly lanes: readonly Expression[]
}

/** Puts a value into a local. Unless `always`: if it is no constant and not in a local already. */
export type Keep = (e: Expression, always?: boolean) => Expression

export const lanesOf = (type: LaneType): number => (isWide(type) ? 2 : 4)

export const isWide = (type: LaneType): boolean => type === 'i64' || type === 'f64'

export const i64 = (value: bigint): Constant => ({ kind: 'const', type: 'i64', value })

export const isSimple = (e: Expression): boolean => e.kind === 'const' || e.kind === 'get'

/** Whether all lanes are the same. */
export const isUniform = (lanes: readonly Expression[]): boolean =>
  lanes.every((lane) => lane === lanes[0])

/** A list with the lanes of an index, or one lane for all where the operands are uniform. */
export function eachLane(
  operands: readonly (readonly Expression[])[],
  keep: Keep,
  lane: (i: number) => Expression,
): Expression[] {
  const count = operands[0].length
  if (!operands.every(isUniform)) return Array.from({ length: count }, (_, i) => lane(i))
  return Array(count).fill(keep(lane(0)))
}

/** What a DataView calls the types. */
const accessors = { i32: 'Int32', f32: 'Float32', i64: 'BigInt64', f64: 'Float64' } as const

/** A number's bits as a number of the other kind. */
export function reinterpret(e: Expression, to: LaneType): Expression {
  const from = { i32: 'f32', f32: 'i32', i64: 'f64', f64: 'i64' }[to]
  if (e.kind === 'op' && e.op.name === `${from}.reinterpret_${to}`) return e.args[0]
  if (e.kind === 'const' && e.type !== 'v128') {
    const view = new DataView(new ArrayBuffer(8))
    view[`set${accessors[e.type]}`](0, e.value as never, true)
    const value = constantAt(view, 0, to)
    if (value.kind === 'const') return value
  }
  if (e.kind === 'op' && e.op.name === `${from}.load`)
    return operation(`${to}.load`, e.args, { offset: e.offset, align: e.align })
  return operation(`${to}.reinterpret_${from}`, [e])
}

/** A constant of four or eight bytes. What is not a number keeps its bits: it is no float then. */
function constantAt(view: DataView, at: number, type: LaneType): Expression {
  const value = view[`get${accessors[type]}`](at, true)
  if (!Number.isNaN(value)) return { kind: 'const', type, value } as Constant
  const bits = type === 'f32' ? 'i32' : 'i64'
  return operation(`${type}.reinterpret_${bits}`, [constantAt(view, at, bits)])
}

export function constantVector(bytes: Uint8Array, type: LaneType, keep: Keep): Vector {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16)
  const count = lanesOf(type)
  const size = 16 / count
  const lane = (i: number): Expression => constantAt(view, i * size, type)
  if (bytes.every((byte, i) => byte === bytes[i % size]))
    return { type, lanes: Array(count).fill(keep(lane(0))) }
  return { type, lanes: Array.from({ length: count }, (_, i) => lane(i)) }
}

/** The same vector with lanes of another type. */
export function convert({ type: from, lanes }: Vector, to: LaneType, keep: Keep): Vector {
  if (from === to) return { type: to, lanes }
  const bits = isWide(to) ? 'i64' : 'i32'
  const map = (list: readonly Expression[], each: (e: Expression) => Expression): Expression[] =>
    isUniform(list) ? Array(list.length).fill(each(list[0])) : list.map(each)
  const toBits = (list: readonly Expression[], type: LaneType): readonly Expression[] => {
    if (type === 'i32' || type === 'i64') return list
    return map(list, (e) => reinterpret(e, type === 'f32' ? 'i32' : 'i64'))
  }
  const fromBits = (list: readonly Expression[]): Vector => ({
    type: to,
    lanes: to === bits ? list : map(list, (e) => reinterpret(e, to)),
  })
  const plain = toBits(lanes, from)
  if (isWide(from) === isWide(to)) return fromBits(plain)
  if (isWide(to) && isUniform(plain)) {
    const word = keep(plain[0])
    return fromBits(Array(2).fill(keep(joinWords(word, word))))
  }
  if (isWide(to)) return fromBits([joinWords(plain[0], plain[1]), joinWords(plain[2], plain[3])])
  return fromBits(plain.flatMap((e) => words(keep(e))))
}

function joinWords(low: Expression, high: Expression): Expression {
  const wide = (e: Expression): Expression => operation('i64.extend_i32_u', [e])
  return operation('i64.or', [wide(low), operation('i64.shl', [wide(high), i64(32n)])])
}

function words(e: Expression): Expression[] {
  if (e.kind === 'const' && e.type === 'i64')
    return [i32(Number(BigInt.asIntN(32, e.value))), i32(Number(BigInt.asIntN(32, e.value >> 32n)))]
  const wrap = (x: Expression): Expression => operation('i32.wrap_i64', [x])
  return [wrap(e), wrap(operation('i64.shr_u', [e, i64(32n)]))]
}

/** An expression, and how its value is wanted. */
export type Item = { readonly e: Expression; readonly want?: LaneType; readonly isSimple?: boolean }

/** What an expression becomes. */
export type Lowered = Expression | Vector

/** Whether it is a vector. */
export const isLanes = (x: Lowered): x is Vector => 'lanes' in x && !('kind' in x)

/** What an operand consists of. */
export const expressionsOf = (x: Lowered): readonly Expression[] => (isLanes(x) ? x.lanes : [x])

/** A vector's locals, one for each lane. */
export interface Home {
  readonly type: LaneType
  readonly locals: readonly number[]
}
