/** Arithmetic on numbers that are known before the program runs. */

/** A number; i64 as bigint; undefined when it is not known. */
export type Value = number | bigint | undefined

const f = Math.fround
const u = (x: number): number => x >>> 0
const bit = (condition: boolean): number => (condition ? 1 : 0)
const big = (x: bigint): bigint => BigInt.asIntN(64, x)
const ubig = (x: bigint): bigint => BigInt.asUintN(64, x)

type Numbers = (a: number, b: number) => number | undefined

const integer: Readonly<Record<string, Numbers>> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: (a, b) => Math.imul(a, b),
  div_s: (a, b) => (b === 0 || (a === -(2 ** 31) && b === -1) ? undefined : (a / b) | 0),
  div_u: (a, b) => (b === 0 ? undefined : Math.floor(u(a) / u(b)) | 0),
  rem_s: (a, b) => (b === 0 ? undefined : (a % b) | 0),
  rem_u: (a, b) => (b === 0 ? undefined : (u(a) % u(b)) | 0),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << (b & 31),
  shr_s: (a, b) => a >> (b & 31),
  shr_u: (a, b) => (u(a) >>> (b & 31)) | 0,
  eq: (a, b) => bit(a === b),
  ne: (a, b) => bit(a !== b),
  lt_s: (a, b) => bit(a < b),
  lt_u: (a, b) => bit(u(a) < u(b)),
  gt_s: (a, b) => bit(a > b),
  gt_u: (a, b) => bit(u(a) > u(b)),
  le_s: (a, b) => bit(a <= b),
  le_u: (a, b) => bit(u(a) <= u(b)),
  ge_s: (a, b) => bit(a >= b),
  ge_u: (a, b) => bit(u(a) >= u(b)),
}

type BigInts = (a: bigint, b: bigint) => bigint | number | undefined

const integer64: Readonly<Record<string, BigInts>> = {
  add: (a, b) => big(a + b),
  sub: (a, b) => big(a - b),
  mul: (a, b) => big(a * b),
  div_s: (a, b) => (b === 0n || (a === -(2n ** 63n) && b === -1n) ? undefined : a / b),
  div_u: (a, b) => (b === 0n ? undefined : big(ubig(a) / ubig(b))),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => big(a << (b & 63n)),
  shr_s: (a, b) => a >> (b & 63n),
  shr_u: (a, b) => big(ubig(a) >> (b & 63n)),
  eq: (a, b) => bit(a === b),
  ne: (a, b) => bit(a !== b),
  lt_s: (a, b) => bit(a < b),
  lt_u: (a, b) => bit(ubig(a) < ubig(b)),
  gt_s: (a, b) => bit(a > b),
  gt_u: (a, b) => bit(ubig(a) > ubig(b)),
  le_s: (a, b) => bit(a <= b),
  le_u: (a, b) => bit(ubig(a) <= ubig(b)),
  ge_s: (a, b) => bit(a >= b),
  ge_u: (a, b) => bit(ubig(a) >= ubig(b)),
}

/** float32 operations are those of float64, rounded: exact for these. */
const float: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  eq: (a, b) => bit(a === b),
  ne: (a, b) => bit(a !== b),
  lt: (a, b) => bit(a < b),
  gt: (a, b) => bit(a > b),
  le: (a, b) => bit(a <= b),
  ge: (a, b) => bit(a >= b),
}

const view = new DataView(new ArrayBuffer(8))

const unary: Readonly<Record<string, (a: never) => Value>> = {
  'i32.eqz': (a: number) => bit(a === 0),
  'i32.clz': (a: number) => Math.clz32(a),
  'i32.ctz': (a: number) => (a === 0 ? 32 : 31 - Math.clz32(a & -a)),
  'i32.popcnt': (a: number) => {
    let count = 0
    for (let x = u(a); x > 0; x >>>= 1) count += x & 1
    return count
  },
  'i64.eqz': (a: bigint) => bit(a === 0n),
  'i32.wrap_i64': (a: bigint) => Number(BigInt.asIntN(32, a)),
  'i64.extend_i32_s': (a: number) => BigInt(a),
  'i64.extend_i32_u': (a: number) => BigInt(u(a)),
  'i32.extend8_s': (a: number) => (a << 24) >> 24,
  'i32.extend16_s': (a: number) => (a << 16) >> 16,
  'f32.convert_i32_s': (a: number) => f(a),
  'f32.convert_i32_u': (a: number) => f(u(a)),
  'f64.convert_i32_s': (a: number) => a,
  'f64.convert_i32_u': (a: number) => u(a),
  'f64.promote_f32': (a: number) => a,
  'f32.demote_f64': (a: number) => f(a),
  'f32.neg': (a: number) => -a,
  'f64.neg': (a: number) => -a,
  'f32.abs': (a: number) => Math.abs(a),
  'f64.abs': (a: number) => Math.abs(a),
  'i32.reinterpret_f32': (a: number) => {
    view.setFloat32(0, a)
    return view.getInt32(0)
  },
  'f32.reinterpret_i32': (a: number) => {
    view.setInt32(0, a)
    return view.getFloat32(0)
  },
}

const folds = new Map<string, (a: never, b: never) => Value>(Object.entries(unary))
for (const [op, run] of Object.entries(integer)) folds.set(`i32.${op}`, run)
for (const [op, run] of Object.entries(integer64)) folds.set(`i64.${op}`, run)
for (const [op, run] of Object.entries(float)) {
  folds.set(`f32.${op}`, (a: number, b: number) => f(run(a, b)))
  folds.set(`f64.${op}`, run)
}

/**
 * The result of an operation, when it is known. A NaN counts as unknown, since its bits may differ
 * from host to host.
 */
export function fold(name: string, args: readonly Value[]): Value {
  if (args.includes(undefined)) return undefined
  const result = folds.get(name)?.(...(args as [never, never]))
  return typeof result === 'number' && Number.isNaN(result) ? undefined : result
}

/** Whether two values are the same number with the same sign. */
export const same = (a: Value, b: Value): boolean => Object.is(a, b)
