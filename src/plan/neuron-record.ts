/** The record of the neuron kernels, by name. */

import type { Surrogate } from '../../assembly/opcodes.js'
import type { Pass } from './pass.js'
import { type NeuronFields, neuron } from './records/neuron.js'
import { wordsOf } from './records/schema.js'
import type { FloatTensor, Norm, Shape } from './tensors.js'
import type { Buffer, Reference, Words } from './words.js'

/** A float tensor that neurons read, through the affine map of a normalisation if there is one. */
export interface NeuronInput {
  readonly tensor: FloatTensor
  readonly norm?: Norm
  /** Where the time mean of the normalised values goes. */
  readonly xhat?: Buffer
}

export interface NeuronRecord {
  readonly shape: Shape
  readonly stored: number
  readonly pixelsPerUnit: number
  readonly a: NeuronInput
  readonly b?: NeuronInput
  readonly spikes?: { readonly masks: Buffer; readonly scale: number }
  readonly masks: Buffer
  readonly counts: Buffer
  /** Spikes by unit. */
  readonly countPartials: Buffer
  readonly eligibility?: Buffer
  readonly surrogateOut?: Buffer
  /** State of a loop over t outside. */
  readonly potential?: Buffer
  readonly rho?: Buffer
  readonly lambda: number
  readonly kappa: number
  readonly threshold: number
  /** Hard reset to this potential; null: soft. */
  readonly reset: number | null
  readonly detach: boolean
  readonly surrogate: Surrogate
  readonly alpha: number
  readonly learnable?: Reference | 0
}

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

export function neuronFields(pass: Pass, r: NeuronRecord): NeuronFields {
  const pixels = pass.images * r.shape[1] * r.shape[2]
  const a = inputFields(r.a)
  const b = r.b && inputFields(r.b)
  return {
    a: a.at,
    aPixelBytes: a.pixelBytes,
    aStepBytes: a.stepBytes,
    aScale: a.scale,
    aShift: a.shift,
    aMean: a.mean,
    aInvStd: a.invStd,
    aXhat: a.xhat,
    aGroupBytes: a.groupBytes,
    b: b?.at,
    bPixelBytes: b?.pixelBytes,
    bStepBytes: b?.stepBytes,
    bScale: b?.scale,
    bShift: b?.shift,
    bMean: b?.mean,
    bInvStd: b?.invStd,
    bXhat: b?.xhat,
    bGroupBytes: b?.groupBytes,
    spikes: r.spikes?.masks,
    spikePlaneBytes: r.spikes && pixels * r.stored,
    spikeScale: r.spikes?.scale,
    masks: r.masks,
    planeBytes: pixels * r.stored,
    counts: r.counts,
    countPartials: r.countPartials,
    eligibility: r.eligibility,
    surrogateOut: r.surrogateOut,
    potential: r.potential,
    rho: r.rho,
    learnable: r.learnable || undefined,
    pixels,
    channels: r.stored,
    height: r.shape[1],
    width: r.shape[2],
    pixelsPerUnit: r.pixelsPerUnit,
    steps: pass.context.callSteps,
    totalSteps: pass.options.timeSteps,
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

export const neuronWords = (pass: Pass, record: NeuronRecord): Words =>
  wordsOf(neuron, neuronFields(pass, record))

/**
 * Worker scratch of the neuron kernel: vectors of the steps and of the channels, and the potentials
 * of a block of pixels.
 */
export const neuronScratch = (steps: number, stored: number): number =>
  128 + 32 * steps + 28 * stored + 4 * Math.max(2048, (2 * steps + 1) * stored)
