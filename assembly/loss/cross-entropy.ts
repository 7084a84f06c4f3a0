/**
 * The loss of a network's output, and its gradient.
 *
 *   logits    float32 [B][T][C], or [B][C] when they are the same at every step; the first Classes
 *             of the C channels are real
 *   loss      ℓ = (1 − m)·cross entropy(softmax) + m·mean over classes of (logit − onehot)²,
 *             m = MseWeight
 *   gradient  ((1 − m)·(softmax − onehot) + m·2·(logit − onehot)/Classes)
 *             · GradientScale · Images/valid
 *
 * Images from Control.Valid on are padding: they count nowhere and their gradient is zero. All of
 * it is scalar code in float64, since there is little of it.
 */

import { exponential, logarithm } from '../base/math'
import { Control, LossWord } from '../opcodes'

/**
 * At the last step: writes Losses and Delta of the time-mean output (op Output has written it), and
 * Control.Loss and Control.Correct of all images up to the last one of this run. With Instantaneous
 * the loss is that of each step's own output: Delta is written for every step of the call, zero
 * where Control.StepMask leaves the step out, and Losses are the mean over the steps. Delta of
 * logits that are the same at every step is the sum over the call's. One unit. Scratch: none.
 *
 * Image i of the run is image Control.FirstImage + i of the batch.
 */
export function crossEntropy(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const instantaneous = load<u32>(rec, LossWord.Instantaneous * 4) != 0
  const last = isLast(rec, t)
  if (!instantaneous && !last) return
  const images = load<i32>(rec, LossWord.Images * 4)
  const first = load<i32>(Control.FirstImage)
  const valid = max(0, min(first + images, load<i32>(Control.Valid)))
  const losses = <usize>load<u32>(rec, LossWord.Losses * 4)
  const delta = <usize>load<u32>(rec, LossWord.Delta * 4)
  const bytes = instantaneous ? imageBytes(rec) : (<usize>load<u32>(rec, LossWord.C * 4)) << 2
  for (let image = first; image < first + images; image++) {
    const own = <usize>(image - first)
    const gradient = delta ? delta + own * bytes : 0
    const at = losses + ((<usize>image) << 2)
    if (image < valid) {
      const target = load<u32>(<usize>load<u32>(Control.Target) + ((<usize>image) << 2))
      if (instantaneous) {
        const logits = <usize>load<u32>(rec, LossWord.Logits * 4) + own * bytes
        const loss = stepLosses(rec, logits, target, gradient, valid, t)
        store<f32>(at, <f32>((t > 0 ? <f64>load<f32>(at) : 0) + loss))
      } else store<f32>(at, <f32>imageLoss(rec, outputOf(rec, image), target, gradient, valid, 1))
    } else {
      store<f32>(at, 0)
      if (gradient) memory.fill(gradient, 0, bytes)
    }
  }
  // In every call of an online method, since its updates read the loss.
  summarise(rec, valid)
}

function isLast(rec: usize, t: i32): bool {
  return t + load<i32>(rec, LossWord.T * 4) >= load<i32>(rec, LossWord.TotalSteps * 4)
}

/** Bytes between images of Logits. */
function imageBytes(rec: usize): usize {
  const stepBytes = <usize>load<u32>(rec, LossWord.StepBytes * 4)
  return stepBytes
    ? stepBytes * load<u32>(rec, LossWord.T * 4)
    : (<usize>load<u32>(rec, LossWord.C * 4)) << 2
}

/**
 * Returns the share of the call's steps in the mean loss of one image. Writes its gradient, with
 * the rows of Logits, unless that address is 0.
 */
function stepLosses(
  rec: usize,
  logits: usize,
  target: u32,
  gradient: usize,
  valid: i32,
  t: i32,
): f64 {
  const steps = load<u32>(rec, LossWord.T * 4)
  const total = <f64>load<u32>(rec, LossWord.TotalSteps * 4)
  const stepBytes = <usize>load<u32>(rec, LossWord.StepBytes * 4)
  const wanted = (load<u32>(Control.StepMask) >> t) & (<u32>0xffffffff >> (32 - steps))
  if (!stepBytes) {
    const loss = imageLoss(rec, logits, target, gradient, valid, <f64>popcnt(wanted))
    return (loss * <f64>steps) / total
  }
  let sum: f64 = 0
  for (let step: u32 = 0; step < steps; step++) {
    sum += imageLoss(rec, logits, target, gradient, valid, <f64>((wanted >> step) & 1))
    logits += stepBytes
    if (gradient) gradient += stepBytes
  }
  return sum / total
}

function outputOf(rec: usize, image: i32): usize {
  return (
    <usize>load<u32>(rec, LossWord.Output * 4) +
    ((<usize>image * load<u32>(rec, LossWord.C * 4)) << 2)
  )
}

/**
 * Returns the loss of one image. Writes its gradient [C], `times` so much, unless that address is
 * 0.
 */
function imageLoss(
  rec: usize,
  logits: usize,
  target: u32,
  gradient: usize,
  valid: i32,
  times: f64,
): f64 {
  const classes = <usize>load<u32>(rec, LossWord.Classes * 4)
  const channels = <usize>load<u32>(rec, LossWord.C * 4)
  const m = <f64>load<f32>(rec, LossWord.MseWeight * 4)
  let highest = <f64>load<f32>(logits)
  for (let c: usize = 1; c < classes; c++) highest = max(highest, <f64>load<f32>(logits + (c << 2)))
  let sum: f64 = 0
  let squares: f64 = 0
  for (let c: usize = 0; c < classes; c++) {
    const logit = <f64>load<f32>(logits + (c << 2))
    const distance = logit - (c == target ? 1 : 0)
    sum += exponential(logit - highest)
    squares += distance * distance
  }
  if (gradient) {
    const scale =
      (times *
        (<f64>load<f32>(rec, LossWord.GradientScale * 4) *
          <f64>load<u32>(rec, LossWord.Images * 4))) /
      <f64>valid
    for (let c: usize = 0; c < channels; c++) {
      let g: f64 = 0
      if (c < classes) {
        const logit = <f64>load<f32>(logits + (c << 2))
        const onehot: f64 = c == target ? 1 : 0
        g =
          (1 - m) * (exponential(logit - highest) / sum - onehot) +
          (m * 2 * (logit - onehot)) / <f64>classes
      }
      store<f32>(gradient + (c << 2), <f32>(g * scale))
    }
  }
  const entropy = logarithm(sum) + highest - <f64>load<f32>(logits + ((<usize>target) << 2))
  return (1 - m) * entropy + (m * squares) / <f64>classes
}

/** Control.Loss = mean of Losses, Control.Correct = right predictions, over the valid images. */
function summarise(rec: usize, valid: i32): void {
  let sum: f64 = 0
  let correct = 0
  for (let image = 0; image < valid; image++) {
    const at = (<usize>image) << 2
    sum += <f64>load<f32>(<usize>load<u32>(rec, LossWord.Losses * 4) + at)
    if (
      load<i32>(<usize>load<u32>(rec, LossWord.Predictions * 4) + at) ==
      load<i32>(<usize>load<u32>(Control.Target) + at)
    )
      correct++
  }
  store<f32>(Control.Loss, valid > 0 ? <f32>(sum / <f64>valid) : 0)
  store<i32>(Control.Correct, correct)
}
