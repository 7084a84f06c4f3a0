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

const letters: Readonly<Record<string, ValueType>> = {
  i: 'i32',
  l: 'i64',
  f: 'f32',
  d: 'f64',
  v: 'v128',
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
  saturating: 'add add_sat_s add_sat_u sub sub_sat_s sub_sat_u',
  least: 'min_s min_u max_s max_u',
}

/**
 * Instructions with consecutive codes: the first code, the signature as params:result, the type
 * before the names, and the names or groups of them; '-' skips one.
 */
const rows: readonly (readonly [number, string])[] = [
  [0x28, 'i:i i32 load'],
  [0x29, 'i:l i64 load'],
  [0x2a, 'i:f f32 load'],
  [0x2b, 'i:d f64 load'],
  [0x2c, 'i:i i32 load8_s load8_u load16_s load16_u'],
  [0x30, 'i:l i64 load8_s load8_u load16_s load16_u load32_s load32_u'],
  [0x36, 'ii: i32 store'],
  [0x37, 'il: i64 store'],
  [0x38, 'if: f32 store'],
  [0x39, 'id: f64 store'],
  [0x3a, 'ii: i32 store8 store16'],
  [0x3c, 'il: i64 store8 store16 store32'],
  [0x45, 'i:i i32 eqz'],
  [0x46, 'ii:i i32 compareInt'],
  [0x50, 'l:i i64 eqz'],
  [0x51, 'll:i i64 compareInt'],
  [0x5b, 'ff:i f32 compareFloat'],
  [0x61, 'dd:i f64 compareFloat'],
  [0x67, 'i:i i32 clz ctz popcnt'],
  [0x6a, 'ii:i i32 binaryInt'],
  [0x79, 'l:l i64 clz ctz popcnt'],
  [0x7c, 'll:l i64 binaryInt'],
  [0x8b, 'f:f f32 unaryFloat'],
  [0x92, 'ff:f f32 binaryFloat'],
  [0x99, 'd:d f64 unaryFloat'],
  [0xa0, 'dd:d f64 binaryFloat'],
  [0xa7, 'l:i i32 wrap_i64'],
  [0xa8, 'f:i i32 trunc_f32_s trunc_f32_u'],
  [0xaa, 'd:i i32 trunc_f64_s trunc_f64_u'],
  [0xac, 'i:l i64 extend_i32_s extend_i32_u'],
  [0xae, 'f:l i64 trunc_f32_s trunc_f32_u'],
  [0xb0, 'd:l i64 trunc_f64_s trunc_f64_u'],
  [0xb2, 'i:f f32 convert_i32_s convert_i32_u'],
  [0xb4, 'l:f f32 convert_i64_s convert_i64_u'],
  [0xb6, 'd:f f32 demote_f64'],
  [0xb7, 'i:d f64 convert_i32_s convert_i32_u'],
  [0xb9, 'l:d f64 convert_i64_s convert_i64_u'],
  [0xbb, 'f:d f64 promote_f32'],
  [0xbc, 'f:i i32 reinterpret_f32'],
  [0xbd, 'd:l i64 reinterpret_f64'],
  [0xbe, 'i:f f32 reinterpret_i32'],
  [0xbf, 'l:d f64 reinterpret_i64'],
  [0xc0, 'i:i i32 extend8_s extend16_s'],
  [0xc2, 'l:l i64 extend8_s extend16_s extend32_s'],
  [bulk(0), 'f:i i32 trunc_sat_f32_s trunc_sat_f32_u'],
  [bulk(2), 'd:i i32 trunc_sat_f64_s trunc_sat_f64_u'],
  [bulk(4), 'f:l i64 trunc_sat_f32_s trunc_sat_f32_u'],
  [bulk(6), 'd:l i64 trunc_sat_f64_s trunc_sat_f64_u'],
  [bulk(10), 'iii: memory copy fill'],
  [simd(0), 'i:v v128 load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u'],
  [simd(7), 'i:v v128 load8_splat load16_splat load32_splat load64_splat'],
  [simd(11), 'iv: v128 store'],
  [simd(13), 'vv:v i8x16 shuffle swizzle'],
  [simd(15), 'i:v i8x16 splat'],
  [simd(16), 'i:v i16x8 splat'],
  [simd(17), 'i:v i32x4 splat'],
  [simd(18), 'l:v i64x2 splat'],
  [simd(19), 'f:v f32x4 splat'],
  [simd(20), 'd:v f64x2 splat'],
  [simd(21), 'v:i i8x16 extract_lane_s extract_lane_u'],
  [simd(23), 'vi:v i8x16 replace_lane'],
  [simd(24), 'v:i i16x8 extract_lane_s extract_lane_u'],
  [simd(26), 'vi:v i16x8 replace_lane'],
  [simd(27), 'v:i i32x4 extract_lane'],
  [simd(28), 'vi:v i32x4 replace_lane'],
  [simd(29), 'v:l i64x2 extract_lane'],
  [simd(30), 'vl:v i64x2 replace_lane'],
  [simd(31), 'v:f f32x4 extract_lane'],
  [simd(32), 'vf:v f32x4 replace_lane'],
  [simd(33), 'v:d f64x2 extract_lane'],
  [simd(34), 'vd:v f64x2 replace_lane'],
  [simd(35), 'vv:v i8x16 compareInt'],
  [simd(45), 'vv:v i16x8 compareInt'],
  [simd(55), 'vv:v i32x4 compareInt'],
  [simd(65), 'vv:v f32x4 compareFloat'],
  [simd(71), 'vv:v f64x2 compareFloat'],
  [simd(77), 'v:v v128 not'],
  [simd(78), 'vv:v v128 and andnot or xor'],
  [simd(82), 'vvv:v v128 bitselect'],
  [simd(83), 'v:i v128 any_true'],
  [simd(84), 'iv:v v128 load8_lane load16_lane load32_lane load64_lane'],
  [simd(88), 'iv: v128 store8_lane store16_lane store32_lane store64_lane'],
  [simd(92), 'i:v v128 load32_zero load64_zero'],
  [simd(94), 'v:v f32x4 demote_f64x2_zero'],
  [simd(95), 'v:v f64x2 promote_low_f32x4'],
  [simd(96), 'v:v i8x16 abs neg popcnt'],
  [simd(99), 'v:i i8x16 all_true bitmask'],
  [simd(101), 'vv:v i8x16 narrow_i16x8_s narrow_i16x8_u'],
  [simd(103), 'v:v f32x4 ceil floor trunc nearest'],
  [simd(107), 'vi:v i8x16 shl shr_s shr_u'],
  [simd(110), 'vv:v i8x16 saturating - - least - avgr_u'],
  [simd(124), 'v:v i16x8 extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u'],
  [simd(126), 'v:v i32x4 extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u'],
  [simd(128), 'v:v i16x8 abs neg'],
  [simd(130), 'vv:v i16x8 q15mulr_sat_s'],
  [simd(131), 'v:i i16x8 all_true bitmask'],
  [simd(133), 'vv:v i16x8 narrow_i32x4_s narrow_i32x4_u'],
  [simd(135), 'v:v i16x8 extend_low_i8x16_s extend_high_i8x16_s'],
  [simd(137), 'v:v i16x8 extend_low_i8x16_u extend_high_i8x16_u'],
  [simd(139), 'vi:v i16x8 shl shr_s shr_u'],
  [simd(142), 'vv:v i16x8 saturating - mul least - avgr_u'],
  [simd(156), 'vv:v i16x8 extmul_low_i8x16_s extmul_high_i8x16_s'],
  [simd(158), 'vv:v i16x8 extmul_low_i8x16_u extmul_high_i8x16_u'],
  [simd(160), 'v:v i32x4 abs neg'],
  [simd(163), 'v:i i32x4 all_true bitmask'],
  [simd(167), 'v:v i32x4 extend_low_i16x8_s extend_high_i16x8_s'],
  [simd(169), 'v:v i32x4 extend_low_i16x8_u extend_high_i16x8_u'],
  [simd(171), 'vi:v i32x4 shl shr_s shr_u'],
  [simd(174), 'vv:v i32x4 add - - sub - - - mul least dot_i16x8_s'],
  [simd(188), 'vv:v i32x4 extmul_low_i16x8_s extmul_high_i16x8_s'],
  [simd(190), 'vv:v i32x4 extmul_low_i16x8_u extmul_high_i16x8_u'],
  [simd(192), 'v:v i64x2 abs neg'],
  [simd(199), 'v:v i64x2 extend_low_i32x4_s extend_high_i32x4_s'],
  [simd(201), 'v:v i64x2 extend_low_i32x4_u extend_high_i32x4_u'],
  [simd(203), 'vi:v i64x2 shl shr_s shr_u'],
  [simd(206), 'vv:v i64x2 add - - sub - - - mul'],
  [simd(224), 'v:v f32x4 abs neg - sqrt'],
  [simd(228), 'vv:v f32x4 add sub mul div min max pmin pmax'],
  [simd(236), 'v:v f64x2 abs neg - sqrt'],
  [simd(240), 'vv:v f64x2 add sub mul div min max pmin pmax'],
  [simd(248), 'v:v i32x4 trunc_sat_f32x4_s trunc_sat_f32x4_u'],
  [simd(250), 'v:v f32x4 convert_i32x4_s convert_i32x4_u'],
  [simd(252), 'v:v i32x4 trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero'],
  [simd(254), 'v:v f64x2 convert_low_i32x4_s convert_low_i32x4_u'],
]

function immediateOf(name: string): Immediate {
  if (/(load|store)\d+_lane$/.test(name)) return 'memoryLane'
  if (/_lane/.test(name)) return 'lane'
  if (/\.(load|store)/.test(name)) return 'memory'
  return name === 'i8x16.shuffle' ? 'lanes16' : 'none'
}

const typesOf = (text: string): ValueType[] => Array.from(text, (letter) => letters[letter])

const all = rows.flatMap(([first, row]) => {
  const [signature, type, ...given] = row.split(' ')
  const [params, result] = signature.split(':').map(typesOf)
  const names = given.flatMap((name) => (groups[name] ?? name).split(' '))
  return names.flatMap((own, i): Instruction[] => {
    const name = `${type}.${own}`
    if (own === '-') return []
    return [
      {
        name,
        code: first + i,
        params,
        result: result[0],
        immediate: immediateOf(name),
        reads: /\.load/.test(name) || name === 'memory.copy',
        writes: /\.store/.test(name) || /^memory\.(copy|fill)$/.test(name),
        traps: /\.(div|rem)_[su]$/.test(name) || /\.trunc_f/.test(name),
      },
    ]
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
