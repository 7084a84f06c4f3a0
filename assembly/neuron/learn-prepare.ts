/**
 * The constants that the loops of the usual neuron read from scratch. They are written once per
 * unit.
 */

import { NeuronScratch, NeuronWord } from '../opcodes'
import { hasGroups, TERM_B, traceAt } from './dynamics'
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

/** With groups of statistics, for each step: scale', shift' and, for term B, its scale'. */
export const GROUP_A: usize = 32
export const GROUP_B: usize = NeuronScratch.GroupBytes * 4

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

  return hasGroups(rec) ? groupChannels(rec, channels, kappa) : oneChannels(rec, channels, kappa)
}

/** The constants of the channels; returns their end. */
function oneChannels(rec: usize, channels: usize, kappa: f32): usize {
  const hasB = load<u32>(rec, NeuronWord.B * 4) != 0
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  for (let c: usize = 0; c < rowBytes; c += 16) {
    storeAffine(rec, channels, c, 0, kappa)
    prepareNormalised(rec, rec, channels + 32, c)
    if (hasB) {
      v128.store(channels, f32x4.mul(scaleOf(rec + TERM_B, c), f32x4.splat(kappa)), 64)
      prepareNormalised(rec, rec + TERM_B, channels + 80, c)
    }
    channels += hasB ? CHANNEL_B : CHANNEL_A
  }
  return channels
}

/** The same for each step of each channel, without those of x̂. */
function groupChannels(rec: usize, channels: usize, kappa: f32): usize {
  const hasB = load<u32>(rec, NeuronWord.B * 4) != 0
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  for (let c: usize = 0; c < rowBytes; c += 16)
    for (let step: usize = 0; step < <usize>steps; step++) {
      storeAffine(rec, channels, c, step, kappa)
      if (hasB) {
        const at = c + step * load<u32>(rec, NeuronWord.BGroupBytes * 4)
        v128.store(channels, f32x4.mul(scaleOf(rec + TERM_B, at), f32x4.splat(kappa)), 32)
      }
      channels += hasB ? GROUP_B : GROUP_A
    }
  return channels
}

/** out = scale' of term A and shift' of the sum, at a step. c: bytes. */
function storeAffine(rec: usize, out: usize, c: usize, step: usize, kappa: f32): void {
  const at = c + step * load<u32>(rec, NeuronWord.AGroupBytes * 4)
  let shift = shiftOf(rec, at)
  if (load<u32>(rec, NeuronWord.B * 4))
    shift = f32x4.add(
      shift,
      shiftOf(rec + TERM_B, c + step * load<u32>(rec, NeuronWord.BGroupBytes * 4)),
    )
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  v128.store(out, f32x4.mul(scaleOf(rec, at), f32x4.splat(kappa)))
  v128.store(out, f32x4.sub(f32x4.mul(shift, f32x4.splat(kappa)), theta), 16)
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
