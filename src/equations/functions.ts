/** Functions that users' texts may call, from instructions on vectors. */

import { Wasm } from './code.js'
import type { Lowerings } from './lower.js'

export const lowerings: Lowerings = {
  /** ln x as in FreeBSD's logf: NaN below 0, −∞ of 0, ∞ of ∞; subnormals count as 0. */
  log(f, x) {
    const shifted = f.make(Wasm.i32x4Sub, x, f.ints(0x3f3504f3))
    const e = f.make(Wasm.f32x4ConvertI32x4S, f.make(Wasm.i32x4ShrS, shifted, f.int(23)))
    const m = f.make(Wasm.i32x4Add, f.and(shifted, f.ints(0x7fffff)), f.ints(0x3f3504f3))
    const r = f.sub(m, f.k(1))
    const s = f.div(r, f.add(r, f.k(2)))
    const z = f.mul(s, s)
    const half = f.mul(f.k(0.5), f.mul(r, r))
    const terms = [0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693]
    const rest = f.add(half, f.mul(z, f.poly(z, terms)))
    const low = f.add(f.mul(s, rest), f.mul(e, f.k(9.0580006145e-6)))
    const near = f.add(f.sub(low, half), r)
    const y = f.add(near, f.mul(e, f.k(0.69313812256)))
    const finite = f.choose(f.make(Wasm.f32x4Lt, x, f.k(Infinity)), y, x)
    const none = f.choose(f.make(Wasm.f32x4Ge, x, f.k(0)), f.k(-Infinity), f.k(NaN))
    return f.choose(f.make(Wasm.f32x4Ge, x, f.k(1.1754944e-38)), finite, none)
  },

  /** The polynomial of Cephes near 0, elsewhere 1 − 2/(e²ˣ + 1). */
  tanh(f, x) {
    const size = f.make(Wasm.f32x4Abs, x)
    const z = f.mul(x, x)
    const p = f.poly(z, [
      ...[-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2],
      ...[1.33314422036e-1, -3.33332819422e-1],
    ])
    const near = f.add(f.mul(f.mul(p, z), x), x)
    const square = f.exp(f.add(size, size))
    const far = f.sub(f.k(1), f.div(f.k(2), f.add(square, f.k(1))))
    const sign = f.and(x, f.ints(0x80000000 | 0))
    const signed = f.make(Wasm.v128Or, far, sign)
    return f.choose(f.make(Wasm.f32x4Lt, size, f.k(0.625)), near, signed)
  },

  sigmoid(f, x) {
    const e = f.exp(f.make(Wasm.f32x4Neg, x))
    return f.div(f.k(1), f.add(f.k(1), e))
  },
}
