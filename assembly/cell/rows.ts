/** Where a cell's state and the rows of a step lie. All rows are float32 [C]. */

import { CellLearn, CellWord } from '../opcodes'

/** Rows that one step leaves for its traces, or for the backward pass. */
export enum StepRow {
  /** u − θ, then h'(u − θ); 0 where a neuron rests. */
  Surrogate = 0,
  /** All bits set where a neuron fired. */
  Fired = 1,
  /** All bits set where it is not refractory. */
  Active = 2,
  /** Potential before the reset. */
  Potential = 3,
  /** Potential before the step. */
  Before = 4,
  /** Synaptic current before and behind the step. */
  CurrentBefore = 5,
  Current = 6,
  /** Adaptation before the step. */
  Adaptation = 7,
}

/** Row of the potential, which every cell has. The others follow as far as there are any. */
export const POTENTIAL: u32 = 0

/** Row of the synaptic current. */
export const synapseRow: u32 = 1

/** Row of the adaptation. */
export function adaptationRow(rec: usize): u32 {
  return 1 + load<u32>(rec, CellWord.Synapse * 4)
}

/** Row of the steps that a neuron has to rest. */
export function refractoryRow(rec: usize): u32 {
  return adaptationRow(rec) + load<u32>(rec, CellWord.Adapts * 4)
}

/** Row of the spikes of the step before, of recurrent cells; their trace follows. */
export function spikeRow(rec: usize): u32 {
  return refractoryRow(rec) + (load<f32>(rec, CellWord.Refractory * 4) > 0 ? 1 : 0)
}

/** First row of derivatives: three for each, of the potential, the current and the adaptation. */
export function traceRow(rec: usize): u32 {
  return spikeRow(rec) + (load<u32>(rec, CellWord.Weight * 4) ? 2 : 0)
}

/** Rows of a pixel's state. */
export function stateRows(rec: usize): u32 {
  const input: u32 = load<u32>(rec, CellWord.Eligibility * 4) ? 1 : 0
  const learned: u32 = load<u32>(rec, CellWord.Traces * 4) ? learnedRows(rec) : 0
  return traceRow(rec) + 3 * (input + learned)
}

/** How many parameters are learned. */
export function learnedRows(rec: usize): u32 {
  const learn = load<u32>(rec, CellWord.Learn * 4)
  let rows: u32 = 0
  for (let i: u32 = 0; i < <u32>CellLearn.Count; i++) rows += (learn >> i) & 1
  return rows
}

/** Constants of a pixel, [rows][C]. */
export function constantsOf(rec: usize, pixel: u32): usize {
  const written = <usize>load<u32>(rec, CellWord.Constants * 4)
  const base = written ? written : <usize>load<u32>(rec, CellWord.ConstantData * 4)
  const pixelBytes = <usize>load<u32>(rec, CellWord.ConstantPixelBytes * 4)
  return pixelBytes
    ? base + <usize>(pixel % load<u32>(rec, CellWord.ImagePixels * 4)) * pixelBytes
    : base
}

/** A row of constants, at a byte within the row. */
// @ts-ignore: decorator
@inline
export function constant(constants: usize, row: i32, rowBytes: usize, c: usize): v128 {
  return v128.load(constants + <usize>row * rowBytes + c)
}

/** A row of a step, at a byte within the row. */
// @ts-ignore: decorator
@inline
export function stepRow(rows: usize, row: StepRow, rowBytes: usize, c: usize): v128 {
  return v128.load(rows + <usize>row * rowBytes + c)
}

/** Writes four numbers of a step's row. */
// @ts-ignore: decorator
@inline
export function setStepRow(rows: usize, row: StepRow, rowBytes: usize, c: usize, x: v128): void {
  v128.store(rows + <usize>row * rowBytes + c, x)
}
