/** Backward through the neurons and through time (BPTT). */

import { gather, isCopy } from '../activity/contributions'
import { logistic } from '../base/math'
import { touchLines } from '../base/touch'
import { ContributionWord, NeuronScratch, NeuronWord } from '../opcodes'
import { hasCommonTrace, inputGain, leak, resetDerivative, resetPotential } from './dynamics'
import { currentStep, currents } from './general'
import { surrogateScale, surrogateSlope } from './surrogate'
import { surrogate } from './surrogate-loops'
import { back, neuronTime, neuronTimeB, neuronTimeS } from './time-loops'

/** Most floats of z in a block of pixels. A single pixel may have more. */
const BLOCK_FLOATS: u32 = NeuronScratch.BlockFloats

/**
 * Membrane potentials are computed again from the terms. Then, from the last step to the first,
 *
 *   ∂L/∂u_t = ∂L/∂s_t h'(u_t − θ) + λ ∂L/∂u_{t+1} ∂v_t/∂u_t
 *   Delta [P][T][C] = κ ∂L/∂u_t
 *   LearnablePartials [units] = Σ over the unit's neurons and t of ∂L/∂w, where w is learnable
 *
 * ∂L/∂s_t is the sum of the contributions (rows [P][T][C]). Delta may be the first contribution's
 * own tensor when that one is not pooled. Unit = PixelsPerUnit pixels. Scratch:
 * NeuronScratch.BackBytes + 4·max(BlockFloats, (2·T + 1)·C) bytes.
 */
export function neuronBackwardTime(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronWord.Pixels * 4))
  const lambda = leak(rec)
  const kappa = inputGain(rec)
  if (isUsual(rec, kappa)) runUsual(rec, first, end, scratch, lambda, kappa)
  else runAny(rec, unit, first, end, scratch, lambda, kappa)
}

/** Can time-loops.ts run it? Where it fires is then rounded as it was forward. */
function isUsual(rec: usize, kappa: f32): bool {
  const hasB = load<u32>(rec, NeuronWord.B * 4) != 0
  return (
    hasCommonTrace(rec) &&
    load<f32>(rec, NeuronWord.Rest * 4) == 0 &&
    load<u32>(rec, NeuronWord.Learnable * 4) == 0 &&
    load<u32>(rec, NeuronWord.A * 4) != 0 &&
    load<u32>(rec, NeuronWord.AScale * 4) != 0 &&
    (load<u32>(rec, NeuronWord.AGroupBytes * 4) | load<u32>(rec, NeuronWord.BGroupBytes * 4)) ==
      0 &&
    (!hasB ||
      (kappa == 1 &&
        load<u32>(rec, NeuronWord.BScale * 4) != 0 &&
        load<u32>(rec, NeuronWord.S * 4) == 0))
  )
}

/** Delta = ∂L/∂s at the pixels first … end − 1. */
function gatherPixels(rec: usize, first: u32, end: u32): void {
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  const steps = load<u32>(rec, NeuronWord.T * 4)
  gather(
    <usize>load<u32>(rec, NeuronWord.Delta * 4) + <usize>first * steps * rowBytes,
    0,
    first,
    end,
    load<u32>(rec, NeuronWord.Contributions * 4),
    load<u32>(rec, NeuronWord.ContributionCount * 4),
    load<u32>(rec, NeuronWord.H * 4),
    load<u32>(rec, NeuronWord.W * 4),
    steps,
    rowBytes,
    load<u32>(rec, NeuronWord.PixelsPerRun * 4),
  )
}

/** Pixels first … end − 1 in blocks whose potentials stay in the first-level cache. */
function runUsual(rec: usize, first: u32, end: u32, scratch: usize, lambda: f32, kappa: f32): void {
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  const kind = load<i32>(rec, NeuronWord.Surrogate * 4)
  const alpha = load<f32>(rec, NeuronWord.Alpha * 4)
  v128.store(scratch, f32x4.splat(lambda))
  v128.store(scratch, f32x4.splat(kappa), 16)
  v128.store(scratch, f32x4.splat(surrogateSlope(kind, alpha)), 32)
  v128.store(scratch, f32x4.splat(surrogateScale(kind, alpha)), 48)
  const z = scratch + NeuronScratch.BackBytes
  const pixelBytes = <usize>steps * rowBytes
  const table = <usize>load<u32>(rec, NeuronWord.Contributions * 4)
  // A single contribution is read where it is.
  const single =
    load<u32>(rec, NeuronWord.ContributionCount * 4) == 1 && isCopy(table, pixelBytes, rowBytes)
  const block = max<u32>(1, BLOCK_FLOATS / <u32>(pixelBytes >> 2))
  if (!single) gatherPixels(rec, first, end)
  for (let pixel = first; pixel < end; pixel += block) {
    const pixels = min(block, end - pixel)
    const at = <usize>pixel * pixelBytes
    const delta = <usize>load<u32>(rec, NeuronWord.Delta * 4) + at
    let gradient = delta
    if (single) {
      gradient = <usize>load<u32>(table, ContributionWord.Address * 4) + at
      touchLines(gradient, <usize>pixels * pixelBytes, z)
    }
    if (load<u32>(rec, NeuronWord.B * 4)) neuronTimeB(rec, pixel, pixels, z, lambda, kappa)
    else if (load<u32>(rec, NeuronWord.S * 4)) neuronTimeS(rec, pixel, pixels, z, lambda, kappa)
    else neuronTime(rec, pixel, pixels, z, lambda, kappa)
    back(kind, delta, gradient, z, pixels, steps, rowBytes, scratch)
  }
}

/** Neurons of every kind, pixel by pixel. */
function runAny(
  rec: usize,
  unit: i32,
  first: u32,
  end: u32,
  scratch: usize,
  lambda: f32,
  kappa: f32,
): void {
  const pixelBytes =
    (<usize>load<u32>(rec, NeuronWord.T * 4) * load<u32>(rec, NeuronWord.C * 4)) << 2
  let delta = <usize>load<u32>(rec, NeuronWord.Delta * 4) + <usize>first * pixelBytes
  gatherPixels(rec, first, end)
  const sums = scratch
  const potentials = scratch + NeuronScratch.BackBytes
  const derivatives = potentials + pixelBytes
  v128.store(sums, f32x4.splat(0))
  for (let pixel = first; pixel < end; pixel++) {
    neuronCharge(rec, currents(rec, pixel, potentials), currentStep(rec), potentials, lambda, kappa)
    surrogate(rec, derivatives, potentials)
    neuronBack(rec, delta, potentials, derivatives, sums, lambda, kappa)
    delta += pixelBytes
  }

  const parameter = <usize>load<u32>(rec, NeuronWord.Learnable * 4)
  if (!parameter) return
  const sigma = logistic(<f64>load<f32>(parameter))
  const sum =
    <f64>load<f32>(sums) +
    <f64>load<f32>(sums, 4) +
    (<f64>load<f32>(sums, 8) + <f64>load<f32>(sums, 12))
  store<f32>(
    <usize>load<u32>(rec, NeuronWord.LearnablePartials * 4) + ((<usize>unit) << 2),
    <f32>(sum * sigma * (1 - sigma)),
  )
}

/** potentials [T][C] = u_t of one pixel. They may overwrite the currents. */
export function neuronCharge(
  rec: usize,
  current: usize,
  stepBytes: usize,
  potentials: usize,
  lambdaValue: f32,
  kappaValue: f32,
): void {
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  const restValue = load<f32>(rec, NeuronWord.Rest * 4)
  const lambda = f32x4.splat(lambdaValue)
  const kappa = f32x4.splat(kappaValue)
  const rest = f32x4.splat(restValue)
  const drift = f32x4.splat((1 - lambdaValue) * restValue)
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const hard = load<u32>(rec, NeuronWord.HardReset * 4) != 0
  const steps = load<u32>(rec, NeuronWord.T * 4)
  for (let c: usize = 0; c < rowBytes; c += 16) {
    let v = rest
    let source = current + c
    let potential = potentials + c
    let left = steps
    do {
      const u = f32x4.add(
        f32x4.add(f32x4.mul(lambda, v), drift),
        f32x4.mul(kappa, v128.load(source)),
      )
      v128.store(potential, u)
      v = resetPotential(hard, f32x4.ge(u, theta), u, theta, rest)
      source += stepBytes
      potential += rowBytes
    } while (--left)
  }
}

/** delta [T][C]: from ∂L/∂s to κ ∂L/∂u at one pixel, in place; sums [4] += the part of ∂L/∂w. */
export function neuronBack(
  rec: usize,
  delta: usize,
  potentials: usize,
  derivatives: usize,
  sums: usize,
  lambdaValue: f32,
  kappaValue: f32,
): void {
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const lambda = f32x4.splat(lambdaValue)
  const kappa = f32x4.splat(kappaValue)
  const rest = f32x4.splat(load<f32>(rec, NeuronWord.Rest * 4))
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const hard = load<u32>(rec, NeuronWord.HardReset * 4) != 0
  const detach = load<u32>(rec, NeuronWord.Detach * 4) != 0
  const learnable = load<u32>(rec, NeuronWord.Learnable * 4) != 0
  const decayInput = load<f32>(rec, NeuronWord.Kappa * 4) != 1
  const last = <usize>(steps - 1) * rowBytes
  let sum = v128.load(sums)
  for (let c: usize = 0; c < rowBytes; c += 16) {
    let potential = potentials + last + c
    let derivative = derivatives + last + c
    let gradient = delta + last + c
    let later = f32x4.splat(0)
    let left = steps
    do {
      const u = v128.load(potential)
      const h = v128.load(derivative)
      const kept = resetDerivative(hard, detach, f32x4.ge(u, theta), u, h, theta, rest)
      later = f32x4.add(
        f32x4.mul(v128.load(gradient), h),
        f32x4.mul(f32x4.mul(later, lambda), kept),
      )
      v128.store(gradient, f32x4.mul(later, kappa))
      potential -= rowBytes
      derivative -= rowBytes
      gradient -= rowBytes
      left--
      if (learnable) {
        let v = rest
        if (left) {
          const before = v128.load(potential)
          v = resetPotential(hard, f32x4.ge(before, theta), before, theta, rest)
        }
        // With 1/τ = σ(w): ∂u/∂(1/τ) = v0 − v, and with decayInput I + v0 − v = (u − v)/κ.
        const gain = decayInput ? f32x4.div(f32x4.sub(u, v), kappa) : f32x4.sub(rest, v)
        sum = f32x4.add(sum, f32x4.mul(later, gain))
      }
    } while (left)
  }
  v128.store(sums, sum)
}
