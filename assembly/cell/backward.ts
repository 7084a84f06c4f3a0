/** Backward through the cells and through time (BPTT). */

import { gather } from '../activity/contributions'
import { CellLearn, CellRow, CellScratch, CellWord } from '../opcodes'
import { recurrentBack, recurrentInput } from './recurrent'
import { constant, constantsOf, learnedRows, StepRow, spikeRow, stateRows, stepRow } from './rows'
import { cellStart, cellStep, cellSurrogate } from './step'
import { drive, slopeTimes } from './trace'

/**
 * All steps are made again, then, from the last to the first, with δ_t = ∂L/∂s_t from the
 * contributions and, where recurrent, from the weights times ∂L/∂x_{t+1}:
 *
 *   Delta [P][T][C] = ∂L/∂x
 *   Traces [P][…][C] = Σ_t of what is learned    (where there are Traces)
 *
 * Delta may be the first contribution's own tensor when that one is not pooled. Unit =
 * PixelsPerUnit pixels. Scratch, of float32 [C], for one pixel or where recurrent for each pixel of
 * a unit: StepRows·T + BackRows + 1 and the state, with no Eligibility, Traces or State.
 */
export function cellBackwardTime(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, CellWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, CellWord.Pixels * 4))
  const steps = load<u32>(rec, CellWord.T * 4)
  const rowBytes = (<usize>load<u32>(rec, CellWord.C * 4)) << 2
  gather(
    <usize>load<u32>(rec, CellWord.Delta * 4) + <usize>first * steps * rowBytes,
    0,
    first,
    end,
    load<u32>(rec, CellWord.Contributions * 4),
    load<u32>(rec, CellWord.ContributionCount * 4),
    load<u32>(rec, CellWord.H * 4),
    load<u32>(rec, CellWord.W * 4),
    steps,
    rowBytes,
    load<u32>(rec, CellWord.PixelsPerRun * 4),
  )
  if (load<u32>(rec, CellWord.Weight * 4)) runBlock(rec, first, end - first, scratch)
  else for (let pixel = first; pixel < end; pixel++) runBlock(rec, pixel, 1, scratch)
}

/** Pixels that have to run together. */
function runBlock(rec: usize, first: u32, pixels: u32, scratch: usize): void {
  const rowBytes = (<usize>load<u32>(rec, CellWord.C * 4)) << 2
  const steps = load<u32>(rec, CellWord.T * 4)
  const recurrent = load<u32>(rec, CellWord.Weight * 4) != 0
  const spiking = load<u32>(rec, CellWord.Spikes * 4) != 0
  const stateBytes = <usize>stateRows(rec) * rowBytes
  const stepBytes = <usize>CellScratch.StepRows * rowBytes
  const allSteps = <usize>steps * stepBytes
  const inputs = scratch + <usize>pixels * allSteps
  const states = inputs + <usize>pixels * rowBytes
  const adjoints = states + <usize>pixels * stateBytes
  const source = <usize>load<u32>(rec, CellWord.In * 4)
  const inPixel = <usize>load<u32>(rec, CellWord.InPixelBytes * 4)
  const inStep = <usize>load<u32>(rec, CellWord.InStepBytes * 4)
  for (let p: u32 = 0; p < pixels; p++)
    cellStart(states + <usize>p * stateBytes, stateRows(rec), constantsOf(rec, first + p), rowBytes)
  for (let step: u32 = 0; step < steps; step++) {
    const last = states + <usize>spikeRow(rec) * rowBytes
    if (recurrent) recurrentInput(rec, first, pixels, step, last, stateBytes, inputs)
    for (let p: u32 = 0; p < pixels; p++) {
      const x = recurrent
        ? inputs + <usize>p * rowBytes
        : source + <usize>first * inPixel + <usize>step * inStep
      const rows = scratch + <usize>p * allSteps + <usize>step * stepBytes
      const constants = constantsOf(rec, first + p)
      cellStep(rec, x, states + <usize>p * stateBytes, constants, rows, rowBytes)
      if (spiking) cellSurrogate(rec, rows, rowBytes)
    }
  }
  memory.fill(adjoints, 0, <usize>pixels * CellScratch.BackRows * rowBytes)
  const traces = <usize>load<u32>(rec, CellWord.Traces * 4)
  const traceBytes = <usize>learnedRows(rec) * rowBytes
  if (traces) memory.fill(traces + <usize>first * traceBytes, 0, <usize>pixels * traceBytes)
  const deltas = <usize>load<u32>(rec, CellWord.Delta * 4) + <usize>first * steps * rowBytes
  let step = steps
  do {
    step--
    if (recurrent && step + 1 < steps) recurrentBack(rec, deltas, pixels, step)
    for (let p: u32 = 0; p < pixels; p++) {
      const rows = scratch + <usize>p * allSteps + <usize>step * stepBytes
      cellBack(
        rec,
        deltas + (<usize>p * steps + step) * rowBytes,
        adjoints + <usize>p * CellScratch.BackRows * rowBytes,
        constantsOf(rec, first + p),
        rows,
        traces ? traces + <usize>(first + p) * traceBytes : 0,
        rowBytes,
      )
    }
  } while (step)
}

/** row of `traces`, which is one further with each parameter: += x. */
// @ts-ignore: decorator
@inline
function addTo(row: usize, c: usize, x: v128): void {
  v128.store(row + c, f32x4.add(v128.load(row + c), x))
}

/**
 * One step backward: delta [C] from ∂L/∂s (∂L/∂u without spikes) to ∂L/∂x, in place; adjoints
 * [3][C], of potential, current and adaptation, from behind the step to before it; traces +=.
 */
export function cellBack(
  rec: usize,
  delta: usize,
  adjoints: usize,
  constants: usize,
  rows: usize,
  traces: usize,
  rowBytes: usize,
): void {
  const synapse = load<u32>(rec, CellWord.Synapse * 4) != 0
  const adapts = load<u32>(rec, CellWord.Adapts * 4) != 0
  const spikes = load<u32>(rec, CellWord.Spikes * 4) != 0
  const hard = load<u32>(rec, CellWord.HardReset * 4) != 0
  const detach = load<u32>(rec, CellWord.Detach * 4) != 0
  const decayInput = load<u32>(rec, CellWord.DecayInput * 4) != 0
  const learn: u32 = traces ? load<u32>(rec, CellWord.Learn * 4) : 0
  const ofThreshold = traces + (learn & CellLearn.Tau ? rowBytes : 0)
  const ofTauSyn = ofThreshold + (learn & CellLearn.Threshold ? rowBytes : 0)
  const ofBeta = ofTauSyn + (learn & CellLearn.TauSyn ? rowBytes : 0)
  const ofTauAdaptation = ofBeta + (learn & CellLearn.Beta ? rowBytes : 0)
  for (let c: usize = 0; c < rowBytes; c += 16) {
    const active = stepRow(rows, StepRow.Active, rowBytes, c)
    const gv = v128.load(adjoints + c)
    let gs = v128.load(delta + c)
    let gu = f32x4.add(gv, gs)
    if (spikes) {
      const fired = stepRow(rows, StepRow.Fired, rowBytes, c)
      const place = adjoints + 2 * rowBytes + c
      let ga = gs
      if (adapts) {
        ga = v128.load(place)
        gs = f32x4.add(gs, ga)
      }
      if (!detach) {
        const down = hard
          ? f32x4.sub(
              stepRow(rows, StepRow.Potential, rowBytes, c),
              constant(constants, CellRow.Reset, rowBytes, c),
            )
          : constant(constants, CellRow.Threshold, rowBytes, c)
        gs = f32x4.sub(gs, f32x4.mul(gv, down))
      }
      const e = f32x4.mul(gs, stepRow(rows, StepRow.Surrogate, rowBytes, c))
      gu = f32x4.add(hard ? v128.andnot(gv, fired) : gv, e)
      if (learn & CellLearn.Threshold)
        addTo(ofThreshold, c, f32x4.neg(hard ? e : f32x4.add(e, v128.and(gv, fired))))
      if (adapts) {
        const before = stepRow(rows, StepRow.Adaptation, rowBytes, c)
        if (learn & CellLearn.Beta) addTo(ofBeta, c, f32x4.neg(f32x4.mul(e, before)))
        if (learn & CellLearn.TauAdaptation)
          addTo(
            ofTauAdaptation,
            c,
            slopeTimes(
              constant(constants, CellRow.AdaptationRate, rowBytes, c),
              f32x4.neg(f32x4.mul(ga, before)),
            ),
          )
        v128.store(
          place,
          f32x4.sub(
            f32x4.mul(constant(constants, CellRow.AdaptationLeak, rowBytes, c), ga),
            f32x4.mul(constant(constants, CellRow.Beta, rowBytes, c), e),
          ),
        )
      }
    }
    const charged = v128.and(gu, active)
    if (learn & CellLearn.Tau)
      addTo(
        traces,
        c,
        f32x4.mul(
          charged,
          slopeTimes(
            constant(constants, CellRow.Rate, rowBytes, c),
            drive(constants, rows, rowBytes, c, decayInput, synapse),
          ),
        ),
      )
    let gx = f32x4.mul(constant(constants, CellRow.Gain, rowBytes, c), charged)
    if (synapse) {
      const place = adjoints + rowBytes + c
      const gi = f32x4.add(gx, v128.load(place))
      if (learn & CellLearn.TauSyn) {
        // i = λs i′ + κs x: with decayInput scale·x = (i − λs i′)·τs.
        const before = stepRow(rows, StepRow.CurrentBefore, rowBytes, c)
        const rate = constant(constants, CellRow.SynapseRate, rowBytes, c)
        let pull = f32x4.neg(before)
        if (decayInput)
          pull = f32x4.div(f32x4.sub(stepRow(rows, StepRow.Current, rowBytes, c), before), rate)
        addTo(ofTauSyn, c, f32x4.mul(gi, slopeTimes(rate, pull)))
      }
      v128.store(place, f32x4.mul(constant(constants, CellRow.SynapseLeak, rowBytes, c), gi))
      gx = f32x4.mul(constant(constants, CellRow.SynapseGain, rowBytes, c), gi)
    }
    v128.store(
      adjoints + c,
      v128.bitselect(f32x4.mul(constant(constants, CellRow.Leak, rowBytes, c), gu), gu, active),
    )
    v128.store(delta + c, gx)
  }
}
