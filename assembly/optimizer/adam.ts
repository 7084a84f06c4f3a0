/** Adam and AdamW, in PyTorch's form, and what the ranges of one step have in common. */

import { AdamRecord, StepStartRecord } from '../generated/records'
import { Control, StepGroup, StepNumbers } from '../opcodes'

/**
 * Begins a step: its number n, the powers β₁ⁿ and β₂ⁿ by one multiplication, what follows from
 * them, and how the moving average takes this step; the first one is copied.
 *
 * `=` and `+=` the words of Numbers alone. One unit. Scratch: none. When the loss is not finite
 * nothing changes.
 */
export function stepStart(rec: StepStartRecord, unit: i32, t: i32, scratch: usize): void {
  if (!isFinite(load<f32>(Control.Loss))) return
  const numbers = rec.numbers
  const first = load<f64>(numbers, StepNumbers.Power1) * load<f64>(rec.group, StepGroup.Beta1)
  const second = load<f64>(numbers, StepNumbers.Power2) * load<f64>(rec.group, StepGroup.Beta2)
  store<f64>(numbers, first, StepNumbers.Power1)
  store<f64>(numbers, second, StepNumbers.Power2)
  store<f64>(numbers, 1 / (1 - first), StepNumbers.Correction1)
  store<f64>(numbers, 1 / sqrt<f64>(1 - second), StepNumbers.Correction2)
  store<f32>(numbers, <f32>(1 / (1 - first)), StepNumbers.SingleCorrection1)
  store<f32>(numbers, <f32>(1 / (1 - second)), StepNumbers.SingleCorrection2)
  store<f32>(numbers, load<f32>(numbers, StepNumbers.Steps) + 1, StepNumbers.Steps)
  const averaged = load<f64>(numbers, StepNumbers.Averaged)
  const keep = averaged == 0 ? 0 : load<f64>(numbers, StepNumbers.AverageDecay)
  store<f64>(numbers, averaged + 1, StepNumbers.Averaged)
  store<f32>(numbers, <f32>keep, StepNumbers.AverageKeep)
  store<f32>(numbers, <f32>(1 - keep), StepNumbers.AverageShare)
}

/**
 * g = Gradients + decay·p (Adam), or p ← p − rate·decay·p (AdamW: the group's Decoupled)
 *
 * m = β₁·m + (1 − β₁)·g;  v = β₂·v + (1 − β₂)·g²
 *
 * p −= rate/(1 − β₁ⁿ) · m / (√v/√(1 − β₂ⁿ) + eps)
 *
 * Parameters p, Means m and Squares v change in place. Unit = perUnit floats, a multiple of 4.
 * Scratch: none. When the loss is not finite nothing changes. Where a new value would not be finite
 * p, m and v stay as they are, and Control.NonFinite is set.
 */
export function adam(rec: AdamRecord, unit: i32, t: i32, scratch: usize): void {
  const perUnit = <u32>rec.perUnit
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, <u32>rec.count)
  if (first >= end || !isFinite(load<f32>(Control.Loss))) return
  const offset = (<usize>first) << 2
  const numbers = rec.numbers
  const group = rec.group
  const rate = <f64>load<f32>(group, StepGroup.Rate)
  const decay = load<f32>(group, StepGroup.Decay)
  const decoupled = load<u32>(group, StepGroup.Decoupled) != 0
  const beta1 = load<f64>(group, StepGroup.Beta1)
  const beta2 = load<f64>(group, StepGroup.Beta2)
  adamRange(
    rec.parameters + offset,
    rec.means + offset,
    rec.squares + offset,
    rec.gradients + offset,
    (<usize>(end - first)) << 2,
    <f32>(rate * load<f64>(numbers, StepNumbers.Correction1)),
    decoupled ? <f32>(1 - rate * <f64>decay) : 1,
    decoupled ? 0 : decay,
    <f32>beta1,
    <f32>(1 - beta1),
    <f32>beta2,
    <f32>(1 - beta2),
    <f32>load<f64>(numbers, StepNumbers.Correction2),
    load<f32>(group, StepGroup.Eps),
  )
}

/** The same for `bytes` of floats, a multiple of 16, with all numbers given. */
export function adamRange(
  parameters: usize,
  means: usize,
  squares: usize,
  gradients: usize,
  bytes: usize,
  rate: f32,
  keep: f32,
  decay: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  correction: f32,
  eps: f32,
): void {
  const zero = f32x4.splat(0)
  let finite = i32x4.splat(-1)
  for (let i: usize = 0; i < bytes; i += 16) {
    const p = v128.load(parameters + i)
    const mBefore = v128.load(means + i)
    const vBefore = v128.load(squares + i)
    const g = f32x4.add(v128.load(gradients + i), f32x4.mul(f32x4.splat(decay), p))
    const kept = f32x4.mul(f32x4.splat(beta1), mBefore)
    const m = f32x4.add(kept, f32x4.mul(f32x4.splat(rest1), g))
    const own = f32x4.mul(f32x4.splat(rest2), f32x4.mul(g, g))
    const v = f32x4.add(f32x4.mul(f32x4.splat(beta2), vBefore), own)
    const root = f32x4.mul(f32x4.sqrt(v), f32x4.splat(correction))
    const step = f32x4.div(m, f32x4.add(root, f32x4.splat(eps)))
    const left = f32x4.mul(f32x4.splat(keep), p)
    const next = f32x4.sub(left, f32x4.mul(f32x4.splat(rate), step))
    // x·0 is 0 only for finite x. With rate 0, next is finite whatever m and v are.
    const good = f32x4.eq(
      f32x4.add(f32x4.mul(next, zero), f32x4.add(f32x4.mul(m, zero), f32x4.mul(v, zero))),
      zero,
    )
    finite = v128.and(finite, good)
    v128.store(means + i, v128.bitselect(m, mBefore, good))
    v128.store(squares + i, v128.bitselect(v, vBefore, good))
    v128.store(parameters + i, v128.bitselect(next, p, good))
  }
  if (!i32x4.all_true(finite)) store<u32>(Control.NonFinite, 1)
}
