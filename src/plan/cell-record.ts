/** The records of cells, for layers and ops. */

import { CellLearn, CellRow, CellScratch, CellShape } from '../../assembly/opcodes.js'
import { type Cell, isOneToOne, isSpiking } from '../nn/layers/cell.js'
import type { CellParameter } from '../nn/layers/index.js'
import type { Values } from '../nn/layers/numbers.js'
import { inUnits } from './budgets.js'
import { contributionFields } from './gradients.js'
import { storedChannels } from './layout.js'
import { type NeuronScope, surrogates } from './neuron-record.js'
import {
  type CellConstantsFields,
  cellBackwardTime,
  cellConstants,
  cell as cellKind,
  cellLearnGradient,
  cellRecurrentGradient,
} from './records/cell.js'
import type { Place } from './records/schema.js'
import type { Contribution, FloatTensor, Shape } from './tensors.js'
import type { Buffer } from './words.js'

/** Where a parameter lies, or its gradient. */
export type Places = { readonly [K in CellParameter]?: Place }

/** A layer of cells, in both directions. */
export interface CellCharge {
  readonly cell: Cell
  readonly shape: Shape
  readonly stored: number
  readonly input: FloatTensor
  /** From parameters, where something is learned. */
  readonly constants?: Place
  readonly weight?: Place
  readonly bias?: Place
}

/** What of a layer is wanted forward. */
export interface CellRecord extends CellCharge {
  readonly masks?: Place
  readonly counts?: Place
  readonly countPartials?: Place
  readonly out?: Place
  readonly state?: Place
  readonly eligibility?: Place
  readonly surrogateOut?: Place
  readonly traces?: Place
  readonly presynaptic?: Place
  readonly traced?: boolean
  /** What evaluation counts. */
  readonly activity?: Place
  readonly activityWanted?: Place
  readonly recurrentCounts?: Place
}

const bits: Readonly<Record<CellParameter, CellLearn>> = {
  tau: CellLearn.Tau,
  vThreshold: CellLearn.Threshold,
  tauSyn: CellLearn.TauSyn,
  beta: CellLearn.Beta,
  tauAdaptation: CellLearn.TauAdaptation,
}

/** How many numbers a cell has of something. */
export function shapeOf(values: Values | null, [c]: Shape): CellShape {
  if (values === null || typeof values === 'number') return CellShape.Scalar
  return values.length === c ? CellShape.Channel : CellShape.Neuron
}

/** Whether constants differ from pixel to pixel. */
function differ(cell: Cell, shape: Shape): boolean {
  const { tau, tauSyn, tauAdaptation, beta, inputScale, vThreshold, vReset, vRest } = cell
  const all = [tau, tauSyn, tauAdaptation, beta, inputScale, vThreshold, vReset, vRest]
  return all.some((values) => shapeOf(values, shape) === CellShape.Neuron)
}

const constantRows = ({ learn }: Cell): number =>
  learn.length > 0 ? CellScratch.LearnConstants : CellScratch.Constants

/** Bytes of the constants. */
export const constantBytes = (cell: Cell, shape: Shape): number =>
  (differ(cell, shape) ? shape[1] * shape[2] : 1) *
  constantRows(cell) *
  storedChannels(shape[0]) *
  4

/** Constants of one neuron, by row. */
function rowsOf(cell: Cell, at: (values: Values) => number): Readonly<Record<number, number>> {
  const rate = (values: Values | null): number => (values === null ? 1 : 1 / at(values))
  const [m, s, a] = [cell.tau, cell.tauSyn, cell.tauAdaptation].map(rate)
  const scale = at(cell.inputScale)
  const synapse = cell.tauSyn !== null
  const decays = cell.decayInput
  const rest = at(cell.vRest)
  return {
    [CellRow.Leak]: 1 - m,
    [CellRow.Gain]: (decays ? m : 1) * (synapse ? 1 : scale),
    // Kernels of neurons round so: the same numbers give the same spikes.
    [CellRow.Drift]: Math.fround(Math.fround(1 - Math.fround(1 - m)) * Math.fround(rest)),
    [CellRow.Threshold]: cell.vThreshold === null ? 1 : at(cell.vThreshold),
    [CellRow.Reset]: cell.vReset === null ? 0 : at(cell.vReset),
    [CellRow.SynapseLeak]: 1 - s,
    [CellRow.SynapseGain]: (decays ? s : 1) * scale,
    [CellRow.Beta]: at(cell.beta),
    [CellRow.AdaptationLeak]: 1 - a,
    [CellRow.Rate]: m,
    [CellRow.SynapseRate]: s,
    [CellRow.AdaptationRate]: a,
    [CellRow.Rest]: rest,
    [CellRow.Scale]: scale,
  }
}

/** Constants [1 or H·W][rows][stored]. Channels that nobody uses never fire. */
export function constantsOf(cell: Cell, shape: Shape): Uint8Array {
  const [c, h, w] = shape
  const stored = storedChannels(c)
  const pixels = differ(cell, shape) ? h * w : 1
  const rows = constantRows(cell)
  const floats = new Float32Array(pixels * rows * stored)
  for (let pixel = 0; pixel < pixels; pixel++)
    for (let channel = 0; channel < stored; channel++) {
      const at = (values: Values): number =>
        typeof values === 'number'
          ? values
          : values[values.length === c ? channel : channel * h * w + pixel]
      const own: Readonly<Record<number, number>> =
        channel < c ? rowsOf(cell, at) : { [CellRow.Threshold]: 1 }
      for (let row = 0; row < rows; row++)
        floats[(pixel * rows + row) * stored + channel] = own[row] ?? 0
    }
  return new Uint8Array(floats.buffer)
}

/** Writes the constants of cells that learn some of them. */
export function emitCellConstants(
  b: NeuronScope['b'],
  cell: Cell,
  shape: Shape,
  parameters: Places,
  out: Buffer,
): void {
  const shapes = Object.fromEntries(
    cell.learn.map((key) => [`${key}Shape`, shapeOf(cell[key], shape)]),
  ) as Partial<CellConstantsFields>
  b.emit(cellConstants, 1, {
    ...parameters,
    ...shapes,
    in: constantsOf(cell, shape),
    out,
    pixels: differ(cell, shape) ? shape[1] * shape[2] : 1,
    channels: storedChannels(shape[0]),
    rows: constantRows(cell),
    synapse: cell.tauSyn !== null,
    decayInput: cell.decayInput,
  })
}

/** Units of a layer: images, where cells are recurrent. */
export const inCellUnits = (
  { images }: NeuronScope,
  { cell, shape, stored }: CellCharge,
): ReturnType<typeof inUnits> =>
  cell.recurrence
    ? { units: images, pixelsPerUnit: shape[1] * shape[2] }
    : inUnits(images * shape[1] * shape[2], stored)

/** Rows of a pixel's state: assembly/cell/rows.ts. */
export function cellStateRows(
  { tauSyn, tauAdaptation, refractory, recurrence, learn }: Cell,
  { eligibility, traces }: { readonly eligibility?: unknown; readonly traces?: unknown },
): number {
  return (
    1 +
    Number(tauSyn !== null) +
    Number(tauAdaptation !== null) +
    Number(refractory > 0) +
    (recurrence ? 2 : 0) +
    3 * ((eligibility ? 1 : 0) + (traces ? learn.length : 0))
  )
}

function chargeFields(scope: NeuronScope, charge: CellCharge) {
  const { cell, shape, stored, input, constants, weight, bias } = charge
  const row = stored * 4
  return {
    in: input.buffer as Buffer,
    inPixelBytes: input.steps * row,
    inStepBytes: input.steps > 1 ? row : 0,
    pixels: scope.images * shape[1] * shape[2],
    channels: stored,
    ...inCellUnits(scope, charge),
    steps: scope.callSteps,
    totalSteps: scope.options.timeSteps,
    imagePixels: shape[1] * shape[2],
    constants,
    constantData: constants ? undefined : constantsOf(cell, shape),
    constantPixelBytes: differ(cell, shape) ? constantRows(cell) * row : 0,
    spikes: isSpiking(cell),
    synapse: cell.tauSyn !== null,
    adapts: cell.tauAdaptation !== null,
    refractory: cell.refractory,
    above: cell.fires === 'above',
    hardReset: cell.vReset !== null,
    detach: cell.detachReset,
    decayInput: cell.decayInput,
    surrogate: surrogates[cell.surrogate],
    alpha: cell.alpha,
    learn: cell.learn.reduce((all, key) => all | bits[key], 0),
    weight,
    bias,
    oneToOne: isOneToOne(cell) || undefined,
  }
}

/** Forward. */
export function emitCell(scope: NeuronScope, record: CellRecord): void {
  const { cell, stored, shape, traced = false } = record
  const { masks, counts, countPartials, out, state } = record
  const { eligibility, surrogateOut, traces, presynaptic } = record
  const { units, ...fields } = chargeFields(scope, record)
  const images = cell.recurrence ? fields.pixelsPerUnit : 0
  const states = state ? 0 : Math.max(1, images) * cellStateRows(cell, record)
  const planeBytes = scope.images * shape[1] * shape[2] * stored
  const { activity, activityWanted, recurrentCounts } = record
  const counted = {
    activity,
    activityWanted,
    recurrentCounts,
    realChannels: activity && shape[0],
  }
  const wanted = { eligibility, surrogateOut, traces, presynaptic, traced, ...counted }
  scope.b.emit(
    cellKind,
    units,
    { ...fields, masks, planeBytes, counts, countPartials, out, state, ...wanted },
    { scratch: (CellScratch.StepRows + images + states) * stored * 4 },
  )
}

/** Backward through time. */
export function emitCellBackwardTime(
  scope: NeuronScope,
  charge: CellCharge,
  delta: Place,
  contributions: readonly Contribution[],
  traces?: Place,
): void {
  const { cell, shape, stored } = charge
  const { units, ...fields } = chargeFields(scope, charge)
  const pixels = cell.recurrence ? fields.pixelsPerUnit : 1
  const rows =
    CellScratch.StepRows * scope.callSteps +
    CellScratch.BackRows +
    1 +
    cellStateRows(cell, { traces })
  scope.b.emit(
    cellBackwardTime,
    units,
    {
      ...fields,
      delta,
      ...contributionFields(contributions, stored, fields.steps),
      height: shape[1],
      width: shape[2],
      traces,
    },
    { scratch: pixels * rows * stored * 4 },
  )
}

/** Gradients of a recurrent weight and its bias. */
export function emitRecurrentGradient(
  scope: NeuronScope,
  { cell, shape, stored }: CellCharge,
  places: {
    readonly out: Place
    readonly biasOut?: Place
    readonly in: Place
    readonly delta: Place
  },
  accumulate: boolean,
): void {
  const pixels = shape[1] * shape[2]
  scope.b.emit(cellRecurrentGradient, (pixels * stored) / 4 + (places.biasOut ? 1 : 0), {
    ...places,
    images: scope.images,
    pixels,
    channels: stored,
    steps: scope.callSteps,
    accumulate,
    oneToOne: isOneToOne(cell) || undefined,
  })
}

/** Gradients of what is learned. `delta`: of the time mean of the output, in rate mode. */
export function emitLearnGradients(
  scope: NeuronScope,
  { cell, shape, stored }: CellCharge,
  traces: Place,
  delta: Place | undefined,
  gradients: Places,
): void {
  const imagePixels = shape[1] * shape[2]
  for (const [row, key] of cell.learn.entries()) {
    const kind = shapeOf(cell[key], shape)
    scope.b.emit(cellLearnGradient, kind === CellShape.Scalar ? 1 : stored / 4, {
      out: gradients[key] as Place,
      shape: kind,
      traces,
      rows: cell.learn.length,
      row,
      delta,
      pixels: scope.images * imagePixels,
      imagePixels,
      channels: stored,
    })
  }
}
