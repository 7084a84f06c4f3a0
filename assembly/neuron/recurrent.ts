/**
 * Recurrent neurons: the kernels run a step at a time, and between steps the layer's spikes come
 * back through a weight: x_t + W·s_{t−1} + b. A unit is an image.
 */

import { sumLanes } from '../base/lanes'
import { address, word } from '../base/record'
import { NeuronWord, Rec, RecurrentWord } from '../opcodes'
import { activityOf, addActivity, validEnd } from './counting'
import { gatherUnit, runPixels } from './neurons'
import { recurrentBack, recurrentInput } from './recurrent-weight'

// @ts-ignore: decorator
@inline
function put(rec: usize, index: i32, value: usize): void {
  store<u32>(rec + ((<usize>index) << 2), <u32>value)
}

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
export function recurrent(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const pixels = word(rec, NeuronWord.ImagePixels)
  const first = unit * pixels
  const channels = address(rec, NeuronWord.C)
  const rowBytes = channels << 2
  const imageBytes = <usize>pixels * rowBytes
  const steps = word(rec, NeuronWord.T)
  const stride = <usize>steps * rowBytes
  const planeBytes = address(rec, NeuronWord.PlaneBytes)
  const at = <usize>first * rowBytes
  const own = scratch + 16
  const inputs = own + <usize>Rec.Bytes
  const found = inputs + imageBytes
  const fired = address(rec, NeuronWord.State) + address(rec, RecurrentWord.Fired) + at
  const source = word(rec, RecurrentWord.Traced) ? fired + planeBytes * 4 : fired
  const activity = activityOf(
    address(rec, NeuronWord.Activity),
    address(rec, NeuronWord.ActivityWanted),
    unit,
  )
  const valid = validEnd(first, first + pixels, pixels)
  const counted = <u32>first < valid ? activity : 0
  const kernel = word(rec, counted ? NeuronWord.Counting : NeuronWord.Kernel)
  memory.copy(own, rec, <usize>Rec.Bytes)
  put(own, NeuronWord.A, inputs - at)
  put(own, NeuronWord.APixelBytes, rowBytes)
  put(own, NeuronWord.Masks, found - <usize>first * channels)
  if (t == 0) {
    memory.fill(fired, 0, imageBytes)
    memory.fill(source, 0, imageBytes)
  }
  const masks = address(rec, NeuronWord.Masks) + <usize>first * channels
  let spikes: u32 = 0
  for (let step = 0; step < steps; step++) {
    const down = <usize>step * rowBytes
    const row = <usize>first * stride + down
    if (counted) addArrivals(address(rec, RecurrentWord.Arrivals) + at, fired, imageBytes)
    takeRows(
      inputs,
      address(rec, NeuronWord.A) +
        <usize>first * address(rec, NeuronWord.APixelBytes) +
        <usize>step * address(rec, NeuronWord.AStepBytes),
      pixels,
      address(rec, NeuronWord.APixelBytes),
      rowBytes,
    )
    recurrentInput(rec, pixels, fired, inputs)
    const kept = address(rec, RecurrentWord.Inputs)
    if (kept) keepRows(kept + row, inputs, pixels, stride, rowBytes)
    const presynaptic = address(rec, RecurrentWord.Presynaptic)
    if (presynaptic) keepRows(presynaptic + row, source, pixels, stride, rowBytes)
    put(own, NeuronWord.SurrogateOut, address(rec, NeuronWord.SurrogateOut) + down)
    const fresh = runPixels(kernel, own, first, first + pixels, t + step, scratch)
    if (counted) addActivity(counted, sumLanes(v128.load(scratch)), fresh)
    spikes += fresh
    addMasks(masks + <usize>(step >> 3) * planeBytes, found, <usize>pixels * channels, step & 7)
  }
  const partials = address(rec, NeuronWord.CountPartials)
  if (!partials) return
  const partial = partials + ((<usize>unit) << 2)
  store<u32>(partial, t > 0 ? load<u32>(partial) + spikes : spikes)
}

/**
 * Backward, as `neuronBackwardTime`, over the inputs that the forward pass has left in A. Scratch:
 * the record's copy; Kept [pixels][T][States][C]; Adjoints [pixels][States][C].
 */
export function recurrentBackward(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const pixels = word(rec, NeuronWord.ImagePixels)
  const first = unit * pixels
  const end = first + pixels
  const steps = word(rec, NeuronWord.T)
  const rowBytes = address(rec, NeuronWord.C) << 2
  const stride = <usize>steps * rowBytes
  const states = address(rec, RecurrentWord.States) * rowBytes
  const keptPixel = <usize>steps * states
  const own = scratch + 16
  const kept = own + <usize>Rec.Bytes - <usize>first * keptPixel
  const adjoints = own + <usize>Rec.Bytes + <usize>pixels * keptPixel - <usize>first * states
  gatherUnit(rec, first, end)
  memory.copy(own, rec, <usize>Rec.Bytes)
  put(own, RecurrentWord.Kept, kept)
  put(own, RecurrentWord.Adjoints, adjoints)
  runPixels(word(rec, RecurrentWord.Ahead), own, first, end, 0, scratch)
  const delta = address(rec, NeuronWord.Delta)
  for (let step = steps - 1; step >= 0; step--) {
    const down = <usize>step * rowBytes
    if (step < steps - 1) recurrentBack(rec, delta + <usize>first * stride, pixels, step)
    put(own, NeuronWord.A, address(rec, NeuronWord.A) + down)
    put(own, NeuronWord.Delta, delta + down)
    put(own, RecurrentWord.Kept, kept + <usize>step * states)
    runPixels(word(rec, NeuronWord.Kernel), own, first, end, steps - 1 - step, scratch)
  }
}
