/** The records of the neuron kernels. */

import { NeuronScratch, Surrogate } from '../../assembly/opcodes.js'
import type { Neuron, SurrogateName } from '../nn/layers/index.js'
import { inUnits } from './budgets.js'
import { contributionFields } from './gradients.js'
import type { ProgramBuilder } from './program.js'
import { neuron, neuronBackwardTime } from './records/neuron.js'
import type { Contribution, FloatTensor, Norm, Shape } from './tensors.js'
import type { Buffer, Reference } from './words.js'

/** Where neurons run: a pass, or an op. */
export interface NeuronScope {
  readonly b: ProgramBuilder
  /** Images of a record. */
  readonly images: number
  /** Steps of a call. */
  readonly callSteps: number
  /** `images`: those that the tensors hold. */
  readonly context: { readonly images: number }
  /** `timeSteps`: over which means run. */
  readonly options: { readonly timeSteps: number }
}

/** An affine map. Mean and inverse deviation: where x̂ is wanted. */
type NeuronNorm = Pick<Norm, 'groups' | 'scale' | 'shift'> & Partial<Pick<Norm, 'mean' | 'invStd'>>

/** A float tensor that neurons read, through the affine map of a normalisation if there is one. */
export interface NeuronInput {
  readonly tensor: FloatTensor
  readonly norm?: NeuronNorm
  /** Where the time mean of the normalised values goes. */
  readonly xhat?: Buffer
}

/** What a layer of neurons is, in the record's words. */
export interface NeuronDynamics {
  readonly lambda: number
  readonly kappa: number
  readonly threshold: number
  /** Hard reset to this potential; null: soft. */
  readonly reset: number | null
  readonly detach: boolean
  readonly surrogate: Surrogate
  readonly alpha: number
}

/** What neurons read, in both directions. */
export interface NeuronCharge extends NeuronDynamics {
  readonly shape: Shape
  readonly stored: number
  readonly a: NeuronInput
  readonly b?: NeuronInput
  readonly spikes?: { readonly masks: Buffer; readonly scale: number }
  readonly learnable?: Reference | 0
}

export interface NeuronRecord extends NeuronCharge {
  readonly masks: Buffer
  /** Not where nobody reads what was counted. */
  readonly counts?: Buffer
  /** Spikes by unit. */
  readonly countPartials?: Buffer
  readonly eligibility?: Buffer
  readonly surrogateOut?: Buffer
  /** `ActivityCount` [units], and whether it is wanted. */
  readonly activity?: Buffer
  readonly activityWanted?: Buffer
  /** State of a loop over t outside. */
  readonly potential?: Buffer
  readonly rho?: Buffer
}

export const surrogates: Readonly<Record<SurrogateName, Surrogate>> = {
  sigmoid: Surrogate.Sigmoid,
  atan: Surrogate.Atan,
  triangle: Surrogate.Triangle,
  rectangle: Surrogate.Rectangle,
  fastSigmoid: Surrogate.FastSigmoid,
  piecewiseExp: Surrogate.PiecewiseExp,
  erf: Surrogate.Erf,
}

/** The options of a layer of neurons that its dynamics follow from. */
type Dynamics = Pick<
  Neuron,
  'tau' | 'decayInput' | 'vThreshold' | 'vReset' | 'detachReset' | 'surrogate' | 'alpha'
>

export const dynamicsOf = (layer: Dynamics): NeuronDynamics => ({
  lambda: 1 - 1 / layer.tau,
  kappa: layer.decayInput ? 1 / layer.tau : 1,
  threshold: layer.vThreshold,
  reset: layer.vReset,
  detach: layer.detachReset,
  surrogate: surrogates[layer.surrogate],
  alpha: layer.alpha,
})

/** Whether ρ is the same for every neuron, so that a loop over t outside need not keep it. */
export const hasCommonTrace = ({ reset, detach }: NeuronDynamics): boolean =>
  reset === null && detach

function inputFields({ tensor, norm, xhat }: NeuronInput) {
  const row = tensor.stored * 4
  return {
    at: tensor.buffer as Buffer,
    pixelBytes: tensor.steps * row,
    stepBytes: tensor.steps > 1 ? row : 0,
    scale: norm?.scale,
    shift: norm?.shift,
    mean: xhat && norm?.mean,
    invStd: xhat && norm?.invStd,
    xhat,
    groupBytes: norm && norm.groups > 1 ? row : 0,
  }
}

/** Has a current statistics of single steps? */
export const hasGroups = ({ a, b }: NeuronCharge): boolean =>
  [a, b].some((input) => input !== undefined && inputFields(input).groupBytes > 0)

/** Currents and dynamics, which the kernels of both directions read. */
export function chargeFields(pass: NeuronScope, r: NeuronCharge) {
  const pixels = pass.images * r.shape[1] * r.shape[2]
  const a = inputFields(r.a)
  const b = r.b && inputFields(r.b)
  return {
    a: a.at,
    aPixelBytes: a.pixelBytes,
    aStepBytes: a.stepBytes,
    aScale: a.scale,
    aShift: a.shift,
    aGroupBytes: a.groupBytes,
    b: b?.at,
    bPixelBytes: b?.pixelBytes,
    bStepBytes: b?.stepBytes,
    bScale: b?.scale,
    bShift: b?.shift,
    bGroupBytes: b?.groupBytes,
    spikes: r.spikes?.masks,
    spikePlaneBytes: r.spikes && pass.context.images * r.shape[1] * r.shape[2] * r.stored,
    spikeScale: r.spikes?.scale,
    learnable: r.learnable || undefined,
    pixels,
    channels: r.stored,
    ...inNeuronUnits(pass, r),
    steps: pass.callSteps,
    lambda: r.lambda,
    kappa: r.kappa,
    rest: r.reset ?? 0,
    threshold: r.threshold,
    hardReset: r.reset !== null,
    detach: r.detach,
    surrogate: r.surrogate,
    alpha: r.alpha,
  }
}

/** How the pixels of a layer are divided. */
export const inNeuronUnits = (
  { images }: Pick<NeuronScope, 'images'>,
  { shape, stored }: Pick<NeuronCharge, 'shape' | 'stored'>,
): ReturnType<typeof inUnits> => inUnits(images * shape[1] * shape[2], stored)

export function emitNeuron(pass: NeuronScope, r: NeuronRecord): void {
  const { units, ...fields } = chargeFields(pass, r)
  const a = inputFields(r.a)
  const b = r.b && inputFields(r.b)
  pass.b.emit(
    neuron,
    units,
    {
      ...fields,
      aMean: a.mean,
      aInvStd: a.invStd,
      aXhat: a.xhat,
      bMean: b?.mean,
      bInvStd: b?.invStd,
      bXhat: b?.xhat,
      masks: r.masks,
      planeBytes: fields.pixels * r.stored,
      counts: r.counts,
      countPartials: r.countPartials,
      eligibility: r.eligibility,
      surrogateOut: r.surrogateOut,
      potential: r.potential,
      rho: r.rho,
      totalSteps: pass.options.timeSteps,
      activity: r.activity,
      activityWanted: r.activityWanted,
      pixelsPerImage: r.activity && r.shape[1] * r.shape[2],
      realChannels: r.activity && r.shape[0],
    },
    { scratch: neuronScratch(fields.steps, r.stored, Boolean(a.groupBytes || b?.groupBytes)) },
  )
}

/** Its backward pass through time; `partials`: of the gradient of τ, by units. */
export function emitNeuronBackwardTime(
  pass: NeuronScope,
  r: NeuronCharge,
  delta: Buffer,
  contributions: readonly Contribution[],
  partials?: Reference,
): void {
  if (contributions.slice(1).some(({ buffer }) => buffer === delta))
    throw new Error('neurons must not write over a gradient that they go on reading')
  const { units, ...fields } = chargeFields(pass, r)
  pass.b.emit(
    neuronBackwardTime,
    units,
    {
      ...fields,
      delta,
      ...contributionFields(contributions, r.stored, fields.steps),
      height: r.shape[1],
      width: r.shape[2],
      learnablePartials: partials,
    },
    { scratch: NeuronScratch.BackBytes + blockBytes(fields.steps, r.stored) },
  )
}

/** Potentials of a block of pixels, or of one with all else that is kept of it. */
const blockBytes = (steps: number, stored: number): number =>
  4 * Math.max(NeuronScratch.BlockFloats, (2 * steps + 1) * stored)

/**
 * Worker scratch of the neuron kernel: vectors of the steps and of the channels, and the potentials
 * of a block of pixels.
 *
 * @param groups there are statistics of single steps
 */
export const neuronScratch = (steps: number, stored: number, groups = false): number =>
  NeuronScratch.HeadBytes +
  NeuronScratch.StepBytes * steps +
  Math.max(NeuronScratch.ChannelBytes, groups ? NeuronScratch.GroupBytes * steps : 0) * stored +
  blockBytes(steps, stored)
