/**
 * Neurons that the kernels of neuron/ do not run: constants of each channel or neuron, synaptic
 * currents, adaptive thresholds, rest behind a spike, recurrence, and integrators without spikes.
 * At each step, for the input x (λ with an index is 1 − 1/τ of that name):
 *
 *   x ← x + W s_{t−1} + b            recurrent
 *   i_t = λs i_{t−1} + κs x          a synaptic current; otherwise i_t = x
 *   u_t = λ v_{t−1} + drift + κ i_t  charge; u_t = v_{t−1} while a neuron rests
 *   s_t = 1 if u_t ≥ θ + β a_{t−1}   (or >), unless it rests
 *   v_t = u_t − θ s_t, or v0 where s_t = 1
 *   a_t = λa a_{t−1} + s_t
 *
 * Without spikes the output is u_t. Constants are rows [C] (`CellRow`) for all pixels, or for each
 * pixel of an image.
 */

import { activityOf, addActivity, validEnd } from '../neuron/counting'
import { CellLearn, CellRow, CellScratch, CellWord } from '../opcodes'
import { cellArrivals, cellChanges } from './counting'
import { cellPlain, countedCellPlain } from './plain'
import { recurrentInput } from './recurrent'
import {
  constant,
  constantsOf,
  learnedRows,
  StepRow,
  spikeRow,
  stateRows,
  stepRow,
  traceRow,
} from './rows'
import { cellMark, cellStart, cellStep, cellSurrogate } from './step'
import { BY_INPUT, cellTrace } from './trace'

/**
 * Forward over T steps. Where State is set, they are the steps from t on of a loop outside.
 *
 *   masks, counts, out =     (counts += at steps t > 0 of a loop outside)
 *   Eligibility [P][C] = 1/TotalSteps Σ_t ∂s_t/∂x, x being added at every step
 *   Traces [P][…][C] = the same by each of what is learned    (both += at t > 0)
 *   SurrogateOut [P][T][C] = ∂s_t/∂x_t at each step
 *   Presynaptic [P][T][C] = s_{t−1}, or its trace with the leak λ
 *   Activity += what `ActivityCount` says, RecurrentCounts += s_{t−1}: of valid images, if wanted
 *
 * Unit = PixelsPerUnit pixels. Scratch, of float32 [C]: StepRows; behind them, where recurrent, one
 * row for each pixel of a unit; and without State the state of one pixel, or where recurrent of all
 * pixels of a unit.
 */
export function cell(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, CellWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, CellWord.Pixels * 4))
  const carried = load<u32>(rec, CellWord.State * 4) != 0
  const fresh = !(carried && t > 0)
  const rowBytes = (<usize>load<u32>(rec, CellWord.C * 4)) << 2
  const stateBytes = <usize>stateRows(rec) * rowBytes
  const recurrent = load<u32>(rec, CellWord.Weight * 4) != 0
  const states = carried
    ? <usize>load<u32>(rec, CellWord.State * 4) + <usize>first * stateBytes
    : scratch + (<usize>CellScratch.StepRows + (recurrent ? <usize>perUnit : 0)) * rowBytes
  const activity = activityOf(
    <usize>load<u32>(rec, CellWord.Activity * 4),
    <usize>load<u32>(rec, CellWord.ActivityWanted * 4),
    unit,
  )
  const valid = activity
    ? validEnd(first, end, load<u32>(rec, CellWord.ImagePixels * 4))
    : first
  let spikes: u32 = 0
  if (isPlain(rec)) {
    for (let pixel = first; pixel < end; pixel++) {
      const state = carried ? states + <usize>(pixel - first) * stateBytes : 0
      spikes +=
        pixel < valid
          ? countedCellPlain(rec, pixel, state, fresh, activity)
          : cellPlain(rec, pixel, state, fresh)
    }
  } else if (recurrent) {
    // A unit is an image.
    const counted = valid > first ? activity : 0
    spikes = runRecurrent(rec, unit, first, end, scratch, states, stateBytes, fresh, counted)
  } else {
    const steps = load<u32>(rec, CellWord.T * 4)
    const stepBytes = <usize>load<u32>(rec, CellWord.InStepBytes * 4)
    const pixelBytes = <usize>load<u32>(rec, CellWord.InPixelBytes * 4)
    for (let pixel = first; pixel < end; pixel++) {
      const state = carried ? states + <usize>(pixel - first) * stateBytes : states
      const constants = constantsOf(rec, pixel)
      if (fresh) cellStart(state, stateRows(rec), constants, rowBytes)
      let x = <usize>load<u32>(rec, CellWord.In * 4) + <usize>pixel * pixelBytes
      const counted = pixel < valid ? activity : 0
      for (let step: u32 = 0; step < steps; step++) {
        const begin = fresh && step == 0
        spikes += runStep(rec, pixel, step, x, state, constants, scratch, begin, counted)
        x += stepBytes
      }
    }
  }
  const partials = <usize>load<u32>(rec, CellWord.CountPartials * 4)
  if (!partials) return
  const partial = partials + ((<usize>unit) << 2)
  if (!fresh) spikes += load<u32>(partial)
  store<u32>(partial, spikes)
}

/** Are only spikes wanted of neurons whose state is a potential? */
function isPlain(rec: usize): bool {
  return (
    load<u32>(rec, CellWord.Spikes * 4) != 0 &&
    load<f32>(rec, CellWord.Refractory * 4) == 0 &&
    (load<u32>(rec, CellWord.Synapse * 4) |
      load<u32>(rec, CellWord.Adapts * 4) |
      load<u32>(rec, CellWord.Weight * 4) |
      load<u32>(rec, CellWord.Eligibility * 4) |
      load<u32>(rec, CellWord.SurrogateOut * 4) |
      load<u32>(rec, CellWord.Traces * 4)) ==
      0
  )
}

/** One image: at each step all its neurons, on what those that fired before send them. */
function runRecurrent(
  rec: usize,
  unit: i32,
  first: u32,
  end: u32,
  scratch: usize,
  states: usize,
  stateBytes: usize,
  fresh: bool,
  activity: usize,
): u32 {
  const rowBytes = (<usize>load<u32>(rec, CellWord.C * 4)) << 2
  const steps = load<u32>(rec, CellWord.T * 4)
  const inputs = scratch + <usize>CellScratch.StepRows * rowBytes
  const last = <usize>spikeRow(rec) * rowBytes
  const presynaptic = <usize>load<u32>(rec, CellWord.Presynaptic * 4)
  const source = last + (load<u32>(rec, CellWord.Traced * 4) ? rowBytes : 0)
  if (fresh)
    for (let pixel = first; pixel < end; pixel++)
      cellStart(
        states + <usize>(pixel - first) * stateBytes,
        stateRows(rec),
        constantsOf(rec, pixel),
        rowBytes,
      )
  const arrivals =
    <usize>load<u32>(rec, CellWord.RecurrentCounts * 4) +
    <usize>unit * <usize>(end - first) * rowBytes
  let spikes: u32 = 0
  for (let step: u32 = 0; step < steps; step++) {
    if (activity)
      for (let p: usize = 0; p < <usize>(end - first); p++)
        cellArrivals(arrivals + p * rowBytes, states + p * stateBytes + last, rowBytes)
    recurrentInput(rec, first, end - first, step, states + last, stateBytes, inputs)
    for (let pixel = first; pixel < end; pixel++) {
      const at = <usize>(pixel - first)
      const state = states + at * stateBytes
      if (presynaptic)
        memory.copy(
          presynaptic + (<usize>pixel * steps + step) * rowBytes,
          state + source,
          rowBytes,
        )
      const x = inputs + at * rowBytes
      const constants = constantsOf(rec, pixel)
      const begin = fresh && step == 0
      spikes += runStep(rec, pixel, step, x, state, constants, scratch, begin, activity)
    }
  }
  return spikes
}

/** One step of one pixel with all that is wanted of it; returns its spikes. */
function runStep(
  rec: usize,
  pixel: u32,
  step: u32,
  x: usize,
  state: usize,
  constants: usize,
  rows: usize,
  fresh: bool,
  activity: usize,
): u32 {
  const channels = <usize>load<u32>(rec, CellWord.C * 4)
  const rowBytes = channels << 2
  const steps = <usize>load<u32>(rec, CellWord.T * 4)
  const at = (<usize>pixel * steps + step) * rowBytes
  cellStep(rec, x, state, constants, rows, rowBytes)
  const spiking = load<u32>(rec, CellWord.Spikes * 4) != 0
  let spikes: u32 = 0
  if (spiking) {
    const counts = <usize>load<u32>(rec, CellWord.Counts * 4)
    spikes = cellMark(
      <usize>load<u32>(rec, CellWord.Masks * 4) +
        <usize>(step >> 3) * load<u32>(rec, CellWord.PlaneBytes * 4) +
        <usize>pixel * channels,
      counts ? counts + <usize>pixel * channels : 0,
      rows + <usize>StepRow.Fired * rowBytes,
      rowBytes,
      step & 7,
      fresh,
    )
  } else {
    const out = <usize>load<u32>(rec, CellWord.Out * 4)
    memory.copy(out + at, rows + <usize>StepRow.Potential * rowBytes, rowBytes)
  }
  if (activity) {
    const real = load<i32>(rec, CellWord.RealC * 4)
    const before = rows + <usize>StepRow.Before * rowBytes
    addActivity(activity, fresh ? real : cellChanges(state, before, rowBytes, real), spikes)
  }
  const eligibility = <usize>load<u32>(rec, CellWord.Eligibility * 4)
  const traces = <usize>load<u32>(rec, CellWord.Traces * 4)
  const factor = <usize>load<u32>(rec, CellWord.SurrogateOut * 4)
  if (!(eligibility | traces | factor)) return spikes
  if (spiking) cellSurrogate(rec, rows, rowBytes)
  if (factor) cellFactor(rec, factor + at, constants, rows, rowBytes)
  const weight: f32 = 1 / <f32>load<u32>(rec, CellWord.TotalSteps * 4)
  let own = state + <usize>traceRow(rec) * rowBytes
  if (eligibility) {
    const sum = eligibility + <usize>pixel * rowBytes
    cellTrace(rec, BY_INPUT, x, own, constants, rows, sum, rowBytes, weight, fresh)
    own += 3 * rowBytes
  }
  if (!traces) return spikes
  const learn = load<u32>(rec, CellWord.Learn * 4)
  let sum = traces + <usize>pixel * learnedRows(rec) * rowBytes
  for (let i: u32 = 0; i < <u32>CellLearn.Count; i++) {
    const by: u32 = 1 << i
    if (!(learn & by)) continue
    cellTrace(rec, by, x, own, constants, rows, sum, rowBytes, weight, fresh)
    own += 3 * rowBytes
    sum += rowBytes
  }
  return spikes
}

/** out [C] = the derivative of a step's output by its input. */
export function cellFactor(
  rec: usize,
  out: usize,
  constants: usize,
  rows: usize,
  rowBytes: usize,
): void {
  const synapse = load<u32>(rec, CellWord.Synapse * 4) != 0
  const spikes = load<u32>(rec, CellWord.Spikes * 4) != 0
  for (let c: usize = 0; c < rowBytes; c += 16) {
    let factor = constant(constants, CellRow.Gain, rowBytes, c)
    if (synapse) factor = f32x4.mul(factor, constant(constants, CellRow.SynapseGain, rowBytes, c))
    if (spikes) factor = f32x4.mul(factor, stepRow(rows, StepRow.Surrogate, rowBytes, c))
    v128.store(out + c, factor)
  }
}
