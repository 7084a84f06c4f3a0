/**
 * Enhanced self-distillation (Intelli-Chip-Lab, 2025): a network with several outputs z_k is its
 * own teacher, with the mean g of those outputs that are right.
 *
 *   loss      mean over samples of α Σ_k CE(z_k, label)
 *             + β τ² Σ_k mean over samples with a teacher of KL(softmax(g/τ) ‖ softmax(z_k/τ))
 *   gradient  of z_k: (α (softmax(z_k) − onehot)/valid
 *             + β τ (softmax(z_k/τ) − softmax(g/τ))/samples with a teacher) · its share
 *
 * A sample that no output has right has no teacher; no gradient goes through a teacher. It is
 * scalar code in float64, since there is little of it.
 */

import { exponential, logarithm } from '../base/math'
import { Exit, LossRecord } from '../generated/records'
import { Control } from '../opcodes'
import { imageWeight, summarise } from './loss'
import { greatest } from './output'

/** Below this sum of absolute values a teacher is none. */
const LEAST_TEACHER: f64 = 1e-6

/**
 * Writes Losses, the Delta of each exit, Control.Loss and Control.Correct (of the last exit).
 * Images from Control.Valid on are padding: their gradient is zero. One unit. Scratch: 8·Classes
 * bytes.
 */
export function selfDistillation(rec: LossRecord, unit: i32, t: i32, scratch: usize): void {
  const images = rec.images
  const valid = max(0, min(images, load<i32>(Control.Valid)))
  const losses = rec.losses
  let taught = 0
  for (let image = 0; image < valid; image++) if (teach(rec, image, scratch)) taught++
  for (let image = 0; image < images; image++) {
    let loss: f64 = 0
    const isTaught = image < valid && teach(rec, image, scratch)
    const share = isTaught ? <f64>valid / <f64>taught : 0
    const count = rec.exitCount
    for (let exit = 0; exit < count; exit++)
      if (image < valid) loss += exitLoss(rec, exit, image, valid, share, scratch)
      else clearDelta(rec, exit, image)
    store<f32>(losses + ((<usize>image) << 2), <f32>(loss * imageWeight(image)))
  }
  store<f64>(Control.Weight, <f64>valid)
  summarise(rec, valid)
}

// @ts-ignore: decorator
@inline
function exitAt(rec: LossRecord, exit: i32): Exit {
  return changetype<Exit>(rec.exits + <usize>exit * offsetof<Exit>())
}

/** Row of an image in the output, or the gradient, of an exit. */
// @ts-ignore: decorator
@inline
function rowOf(rec: LossRecord, base: usize, image: i32): usize {
  return <usize>base + ((<usize>image * <u32>rec.channels) << 2)
}

function labelOf(image: i32): i32 {
  return load<i32>(<usize>load<u32>(Control.Target) + ((<usize>image) << 2))
}

/** out [Classes] f64 = mean of the outputs that are right, 0 where none is. Is there a teacher? */
function teach(rec: LossRecord, image: i32, out: usize): bool {
  const classes = rec.classes
  const exits = rec.exitCount
  const label = labelOf(image)
  memory.fill(out, 0, (<usize>classes) << 3)
  let right = 0
  for (let exit = 0; exit < exits; exit++) {
    const row = rowOf(rec, exitAt(rec, exit).output, image)
    if (<i32>greatest(row, classes) != label) continue
    right++
    for (let c = 0; c < classes; c++) {
      const at = out + ((<usize>c) << 3)
      store<f64>(at, load<f64>(at) + <f64>load<f32>(row + ((<usize>c) << 2)))
    }
  }
  let sum: f64 = 0
  for (let c = 0; c < classes; c++) {
    const at = out + ((<usize>c) << 3)
    const value = load<f64>(at) / max<f64>(1, <f64>right)
    store<f64>(at, value)
    sum += Math.abs(value)
  }
  return sum > LEAST_TEACHER
}

/** log Σ exp(z·scale), of floats or, with `wide`, of doubles. */
function logSum(row: usize, classes: i32, scale: f64, wide: bool): f64 {
  let highest = valueAt(row, 0, wide) * scale
  for (let c = 1; c < classes; c++) highest = max(highest, valueAt(row, c, wide) * scale)
  let sum: f64 = 0
  for (let c = 0; c < classes; c++) sum += exponential(valueAt(row, c, wide) * scale - highest)
  return highest + logarithm(sum)
}

// @ts-ignore: decorator
@inline
function valueAt(row: usize, c: i32, wide: bool): f64 {
  return wide ? load<f64>(row + ((<usize>c) << 3)) : <f64>load<f32>(row + ((<usize>c) << 2))
}

/**
 * Loss of one exit and image; writes its gradient. share: how many times the divergence counts, 0
 * without a teacher.
 */
function exitLoss(
  rec: LossRecord,
  exit: i32,
  image: i32,
  valid: i32,
  share: f64,
  teacher: usize,
): f64 {
  const classes = rec.classes
  const alpha = <f64>rec.alpha
  const beta = <f64>rec.beta
  const temperature = <f64>rec.temperature
  const cold = 1 / temperature
  const row = rowOf(rec, exitAt(rec, exit).output, image)
  const label = labelOf(image)
  const plain = logSum(row, classes, 1, false)
  const soft = logSum(row, classes, cold, false)
  const taught = logSum(teacher, classes, cold, true)
  const delta = exitAt(rec, exit).delta
  const scale = (imageWeight(image) * (<f64>rec.gradientScale * <f64>rec.images)) / <f64>valid
  let divergence: f64 = 0
  for (let c = 0; c < classes; c++) {
    const z = valueAt(row, c, false)
    const logStudent = z * cold - soft
    const logTeacher = valueAt(teacher, c, true) * cold - taught
    const wanted = exponential(logTeacher)
    divergence += wanted * (logTeacher - logStudent)
    if (!delta) continue
    const hard = exponential(z - plain) - (c == label ? 1 : 0)
    const near = share * temperature * (exponential(logStudent) - wanted)
    const gradient = (alpha * hard + beta * near) * scale
    store<f32>(rowOf(rec, delta, image) + ((<usize>c) << 2), <f32>gradient)
  }
  if (delta) {
    const channels = <i32>rec.channels
    const end = rowOf(rec, delta, image) + ((<usize>classes) << 2)
    memory.fill(end, 0, (<usize>(channels - classes)) << 2)
  }
  const entropy = plain - valueAt(row, label, false)
  return alpha * entropy + beta * temperature * temperature * share * divergence
}

function clearDelta(rec: LossRecord, exit: i32, image: i32): void {
  const delta = exitAt(rec, exit).delta
  if (!delta) return
  memory.fill(rowOf(rec, delta, image), 0, rec.channels << 2)
}
