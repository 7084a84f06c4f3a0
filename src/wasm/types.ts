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

/** What follows an instruction's code. */
export type Immediate = 'none' | 'memory' | 'lane' | 'memoryLane' | 'lanes16'

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

const byCode = new Map<number, Instruction>()
const byName = new Map<string, Instruction>()

/** Adds instructions with consecutive codes; '-' skips one. `signature`: params:result. */
function add(first: number, signature: string, names: string, immediate: Immediate = 'none'): void {
  const [params, result] = signature.split(':')
  let code = first
  for (const name of names.trim().split(/\s+/)) {
    if (name !== '-') {
      const instruction: Instruction = {
        name,
        code,
        params: Array.from(params, (letter) => letters[letter]),
        result: result ? letters[result] : undefined,
        immediate,
        reads: /\.load/.test(name) || name === 'memory.copy',
        writes: /\.store/.test(name) || /^memory\.(copy|fill)$/.test(name),
        traps: /\.(div|rem)_[su]$/.test(name) || /\.trunc_f/.test(name),
      }
      byCode.set(code, instruction)
      byName.set(name, instruction)
    }
    code++
  }
}

const compareInt = (t: string): string =>
  ['eq', 'ne', 'lt_s', 'lt_u', 'gt_s', 'gt_u', 'le_s', 'le_u', 'ge_s', 'ge_u']
    .map((op) => `${t}.${op}`)
    .join(' ')
const compareFloat = (t: string): string =>
  ['eq', 'ne', 'lt', 'gt', 'le', 'ge'].map((op) => `${t}.${op}`).join(' ')
const unaryFloat = (t: string): string =>
  ['abs', 'neg', 'ceil', 'floor', 'trunc', 'nearest', 'sqrt'].map((op) => `${t}.${op}`).join(' ')
const binaryFloat = (t: string): string =>
  ['add', 'sub', 'mul', 'div', 'min', 'max', 'copysign'].map((op) => `${t}.${op}`).join(' ')
const binaryInt = (t: string): string =>
  'add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr'
    .split(' ')
    .map((op) => `${t}.${op}`)
    .join(' ')

add(0x28, 'i:i', 'i32.load', 'memory')
add(0x29, 'i:l', 'i64.load', 'memory')
add(0x2a, 'i:f', 'f32.load', 'memory')
add(0x2b, 'i:d', 'f64.load', 'memory')
add(0x2c, 'i:i', 'i32.load8_s i32.load8_u i32.load16_s i32.load16_u', 'memory')
add(
  0x30,
  'i:l',
  'i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u',
  'memory',
)
add(0x36, 'ii:', 'i32.store', 'memory')
add(0x37, 'il:', 'i64.store', 'memory')
add(0x38, 'if:', 'f32.store', 'memory')
add(0x39, 'id:', 'f64.store', 'memory')
add(0x3a, 'ii:', 'i32.store8 i32.store16', 'memory')
add(0x3c, 'il:', 'i64.store8 i64.store16 i64.store32', 'memory')
add(0x45, 'i:i', 'i32.eqz')
add(0x46, 'ii:i', compareInt('i32'))
add(0x50, 'l:i', 'i64.eqz')
add(0x51, 'll:i', compareInt('i64'))
add(0x5b, 'ff:i', compareFloat('f32'))
add(0x61, 'dd:i', compareFloat('f64'))
add(0x67, 'i:i', 'i32.clz i32.ctz i32.popcnt')
add(0x6a, 'ii:i', binaryInt('i32'))
add(0x79, 'l:l', 'i64.clz i64.ctz i64.popcnt')
add(0x7c, 'll:l', binaryInt('i64'))
add(0x8b, 'f:f', unaryFloat('f32'))
add(0x92, 'ff:f', binaryFloat('f32'))
add(0x99, 'd:d', unaryFloat('f64'))
add(0xa0, 'dd:d', binaryFloat('f64'))
add(0xa7, 'l:i', 'i32.wrap_i64')
add(0xa8, 'f:i', 'i32.trunc_f32_s i32.trunc_f32_u')
add(0xaa, 'd:i', 'i32.trunc_f64_s i32.trunc_f64_u')
add(0xac, 'i:l', 'i64.extend_i32_s i64.extend_i32_u')
add(0xae, 'f:l', 'i64.trunc_f32_s i64.trunc_f32_u')
add(0xb0, 'd:l', 'i64.trunc_f64_s i64.trunc_f64_u')
add(0xb2, 'i:f', 'f32.convert_i32_s f32.convert_i32_u')
add(0xb4, 'l:f', 'f32.convert_i64_s f32.convert_i64_u')
add(0xb6, 'd:f', 'f32.demote_f64')
add(0xb7, 'i:d', 'f64.convert_i32_s f64.convert_i32_u')
add(0xb9, 'l:d', 'f64.convert_i64_s f64.convert_i64_u')
add(0xbb, 'f:d', 'f64.promote_f32')
add(0xbc, 'f:i', 'i32.reinterpret_f32')
add(0xbd, 'd:l', 'i64.reinterpret_f64')
add(0xbe, 'i:f', 'f32.reinterpret_i32')
add(0xbf, 'l:d', 'f64.reinterpret_i64')
add(0xc0, 'i:i', 'i32.extend8_s i32.extend16_s')
add(0xc2, 'l:l', 'i64.extend8_s i64.extend16_s i64.extend32_s')

/** Codes behind a prefix byte. */
const bulk = (code: number): number => (0xfc << 16) | code
const simd = (code: number): number => (0xfd << 16) | code

add(bulk(0), 'f:i', 'i32.trunc_sat_f32_s i32.trunc_sat_f32_u')
add(bulk(2), 'd:i', 'i32.trunc_sat_f64_s i32.trunc_sat_f64_u')
add(bulk(4), 'f:l', 'i64.trunc_sat_f32_s i64.trunc_sat_f32_u')
add(bulk(6), 'd:l', 'i64.trunc_sat_f64_s i64.trunc_sat_f64_u')
add(bulk(10), 'iii:', 'memory.copy memory.fill')

add(simd(0), 'i:v', 'v128.load', 'memory')
add(
  simd(1),
  'i:v',
  'v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u v128.load32x2_s v128.load32x2_u ' +
    'v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat',
  'memory',
)
add(simd(11), 'iv:', 'v128.store', 'memory')
add(simd(13), 'vv:v', 'i8x16.shuffle', 'lanes16')
add(simd(14), 'vv:v', 'i8x16.swizzle')
add(simd(15), 'i:v', 'i8x16.splat i16x8.splat i32x4.splat')
add(simd(18), 'l:v', 'i64x2.splat')
add(simd(19), 'f:v', 'f32x4.splat')
add(simd(20), 'd:v', 'f64x2.splat')
add(simd(21), 'v:i', 'i8x16.extract_lane_s i8x16.extract_lane_u', 'lane')
add(simd(23), 'vi:v', 'i8x16.replace_lane', 'lane')
add(simd(24), 'v:i', 'i16x8.extract_lane_s i16x8.extract_lane_u', 'lane')
add(simd(26), 'vi:v', 'i16x8.replace_lane', 'lane')
add(simd(27), 'v:i', 'i32x4.extract_lane', 'lane')
add(simd(28), 'vi:v', 'i32x4.replace_lane', 'lane')
add(simd(29), 'v:l', 'i64x2.extract_lane', 'lane')
add(simd(30), 'vl:v', 'i64x2.replace_lane', 'lane')
add(simd(31), 'v:f', 'f32x4.extract_lane', 'lane')
add(simd(32), 'vf:v', 'f32x4.replace_lane', 'lane')
add(simd(33), 'v:d', 'f64x2.extract_lane', 'lane')
add(simd(34), 'vd:v', 'f64x2.replace_lane', 'lane')
add(simd(35), 'vv:v', compareInt('i8x16'))
add(simd(45), 'vv:v', compareInt('i16x8'))
add(simd(55), 'vv:v', compareInt('i32x4'))
add(simd(65), 'vv:v', compareFloat('f32x4'))
add(simd(71), 'vv:v', compareFloat('f64x2'))
add(simd(77), 'v:v', 'v128.not')
add(simd(78), 'vv:v', 'v128.and v128.andnot v128.or v128.xor')
add(simd(82), 'vvv:v', 'v128.bitselect')
add(simd(83), 'v:i', 'v128.any_true')
add(
  simd(84),
  'iv:v',
  'v128.load8_lane v128.load16_lane v128.load32_lane v128.load64_lane',
  'memoryLane',
)
add(
  simd(88),
  'iv:',
  'v128.store8_lane v128.store16_lane v128.store32_lane v128.store64_lane',
  'memoryLane',
)
add(simd(92), 'i:v', 'v128.load32_zero v128.load64_zero', 'memory')
add(simd(94), 'v:v', 'f32x4.demote_f64x2_zero f64x2.promote_low_f32x4')
add(simd(96), 'v:v', 'i8x16.abs i8x16.neg i8x16.popcnt')
add(simd(99), 'v:i', 'i8x16.all_true i8x16.bitmask')
add(simd(101), 'vv:v', 'i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u')
add(simd(103), 'v:v', 'f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest')
add(simd(107), 'vi:v', 'i8x16.shl i8x16.shr_s i8x16.shr_u')
add(
  simd(110),
  'vv:v',
  'i8x16.add i8x16.add_sat_s i8x16.add_sat_u i8x16.sub i8x16.sub_sat_s i8x16.sub_sat_u',
)
add(simd(118), 'vv:v', 'i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u - i8x16.avgr_u')
add(
  simd(124),
  'v:v',
  'i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_s ' +
    'i32x4.extadd_pairwise_i16x8_u i16x8.abs i16x8.neg',
)
add(simd(130), 'vv:v', 'i16x8.q15mulr_sat_s')
add(simd(131), 'v:i', 'i16x8.all_true i16x8.bitmask')
add(simd(133), 'vv:v', 'i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u')
add(
  simd(135),
  'v:v',
  'i16x8.extend_low_i8x16_s i16x8.extend_high_i8x16_s i16x8.extend_low_i8x16_u ' +
    'i16x8.extend_high_i8x16_u',
)
add(simd(139), 'vi:v', 'i16x8.shl i16x8.shr_s i16x8.shr_u')
add(
  simd(142),
  'vv:v',
  'i16x8.add i16x8.add_sat_s i16x8.add_sat_u i16x8.sub i16x8.sub_sat_s i16x8.sub_sat_u - ' +
    'i16x8.mul i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u - i16x8.avgr_u',
)
add(
  simd(156),
  'vv:v',
  'i16x8.extmul_low_i8x16_s i16x8.extmul_high_i8x16_s i16x8.extmul_low_i8x16_u ' +
    'i16x8.extmul_high_i8x16_u',
)
add(simd(160), 'v:v', 'i32x4.abs i32x4.neg')
add(simd(163), 'v:i', 'i32x4.all_true i32x4.bitmask')
add(
  simd(167),
  'v:v',
  'i32x4.extend_low_i16x8_s i32x4.extend_high_i16x8_s i32x4.extend_low_i16x8_u ' +
    'i32x4.extend_high_i16x8_u',
)
add(simd(171), 'vi:v', 'i32x4.shl i32x4.shr_s i32x4.shr_u')
add(
  simd(174),
  'vv:v',
  'i32x4.add - - i32x4.sub - - - i32x4.mul i32x4.min_s i32x4.min_u i32x4.max_s i32x4.max_u ' +
    'i32x4.dot_i16x8_s - i32x4.extmul_low_i16x8_s i32x4.extmul_high_i16x8_s ' +
    'i32x4.extmul_low_i16x8_u i32x4.extmul_high_i16x8_u',
)
add(simd(192), 'v:v', 'i64x2.abs i64x2.neg')
add(
  simd(199),
  'v:v',
  'i64x2.extend_low_i32x4_s i64x2.extend_high_i32x4_s i64x2.extend_low_i32x4_u ' +
    'i64x2.extend_high_i32x4_u',
)
add(simd(203), 'vi:v', 'i64x2.shl i64x2.shr_s i64x2.shr_u')
add(simd(206), 'vv:v', 'i64x2.add - - i64x2.sub - - - i64x2.mul')
add(simd(224), 'v:v', 'f32x4.abs f32x4.neg - f32x4.sqrt')
add(
  simd(228),
  'vv:v',
  'f32x4.add f32x4.sub f32x4.mul f32x4.div f32x4.min f32x4.max f32x4.pmin f32x4.pmax',
)
add(simd(236), 'v:v', 'f64x2.abs f64x2.neg - f64x2.sqrt')
add(
  simd(240),
  'vv:v',
  'f64x2.add f64x2.sub f64x2.mul f64x2.div f64x2.min f64x2.max f64x2.pmin f64x2.pmax',
)
add(
  simd(248),
  'v:v',
  'i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u ' +
    'i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s ' +
    'f64x2.convert_low_i32x4_u',
)

/** The instruction with a code; undefined when there is none. */
export const instructionOf = (code: number): Instruction | undefined => byCode.get(code)

/** The instruction with a name. */
export function instruction(name: string): Instruction {
  const found = byName.get(name)
  if (!found) throw new Error(`no instruction ${name}`)
  return found
}

export const prefixed = { bulk, simd }
