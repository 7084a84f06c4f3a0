/** Loads and stores of vectors, lane by lane. */

import { type Expression, i32, type Operation, operation } from '../../wasm/ir.js'
import { op, pack } from './bytes.js'
import { i64, isWide, type Keep, type LaneType, lanesOf, type Vector } from './lanes.js'
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

const zeroOf = (type: 'i32' | 'f32'): Expression =>
  type === 'i32' ? i32(0) : { kind: 'const', type, value: 0 }

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
  if (name === 'v128.load') {
    const type = want ?? 'i64'
    const count = lanesOf(type)
    const lane = (_: unknown, i: number): Expression => read(`${type}.load`, (i * 16) / count)
    return { type, lanes: Array.from({ length: count }, lane) }
  }
  const [, splatBits] = splatting.exec(name) ?? []
  if (splatBits === '64') return { type: wide, lanes: Array(2).fill(keep(read(`${wide}.load`))) }
  if (splatBits === '32')
    return { type: narrow, lanes: Array(4).fill(keep(read(`${narrow}.load`))) }
  if (splatBits) {
    const splat = splatBits === '8' ? splatBytes : splatHalves
    return { type: 'i32', lanes: Array(4).fill(keep(splat(read(`i32.load${splatBits}_u`)))) }
  }
  if (name === 'v128.load32_zero') {
    const zero = zeroOf(narrow)
    return { type: narrow, lanes: [read(`${narrow}.load`), zero, zero, zero] }
  }
  if (name === 'v128.load64_zero') {
    if (want && isWide(want))
      return {
        type: wide,
        lanes: [
          read(`${wide}.load`),
          wide === 'i64' ? i64(0n) : { kind: 'const', type: 'f64', value: 0 },
        ],
      }
    const zero = zeroOf(narrow)
    return {
      type: narrow,
      lanes: [read(`${narrow}.load`), read(`${narrow}.load`, 4), zero, zero],
    }
  }
  const [, shape, sign] = extending.exec(name) ?? []
  if (shape === '32x2')
    return { type: 'i64', lanes: [0, 4].map((at) => read(`i64.load32_${sign}`, at)) }
  if (shape === '16x4')
    return { type: 'i32', lanes: [0, 2, 4, 6].map((at) => read(`i32.load16_${sign}`, at)) }
  if (shape)
    return {
      type: 'i32',
      lanes: [0, 2, 4, 6].map((at) =>
        pack([read(`i32.load8_${sign}`, at), read(`i32.load8_${sign}`, at + 1)], 16),
      ),
    }
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

interface Written {
  readonly address: Expression
  readonly from: number
  readonly to: number
}

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
  if (distance === undefined) return true
  const first = offset + distance
  return first < to && first + 8 > from
}

/** From one address to the other where that is known. */
function apart(a: Expression, b: Expression): number | undefined {
  if (a.kind === 'get' && b.kind === 'get') return a.local === b.local ? 0 : undefined
  if (a.kind === 'const' && b.kind === 'const')
    return ((a.value as number) >>> 0) - ((b.value as number) >>> 0)
  return undefined
}
