/**
 * WebAssembly of kernels as the bytes that it is: a text with one character for each. Pages make
 * kernels too, so all that these need stands here, without trees and a table of all instructions.
 */

/** Instructions one behind the other, and what they take before them. */
export type Code = string

/** Their codes, as in `kernels/wasm/types.ts`; those of vectors, behind 0xfd, from 0x100 on. */
export enum Wasm {
  i32Load = 0x28,
  i32GtS = 0x4a,
  i32LtU = 0x49,
  i32LeS = 0x4c,
  i32Add = 0x6a,
  i32Sub = 0x6b,
  i32Mul = 0x6c,
  i32RemU = 0x70,
  i32Shl = 0x74,
  i32ShrU = 0x76,
  v128Load = 0x100,
  v128Load32Splat = 0x109,
  v128Store = 0x10b,
  i32x4Splat = 0x111,
  i32x4ExtractLane = 0x11b,
  i32x4Eq = 0x137,
  i32x4GtS = 0x13b,
  f32x4Eq = 0x141,
  f32x4Ne = 0x142,
  f32x4Lt = 0x143,
  f32x4Gt = 0x144,
  f32x4Le = 0x145,
  f32x4Ge = 0x146,
  v128Not = 0x14d,
  v128And = 0x14e,
  v128Andnot = 0x14f,
  v128Or = 0x150,
  v128Xor = 0x151,
  v128Bitselect = 0x152,
  v128Store32Lane = 0x15a,
  v128Store64Lane = 0x15b,
  v128Load32Zero = 0x15c,
  v128Load64Zero = 0x15d,
  i8x16Popcnt = 0x162,
  i8x16NarrowI16x8U = 0x166,
  f32x4Floor = 0x168,
  f32x4Nearest = 0x16a,
  i8x16Add = 0x16e,
  i16x8ExtaddPairwiseI8x16U = 0x17d,
  i32x4ExtaddPairwiseI16x8U = 0x17f,
  i16x8NarrowI32x4S = 0x185,
  i16x8ExtendLowI8x16U = 0x189,
  i32x4ExtendLowI16x8U = 0x1a9,
  i32x4Shl = 0x1ab,
  i32x4ShrS = 0x1ac,
  i32x4ShrU = 0x1ad,
  i32x4Add = 0x1ae,
  i32x4Sub = 0x1b1,
  i32x4Mul = 0x1b5,
  f32x4Abs = 0x1e0,
  f32x4Neg = 0x1e1,
  f32x4Sqrt = 0x1e3,
  f32x4Add = 0x1e4,
  f32x4Sub = 0x1e5,
  f32x4Mul = 0x1e6,
  f32x4Div = 0x1e7,
  f32x4Min = 0x1e8,
  f32x4Max = 0x1e9,
  f32x4Pmin = 0x1ea,
  f32x4Pmax = 0x1eb,
  i32x4TruncSatF32x4S = 0x1f8,
  f32x4ConvertI32x4S = 0x1fa,
}

const bytes = String.fromCharCode

/** Unsigned LEB128. */
const unsigned = (value: number): Code =>
  value < 128 ? bytes(value) : bytes((value & 127) | 128) + unsigned(value >>> 7)

/** Signed LEB128. */
const signed = (value: number): Code =>
  value >= -64 && value < 64 ? bytes(value & 127) : bytes((value & 127) | 128) + signed(value >> 7)

/** Types of locals. */
export const I32 = '\x7f'
export const V128 = '\x7b'

export const i32 = (value: number): Code => `\x41${signed(value | 0)}`
export const get = (local: number): Code => `\x20${unsigned(local)}`
export const set = (local: number, value: Code): Code => `${value}\x21${unsigned(local)}`
export const tee = (local: number, value: Code): Code => `${value}\x22${unsigned(local)}`
export const drop = (value: Code): Code => `${value}\x1a`

/** Instructions that run while `again` is not 0. */
export const loop = (body: readonly Code[], again: Code): Code =>
  `\x03\x40${body.join('')}${again}\x0d\0\x0b`
/** Instructions that do not run where a condition holds. */
export const unless = (condition: Code, body: Code): Code => `\x02\x40${condition}\x0d\0${body}\x0b`

/** What they take is added, not joined: joining copies it, in each of the trees around it again. */
export const op = (code: Wasm, ...args: readonly Code[]): Code =>
  args.reduce((all, arg) => all + arg, '') +
  (code > 255 ? `\xfd${unsigned(code & 255)}` : bytes(code))

/** An instruction on memory. */
export const at = (code: Wasm, args: readonly Code[], offset = 0): Code =>
  `${op(code, ...args)}\0${unsigned(offset)}`

/** Four integers. */
export const vector = (lanes: readonly number[]): Code =>
  `\xfd\x0c${bytes(...new Uint8Array(Int32Array.from(lanes).buffer))}`
export const splat = (value: number): Code => vector([value, value, value, value])

export const add = (a: Code, b: Code): Code => op(Wasm.i32Add, a, b)

const bits = new DataView(new ArrayBuffer(4))
/** The bits of a float32. */
export function bitsOf(value: number): number {
  bits.setFloat32(0, value)
  return bits.getInt32(0)
}

const sized = (code: Code): Code => unsigned(code.length) + code

/** A function. @param types of its locals */
export function functionOf(types: string, code: Code): Code {
  const groups = types.match(/(.)\1*/g) ?? []
  const locals = groups.map((group) => unsigned(group.length) + group[0])
  return sized(`${unsigned(groups.length)}${locals.join('')}${code}\x0b`)
}

/** The most that a shared memory of the engine has. */
const MOST_PAGES = 65536

/**
 * Functions (i32, i32, i32, i32, i32) → i32 as a module that puts them into the table which it
 * imports.
 *
 * @param shared whether the memory is
 */
export function moduleOf(functions: readonly Code[], shared: boolean): Uint8Array<ArrayBuffer> {
  const section = (id: number, contents: Code): Code => bytes(id) + sized(contents)
  const count = unsigned(functions.length)
  const memory = shared ? `\x03\x01${unsigned(MOST_PAGES)}` : '\0\x01'
  const module = [
    '\0asm\x01\0\0\0',
    section(1, `\x01\x60\x05${I32.repeat(5)}\x01${I32}`),
    section(2, `\x02\x03env\x06memory\x02${memory}\x03env\x05table\x01\x70\0${count}`),
    section(3, count + '\0'.repeat(functions.length)),
    section(9, `\x01\0\x41\0\x0b${count}${functions.map((_, i) => unsigned(i)).join('')}`),
    section(10, count + functions.join('')),
  ]
  const text = module.join('')
  const out = new Uint8Array(text.length)
  for (let i = 0; i < out.length; i++) out[i] = text.charCodeAt(i)
  return out
}
