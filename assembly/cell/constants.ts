/** What is learned of cells: from parameters to rows of constants, and gradients to parameters. */

import { logistic } from '../base/math'
import { address, word } from '../base/record'
import { CellConstantsWord, CellLearnWord, CellRow, CellShape } from '../opcodes'

/** Thresholds below this count as this much: none may be 0. */
const LOWEST_THRESHOLD: f32 = 0.0009765625

/**
 * Out [Pixels][Rows][C] = In, and where a parameter is learned the rows that follow from it: 1/τ =
 * σ(w), θ = max(v_threshold, 1/1024), β. One unit. Scratch: none.
 */
export function cellConstants(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = address(rec, CellConstantsWord.C)
  const rowBytes = C << 2
  const pixels = address(rec, CellConstantsWord.Pixels)
  const pixelBytes = address(rec, CellConstantsWord.Rows) * rowBytes
  const out = address(rec, CellConstantsWord.Out)
  memory.copy(out, address(rec, CellConstantsWord.In), pixels * pixelBytes)
  for (let pixel: usize = 0; pixel < pixels; pixel++)
    for (let c: usize = 0; c < C; c++)
      neuronConstants(rec, out + pixel * pixelBytes + (c << 2), rowBytes, pixel * C + c, c)
}

/** Where a neuron's value of a parameter lies; 0: it is not learned. */
// @ts-ignore: decorator
@inline
function valueAt(rec: usize, parameter: i32, neuron: usize, channel: usize): usize {
  const values = address(rec, parameter)
  const shape = word(rec, parameter + CellConstantsWord.TauShape - CellConstantsWord.Tau)
  if (!values || shape == CellShape.Scalar) return values
  return values + ((shape == CellShape.Channel ? channel : neuron) << 2)
}

/** 1/τ of a neuron, as it is learned. */
// @ts-ignore: decorator
@inline
function rateAt(at: usize): f64 {
  return logistic(<f64>load<f32>(at))
}

/** The constants of one neuron. */
export function neuronConstants(
  rec: usize,
  at: usize,
  rowBytes: usize,
  neuron: usize,
  channel: usize,
): void {
  const decayInput = word(rec, CellConstantsWord.DecayInput) != 0
  const synapse = word(rec, CellConstantsWord.Synapse) != 0
  const scale = <f64>load<f32>(at + <usize>CellRow.Scale * rowBytes)
  const tau = valueAt(rec, CellConstantsWord.Tau, neuron, channel)
  if (tau) {
    const rate = rateAt(tau)
    store<f32>(at + <usize>CellRow.Rate * rowBytes, <f32>rate)
    store<f32>(at + <usize>CellRow.Leak * rowBytes, <f32>(1 - rate))
    store<f32>(
      at + <usize>CellRow.Drift * rowBytes,
      <f32>(rate * <f64>load<f32>(at + <usize>CellRow.Rest * rowBytes)),
    )
    if (decayInput)
      store<f32>(at + <usize>CellRow.Gain * rowBytes, <f32>(synapse ? rate : rate * scale))
  }
  const threshold = valueAt(rec, CellConstantsWord.Threshold, neuron, channel)
  if (threshold)
    store<f32>(
      at + <usize>CellRow.Threshold * rowBytes,
      max(load<f32>(threshold), LOWEST_THRESHOLD),
    )
  const tauSyn = valueAt(rec, CellConstantsWord.TauSyn, neuron, channel)
  if (tauSyn) {
    const rate = rateAt(tauSyn)
    store<f32>(at + <usize>CellRow.SynapseRate * rowBytes, <f32>rate)
    store<f32>(at + <usize>CellRow.SynapseLeak * rowBytes, <f32>(1 - rate))
    if (decayInput) store<f32>(at + <usize>CellRow.SynapseGain * rowBytes, <f32>(rate * scale))
  }
  const beta = valueAt(rec, CellConstantsWord.Beta, neuron, channel)
  if (beta) store<f32>(at + <usize>CellRow.Beta * rowBytes, load<f32>(beta))
  const tauAdaptation = valueAt(rec, CellConstantsWord.TauAdaptation, neuron, channel)
  if (tauAdaptation) {
    const rate = rateAt(tauAdaptation)
    store<f32>(at + <usize>CellRow.AdaptationRate * rowBytes, <f32>rate)
    store<f32>(at + <usize>CellRow.AdaptationLeak * rowBytes, <f32>(1 - rate))
  }
}

/**
 * Out = Σ Delta·Traces over all pixels (a scalar), those of a channel, or those of a neuron in all
 * images; sums are float64. Unit = four channels; of a scalar there is one unit. Scratch: none.
 */
export function cellLearnGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const shape = word(rec, CellLearnWord.Shape)
  const C = word(rec, CellLearnWord.C)
  const pixels = word(rec, CellLearnWord.Pixels)
  const image = word(rec, CellLearnWord.ImagePixels)
  const out = address(rec, CellLearnWord.Out)
  if (shape == CellShape.Scalar) {
    let sum: f64 = 0
    for (let c = 0; c < C; c++) sum += cellLearnSum(rec, c, 0, 1, pixels)
    store<f32>(out, <f32>sum)
    return
  }
  const end = min(unit * 4 + 4, C)
  for (let c = unit * 4; c < end; c++) {
    if (shape == CellShape.Channel)
      store<f32>(out + ((<usize>c) << 2), <f32>cellLearnSum(rec, c, 0, 1, pixels))
    else
      for (let p = 0; p < image; p++)
        store<f32>(out + ((<usize>(p * C + c)) << 2), <f32>cellLearnSum(rec, c, p, image, pixels))
  }
}

/** Σ Delta·Traces of one channel over the pixels first, first + stride, … */
export function cellLearnSum(rec: usize, c: i32, first: i32, stride: i32, pixels: i32): f64 {
  const C = address(rec, CellLearnWord.C)
  const rows = address(rec, CellLearnWord.Rows)
  const row = address(rec, CellLearnWord.Row)
  const delta = address(rec, CellLearnWord.Delta)
  const traces = address(rec, CellLearnWord.Traces)
  let sum: f64 = 0
  for (let p = first; p < pixels; p += stride) {
    const trace = <f64>load<f32>(traces + (((<usize>p * rows + row) * C + <usize>c) << 2))
    sum += delta ? trace * <f64>load<f32>(delta + ((<usize>p * C + <usize>c) << 2)) : trace
  }
  return sum
}
