/** One step of the cells of a pixel, and the surrogates behind it. */

import { packBytes, sumLanes, widenBytes } from '../base/lanes'
import { surrogateScale, surrogateSlope, surrogateTimes } from '../neuron/surrogate'
import { CellRow, CellWord, Surrogate } from '../opcodes'
import {
  adaptationRow,
  constant,
  refractoryRow,
  StepRow,
  setStepRow,
  spikeRow,
  synapseRow,
} from './rows'

/** The state that a pixel's neurons begin with. `rows`: of the state. */
export function cellStart(state: usize, rows: u32, constants: usize, rowBytes: usize): void {
  memory.copy(state, constants + <usize>CellRow.Reset * rowBytes, rowBytes)
  memory.fill(state + rowBytes, 0, <usize>(rows - 1) * rowBytes)
}

/**
 * One step: reads x [C] and the state, and writes the state and the rows of the step (all of
 * `StepRow`, with u − θ in the place of the surrogate).
 */
export function cellStep(
  rec: usize,
  x: usize,
  state: usize,
  constants: usize,
  rows: usize,
  rowBytes: usize,
): void {
  const synapse = load<u32>(rec, CellWord.Synapse * 4) != 0
  const adapts = load<u32>(rec, CellWord.Adapts * 4) != 0
  const spikes = load<u32>(rec, CellWord.Spikes * 4) != 0
  const above = load<u32>(rec, CellWord.Above * 4) != 0
  const hard = load<u32>(rec, CellWord.HardReset * 4) != 0
  const rest = load<f32>(rec, CellWord.Refractory * 4)
  const recurrent = load<u32>(rec, CellWord.Weight * 4) != 0
  const restSteps = f32x4.splat(rest)
  const one = f32x4.splat(1)
  const zero = f32x4.splat(0)
  const currents = state + <usize>synapseRow * rowBytes
  const adaptations = state + <usize>adaptationRow(rec) * rowBytes
  const resting = state + <usize>refractoryRow(rec) * rowBytes
  const last = state + <usize>spikeRow(rec) * rowBytes
  for (let c: usize = 0; c < rowBytes; c += 16) {
    let current = v128.load(x + c)
    if (synapse) {
      const before = v128.load(currents + c)
      current = f32x4.add(
        f32x4.mul(constant(constants, CellRow.SynapseLeak, rowBytes, c), before),
        f32x4.mul(constant(constants, CellRow.SynapseGain, rowBytes, c), current),
      )
      v128.store(currents + c, current)
      setStepRow(rows, StepRow.CurrentBefore, rowBytes, c, before)
    }
    setStepRow(rows, StepRow.Current, rowBytes, c, current)
    const v = v128.load(state + c)
    setStepRow(rows, StepRow.Before, rowBytes, c, v)
    let u = f32x4.add(
      f32x4.add(
        f32x4.mul(constant(constants, CellRow.Leak, rowBytes, c), v),
        constant(constants, CellRow.Drift, rowBytes, c),
      ),
      f32x4.mul(constant(constants, CellRow.Gain, rowBytes, c), current),
    )
    let active = i32x4.splat(-1)
    let left = zero
    if (rest > 0) {
      left = v128.load(resting + c)
      active = f32x4.le(left, zero)
      u = v128.bitselect(u, v, active)
    }
    setStepRow(rows, StepRow.Active, rowBytes, c, active)
    setStepRow(rows, StepRow.Potential, rowBytes, c, u)
    if (!spikes) {
      v128.store(state + c, u)
      continue
    }
    const base = constant(constants, CellRow.Threshold, rowBytes, c)
    let theta = base
    let adaptation = zero
    if (adapts) {
      adaptation = v128.load(adaptations + c)
      theta = f32x4.add(base, f32x4.mul(constant(constants, CellRow.Beta, rowBytes, c), adaptation))
    }
    setStepRow(rows, StepRow.Adaptation, rowBytes, c, adaptation)
    setStepRow(rows, StepRow.Surrogate, rowBytes, c, f32x4.sub(u, theta))
    const fired = v128.and(active, above ? f32x4.gt(u, theta) : f32x4.ge(u, theta))
    setStepRow(rows, StepRow.Fired, rowBytes, c, fired)
    const reset = hard
      ? v128.bitselect(constant(constants, CellRow.Reset, rowBytes, c), u, fired)
      : f32x4.sub(u, v128.and(fired, base))
    v128.store(state + c, reset)
    const spike = v128.and(fired, one)
    if (adapts)
      v128.store(
        adaptations + c,
        f32x4.add(
          f32x4.mul(constant(constants, CellRow.AdaptationLeak, rowBytes, c), adaptation),
          spike,
        ),
      )
    if (rest > 0)
      v128.store(
        resting + c,
        v128.bitselect(restSteps, f32x4.max(f32x4.sub(left, one), zero), fired),
      )
    if (recurrent) {
      v128.store(last + c, spike)
      const trace = last + rowBytes + c
      v128.store(
        trace,
        f32x4.add(
          f32x4.mul(constant(constants, CellRow.Leak, rowBytes, c), v128.load(trace)),
          spike,
        ),
      )
    }
  }
}

/**
 * Masks [C] of a plane: bit `bit` where a neuron fired, which clears the others at bit 0. Counts
 * [C], if there are any: one more there, from 0 on with `fresh`. Returns the spikes.
 */
export function cellMark(
  masks: usize,
  counts: usize,
  fired: usize,
  rowBytes: usize,
  bit: u32,
  fresh: bool,
): u32 {
  const value = i32x4.splat(1 << bit)
  let total = i32x4.splat(0)
  for (let c: usize = 0; c < rowBytes; c += 16) {
    const at = c >> 2
    const spikes = v128.load(fired + c)
    let mask = v128.and(spikes, value)
    if (bit) mask = v128.or(mask, widenBytes(masks + at))
    v128.store32_lane(masks + at, packBytes(mask), 0)
    total = i32x4.sub(total, spikes)
    if (counts) {
      const before = fresh ? i32x4.splat(0) : widenBytes(counts + at)
      v128.store32_lane(counts + at, packBytes(i32x4.sub(before, spikes)), 0)
    }
  }
  return sumLanes(total)
}

/** h' in the place of u − θ: the surrogate row, 0 where a neuron rests. */
export function cellSurrogate(rec: usize, rows: usize, rowBytes: usize): void {
  const kind = load<i32>(rec, CellWord.Surrogate * 4)
  const active = rows + <usize>StepRow.Active * rowBytes
  const alpha = load<f32>(rec, CellWord.Alpha * 4)
  switch (kind) {
    case Surrogate.Sigmoid:
      cellSigmoid(rows, active, rowBytes, alpha)
      break
    case Surrogate.Atan:
      cellAtan(rows, active, rowBytes, alpha)
      break
    case Surrogate.Triangle:
      cellTriangle(rows, active, rowBytes, alpha)
      break
    case Surrogate.Rectangle:
      cellRectangle(rows, active, rowBytes, alpha)
      break
    case Surrogate.FastSigmoid:
      cellFastSigmoid(rows, active, rowBytes, alpha)
      break
    case Surrogate.PiecewiseExp:
      cellPiecewiseExp(rows, active, rowBytes, alpha)
      break
    case Surrogate.Erf:
      cellErf(rows, active, rowBytes, alpha)
      break
    default:
      unreachable()
  }
}

// @ts-ignore: decorator
@inline
function body(kind: i32, row: usize, active: usize, rowBytes: usize, alpha: f32): void {
  const scale = f32x4.splat(surrogateScale(kind, alpha))
  const slope = f32x4.splat(surrogateSlope(kind, alpha))
  for (let c: usize = 0; c < rowBytes; c += 16) {
    const h = surrogateTimes(kind, scale, f32x4.mul(v128.load(row + c), slope))
    v128.store(row + c, v128.and(h, v128.load(active + c)))
  }
}

/** `cellSurrogate` of the kind sigmoid. */
export function cellSigmoid(row: usize, active: usize, rowBytes: usize, alpha: f32): void {
  body(Surrogate.Sigmoid, row, active, rowBytes, alpha)
}

/** `cellSurrogate` of the kind atan. */
export function cellAtan(row: usize, active: usize, rowBytes: usize, alpha: f32): void {
  body(Surrogate.Atan, row, active, rowBytes, alpha)
}

/** `cellSurrogate` of the kind triangle. */
export function cellTriangle(row: usize, active: usize, rowBytes: usize, alpha: f32): void {
  body(Surrogate.Triangle, row, active, rowBytes, alpha)
}

/** `cellSurrogate` of the kind rectangle. */
export function cellRectangle(row: usize, active: usize, rowBytes: usize, alpha: f32): void {
  body(Surrogate.Rectangle, row, active, rowBytes, alpha)
}

/** `cellSurrogate` of the kind fastSigmoid. */
export function cellFastSigmoid(row: usize, active: usize, rowBytes: usize, alpha: f32): void {
  body(Surrogate.FastSigmoid, row, active, rowBytes, alpha)
}

/** `cellSurrogate` of the kind piecewiseExp. */
export function cellPiecewiseExp(row: usize, active: usize, rowBytes: usize, alpha: f32): void {
  body(Surrogate.PiecewiseExp, row, active, rowBytes, alpha)
}

/** `cellSurrogate` of the kind erf. */
export function cellErf(row: usize, active: usize, rowBytes: usize, alpha: f32): void {
  body(Surrogate.Erf, row, active, rowBytes, alpha)
}
