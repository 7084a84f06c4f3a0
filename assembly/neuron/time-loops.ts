/**
 * Loops of the backward pass through time for the usual neuron: soft detached reset, v0 = 0, terms
 * with affine maps. `neuronTime…` charges and fires as plain.ts does, `neuronBack…` goes back from
 * the last step, with one loop for each surrogate. Between them is z = u − θ of a block of pixels,
 * [pixels][C/4][T] vectors.
 */

import { widenBytes } from '../base/lanes'
import { NeuronWord, Surrogate } from '../opcodes'
import { surrogateTimes } from './surrogate'

/** z of `pixels` pixels from `first` on. */
// @ts-ignore: decorator
@inline
function timeBody(
  rec: usize,
  first: u32,
  pixels: u32,
  z: usize,
  lambdaValue: f32,
  kappaValue: f32,
  hasB: bool,
  hasS: bool,
): void {
  const channels = <usize>load<u32>(rec, NeuronWord.C * 4)
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const lambda = f32x4.splat(lambdaValue)
  const kappa = f32x4.splat(kappaValue)
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const spikeScale = f32x4.splat(load<f32>(rec, NeuronWord.SScale * 4))
  const aStep = <usize>load<u32>(rec, NeuronWord.AStepBytes * 4)
  const bStep = <usize>load<u32>(rec, NeuronWord.BStepBytes * 4)
  const sPlaneBytes = <usize>load<u32>(rec, NeuronWord.SPlaneBytes * 4)
  for (const end = first + pixels; first < end; first++) {
    for (let c: usize = 0; c < channels; c += 4) {
      const bytes = c << 2
      const aScale = v128.load(<usize>load<u32>(rec, NeuronWord.AScale * 4) + bytes)
      let shift = v128.load(<usize>load<u32>(rec, NeuronWord.AShift * 4) + bytes)
      let a =
        <usize>load<u32>(rec, NeuronWord.A * 4) +
        <usize>first * load<u32>(rec, NeuronWord.APixelBytes * 4) +
        bytes
      let b: usize = 0
      let bScale = f32x4.splat(0)
      if (hasB) {
        bScale = v128.load(<usize>load<u32>(rec, NeuronWord.BScale * 4) + bytes)
        shift = f32x4.add(shift, v128.load(<usize>load<u32>(rec, NeuronWord.BShift * 4) + bytes))
        b =
          <usize>load<u32>(rec, NeuronWord.B * 4) +
          <usize>first * load<u32>(rec, NeuronWord.BPixelBytes * 4) +
          bytes
      }
      let source = hasS ? <usize>load<u32>(rec, NeuronWord.S * 4) + <usize>first * channels + c : 0
      let v = f32x4.splat(0)
      let arriving = v
      let bit = v
      for (let step: u32 = 0; step < steps; step++) {
        let current = f32x4.add(f32x4.mul(v128.load(a), aScale), shift)
        a += aStep
        if (hasB) {
          current = f32x4.add(current, f32x4.mul(v128.load(b), bScale))
          b += bStep
        }
        if (hasS) {
          if ((step & 7) == 0) {
            arriving = widenBytes(source)
            bit = i32x4.splat(1)
            source += sPlaneBytes
          }
          const arrives = i32x4.eq(v128.and(arriving, bit), bit)
          current = f32x4.add(current, v128.and(arrives, spikeScale))
          bit = i32x4.shl(bit, 1)
        }
        const u = f32x4.add(f32x4.mul(lambda, v), f32x4.mul(kappa, current))
        v128.store(z, f32x4.sub(u, theta))
        v = f32x4.sub(u, v128.and(f32x4.ge(u, theta), theta))
        z += 16
      }
    }
  }
}

/** z of neurons on term A. */
export function neuronTime(
  rec: usize,
  first: u32,
  pixels: u32,
  z: usize,
  lambda: f32,
  kappa: f32,
): void {
  timeBody(rec, first, pixels, z, lambda, kappa, false, false)
}

/** z of neurons on terms A and B. */
export function neuronTimeB(
  rec: usize,
  first: u32,
  pixels: u32,
  z: usize,
  lambda: f32,
  kappa: f32,
): void {
  timeBody(rec, first, pixels, z, lambda, kappa, true, false)
}

/** z of neurons on term A and the spikes S. */
export function neuronTimeS(
  rec: usize,
  first: u32,
  pixels: u32,
  z: usize,
  lambda: f32,
  kappa: f32,
): void {
  timeBody(rec, first, pixels, z, lambda, kappa, false, true)
}

/**
 * From ∂L/∂s to κ ∂L/∂u: delta and gradient [pixels][T][C], which may be the same; delta is
 * written. `head`: the vectors λ, κ, slope of the surrogate, scale of the surrogate.
 */
// @ts-ignore: decorator
@inline
function backBody(
  kind: i32,
  delta: usize,
  gradient: usize,
  z: usize,
  pixels: u32,
  steps: u32,
  rowBytes: usize,
  head: usize,
): void {
  const last = <usize>(steps - 1) * rowBytes
  const offset = delta - gradient
  const lambda = v128.load(head)
  const kappa = v128.load(head, 16)
  const slope = v128.load(head, 32)
  const scale = v128.load(head, 48)
  for (; pixels; pixels--) {
    for (const end = gradient + rowBytes; gradient < end; gradient += 16) {
      let from = gradient + last
      let later = f32x4.splat(0)
      const first = z
      z += (<usize>steps) << 4
      let p = z
      do {
        p -= 16
        const h = surrogateTimes(kind, scale, f32x4.mul(v128.load(p), slope))
        later = f32x4.add(f32x4.mul(v128.load(from), h), f32x4.mul(later, lambda))
        v128.store(from + offset, f32x4.mul(later, kappa))
        from -= rowBytes
      } while (p != first)
    }
    gradient += last
  }
}

/** `backBody` of the kind that the record names. */
export function back(
  kind: i32,
  delta: usize,
  gradient: usize,
  z: usize,
  pixels: u32,
  steps: u32,
  rowBytes: usize,
  head: usize,
): void {
  switch (kind) {
    case Surrogate.Sigmoid:
      neuronBackSigmoid(delta, gradient, z, pixels, steps, rowBytes, head)
      break
    case Surrogate.Atan:
      neuronBackAtan(delta, gradient, z, pixels, steps, rowBytes, head)
      break
    case Surrogate.Triangle:
      neuronBackTriangle(delta, gradient, z, pixels, steps, rowBytes, head)
      break
    case Surrogate.Rectangle:
      neuronBackRectangle(delta, gradient, z, pixels, steps, rowBytes, head)
      break
    case Surrogate.FastSigmoid:
      neuronBackFastSigmoid(delta, gradient, z, pixels, steps, rowBytes, head)
      break
    case Surrogate.PiecewiseExp:
      neuronBackPiecewiseExp(delta, gradient, z, pixels, steps, rowBytes, head)
      break
    case Surrogate.Erf:
      neuronBackErf(delta, gradient, z, pixels, steps, rowBytes, head)
      break
    default:
      unreachable()
  }
}

/** `back` of the kind sigmoid. */
export function neuronBackSigmoid(
  delta: usize,
  gradient: usize,
  z: usize,
  pixels: u32,
  steps: u32,
  rowBytes: usize,
  head: usize,
): void {
  backBody(Surrogate.Sigmoid, delta, gradient, z, pixels, steps, rowBytes, head)
}

/** `back` of the kind atan. */
export function neuronBackAtan(
  delta: usize,
  gradient: usize,
  z: usize,
  pixels: u32,
  steps: u32,
  rowBytes: usize,
  head: usize,
): void {
  backBody(Surrogate.Atan, delta, gradient, z, pixels, steps, rowBytes, head)
}

/** `back` of the kind triangle. */
export function neuronBackTriangle(
  delta: usize,
  gradient: usize,
  z: usize,
  pixels: u32,
  steps: u32,
  rowBytes: usize,
  head: usize,
): void {
  backBody(Surrogate.Triangle, delta, gradient, z, pixels, steps, rowBytes, head)
}

/** `back` of the kind rectangle. */
export function neuronBackRectangle(
  delta: usize,
  gradient: usize,
  z: usize,
  pixels: u32,
  steps: u32,
  rowBytes: usize,
  head: usize,
): void {
  backBody(Surrogate.Rectangle, delta, gradient, z, pixels, steps, rowBytes, head)
}

/** `back` of the kind fastSigmoid. */
export function neuronBackFastSigmoid(
  delta: usize,
  gradient: usize,
  z: usize,
  pixels: u32,
  steps: u32,
  rowBytes: usize,
  head: usize,
): void {
  backBody(Surrogate.FastSigmoid, delta, gradient, z, pixels, steps, rowBytes, head)
}

/** `back` of the kind piecewiseExp. */
export function neuronBackPiecewiseExp(
  delta: usize,
  gradient: usize,
  z: usize,
  pixels: u32,
  steps: u32,
  rowBytes: usize,
  head: usize,
): void {
  backBody(Surrogate.PiecewiseExp, delta, gradient, z, pixels, steps, rowBytes, head)
}

/** `back` of the kind erf. */
export function neuronBackErf(
  delta: usize,
  gradient: usize,
  z: usize,
  pixels: u32,
  steps: u32,
  rowBytes: usize,
  head: usize,
): void {
  backBody(Surrogate.Erf, delta, gradient, z, pixels, steps, rowBytes, head)
}
