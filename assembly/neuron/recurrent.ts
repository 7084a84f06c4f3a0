/**
 * Recurrent neurons: the kernels run a step at a time, and between steps the layer's spikes come
 * back through a weight: x_t + W·s_{t−1} + b. A unit is an image.
 */

import { sumLanes } from '../base/lanes'
import { NeuronRecord } from '../generated/records'
import { Rec } from '../opcodes'
import { activityOf, addActivity, validEnd } from './counting'
import { gatherUnit, runPixels } from './neurons'
import { recurrentBack, recurrentInput } from './recurrent-weight'

/** out [pixels][T][C] at a step = rows [pixels][C]. */
export function keepRows(out: usize, rows: usize, pixels: u32, stride: usize, bytes: usize): void {
  for (let p: u32 = 0; p < pixels; p++)
    memory.copy(out + <usize>p * stride, rows + <usize>p * bytes, bytes)
}

/** rows [pixels][C] = those of a step of tensor [pixels][T][C]. */
export function takeRows(rows: usize, from: usize, pixels: u32, stride: usize, bytes: usize): void {
  for (let p: u32 = 0; p < pixels; p++)
    memory.copy(rows + <usize>p * bytes, from + <usize>p * stride, bytes)
}

/** masks |= found << bit, or = for the first one: a byte of each neuron. */
export function addMasks(masks: usize, found: usize, bytes: usize, bit: i32): void {
  for (let i: usize = 0; i < bytes; i += 4) {
    const shifted = load<u32>(found + i) << bit
    store<u32>(masks + i, bit ? load<u32>(masks + i) | shifted : shifted)
  }
}

/** u32 counts [C] += spikes [C], each 0 or 1. */
export function addArrivals(counts: usize, spikes: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(
      counts + i,
      i32x4.add(v128.load(counts + i), i32x4.trunc_sat_f32x4_s(v128.load(spikes + i))),
    )
}

/**
 * Forward over T steps, as `neuron`. State ends with the spikes of a step as numbers, and with
 * Traced their trace, from row Fired on.
 *
 *   Inputs [P][T][C] = x_t + W·s_{t−1} + b
 *   Presynaptic [P][T][C] = s_{t−1}, or its trace
 *   Arrivals [P][C] += s_{t−1}, where activity is counted
 *
 * Scratch: a copy of the
 * record, which says what one step reads and writes; inputs [pixels][C]; masks of a step.
 */
export function recurrent(rec: NeuronRecord, unit: i32, t: i32, scratch: usize): void {
  const pixels = rec.imagePixels
  const first = unit * pixels
  const channels = rec.channels
  const rowBytes = channels << 2
  const imageBytes = <usize>pixels * rowBytes
  const steps = rec.steps
  const stride = <usize>steps * rowBytes
  const planeBytes = rec.planeBytes
  const at = <usize>first * rowBytes
  const own = changetype<NeuronRecord>(scratch + 16)
  const inputs = changetype<usize>(own) + <usize>Rec.Bytes
  const found = inputs + imageBytes
  const fired = rec.state + rec.fired + at
  const source = rec.traced ? fired + planeBytes * 4 : fired
  const activity = activityOf(rec.activity, rec.activityWanted, unit)
  const valid = validEnd(first, first + pixels, pixels)
  const counted = <u32>first < valid ? activity : 0
  const kernel = counted ? rec.counting : rec.kernel
  memory.copy(changetype<usize>(own), changetype<usize>(rec), <usize>Rec.Bytes)
  own.a = inputs - at
  own.aPixelBytes = rowBytes
  own.masks = found - <usize>first * channels
  if (t == 0) {
    memory.fill(fired, 0, imageBytes)
    memory.fill(source, 0, imageBytes)
  }
  const masks = rec.masks + <usize>first * channels
  let spikes: u32 = 0
  for (let step = 0; step < steps; step++) {
    const down = <usize>step * rowBytes
    const row = <usize>first * stride + down
    if (counted) addArrivals(rec.arrivals + at, fired, imageBytes)
    takeRows(
      inputs,
      rec.a + <usize>first * rec.aPixelBytes + <usize>step * rec.aStepBytes,
      pixels,
      rec.aPixelBytes,
      rowBytes,
    )
    recurrentInput(rec, pixels, fired, inputs)
    const kept = rec.inputs
    if (kept) keepRows(kept + row, inputs, pixels, stride, rowBytes)
    const presynaptic = rec.presynaptic
    if (presynaptic) keepRows(presynaptic + row, source, pixels, stride, rowBytes)
    own.surrogateOut = rec.surrogateOut + down
    const fresh = runPixels(kernel, own, first, first + pixels, t + step, scratch)
    if (counted) addActivity(counted, sumLanes(v128.load(scratch)), fresh)
    spikes += fresh
    addMasks(masks + <usize>(step >> 3) * planeBytes, found, <usize>pixels * channels, step & 7)
  }
  const partials = rec.countPartials
  if (!partials) return
  const partial = partials + ((<usize>unit) << 2)
  store<u32>(partial, t > 0 ? load<u32>(partial) + spikes : spikes)
}

/**
 * Backward, as `neuronBackwardTime`, over the inputs that the forward pass has left in A. Scratch:
 * the record's copy; Kept [pixels][T][States][C]; Adjoints [pixels][States][C]. Behind the last
 * step of a segment of Segment steps nothing comes back.
 */
export function recurrentBackward(rec: NeuronRecord, unit: i32, t: i32, scratch: usize): void {
  const pixels = rec.imagePixels
  const first = unit * pixels
  const end = first + pixels
  const steps = rec.steps
  const rowBytes = rec.channels << 2
  const stride = <usize>steps * rowBytes
  const states = rec.states * rowBytes
  const keptPixel = <usize>steps * states
  const own = changetype<NeuronRecord>(scratch + 16)
  const kept = changetype<usize>(own) + <usize>Rec.Bytes - <usize>first * keptPixel
  const adjoints =
    changetype<usize>(own) + <usize>Rec.Bytes + <usize>pixels * keptPixel - <usize>first * states
  gatherUnit(rec, first, end)
  memory.copy(changetype<usize>(own), changetype<usize>(rec), <usize>Rec.Bytes)
  own.kept = kept
  own.adjoints = adjoints
  runPixels(rec.ahead, own, first, end, 0, scratch)
  const delta = rec.delta
  const segment = rec.segment
  for (let step = steps - 1; step >= 0; step--) {
    const down = <usize>step * rowBytes
    if (segment && (step + 1) % segment == 0)
      memory.fill(adjoints + <usize>first * states, 0, <usize>pixels * states)
    else if (step < steps - 1) recurrentBack(rec, delta + <usize>first * stride, pixels, step)
    own.a = rec.a + down
    own.delta = delta + down
    own.kept = kept + <usize>step * states
    runPixels(rec.kernel, own, first, end, steps - 1 - step, scratch)
  }
}
