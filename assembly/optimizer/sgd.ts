/** Stochastic gradient descent with momentum and weight decay, in PyTorch's form. */

import { SgdRecord } from '../generated/records'
import { Control, StepGroup } from '../opcodes'

/**
 * g = Gradients + decay·p;  v = momentum·v + g;  p −= rate·(Nesterov ? g + momentum·v : v)
 *
 * Parameters p and Velocities v change in place. Rate, momentum, decay and Nesterov come from the
 * control block, or from Group. Unit = perUnit floats, a multiple of 4. Scratch: none.
 *
 * When the loss is not finite nothing changes. A parameter whose new value would not be finite
 * keeps its value, and Control.NonFinite is set: a failed step must not lose what was learnt.
 */
export function sgd(rec: SgdRecord, unit: i32, t: i32, scratch: usize): void {
  const perUnit = <u32>rec.perUnit
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, <u32>rec.count)
  if (first >= end || !isFinite(load<f32>(Control.Loss))) return
  const offset = (<usize>first) << 2
  const group = rec.group
  const decay = group
    ? load<f32>(group, StepGroup.Decay)
    : <u32>rec.otherDecay
      ? load<f32>(Control.DecayOther)
      : load<f32>(Control.Decay)
  sgdRange(
    rec.parameters + offset,
    rec.velocities + offset,
    rec.gradients + offset,
    (<usize>(end - first)) << 2,
    group ? load<f32>(group, StepGroup.Rate) : load<f32>(Control.LearningRate),
    group ? <f32>load<f64>(group, StepGroup.Beta1) : load<f32>(Control.Momentum),
    decay,
    (group ? load<u32>(group, StepGroup.Nesterov) : load<u32>(Control.Nesterov)) != 0,
  )
}

/**
 * The same for `bytes` of floats, a multiple of 16, with the numbers of the control block given.
 * Three separate arrays; parameters and velocities change in place.
 */
export function sgdRange(
  parameters: usize,
  velocities: usize,
  gradients: usize,
  bytes: usize,
  rate: f32,
  momentum: f32,
  decay: f32,
  nesterov: bool,
): void {
  const r = f32x4.splat(rate)
  const m = f32x4.splat(momentum)
  const d = f32x4.splat(decay)
  // The direction is ahead·g + along·v, one formula for both kinds.
  const ahead = f32x4.splat(nesterov ? 1 : 0)
  const along = f32x4.splat(nesterov ? momentum : 1)
  const zero = f32x4.splat(0)
  let finite = i32x4.splat(-1)
  for (let i: usize = 0; i < bytes; i += 16) {
    const p = v128.load(parameters + i)
    const before = v128.load(velocities + i)
    const g = f32x4.add(v128.load(gradients + i), f32x4.mul(d, p))
    const v = f32x4.add(f32x4.mul(m, before), g)
    const direction = f32x4.add(f32x4.mul(ahead, g), f32x4.mul(along, v))
    const next = f32x4.sub(p, f32x4.mul(r, direction))
    // x·0 is 0 only for finite x. v is tested too: with rate 0, next is finite whatever v is.
    const good = f32x4.eq(f32x4.add(f32x4.mul(next, zero), f32x4.mul(v, zero)), zero)
    finite = v128.and(finite, good)
    v128.store(velocities + i, v128.bitselect(v, before, good))
    v128.store(parameters + i, v128.bitselect(next, p, good))
  }
  if (!i32x4.all_true(finite)) store<u32>(Control.NonFinite, 1)
}
