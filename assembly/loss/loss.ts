/**
 * What the losses share. Each is a mixture of a cross entropy and a squared distance:
 *
 *   z         outputScale · the output: that of the time mean, or of each step
 *   ℓ         v·((1 − m)·(−Σ over classes of p·log softmax(z)) + m·mean over classes of (z − w)²)
 *   p         (1 − labelSmoothing)·onehot + labelSmoothing/Classes
 *   w         high for the label's class and low for the others, or what Control.Target holds
 *   (z − w)²  or what the function of a text makes of z and w
 *   v         weight of the label's class; of what labelSmoothing spreads that of each class, as in
 *             PyTorch
 *   gradient  ∂ℓ/∂output · gradientScale · Images/Control.Weight
 *
 *   logits    float32 [B][T][C], or [B][C] when they are the same at every step; the first Classes
 *             of the C channels are real
 *   target    i32 [B], of a class for each step float32 [B][TargetSteps]; of numbers float32
 *             [B][Classes], of those of each step [B][TargetSteps][Classes]
 *
 * An image's loss and gradient are multiplied by its weight, by which nothing is divided, as in
 * Keras. What equals Ignore in a target of floats has no loss and no gradient. Images from
 * Control.Valid on are padding: they count nowhere and their gradient is zero. All of it is scalar
 * code in float64, since there is little of it.
 */

import { exponential, logarithm } from '../base/math'
import { stepBits } from '../base/step-bits'
import { LossRecord } from '../generated/records'
import { Control } from '../opcodes'
import { greatest } from './output'

/** Cross entropy: m = MseWeight, w = onehot. See `losses`. One unit. Scratch: none. */
export function crossEntropy(rec: LossRecord, unit: i32, t: i32, scratch: usize): void {
  losses(rec, t, <f64>rec.mseWeight, 0, 1)
}

/** Mean squared error, or a text: m = 1, low = Low, high = High. See `losses`. Scratch: none. */
export function meanSquaredError(rec: LossRecord, unit: i32, t: i32, scratch: usize): void {
  losses(rec, t, 1, <f64>rec.low, <f64>rec.high)
}

/**
 * Temporal efficient training (Deng et al., ICLR 2022): m = Lambda, w = Mean for all classes. See
 * `losses`. One unit. Scratch: none.
 */
export function tet(rec: LossRecord, unit: i32, t: i32, scratch: usize): void {
  losses(rec, t, <f64>rec.lambda, <f64>rec.mean, <f64>rec.mean)
}

/**
 * At the last step: writes Losses and Delta of the time-mean output (op Output has written it), and
 * Control.Loss, Correct, Answers and Weight of all images up to the last one of this run. With
 * Instantaneous the loss is that of each step's own output: Delta is written for every step of the
 * call, zero where Control.StepMask leaves the step out (unless allSteps), and Losses are the mean
 * over the steps. Delta of logits that are the same at every step is the sum over the call's.
 *
 * Image i of the run is image Control.FirstImage + i of the batch.
 *
 * @param m share of the squared distance
 */
function losses(rec: LossRecord, t: i32, m: f64, low: f64, high: f64): void {
  const instantaneous = <u32>rec.instantaneous != 0
  if (!instantaneous && t + <i32>rec.steps < rec.totalSteps) return
  const images = rec.images
  const first = load<i32>(Control.FirstImage)
  const valid = max(0, min(first + images, load<i32>(Control.Valid)))
  if (t == 0 || !instantaneous) store<f64>(Control.Weight, weightOfBatch(rec, valid))
  const delta = rec.delta
  const bytes = instantaneous ? imageBytes(rec) : rec.channels << 2
  for (let image = first; image < first + images; image++) {
    const own = <usize>(image - first) * bytes
    const gradient = delta ? delta + own : 0
    let loss: f64 = 0
    if (image < valid) {
      const logits = instantaneous ? rec.logits + own : outputOf(rec, image)
      loss = stepLosses(rec, logits, image, gradient, t, m, low, high) * imageWeight(image)
    } else if (gradient) memory.fill(gradient, 0, bytes)
    const at = rec.losses + ((<usize>image) << 2)
    const adds = instantaneous && t > 0 && image < valid
    store<f32>(at, <f32>(adds ? <f64>load<f32>(at) + loss : loss))
  }
  if (<u32>rec.targetSteps && !(<u32>rec.values)) countSteps(rec, t, first, valid)
  // In every call of an online method, since its updates read the loss.
  summarise(rec, valid)
}

/** Bytes between images of Logits. */
function imageBytes(rec: LossRecord): usize {
  return rec.stepBytes ? rec.stepBytes * <u32>rec.steps : rec.channels << 2
}

/** Weight of an image in loss and gradient: 1, or what Control.Weights holds. */
export function imageWeight(image: i32): f64 {
  const weights = <usize>load<u32>(Control.Weights)
  return weights ? <f64>load<f32>(weights + ((<usize>image) << 2)) : 1
}

/** Numbers of a target: of one step, where there is one for each. */
function targetSize(rec: LossRecord): usize {
  return <u32>rec.values != 0 ? <usize>rec.classes : 1
}

/** Address of an image's target, of step t where there is one for each. */
function targetOf(rec: LossRecord, image: i32, t: i32): usize {
  const steps = <u32>rec.targetSteps
  const row = steps ? <usize>image * steps + <usize>t : <usize>image
  return <usize>load<u32>(Control.Target) + ((row * targetSize(rec)) << 2)
}

/** Whether a number of a target is what Ignore names; NaN names all of its kind. */
function isIgnored(rec: LossRecord, value: f32): bool {
  const ignore = rec.ignore
  return <u32>rec.ignores != 0 && (value == ignore || (isNaN(value) && isNaN(ignore)))
}

/** The class of a target that is one; -1 where it is ignored. */
function labelOf(rec: LossRecord, target: usize): i32 {
  if (!(<u32>rec.targetSteps)) return load<i32>(target)
  const label = load<f32>(target)
  return isIgnored(rec, label) ? -1 : <i32>label
}

/** Weight of a class. */
function classWeight(rec: LossRecord, label: i32): f64 {
  const weights = rec.classWeights
  return weights ? <f64>load<f32>(weights + ((<usize>label) << 2)) : 1
}

/**
 * What the sum of Losses is divided by: the valid images, each by the share of its target that is
 * not ignored and by the weight of its class.
 */
function weightOfBatch(rec: LossRecord, valid: i32): f64 {
  if (!rec.classWeights && !(<u32>rec.ignores)) return <f64>valid
  const values = <u32>rec.values != 0
  const count = max<usize>(1, <u32>rec.targetSteps) * targetSize(rec)
  let sum: f64 = 0
  for (let image = 0; image < valid; image++) {
    const target = targetOf(rec, image, 0)
    for (let i: usize = 0; i < count; i++) {
      const at = target + (i << 2)
      if (values) sum += isIgnored(rec, load<f32>(at)) ? 0 : 1
      else if (labelOf(rec, at) >= 0) sum += classWeight(rec, labelOf(rec, at))
    }
  }
  return sum / <f64>count
}

/**
 * Returns the share of the call's steps in the mean loss of one image, or the loss of its time
 * mean. Writes its gradient, with the rows of Logits, unless that address is 0.
 */
function stepLosses(
  rec: LossRecord,
  logits: usize,
  image: i32,
  gradient: usize,
  t: i32,
  m: f64,
  low: f64,
  high: f64,
): f64 {
  const instantaneous = <u32>rec.instantaneous != 0
  const steps = instantaneous ? <u32>rec.steps : 1
  const stepBytes = instantaneous ? rec.stepBytes : 0
  const all = !instantaneous || <u32>rec.allSteps != 0
  let target = targetOf(rec, image, instantaneous ? t : 0)
  const targetBytes = <u32>rec.targetSteps ? targetSize(rec) << 2 : 0
  // What is the same at every step is computed once.
  const turns = stepBytes || targetBytes ? steps : 1
  const each = steps / turns
  const weight = imageWeight(image)
  let wanted = stepBits(t)
  let sum: f64 = 0
  for (let turn: u32 = 0; turn < turns; turn++) {
    const count = all ? each : popcnt(wanted & (<u32>0xffffffff >> (32 - each)))
    const adds = !stepBytes && turn > 0
    const times = <f64>count * weight
    sum += imageLoss(rec, logits, target, gradient, times, m, low, high, adds)
    wanted >>= 1
    logits += stepBytes
    target += targetBytes
    if (gradient) gradient += stepBytes
  }
  return instantaneous ? (sum * <f64>each) / <f64>(<u32>rec.totalSteps) : sum
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
 * Returns the loss of one image, or of one step of it. Writes its gradient [C], `times` so much,
 * unless that address is 0.
 *
 * @param adds whether the gradient is added to what is there
 */
function imageLoss(
  rec: LossRecord,
  logits: usize,
  target: usize,
  gradient: usize,
  times: f64,
  m: f64,
  low: f64,
  high: f64,
  adds: bool,
): f64 {
  const classes = <usize>rec.classes
  const values = <u32>rec.values != 0
  const label = values ? -1 : labelOf(rec, target)
  if (!values && label < 0) {
    if (gradient && !adds) memory.fill(gradient, 0, rec.channels << 2)
    return 0
  }
  const smoothing = <f64>rec.labelSmoothing
  const s = outputScale(rec)
  if (rec.terms) runText(rec, logits, target, label)
  let highest = <f64>load<f32>(logits) * s
  for (let c: usize = 1; c < classes; c++)
    highest = max(highest, <f64>load<f32>(logits + (c << 2)) * s)
  let sum: f64 = 0
  let squares: f64 = 0
  let below: f64 = 0
  let weights: f64 = 0
  for (let c: usize = 0; c < classes; c++) {
    const z = <f64>load<f32>(logits + (c << 2)) * s
    const distance = distanceOf(rec, target, c, z, <i32>c == label ? high : low)
    const weight = classWeight(rec, <i32>c)
    sum += exponential(z - highest)
    squares += rec.terms ? foundBy(rec, c, LOSSES) : distance * distance
    below += weight * (highest - z)
    weights += weight
  }
  if (gradient) {
    const full = times * (<f64>rec.gradientScale * <f64>(<u32>rec.images))
    const divisor = load<f64>(Control.Weight)
    const scale = divisor > 0 ? full / divisor : 0
    imageGradient(rec, logits, target, gradient, scale, m, low, high, highest, sum, weights, adds)
  }
  const own = values ? 1 : classWeight(rec, label)
  const mean = (m * squares) / <f64>classes
  if (values) return mean
  const log = logarithm(sum)
  let entropy = log + highest - <f64>load<f32>(logits + ((<usize>label) << 2)) * s
  const each = rec.classWeights ? (weights / <f64>classes) * log : log
  const uniform = each + below / <f64>classes
  entropy *= own
  if (smoothing > 0) entropy = (1 - smoothing) * entropy + smoothing * uniform
  return (1 - m) * entropy + mean * own
}

/**
 * Writes the gradient [C] of an image's loss.
 *
 * @param sum of exp(z − highest) over the classes
 * @param weights sum of the weights of all classes
 */
function imageGradient(
  rec: LossRecord,
  logits: usize,
  target: usize,
  gradient: usize,
  scale: f64,
  m: f64,
  low: f64,
  high: f64,
  highest: f64,
  sum: f64,
  weights: f64,
  adds: bool,
): void {
  const channels = rec.channels
  const classes = <usize>rec.classes
  const values = <u32>rec.values != 0
  const label = values ? -1 : labelOf(rec, target)
  const own = values ? 1 : classWeight(rec, label)
  const smoothing = <f64>rec.labelSmoothing
  const right = (1 - smoothing) * own
  const spread = smoothing / <f64>classes
  const s = outputScale(rec)
  // Without weights of classes it is 1, whatever is rounded.
  const whole = rec.classWeights ? right + spread * weights : 1
  for (let c: usize = 0; c < channels; c++) {
    let g: f64 = 0
    if (c < classes) {
      const z = <f64>load<f32>(logits + (c << 2)) * s
      const isRight = <i32>c == label
      const distance = distanceOf(rec, target, c, z, isRight ? high : low)
      const slope = rec.terms ? foundBy(rec, c, SLOPES) : 2 * distance
      const p = (isRight ? right : 0) + spread * classWeight(rec, <i32>c)
      const entropy = (exponential(z - highest) / sum) * whole - p
      g = (1 - m) * entropy + (m * slope * own) / <f64>classes
    }
    const at = gradient + (c << 2)
    g = g * s * scale
    store<f32>(at, <f32>(adds ? <f64>load<f32>(at) + g : g))
  }
}

/** Distance of an output from `w`, or from the target's number; 0 where that is ignored. */
function distanceOf(rec: LossRecord, target: usize, c: usize, z: f64, w: f64): f64 {
  if (!(<u32>rec.values)) return z - w
  const wanted = load<f32>(target + (c << 2))
  return isIgnored(rec, wanted) ? 0 : z - <f64>wanted
}

// Terms holds eight outputs, their targets, and what the text's function makes of these,
// losses and derivatives: float32 [4][8].
const TARGETS: usize = 32
const LOSSES: usize = 64
const SLOPES: usize = 96
const EIGHT: usize = 128

/** Place of an output in Terms. */
function termsOf(rec: LossRecord, c: usize): usize {
  return rec.terms + (c >> 3) * EIGHT + ((c & 7) << 2)
}

/** Runs the function on an output [C], by eight of it: as of one pixel, with Terms as scratch. */
function runText(rec: LossRecord, logits: usize, target: usize, label: i32): void {
  const classes = <usize>rec.classes
  const s = outputScale(rec)
  for (let c: usize = 0; c < classes; c++) {
    const at = termsOf(rec, c)
    store<f32>(at, <f32>(<f64>load<f32>(logits + (c << 2)) * s))
    store<f32>(at + TARGETS, label < 0 ? load<f32>(target + (c << 2)) : <f32>(<i32>c == label))
    if ((c & 7) == 7 || c + 1 == classes)
      call_indirect<u32>(rec.kernel, changetype<usize>(rec), 0, 1, 0, termsOf(rec, c & ~7))
  }
}

/** What the function has found of an output; 0 where its target is ignored. */
function foundBy(rec: LossRecord, c: usize, what: usize): f64 {
  const at = termsOf(rec, c)
  return isIgnored(rec, load<f32>(at + TARGETS)) ? 0 : <f64>load<f32>(at + what)
}

/**
 * Adds the call's steps to Control.Answers, but for those that are ignored, and to Control.Correct
 * those whose greatest logit, the first of equals, is that of their class.
 */
function countSteps(rec: LossRecord, t: i32, first: i32, valid: i32): void {
  const begins = t == 0 && first == 0
  let answers = begins ? 0 : load<i32>(Control.Answers)
  let correct = begins ? 0 : load<i32>(Control.Correct)
  const steps = <i32>rec.steps
  const classes = <u32>rec.classes
  for (let image = first; image < valid; image++) {
    let logits = rec.logits + <usize>(image - first) * imageBytes(rec)
    for (let step = 0; step < steps; step++) {
      const label = labelOf(rec, targetOf(rec, image, t + step))
      if (label >= 0) answers++
      if (label == <i32>greatest(logits, classes)) correct++
      logits += rec.stepBytes
    }
  }
  store<i32>(Control.Answers, answers)
  store<i32>(Control.Correct, correct)
}

/**
 * Control.Loss = the sum of Losses of the valid images by their weight. Of labels Control.Correct =
 * right predictions, Control.Answers = the images; 0 right ones where targets are numbers.
 */
export function summarise(rec: LossRecord, valid: i32): void {
  const divisor = load<f64>(Control.Weight)
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
  store<f32>(Control.Loss, divisor > 0 ? <f32>(sum / divisor) : 0)
  if (<u32>rec.targetSteps && !values) return
  store<i32>(Control.Correct, correct)
  store<i32>(Control.Answers, valid)
}
