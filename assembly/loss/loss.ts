/**
 * What the losses share. Each is a mixture of a cross entropy and a squared distance:
 *
 *   z         outputScale · the output: that of the time mean, or of each step
 *   ℓ         (1 − m)·(−Σ over classes of p·log softmax(z)) + m·mean over classes of (z − w)²
 *   p         (1 − labelSmoothing)·onehot + labelSmoothing/Classes
 *   w         high for the label's class and low for the others, or what Control.Target holds
 *   gradient  ∂ℓ/∂output · gradientScale · Images/valid
 *
 *   logits    float32 [B][T][C], or [B][C] when they are the same at every step; the first Classes
 *             of the C channels are real
 *
 * Images from Control.Valid on are padding: they count nowhere and their gradient is zero. All of
 * it is scalar code in float64, since there is little of it.
 */

import { exponential, logarithm } from '../base/math'
import { stepBits } from '../base/step-bits'
import { LossRecord } from '../generated/records'
import { Control } from '../opcodes'

/**
 * At the last step: writes Losses and Delta of the time-mean output (op Output has written it), and
 * Control.Loss and Control.Correct of all images up to the last one of this run. With Instantaneous
 * the loss is that of each step's own output: Delta is written for every step of the call, zero
 * where Control.StepMask leaves the step out (unless allSteps), and Losses are the mean over the
 * steps. Delta of logits that are the same at every step is the sum over the call's.
 *
 * Image i of the run is image Control.FirstImage + i of the batch.
 *
 * @param m share of the squared distance
 */
export function losses(rec: LossRecord, t: i32, m: f64, low: f64, high: f64): void {
  const instantaneous = <u32>rec.instantaneous != 0
  const last = isLast(rec, t)
  if (!instantaneous && !last) return
  const images = rec.images
  const first = load<i32>(Control.FirstImage)
  const valid = max(0, min(first + images, load<i32>(Control.Valid)))
  const losses = rec.losses
  const delta = rec.delta
  const bytes = instantaneous ? imageBytes(rec) : rec.channels << 2
  for (let image = first; image < first + images; image++) {
    const own = <usize>(image - first)
    const gradient = delta ? delta + own * bytes : 0
    const at = losses + ((<usize>image) << 2)
    if (image < valid) {
      const target = targetOf(rec, image)
      if (instantaneous) {
        const logits = rec.logits + own * bytes
        const loss = stepLosses(rec, logits, target, gradient, valid, t, m, low, high)
        store<f32>(at, <f32>((t > 0 ? <f64>load<f32>(at) : 0) + loss))
      } else {
        const output = outputOf(rec, image)
        store<f32>(at, <f32>imageLoss(rec, output, target, gradient, valid, 1, m, low, high))
      }
    } else {
      store<f32>(at, 0)
      if (gradient) memory.fill(gradient, 0, bytes)
    }
  }
  // In every call of an online method, since its updates read the loss.
  summarise(rec, valid)
}

function isLast(rec: LossRecord, t: i32): bool {
  return t + <i32>rec.steps >= rec.totalSteps
}

/** Bytes between images of Logits. */
function imageBytes(rec: LossRecord): usize {
  const stepBytes = rec.stepBytes
  return stepBytes ? stepBytes * <u32>rec.steps : rec.channels << 2
}

/** Address of an image's target: its label, or with Values its Classes numbers. */
function targetOf(rec: LossRecord, image: i32): usize {
  const floats = <u32>rec.values ? <u32>rec.classes : 1
  return <usize>load<u32>(Control.Target) + ((<usize>image * floats) << 2)
}

/**
 * Returns the share of the call's steps in the mean loss of one image. Writes its gradient, with
 * the rows of Logits, unless that address is 0.
 */
function stepLosses(
  rec: LossRecord,
  logits: usize,
  target: usize,
  gradient: usize,
  valid: i32,
  t: i32,
  m: f64,
  low: f64,
  high: f64,
): f64 {
  const steps = <u32>rec.steps
  const total = <f64>(<u32>rec.totalSteps)
  const stepBytes = rec.stepBytes
  const all = <u32>rec.allSteps != 0
  const ofCall = <u32>0xffffffff >> (32 - steps)
  const wanted = stepBits(t) & ofCall
  if (!stepBytes) {
    const times = all ? <f64>steps : <f64>popcnt(wanted)
    const loss = imageLoss(rec, logits, target, gradient, valid, times, m, low, high)
    return (loss * <f64>steps) / total
  }
  let sum: f64 = 0
  for (let step: u32 = 0; step < steps; step++) {
    const times = all ? 1 : <f64>((wanted >> step) & 1)
    sum += imageLoss(rec, logits, target, gradient, valid, times, m, low, high)
    logits += stepBytes
    if (gradient) gradient += stepBytes
  }
  return sum / total
}

function outputOf(rec: LossRecord, image: i32): usize {
  return rec.output + ((<usize>image * <u32>rec.channels) << 2)
}

/** Factor of the output; a record that has none has 0. */
function outputScale(rec: LossRecord): f64 {
  const scale = <f64>rec.outputScale
  return scale == 0 ? 1 : scale
}

/**
 * Returns the loss of one image. Writes its gradient [C], `times` so much, unless that address is
 * 0.
 */
function imageLoss(
  rec: LossRecord,
  logits: usize,
  target: usize,
  gradient: usize,
  valid: i32,
  times: f64,
  m: f64,
  low: f64,
  high: f64,
): f64 {
  const classes = <usize>rec.classes
  const values = <u32>rec.values != 0
  const label: usize = values ? usize.MAX_VALUE : <usize>load<u32>(target)
  const smoothing = <f64>rec.labelSmoothing
  const s = outputScale(rec)
  let highest = <f64>load<f32>(logits) * s
  for (let c: usize = 1; c < classes; c++)
    highest = max(highest, <f64>load<f32>(logits + (c << 2)) * s)
  let sum: f64 = 0
  let squares: f64 = 0
  let below: f64 = 0
  for (let c: usize = 0; c < classes; c++) {
    const z = <f64>load<f32>(logits + (c << 2)) * s
    const distance = z - (values ? <f64>load<f32>(target + (c << 2)) : c == label ? high : low)
    sum += exponential(z - highest)
    squares += distance * distance
    below += highest - z
  }
  if (gradient) {
    const channels = rec.channels
    const scale = (times * (<f64>rec.gradientScale * <f64>(<u32>rec.images))) / <f64>valid
    const spread = smoothing / <f64>classes
    for (let c: usize = 0; c < channels; c++) {
      let g: f64 = 0
      if (c < classes) {
        const z = <f64>load<f32>(logits + (c << 2)) * s
        const wanted = values ? <f64>load<f32>(target + (c << 2)) : c == label ? high : low
        const p: f64 = (c == label ? 1 - smoothing : 0) + spread
        const entropy = exponential(z - highest) / sum - p
        g = (1 - m) * entropy + (m * 2 * (z - wanted)) / <f64>classes
      }
      store<f32>(gradient + (c << 2), <f32>(g * s * scale))
    }
  }
  const mean = (m * squares) / <f64>classes
  if (values) return mean
  const log = logarithm(sum)
  let entropy = log + highest - <f64>load<f32>(logits + (label << 2)) * s
  const uniform = log + below / <f64>classes
  if (smoothing > 0) entropy = (1 - smoothing) * entropy + smoothing * uniform
  return (1 - m) * entropy + mean
}

/**
 * Control.Loss = mean of Losses, Control.Correct = right predictions, over the valid images; 0
 * right ones where targets are numbers.
 */
export function summarise(rec: LossRecord, valid: i32): void {
  const values = <u32>rec.values != 0
  let sum: f64 = 0
  let correct = 0
  for (let image = 0; image < valid; image++) {
    const at = (<usize>image) << 2
    sum += <f64>load<f32>(rec.losses + at)
    if (
      !values &&
      load<i32>(rec.predictions + at) == load<i32>(<usize>load<u32>(Control.Target) + at)
    )
      correct++
  }
  store<f32>(Control.Loss, valid > 0 ? <f32>(sum / <f64>valid) : 0)
  store<i32>(Control.Correct, correct)
}
