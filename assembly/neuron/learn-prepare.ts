/**
 * The constants that the loops of the usual neuron read from scratch. They are written once per
 * unit.
 */

import { NeuronScratch, NeuronWord } from '../opcodes'
import { TERM_B, traceAt } from './dynamics'
import { surrogateScale, surrogateSlope } from './surrogate'

/**
 * Bytes of the head. It holds the vectors λ, λ·θ, κ·SScale, θ, slope, (unused) and the weight of
 * h' (SurrogateOut). Behind them are four addresses for the current loop: its first mark, its
 * plane of masks, its plane of arriving spikes, and the channels.
 */
export const HEAD: usize = NeuronScratch.HeadBytes
export const SLOPE: usize = 64
export const DERIVATIVE: usize = 96
export const LOOP: usize = 112

/**
 * Bytes of a vector of channels: scale', shift', and the scale and shift that turn Σ_t x_t into
 * x̂.
 */
export const CHANNEL_A: usize = 64

/** The same and, for term B, scale' at byte 64 and the scale and shift of its x̂ at byte 80. */
export const CHANNEL_B: usize = NeuronScratch.ChannelBytes * 4

/** The mark of a step is its bit in the mask plus this, which counts one spike. */
const ONE_SPIKE: u32 = 0x10000

/** Writes everything in scratch before z; returns where z starts. */
export function prepare(
  rec: usize,
  head: usize,
  weights: usize,
  channels: usize,
  t0: u32,
  lambda: f32,
  kappa: f32,
): usize {
  const kind = load<i32>(rec, NeuronWord.Surrogate * 4)
  const alpha = load<f32>(rec, NeuronWord.Alpha * 4)
  const theta = load<f32>(rec, NeuronWord.Threshold * 4)
  const steps = load<u32>(rec, NeuronWord.T * 4)
  v128.store(head, f32x4.splat(lambda))
  v128.store(head, f32x4.splat(lambda * theta), 16)
  v128.store(head, f32x4.splat(kappa * load<f32>(rec, NeuronWord.SScale * 4)), 32)
  v128.store(head, f32x4.splat(theta), 48)
  v128.store(head, f32x4.splat(surrogateSlope(kind, alpha)), SLOPE)
  v128.store(head, f32x4.splat(kappa * surrogateScale(kind, alpha)), DERIVATIVE)

  const factor =
    (kappa * surrogateScale(kind, alpha)) / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4)
  const marks = weights + ((<usize>steps) << 4)
  let rho = traceAt(t0, lambda)
  for (let step: u32 = 0; step < steps; step++) {
    const at = (<usize>step) << 4
    v128.store(weights + at, f32x4.splat(factor * rho))
    v128.store(marks + at, i32x4.splat(ONE_SPIKE | (1 << (step & 7))))
    rho = 1 + lambda * rho
  }

  const hasB = load<u32>(rec, NeuronWord.B * 4) != 0
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  for (let c: usize = 0; c < rowBytes; c += 16) {
    let shift = shiftOf(rec, c)
    if (hasB) shift = f32x4.add(shift, shiftOf(rec + TERM_B, c))
    shift = f32x4.sub(f32x4.mul(shift, f32x4.splat(kappa)), f32x4.splat(theta))
    v128.store(channels, f32x4.mul(scaleOf(rec, c), f32x4.splat(kappa)))
    v128.store(channels, shift, 16)
    prepareNormalised(rec, rec, channels + 32, c)
    if (hasB) {
      v128.store(channels, f32x4.mul(scaleOf(rec + TERM_B, c), f32x4.splat(kappa)), 64)
      prepareNormalised(rec, rec + TERM_B, channels + 80, c)
    }
    channels += hasB ? CHANNEL_B : CHANNEL_A
  }
  return channels
}

/** A term's scale and shift; 1 and 0 when it has none. c: bytes. */
function scaleOf(term: usize, c: usize): v128 {
  const scale = <usize>load<u32>(term, NeuronWord.AScale * 4)
  return scale ? v128.load(scale + c) : f32x4.splat(1)
}

function shiftOf(term: usize, c: usize): v128 {
  const scale = <usize>load<u32>(term, NeuronWord.AScale * 4)
  return scale ? v128.load(<usize>load<u32>(term, NeuronWord.AShift * 4) + c) : f32x4.splat(0)
}

/** Is the input the same at every step? Then it is read once. */
export function isStill(rec: usize): bool {
  return (
    (load<u32>(rec, NeuronWord.AStepBytes * 4) |
      load<u32>(rec, NeuronWord.B * 4) |
      load<u32>(rec, NeuronWord.S * 4)) ==
    0
  )
}

/**
 * out = the scale and shift that turn Σ_t x_t of this call (or x itself, when the input is the
 * same at every step) into the call's part of x̂ = 1/TotalSteps Σ_t (x_t − mean)·invStd.
 */
function prepareNormalised(rec: usize, term: usize, out: usize, c: usize): void {
  if (!load<u32>(term, NeuronWord.AXhat * 4)) return
  const weight: f32 = 1 / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4)
  const share = weight * <f32>load<u32>(rec, NeuronWord.T * 4)
  const mean = v128.load(<usize>load<u32>(term, NeuronWord.AMean * 4) + c)
  const invStd = v128.load(<usize>load<u32>(term, NeuronWord.AInvStd * 4) + c)
  v128.store(out, f32x4.mul(invStd, f32x4.splat(isStill(rec) ? share : weight)))
  v128.store(out, f32x4.mul(f32x4.mul(mean, invStd), f32x4.splat(-share)), 16)
}
