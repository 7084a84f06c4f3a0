/** What each instruction on vectors becomes. Those that touch memory are in memory.ts. */

import { type Expression, i32, type Operation, operation, typeOf } from '../../kernels/wasm/ir.js'
import { type Bits, element, op } from './bytes.js'
import { eachLane, i64, isWide, type Keep, type LaneType, lanesOf } from './lanes.js'
import { shuffle } from './shuffle.js'

/** What rules build expressions with. */
export interface Tools {
  readonly keep: Keep
  /** What becomes of words that hold several numbers. */
  readonly call: (name: string, ...args: Expression[]) => Expression
}

type Lanes = readonly Expression[]

/** Vectors that an instruction takes, its scalars, its immediates. */
interface Given {
  readonly vectors: readonly Lanes[]
  readonly scalars: readonly Expression[]
  readonly e: Operation
}

export interface Rule {
  /** Type of the lanes of the vectors that the instruction takes. */
  readonly takes: LaneType
  /** Type of the lanes of its result; undefined where that is a scalar. */
  readonly gives: LaneType | undefined
  /** Four equal words become four equal words. */
  readonly isEven: boolean
  /** The lanes of the result; one expression where that is a scalar. */
  run(given: Given, tools: Tools): Expression[]
}

const rules = new Map<string, Rule>()

/** The rule of an instruction; undefined for one that has none. */
export function ruleOf(name: string): Rule | undefined {
  // Made when the first is asked for: most programs export nothing.
  if (rules.size === 0)
    for (const make of [wide, logic, short, halves, conversions, single, scalars, pairs]) make()
  return rules.get(name)
}

function rule(
  name: string,
  takes: LaneType,
  gives: LaneType | undefined,
  run: Rule['run'],
  isEven = false,
): void {
  rules.set(name, { takes, gives, isEven, run })
}

type Make = (...lanes: Expression[]) => Expression

/** Lane by lane. Scalars follow the lanes. `again`: operands are needed more than once. */
function lanewise(
  name: string,
  takes: LaneType,
  make: Make,
  { gives = takes, again = false }: { gives?: LaneType; again?: boolean } = {},
): void {
  const run: Rule['run'] = ({ vectors, scalars }, { keep }) =>
    eachLane(vectors, keep, (i) =>
      make(...vectors.map((v) => (again ? keep(v[i]) : v[i])), ...scalars),
    )
  rule(name, takes, gives, run, !isWide(takes))
}

/** Word by word, by a function. */
function byHelper(name: string, helper: string): void {
  const run: Rule['run'] = ({ vectors, scalars }, { keep, call }) =>
    eachLane(vectors, keep, (i) => call(helper, ...vectors.map((v) => v[i]), ...scalars))
  rule(name, 'i32', 'i32', run, true)
}

const scalar =
  (name: string): Make =>
  (...args) =>
    operation(name, args)
const choose =
  (type: LaneType, condition: string): Make =>
  (a, b) => ({ kind: 'select', type, args: [a, b, operation(condition, [a, b])] })
const mask32 = (condition: Expression): Expression => op('sub', i32(0), condition)
const mask64 = (condition: Expression): Expression =>
  operation('i64.sub', [i64(0n), operation('i64.extend_i32_u', [condition])])

function floats(shape: string, type: 'f32' | 'f64'): void {
  const mask = type === 'f32' ? mask32 : mask64
  const gives = type === 'f32' ? 'i32' : 'i64'
  const plain = 'abs neg sqrt ceil floor trunc nearest add sub mul div min max'
  for (const name of plain.split(' ')) lanewise(`${shape}.${name}`, type, scalar(`${type}.${name}`))
  for (const name of ['eq', 'ne', 'lt', 'gt', 'le', 'ge']) {
    const compare = scalar(`${type}.${name}`)
    lanewise(`${shape}.${name}`, type, (a, b) => mask(compare(a, b)), { gives })
  }
  // pmin: b < a ? b : a; pmax: a < b ? b : a.
  const least = choose(type, `${type}.lt`)
  lanewise(`${shape}.pmin`, type, (a, b) => least(b, a), { again: true })
  const most = choose(type, `${type}.gt`)
  lanewise(`${shape}.pmax`, type, (a, b) => most(b, a), { again: true })
}
function integers(shape: string, type: 'i32' | 'i64'): void {
  const number = (n: number): Expression => (type === 'i32' ? i32(n) : i64(BigInt(n)))
  const on = (name: string, ...args: Expression[]): Expression => operation(`${type}.${name}`, args)
  for (const name of ['add', 'sub', 'mul'])
    lanewise(`${shape}.${name}`, type, scalar(`${type}.${name}`))
  lanewise(`${shape}.neg`, type, (a) => on('sub', number(0), a))
  const sign = (a: Expression): Expression => on('shr_s', a, number(type === 'i32' ? 31 : 63))
  const abs: Make = (a) => on('sub', on('xor', a, sign(a)), sign(a))
  lanewise(`${shape}.abs`, type, abs, { again: true })
  // Counts are taken modulo the width, as in the vector's instruction.
  const count = (n: Expression): Expression =>
    type === 'i32' ? n : operation('i64.extend_i32_u', [n])
  for (const name of ['shl', 'shr_s', 'shr_u'])
    lanewise(`${shape}.${name}`, type, (a, n) => on(name, a, count(n)))
}
function wide(): void {
  floats('f32x4', 'f32')
  floats('f64x2', 'f64')
  integers('i32x4', 'i32')
  integers('i64x2', 'i64')
  for (const name of 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u'.split(' '))
    lanewise(`i32x4.${name}`, 'i32', (a, b) => mask32(op(name, a, b)))
  for (const sign of ['s', 'u']) {
    lanewise(`i32x4.min_${sign}`, 'i32', choose('i32', `i32.lt_${sign}`), { again: true })
    lanewise(`i32x4.max_${sign}`, 'i32', choose('i32', `i32.gt_${sign}`), { again: true })
  }
}

/** Logic goes by words, or by eight bytes where its operands do. */
const bitwise =
  (name: string): Make =>
  (a, b) =>
    operation(`${typeOf(a)}.${name}`, [a, b])
const [and, or, xor] = [bitwise('and'), bitwise('or'), bitwise('xor')]
const not = (e: Expression): Expression => xor(e, typeOf(e) === 'i64' ? i64(-1n) : i32(-1))
const bitselect: Rule['run'] = ({ vectors }, { keep }) => {
  const [a, b, condition] = vectors
  return eachLane(vectors, keep, (i) => {
    const other = keep(b[i])
    return xor(other, and(xor(a[i], other), condition[i]))
  })
}
function logic(): void {
  for (const [name, make] of Object.entries({ and, or, xor })) lanewise(`v128.${name}`, 'i32', make)
  lanewise('v128.not', 'i32', not)
  lanewise('v128.andnot', 'i32', (a, b) => and(a, not(b)))
  rule('v128.bitselect', 'i32', 'i32', bitselect, true)
}

/** Several numbers in a word. */
function short(): void {
  for (const name of 'add sub mul eq ne'.split(' '))
    for (const bits of [8, 16]) byHelper(`i${bits}x${128 / bits}.${name}`, `${name}${bits}`)
  for (const name of 'lt gt le ge min max add_sat sub_sat shr'.split(' '))
    for (const sign of ['s', 'u'])
      for (const bits of [8, 16]) {
        const helper = `${name}${name.endsWith('sat') ? '_' : ''}${bits}${sign}`
        byHelper(`i${bits}x${128 / bits}.${name}_${sign}`, helper)
      }
  for (const bits of [8, 16]) {
    const shape = `i${bits}x${128 / bits}`
    byHelper(`${shape}.shl`, `shl${bits}u`)
    byHelper(`${shape}.abs`, `abs${bits}s`)
    byHelper(`${shape}.avgr_u`, `avgr_${bits}u`)
    rule(`${shape}.neg`, 'i32', 'i32', ({ vectors: [a] }, { call }) =>
      a.map((word) => call(`sub${bits}`, i32(0), word)),
    )
  }
  byHelper('i8x16.popcnt', 'popcnt8u')
  byHelper('i16x8.q15mulr_sat_s', 'mulr_16s')
  byHelper('i32x4.dot_i16x8_s', 'dot16s')
  for (const sign of ['s', 'u']) {
    byHelper(`i16x8.extadd_pairwise_i8x16_${sign}`, `pairs8${sign}`)
    byHelper(`i32x4.extadd_pairwise_i16x8_${sign}`, `pairs16${sign}`)
  }
}

/** Two words of each operand become one. */
function narrow(name: string, helper: string): void {
  rule(name, 'i32', 'i32', ({ vectors: [a, b] }, { call }) =>
    [a[0], a[2], b[0], b[2]].map((low, i) => call(helper, low, [a, a, b, b][i][(i & 1) * 2 + 1])),
  )
}

/** Two lanes from one on, each by an instruction, and more behind them. */
function lanesFrom(
  name: string,
  takes: LaneType,
  gives: LaneType,
  each: string,
  from = 0,
  more: Lanes = [],
): void {
  rule(name, takes, gives, ({ vectors: [a] }) => [
    ...a.slice(from, from + 2).map((e) => operation(each, [e])),
    ...more,
  ])
}

function halves(): void {
  for (const sign of ['s', 'u']) {
    narrow(`i8x16.narrow_i16x8_${sign}`, `narrow8${sign}`)
    narrow(`i16x8.narrow_i32x4_${sign}`, `narrow16${sign}`)
    for (const half of ['low', 'high']) {
      const from = half === 'low' ? 0 : 2
      // Bytes in the lower half of a word; those of the upper half are moved there.
      const bytes = (a: Lanes, i: number): Expression => {
        const word = a[from + (i >> 1)]
        return i & 1 ? op('shr_u', word, i32(16)) : word
      }
      const part = (a: Lanes, i: number): Expression =>
        element(a[from + (i >> 1)], i & 1, 16, sign === 's')
      const twice = (a: Lanes, keep: Keep): Lanes => {
        const kept = a.slice(from, from + 2).map((e) => keep(e))
        return from ? [...kept, ...kept] : kept
      }
      const four = (
        name: string,
        make: (vectors: readonly Lanes[], i: number, call: Tools['call']) => Expression,
      ): void =>
        rule(`${name}_${sign}`, 'i32', 'i32', ({ vectors }, { keep, call }) => {
          const halves = vectors.map((v) => twice(v, keep))
          return [0, 1, 2, 3].map((i) => make(halves, i, call))
        })
      four(`i16x8.extend_${half}_i8x16`, ([a], i, call) => call(`widen8${sign}`, bytes(a, i)))
      four(`i16x8.extmul_${half}_i8x16`, ([a, b], i, call) =>
        call(`product8${sign}`, bytes(a, i), bytes(b, i)),
      )
      four(`i32x4.extend_${half}_i16x8`, ([a], i) => part(a, i))
      four(`i32x4.extmul_${half}_i16x8`, ([a, b], i) => op('mul', part(a, i), part(b, i)))
      lanesFrom(`i64x2.extend_${half}_i32x4_${sign}`, 'i32', 'i64', `i64.extend_i32_${sign}`, from)
    }
  }
}

const zero: Expression = { kind: 'const', type: 'f32', value: 0 }

function conversions(): void {
  for (const sign of ['s', 'u']) {
    const [converted, truncated] = [`f32.convert_i32_${sign}`, `i32.trunc_sat_f32_${sign}`]
    lanewise(`f32x4.convert_i32x4_${sign}`, 'i32', scalar(converted), { gives: 'f32' })
    lanewise(`i32x4.trunc_sat_f32x4_${sign}`, 'f32', scalar(truncated), { gives: 'i32' })
    const wide = `i32x4.trunc_sat_f64x2_${sign}_zero`
    lanesFrom(wide, 'f64', 'i32', `i32.trunc_sat_f64_${sign}`, 0, [i32(0), i32(0)])
    lanesFrom(`f64x2.convert_low_i32x4_${sign}`, 'i32', 'f64', `f64.convert_i32_${sign}`)
  }
  lanesFrom('f64x2.promote_low_f32x4', 'f32', 'f64', 'f64.promote_f32')
  lanesFrom('f32x4.demote_f64x2_zero', 'f64', 'f32', 'f32.demote_f64', 0, [zero, zero])
}

/** One number in all lanes. */
function splat(name: string, type: LaneType, word: Make = (e) => e): void {
  const run: Rule['run'] = ({ scalars }, { keep }) =>
    Array(lanesOf(type)).fill(keep(word(scalars[0])))
  rule(name, type, type, run, !isWide(type))
}
export const splatBytes = (e: Expression): Expression =>
  op('mul', op('and', e, i32(0xff)), i32(0x01010101))
export const splatHalves = (e: Expression): Expression =>
  op('mul', op('and', e, i32(0xffff)), i32(0x00010001))

/** A word with number k replaced. */
export function replaceElement(
  word: Expression,
  value: Expression,
  k: number,
  bits: Bits,
): Expression {
  const full = bits === 8 ? 0xff : 0xffff
  const short = op('and', value, i32(full))
  const moved = k ? op('shl', short, i32(k * bits)) : short
  return op('or', op('and', word, i32(~(full << (k * bits)))), moved)
}

/** What takes or gives one number. */
function single(): void {
  splat('i8x16.splat', 'i32', splatBytes)
  splat('i16x8.splat', 'i32', splatHalves)
  for (const [shape, type] of [
    ['f32x4', 'f32'],
    ['i32x4', 'i32'],
    ['f64x2', 'f64'],
    ['i64x2', 'i64'],
  ] as const) {
    splat(`${shape}.splat`, type)
    rule(`${shape}.extract_lane`, type, undefined, ({ vectors: [a], e }) => [a[e.lanes[0]]])
    rule(`${shape}.replace_lane`, type, type, ({ vectors: [a], scalars, e }) =>
      a.map((lane, i) => (i === e.lanes[0] ? scalars[0] : lane)),
    )
  }
  for (const bits of [8, 16] as const) {
    const shape = `i${bits}x${128 / bits}`
    const per = 32 / bits
    for (const sign of ['s', 'u'])
      rule(`${shape}.extract_lane_${sign}`, 'i32', undefined, ({ vectors: [a], e }) => {
        const [lane] = e.lanes
        return [element(a[Math.floor(lane / per)], lane % per, bits, sign === 's')]
      })
    rule(`${shape}.replace_lane`, 'i32', 'i32', ({ vectors: [a], scalars, e }) => {
      const [lane] = e.lanes
      return a.map((word, i) =>
        i === Math.floor(lane / per) ? replaceElement(word, scalars[0], lane % per, bits) : word,
      )
    })
    rule(`${shape}.bitmask`, 'i32', undefined, ({ vectors: [a] }, { call }) => [
      joinBits(per, a, (word) => call(`mask${bits}`, word)),
    ])
    // A number that is 0 leaves a bit that is not.
    rule(`${shape}.all_true`, 'i32', undefined, ({ vectors: [a] }, { call }) => [
      op(
        'eqz',
        joined('or', a, (word) => call(`eq${bits}`, word, i32(0))),
      ),
    ])
  }
}

type Each = (word: Expression, i: number) => Expression

const joined = (name: string, words: Lanes, each: Each): Expression =>
  words.map(each).reduce((a, b) => op(name, a, b))

/** Some bits of each word, those of the first lowest. */
const joinBits = (bits: number, words: Lanes, each: (word: Expression) => Expression): Expression =>
  joined('or', words, (word, i) => (i ? op('shl', each(word), i32(i * bits)) : each(word)))

/** One number of a vector, without more than its words. */
const summed = (name: string, make: (a: Lanes) => Expression): void =>
  rule(name, 'i32', undefined, ({ vectors: [a] }) => [make(a)])
const isSet = (word: Expression): Expression => op('ne', word, i32(0))
function scalars(): void {
  summed('i32x4.bitmask', (a) => joinBits(1, a, (word) => op('shr_u', word, i32(31))))
  summed('i32x4.all_true', (a) => joined('and', a, isSet))
  summed('v128.any_true', (a) => isSet(joined('or', a, (word) => word)))
  rule('i8x16.shuffle', 'i32', 'i32', ({ vectors: [a, b], e }, { keep }) =>
    shuffle([...a, ...b], e.lanes, keep),
  )
}

function pairs(): void {
  // Pairs of instructions that have a shorter form together.
  byHelper('i8x16.sub(a, eq(b, c))', 'count8')
  rule('i8x16.bitmask(ne(a, 0))', 'i32', undefined, ({ vectors: [a] }, { call }) => [
    joinBits(4, a, (word) => call('nonzero8', word)),
  ])

  rule('i8x16.narrow_u(t, t), t = narrow_u(a, b)', 'i32', 'i32', ({ vectors }, { keep, call }) => {
    const [low, high] = vectors.map((words) => keep(call('bytes8u', ...words)))
    return [low, high, low, high]
  })
}

/**
 * A pair of instructions as one: the name of its rule, the operands.
 * @param gets how often a local is read
 */
export function pairOf({ op: { name }, args }: Operation, gets: (local: number) => number) {
  const [first] = args
  const inner = args[args.length - 1]
  if (name === 'i8x16.narrow_i16x8_u' && first.kind === 'tee' && inner.kind === 'get') {
    const { local, value } = first
    if (local !== inner.local || gets(local) !== 1 || value.kind !== 'op') return undefined
    if (value.op.name !== 'i16x8.narrow_i32x4_u') return undefined
    return { name: 'i8x16.narrow_u(t, t), t = narrow_u(a, b)', args: value.args }
  }
  if (inner?.kind !== 'op') return undefined
  if (name === 'i8x16.sub' && inner.op.name === 'i8x16.eq')
    return { name: 'i8x16.sub(a, eq(b, c))', args: [args[0], ...inner.args] }
  if (name !== 'i8x16.bitmask' || inner.op.name !== 'i8x16.ne') return undefined
  const [a, b] = inner.args
  const isZero = b.kind === 'const' && (b.value as Uint8Array).every((byte) => byte === 0)
  return isZero ? { name: 'i8x16.bitmask(ne(a, 0))', args: [a] } : undefined
}
