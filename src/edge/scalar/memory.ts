/** Loads and stores of vectors, lane by lane. */

import { type Expression, i32, type Operation, operation } from '../../kernels/wasm/ir.js'
import { op, pack } from './bytes.js'
import { isWide, type Keep, type LaneType, lanesOf, type Vector } from './lanes.js'
import { replaceElement, splatBytes, splatHalves } from './rules.js'

const log2Bytes = (name: string): number =>
  /load8|store8/.test(name) ? 0 : /load16|store16/.test(name) ? 1 : /^.64|64/.test(name) ? 3 : 2

/** A load or store of a part of what `e` reads or writes. */
function access(
  e: Operation,
  name: string,
  address: Expression,
  at: number,
  value?: Expression,
): Expression {
  const offset = e.offset + at
  const align = Math.min(e.align, log2Bytes(name))
  return operation(name, value ? [address, value] : [address], { offset, align })
}

/** What loads read that do not take a vector. */
const extending = /^v128\.load(8x8|16x4|32x2)_([su])$/
const splatting = /^v128\.load(8|16|32|64)_splat$/

/** @param want type of the lanes that is wanted, if any */
export function load(
  e: Operation,
  address: Expression,
  want: LaneType | undefined,
  keep: Keep,
): Vector | undefined {
  const { name } = e.op
  const read = (part: string, at = 0): Expression => access(e, part, address, at)
  const narrow = want === 'f32' ? 'f32' : 'i32'
  const wide = want === 'f64' ? 'f64' : 'i64'
  const all = (type: LaneType, e: Expression): Vector => ({
    type,
    lanes: Array(lanesOf(type)).fill(keep(e)),
  })
  /** Zeros behind what is read. */
  const first = (type: LaneType, ...lanes: Expression[]): Vector => {
    const zero = { kind: 'const', type, value: type === 'i64' ? 0n : 0 } as Expression
    return { type, lanes: [...lanes, ...Array(lanesOf(type) - lanes.length).fill(zero)] }
  }
  if (name === 'v128.load') {
    const type = want ?? 'i64'
    const count = lanesOf(type)
    const lane = (_: unknown, i: number): Expression => read(`${type}.load`, (i * 16) / count)
    return { type, lanes: Array.from({ length: count }, lane) }
  }
  const [, splatBits] = splatting.exec(name) ?? []
  if (splatBits === '64') return all(wide, read(`${wide}.load`))
  if (splatBits === '32') return all(narrow, read(`${narrow}.load`))
  if (splatBits) {
    const splat = splatBits === '8' ? splatBytes : splatHalves
    return all('i32', splat(read(`i32.load${splatBits}_u`)))
  }
  if (name === 'v128.load32_zero') return first(narrow, read(`${narrow}.load`))
  if (name === 'v128.load64_zero')
    return want && isWide(want)
      ? first(wide, read(`${wide}.load`))
      : first(narrow, read(`${narrow}.load`), read(`${narrow}.load`, 4))
  const [, shape, sign] = extending.exec(name) ?? []
  if (shape === '32x2')
    return { type: 'i64', lanes: [0, 4].map((at) => read(`i64.load32_${sign}`, at)) }
  const [half, byte] = [`i32.load16_${sign}`, `i32.load8_${sign}`]
  const lane = (at: number): Expression =>
    shape === '16x4' ? read(half, at) : pack([read(byte, at), read(byte, at + 1)], 16)
  if (shape) return { type: 'i32', lanes: [0, 2, 4, 6].map(lane) }
  return undefined
}

/** Type of the lanes that a load or store of one lane needs of its vector; undefined for others. */
export function laneAccess(
  { op: { name }, lanes: [lane] }: Operation,
  found: LaneType | undefined,
) {
  const [, kind, width] = /^v128\.(load|store)(8|16|32|64)_lane$/.exec(name) ?? []
  if (!kind) return undefined
  const bits = Number(width)
  const type: LaneType =
    bits === 64 ? (found === 'f64' ? 'f64' : 'i64') : bits === 32 && found === 'f32' ? 'f32' : 'i32'
  return { stores: kind === 'store', bits, type, lane }
}

type Access = NonNullable<ReturnType<typeof laneAccess>>

export function loadLane(
  e: Operation,
  { bits, type, lane }: Access,
  address: Expression,
  { lanes }: Vector,
): Vector {
  const per = bits < 32 ? 32 / bits : 1
  const index = Math.floor(lane / per)
  const read = access(e, bits < 32 ? `i32.load${bits}_u` : `${type}.load`, address, 0)
  const put = (word: Expression): Expression =>
    bits === 8 || bits === 16 ? replaceElement(word, read, lane % per, bits) : read
  return { type, lanes: lanes.map((word, i) => (i === index ? put(word) : word)) }
}

export function storeLane(
  e: Operation,
  { bits, type, lane }: Access,
  address: Expression,
  { lanes }: Vector,
): Expression {
  if (bits >= 32) return access(e, `${type}.store`, address, 0, lanes[lane])
  const per = 32 / bits
  const word = lanes[Math.floor(lane / per)]
  const k = lane % per
  const value = k ? op('shr_u', word, i32(k * bits)) : word
  return access(e, `i32.store${bits}`, address, 0, value)
}

/** One store for each lane. What was written already is not read. */
export function store(
  e: Operation,
  address: Expression,
  { type, lanes }: Vector,
  keep: Keep,
): Expression[] {
  const size = 16 / lanes.length
  // All that has to be kept is read before the first store.
  const values = lanes.map((lane, i) => {
    const written = { address, from: e.offset, to: e.offset + i * size }
    return i > 0 && mayRead(lane, written) ? keep(lane) : lane
  })
  return values.map((lane, i) => access(e, `${type}.store`, address, i * size, lane))
}

/** What stores have written from an address on. */
type Written = { readonly address: Expression; readonly from: number; readonly to: number }

function mayRead(e: Expression, written: Written): boolean {
  switch (e.kind) {
    case 'const':
    case 'get':
      return false
    case 'op':
      return e.op.reads ? mayOverlap(e, written) : e.args.some((arg) => mayRead(arg, written))
    case 'call':
    case 'select':
      return e.args.some((arg) => mayRead(arg, written))
    default:
      return true
  }
}

function mayOverlap({ args: [at], offset }: Operation, { address, from, to }: Written): boolean {
  const distance = apart(at, address)
  return distance === undefined || (offset + distance < to && offset + distance + 8 > from)
}

/** From one address to the other where that is known. */
function apart(a: Expression, b: Expression): number | undefined {
  if (a.kind === 'get' && b.kind === 'get') return a.local === b.local ? 0 : undefined
  if (a.kind === 'const' && b.kind === 'const')
    return ((a.value as number) >>> 0) - ((b.value as number) >>> 0)
  return undefined
}
