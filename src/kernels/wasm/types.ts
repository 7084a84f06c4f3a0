/** WebAssembly's value types and instructions, as far as the engine uses them. */

/** i32, i64, float32, float64, and vectors of 128 bits. */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

export const typeCodes: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
}

/** Codes of what is no plain instruction, by the kinds of expressions. */
export const codes = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  br: 0x0c,
  br_if: 0x0d,
  br_table: 0x0e,
  return: 0x0f,
  call: 0x10,
  drop: 0x1a,
  select: 0x1b,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
} as const
export const [ELSE, END] = [0x05, 0x0b]

/** Codes of constants by their types. */
export const constantCodes = { i32: 0x41, i64: 0x42, f32: 0x43, f64: 0x44 } as const

/** What follows an instruction's code, and how many lanes it names. */
export const immediates = { none: 0, memory: 0, lane: 1, memoryLane: 1, lanes16: 16 } as const
type Immediate = keyof typeof immediates

/** An instruction that takes values and gives at most one. */
export interface Instruction {
  readonly name: string
  /** The code: one byte, or 0xfc or 0xfd in the bits from 16 on and the code behind it below. */
  readonly code: number
  readonly params: readonly ValueType[]
  readonly result: ValueType | undefined
  readonly immediate: Immediate
  /** Reads memory. */
  readonly reads: boolean
  /** Writes memory. */
  readonly writes: boolean
  /** Traps for some values (other than addresses outside memory). */
  readonly traps: boolean
}

/** Codes behind a prefix byte. */
const bulk = (code: number): number => (0xfc << 16) | code
const simd = (code: number): number => (0xfd << 16) | code

/** Operations that several types have. */
const groups: Readonly<Record<string, string>> = {
  compareInt: 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u',
  compareFloat: 'eq ne lt gt le ge',
  unaryFloat: 'abs neg ceil floor trunc nearest sqrt',
  binaryFloat: 'add sub mul div min max copysign',
  binaryInt: 'add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr',
  binaryVector: 'add sub mul div min max pmin pmax',
  shifts: 'shl shr_s shr_u',
  saturating: 'add add_sat_s add_sat_u sub sub_sat_s sub_sat_u',
  least: 'min_s min_u max_s max_u',
}

/**
 * Names of instructions, or groups of them, in the order of their codes from the first one on. A
 * type stands before those that it has, with a dot; '-' skips a code.
 */
const tables: Readonly<Record<number, string>> = {
  // 0x28.
  40: `
    i32. load i64. load f32. load f64. load i32. load8_s load8_u load16_s load16_u
    i64. load8_s load8_u load16_s load16_u load32_s load32_u
    i32. store i64. store f32. store f64. store i32. store8 store16 i64. store8 store16 store32
    - - - - - - i32. eqz compareInt i64. eqz compareInt f32. compareFloat f64. compareFloat
    i32. clz ctz popcnt binaryInt i64. clz ctz popcnt binaryInt
    f32. unaryFloat binaryFloat f64. unaryFloat binaryFloat
    i32. wrap_i64 trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u
    i64. extend_i32_s extend_i32_u trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u
    f32. convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote_f64
    f64. convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote_f32
    i32. reinterpret_f32 i64. reinterpret_f64 f32. reinterpret_i32 f64. reinterpret_i64
    i32. extend8_s extend16_s i64. extend8_s extend16_s extend32_s`,
  [bulk(0)]: `
    i32. trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u
    i64. trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u
    - - memory. copy fill`,
  [simd(0)]: `
    v128. load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u
    load8_splat load16_splat load32_splat load64_splat store -
    i8x16. shuffle swizzle splat i16x8. splat i32x4. splat i64x2. splat f32x4. splat f64x2. splat
    i8x16. extract_lane_s extract_lane_u replace_lane
    i16x8. extract_lane_s extract_lane_u replace_lane
    i32x4. extract_lane replace_lane i64x2. extract_lane replace_lane
    f32x4. extract_lane replace_lane f64x2. extract_lane replace_lane
    i8x16. compareInt i16x8. compareInt i32x4. compareInt f32x4. compareFloat f64x2. compareFloat
    v128. not and andnot or xor bitselect any_true
    load8_lane load16_lane load32_lane load64_lane
    store8_lane store16_lane store32_lane store64_lane load32_zero load64_zero
    f32x4. demote_f64x2_zero f64x2. promote_low_f32x4
    i8x16. abs neg popcnt all_true bitmask narrow_i16x8_s narrow_i16x8_u
    f32x4. ceil floor trunc nearest i8x16. shifts saturating - - least - avgr_u
    i16x8. extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u
    i32x4. extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u
    i16x8. abs neg q15mulr_sat_s all_true bitmask narrow_i32x4_s narrow_i32x4_u
    extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u
    shifts saturating - mul least - avgr_u
    extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u
    i32x4. abs neg - all_true bitmask - -
    extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u
    shifts add - - sub - - - mul least dot_i16x8_s -
    extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u
    i64x2. abs neg - - - - -
    extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u
    shifts add - - sub - - - mul - - - - - - - - - -
    f32x4. abs neg - sqrt binaryVector f64x2. abs neg - sqrt binaryVector
    i32x4. trunc_sat_f32x4_s trunc_sat_f32x4_u f32x4. convert_i32x4_s convert_i32x4_u
    i32x4. trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero
    f64x2. convert_low_i32x4_s convert_low_i32x4_u`,
}

/**
 * What instructions take and give, by the first pattern that fits the name: `x` is a value of the
 * type before the dot, `e` an element of it, `i` an i32, `v` a vector, `n` a count of bits, `c`
 * what comparisons give, `f` what is converted.
 */
const signatures: readonly (readonly [name: RegExp, params: string, result: string])[] = [
  [/^(copy|fill)$/, 'iii', ''],
  [/^load.*lane$/, 'iv', 'v'],
  [/^store.*lane$/, 'iv', ''],
  [/^load/, 'i', 'x'],
  [/^store/, 'ix', ''],
  [/^splat$/, 'e', 'v'],
  [/^extract_lane/, 'v', 'e'],
  [/^replace_lane/, 've', 'v'],
  [/^(all_true|any_true|bitmask|eqz)$/, 'x', 'i'],
  [/^(eq|ne|lt|gt|le|ge)(_[su])?$/, 'xx', 'c'],
  [/^sh[lr]/, 'xn', 'x'],
  [/^bitselect$/, 'vvv', 'v'],
  [/^(clz|ctz|popcnt|abs|neg|not|ceil|floor|trunc|nearest|sqrt|extadd|extend)/, 'f', 'x'],
  [/^(wrap|convert|demote|promote|reinterpret)_/, 'f', 'x'],
  [/^/, 'xx', 'x'],
]

function signatureOf(type: string, name: string): ValueType[][] {
  const isVector = /x|v128/.test(type)
  const own = isVector ? 'v128' : type
  const [from = own] = /(?<=_)[if](32|64)(?!x)/.exec(name) ?? []
  const element = /^i(8|16)/.test(type) ? 'i32' : type.slice(0, 3)
  const [bits, truth] = isVector ? ['i32', 'v128'] : [own, 'i32']
  const types = ['i32', 'v128', own, element, bits, truth, from] as ValueType[]
  const [, params, result] = signatures.find(([names]) => names.test(name))!
  return [params, result].map((all) => Array.from(all, (kind) => types['ivxencf'.indexOf(kind)]))
}

function immediateOf(name: string): Immediate {
  if (/(load|store)\d+_lane$/.test(name)) return 'memoryLane'
  if (/_lane/.test(name)) return 'lane'
  if (/\.(load|store)/.test(name)) return 'memory'
  return name === 'i8x16.shuffle' ? 'lanes16' : 'none'
}

const all = Object.entries(tables).flatMap(([first, table]) => {
  const names = table.trim().replace(/\w+/g, (name) => groups[name] ?? name)
  let type = ''
  let code = Number(first)
  return names.split(/\s+/).flatMap((own): Instruction[] => {
    if (own.endsWith('.')) {
      type = own.slice(0, -1)
      return []
    }
    const name = `${type}.${own}`
    const [params, [result]] = signatureOf(type, own)
    const one = {
      name,
      code: code++,
      params,
      result,
      immediate: immediateOf(name),
      reads: /\.load/.test(name) || name === 'memory.copy',
      writes: /\.store/.test(name) || /^memory\.(copy|fill)$/.test(name),
      traps: /\.(div|rem)_[su]$/.test(name) || /\.trunc_f/.test(name),
    }
    return own === '-' ? [] : [one]
  })
})
const byCode = new Map(all.map((one) => [one.code, one]))
const byName = new Map(all.map((one) => [one.name, one]))

/** The instruction with a code; undefined when there is none. */
export const instructionOf = (code: number): Instruction | undefined => byCode.get(code)

/** @throws Error where no instruction has this name */
export function instruction(name: string): Instruction {
  const found = byName.get(name)
  if (!found) throw new Error(`no instruction ${name}`)
  return found
}

export const prefixed = { bulk, simd }
