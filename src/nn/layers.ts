/**
 * Layers as plain data. A factory checks its options; shapes are checked when a model is traced
 * (`trace.ts`).
 */

import { checkBoolean, checkOptions, describe, expect } from '../errors.js'

/** Height and width, or one number for both. */
export type Size = number | readonly [number, number]
/** Height and width. */
export type Pair = readonly [number, number]

/**
 * How a layer starts: PyTorch's default, weight and bias uniform in ±1/√fanIn; or the weight normal
 * with mean 0 and this standard deviation, the bias 0 unless it is to start as PyTorch's default.
 */
export type Init = 'default' | { normal: number; bias?: 'zeros' | 'default' }

/** What `conv2d` makes; fields as in `ConvOptions`, completed. */
export interface Conv2d {
  readonly kind: 'conv2d'
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: Pair
  readonly stride: Pair
  /** Zeros added on every side. */
  readonly padding: Pair
  readonly bias: boolean
  /** Whether weights are standardised and scaled by a learnable gain. */
  readonly standardise: boolean
  readonly init: Init
}

/** What `linear` makes. */
export interface Linear {
  readonly kind: 'linear'
  readonly inFeatures: number
  readonly outFeatures: number
  readonly bias: boolean
  /** Whether weights are standardised and scaled by a learnable gain. */
  readonly standardise: boolean
  readonly init: Init
}

/** What `batchNorm2d` makes. */
export interface BatchNorm2d {
  readonly kind: 'batchNorm2d'
  readonly channels: number
  /** Added to the variance. */
  readonly eps: number
  /** Share of a batch in the running statistics. */
  readonly momentum: number
}

/** Functions that stand in for the derivative of a spike. */
export type SurrogateName =
  | 'sigmoid'
  | 'atan'
  | 'triangle'
  | 'rectangle'
  | 'fastSigmoid'
  | 'piecewiseExp'
  | 'erf'

/** What `lif`, `integrateAndFire` and `plif` make. */
export interface Neuron {
  readonly kind: 'neuron'
  /** Membrane time constant in steps; Infinity for an integrate-and-fire neuron. */
  readonly tau: number
  /** Whether the input is divided by τ as well. */
  readonly decayInput: boolean
  /** Potential from which on a neuron spikes. */
  readonly vThreshold: number
  /** Potential after a spike (hard reset), or null: the threshold is subtracted (soft reset). */
  readonly vReset: number | null
  /** Whether no gradient passes the reset's spike. */
  readonly detachReset: boolean
  readonly surrogate: SurrogateName
  /** Sharpness of the surrogate. */
  readonly alpha: number
  /** τ is a parameter (PLIF). */
  readonly learnable: boolean
}

/** What `avgPool2d` makes. */
export interface AvgPool2d {
  readonly kind: 'avgPool2d'
  readonly kernelSize: Pair
  readonly stride: Pair
  /** Zeros added on every side. */
  readonly padding: Pair
}
/** What `maxPool2d` makes. */
export interface MaxPool2d {
  readonly kind: 'maxPool2d'
  readonly kernelSize: Pair
  readonly stride: Pair
  /** Places added on every side that are never the largest. */
  readonly padding: Pair
}
/** What `adaptiveAvgPool2d` makes. */
export interface AdaptiveAvgPool2d {
  readonly kind: 'adaptiveAvgPool2d'
  readonly outputSize: Pair
}
/** What `flatten` makes. */
export interface Flatten {
  readonly kind: 'flatten'
}
/** What `dropout` makes. */
export interface Dropout {
  readonly kind: 'dropout'
  /** Probability of a neuron to be silenced. */
  readonly p: number
}
/** What `scale` makes. */
export interface Scale {
  readonly kind: 'scale'
  readonly factor: number
}
/** What `identity` makes. */
export interface Identity {
  readonly kind: 'identity'
}

export type Layer =
  | Conv2d
  | Linear
  | BatchNorm2d
  | Neuron
  | AvgPool2d
  | MaxPool2d
  | AdaptiveAvgPool2d
  | Flatten
  | Dropout
  | Scale
  | Identity

function pair(name: string, value: Size, minimum: number): Pair {
  const both: readonly number[] = typeof value === 'number' ? [value, value] : value
  expect(
    Array.isArray(both) &&
      both.length === 2 &&
      both.every((n) => Number.isInteger(n) && n >= minimum),
    () => `${name} must be an integer ≥ ${minimum} or a pair of them, got ${describe(value)}`,
  )
  return [both[0], both[1]]
}

function count(name: string, value: number): number {
  expect(
    Number.isInteger(value) && value >= 1,
    () => `${name} must be an integer ≥ 1, got ${describe(value)}`,
  )
  return value
}

const weightOptions = ['bias', 'standardise', 'init']

/** What convolutions and linear layers have in common. `inputs`: of one output. */
function weights(
  name: string,
  inputs: number,
  options: LinearOptions,
): { bias: boolean; standardise: boolean; init: Init } {
  const { init = 'default' } = options
  if (init !== 'default') {
    const rule = `${name}.init must be 'default' or { normal: standard deviation, bias?: 'zeros' or 'default' }`
    expect(
      typeof init === 'object' && init !== null && Number.isFinite(init.normal) && init.normal >= 0,
      () => `${rule}, got ${describe(init)}`,
    )
    checkOptions(`${name}.init`, init, ['normal', 'bias'])
    expect(
      init.bias === undefined || init.bias === 'zeros' || init.bias === 'default',
      () => `${rule}, got ${describe(init)}`,
    )
  }
  const standardise = checkBoolean(`${name}.standardise`, options.standardise, false)
  expect(
    !standardise || inputs > 1,
    () => `${name}.standardise needs more than one input for each output`,
  )
  return { bias: checkBoolean(`${name}.bias`, options.bias, true), standardise, init }
}

export interface LinearOptions {
  /** Default true, as in PyTorch. */
  bias?: boolean
  /** Scaled weight standardisation with a learnable gain (OTTT's networks); default false. */
  standardise?: boolean
  /** Where weight and bias start; default 'default', PyTorch's. */
  init?: Init
}

export interface ConvOptions extends LinearOptions {
  /** Default 1. */
  stride?: Size
  /** Zeros added on every side; default 0. */
  padding?: Size
}

/**
 * 2-D convolution (cross-correlation, as PyTorch's): [C, H, W] → [outChannels, H', W'], H' = ⌊(H +
 * 2·padding − kernel) / stride⌋ + 1. Parameters `weight` [out, in, kh, kw] and `bias` [out].
 * @throws SpikewasmError when a size is not a positive integer or an option is unknown.
 */
export function conv2d(
  inChannels: number,
  outChannels: number,
  kernelSize: Size,
  options: ConvOptions = {},
): Conv2d {
  checkOptions('conv2d', options, ['stride', 'padding', ...weightOptions])
  const kernel = pair('conv2d.kernelSize', kernelSize, 1)
  return {
    kind: 'conv2d',
    inChannels: count('conv2d.inChannels', inChannels),
    outChannels: count('conv2d.outChannels', outChannels),
    kernelSize: kernel,
    stride: pair('conv2d.stride', options.stride ?? 1, 1),
    padding: pair('conv2d.padding', options.padding ?? 0, 0),
    ...weights('conv2d', inChannels * kernel[0] * kernel[1], options),
  }
}

/**
 * Fully connected layer: [inFeatures] → [outFeatures]; parameters `weight` [out, in] and `bias`
 * [out]. Put `flatten()` before it.
 * @throws SpikewasmError when a size is not a positive integer or an option is unknown.
 */
export function linear(
  inFeatures: number,
  outFeatures: number,
  options: LinearOptions = {},
): Linear {
  checkOptions('linear', options, weightOptions)
  return {
    kind: 'linear',
    inFeatures: count('linear.inFeatures', inFeatures),
    outFeatures: count('linear.outFeatures', outFeatures),
    ...weights('linear', inFeatures, options),
  }
}

export interface BatchNormOptions {
  /** Added to the variance; default 1e-5. */
  eps?: number
  /** Share of a batch in the running statistics, 0…1; default 0.1. */
  momentum?: number
}

/**
 * Batch normalisation over batch, height, width and, in step mode m, time (METHOD: tdBN without the
 * scale). Parameters `weight`, `bias`, running statistics `running_mean`, `running_var`, all
 * [channels].
 * @throws SpikewasmError when an option is unknown or out of range.
 */
export function batchNorm2d(channels: number, options: BatchNormOptions = {}): BatchNorm2d {
  checkOptions('batchNorm2d', options, ['eps', 'momentum'])
  const { eps = 1e-5, momentum = 0.1 } = options
  expect(Number.isFinite(eps) && eps > 0, () => `batchNorm2d.eps must be > 0, got ${describe(eps)}`)
  expect(
    Number.isFinite(momentum) && momentum >= 0 && momentum <= 1,
    () => `batchNorm2d.momentum must lie in 0…1, got ${describe(momentum)}`,
  )
  return { kind: 'batchNorm2d', channels: count('batchNorm2d.channels', channels), eps, momentum }
}

const defaultAlpha: Record<SurrogateName, number> = {
  sigmoid: 4,
  atan: 2,
  triangle: 1,
  rectangle: 1,
  fastSigmoid: 25,
  piecewiseExp: 1,
  erf: 2,
}

export interface NeuronOptions {
  /** Membrane time constant in steps, > 1; default 1.25 (leak λ = 1 − 1/τ = 0.2, the paper's). */
  tau?: number
  /** Input divided by τ as well; default false. */
  decayInput?: boolean
  /** A neuron spikes when its potential is ≥ vThreshold (ties fire); default 1. */
  vThreshold?: number
  /** Default null: soft reset. */
  vReset?: number | null
  /** No gradient through the reset's spike; default true. */
  detachReset?: boolean
  /** Default 'sigmoid'. */
  surrogate?: SurrogateName
  /** Sharpness of the surrogate; the default is SpikingJelly's for it (sigmoid 4). */
  alpha?: number
}

const fixedTauOptions = ['vThreshold', 'vReset', 'detachReset', 'surrogate', 'alpha']
const neuronOptions = ['tau', 'decayInput', ...fixedTauOptions]

function neuron(name: string, tau: number, learnable: boolean, options: NeuronOptions): Neuron {
  const { vThreshold = 1, vReset = null, surrogate = 'sigmoid' } = options
  const surrogates = Object.keys(defaultAlpha)
  expect(
    surrogates.includes(surrogate),
    () => `${name}.surrogate must be one of ${surrogates.join(', ')}, got ${describe(surrogate)}`,
  )
  const { alpha = defaultAlpha[surrogate] } = options
  expect(typeof tau === 'number' && tau > 1, () => `${name}.tau must be > 1, got ${describe(tau)}`)
  expect(
    !learnable || tau < Number.POSITIVE_INFINITY,
    () => `${name}.tau must be finite, got ${tau}; use integrateAndFire()`,
  )
  expect(
    Number.isFinite(vThreshold) && vThreshold > 0,
    () => `${name}.vThreshold must be > 0, got ${describe(vThreshold)}`,
  )
  expect(
    vReset === null || (Number.isFinite(vReset) && vReset < vThreshold),
    () => `${name}.vReset must be null or < vThreshold (${vThreshold}), got ${describe(vReset)}`,
  )
  expect(
    Number.isFinite(alpha) && alpha > 0,
    () => `${name}.alpha must be > 0 and finite, got ${describe(alpha)}`,
  )
  const decayInput = checkBoolean(`${name}.decayInput`, options.decayInput, false)
  const detachReset = checkBoolean(`${name}.detachReset`, options.detachReset, true)
  return {
    kind: 'neuron',
    tau,
    decayInput,
    vThreshold,
    vReset,
    detachReset,
    surrogate,
    alpha,
    learnable,
  }
}

/**
 * Leaky integrate-and-fire neurons, any shape. u = v − (v − v0)/τ + I; spike when u ≥ vThreshold;
 * reset. Defaults are the paper's.
 * @throws SpikewasmError when an option is unknown or out of range.
 */
export function lif(options: NeuronOptions = {}): Neuron {
  checkOptions('lif', options, neuronOptions)
  const { tau = 1.25 } = options
  return neuron('lif', tau, false, options)
}

/**
 * Integrate-and-fire neurons: no leak.
 * @throws SpikewasmError when an option is unknown or out of range.
 */
export function integrateAndFire(options: Omit<NeuronOptions, 'tau' | 'decayInput'> = {}): Neuron {
  checkOptions('integrateAndFire', options, fixedTauOptions)
  return neuron('integrateAndFire', Number.POSITIVE_INFINITY, false, options)
}

/**
 * LIF neurons with a learnable time constant, 1/τ = σ(w), one parameter `w` a layer (Fang et al.
 * 2021); `tau` is where it starts. Method bptt only.
 * @throws SpikewasmError when an option is unknown or out of range.
 */
export function plif(options: NeuronOptions = {}): Neuron {
  checkOptions('plif', options, neuronOptions)
  const { tau = 2 } = options
  return neuron('plif', tau, true, options)
}

export interface PoolOptions {
  /** Default: the kernel's size. */
  stride?: Size
  /** Added on every side, at most half the kernel; default 0. */
  padding?: Size
}

function pooling(
  name: string,
  kernelSize: Size,
  options: PoolOptions,
): { kernelSize: Pair; stride: Pair; padding: Pair } {
  checkOptions(name, options, ['stride', 'padding'])
  const kernel = pair(`${name}.kernelSize`, kernelSize, 1)
  const padding = pair(`${name}.padding`, options.padding ?? 0, 0)
  expect(
    padding[0] * 2 <= kernel[0] && padding[1] * 2 <= kernel[1],
    () => `${name}.padding must be at most half the kernel (${kernel}), got ${padding}`,
  )
  return {
    kernelSize: kernel,
    stride: pair(`${name}.stride`, options.stride ?? kernelSize, 1),
    padding,
  }
}

/**
 * Mean over windows; padded zeros count (PyTorch's default). Pooled spikes stay event-driven.
 * @throws SpikewasmError when a size is wrong.
 */
export function avgPool2d(kernelSize: Size, options: PoolOptions = {}): AvgPool2d {
  return { kind: 'avgPool2d', ...pooling('avgPool2d', kernelSize, options) }
}

/**
 * Max pooling, of a neuron layer's spikes (a window spikes when any of its neurons does) or of
 * currents. In the rate method the gradient goes to the highest rate or mean current, the first on
 * ties. @throws SpikewasmError when a size is wrong.
 */
export function maxPool2d(kernelSize: Size, options: PoolOptions = {}): MaxPool2d {
  return { kind: 'maxPool2d', ...pooling('maxPool2d', kernelSize, options) }
}

/**
 * Mean over equal windows so that the output has `outputSize`, which must divide the input's.
 * @throws SpikewasmError when a size is wrong.
 */
export function adaptiveAvgPool2d(outputSize: Size): AdaptiveAvgPool2d {
  return {
    kind: 'adaptiveAvgPool2d',
    outputSize: pair('adaptiveAvgPool2d.outputSize', outputSize, 1),
  }
}

/** [C, H, W] → [C·H·W], in PyTorch's order. */
export function flatten(): Flatten {
  return { kind: 'flatten' }
}

/**
 * Silences each neuron with probability p in training, the same ones at every step, and scales the
 * others by 1/(1 − p). Only behind neurons.
 * @throws SpikewasmError when p is out of range.
 */
export function dropout(p = 0.5): Dropout {
  expect(
    Number.isFinite(p) && p >= 0 && p < 1,
    () => `dropout.p must lie in 0…1 (1 excluded), got ${describe(p)}`,
  )
  return { kind: 'dropout', p }
}

/**
 * Multiplies by a constant (OTTT's networks scale spikes by 2.74).
 * @throws SpikewasmError when it is 0 or not finite.
 */
export function scale(factor: number): Scale {
  expect(
    Number.isFinite(factor) && factor !== 0,
    () => `scale.factor must be a finite number other than 0, got ${describe(factor)}`,
  )
  return { kind: 'scale', factor }
}

/** Passes its input on. */
export function identity(): Identity {
  return { kind: 'identity' }
}
