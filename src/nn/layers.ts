/** Layers as plain data. A factory checks its options; shapes are checked when a model is traced (`trace.ts`). */

import { expect, SpikewasmError } from '../errors.js'

/** Height and width, or one number for both. */
export type Size = number | readonly [number, number]
export type Pair = readonly [number, number]

/**
 * How a layer starts: PyTorch's default, weight and bias uniform in ±1/√fanIn; or the weight normal with mean 0 and this standard deviation, the bias 0 unless
 * it is to start as PyTorch's default.
 */
export type Init = 'default' | { normal: number; bias?: 'zeros' | 'default' }

export interface Conv2d {
  readonly kind: 'conv2d'
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly padding: Pair
  readonly bias: boolean
  readonly standardise: boolean
  readonly init: Init
}

export interface Linear {
  readonly kind: 'linear'
  readonly inFeatures: number
  readonly outFeatures: number
  readonly bias: boolean
  readonly standardise: boolean
  readonly init: Init
}

export interface BatchNorm2d {
  readonly kind: 'batchNorm2d'
  readonly channels: number
  readonly eps: number
  readonly momentum: number
}

export type SurrogateName = 'sigmoid' | 'atan' | 'triangle' | 'rectangle' | 'fastSigmoid' | 'piecewiseExp' | 'erf'

export interface Neuron {
  readonly kind: 'neuron'
  /** Membrane time constant in steps; Infinity for an integrate-and-fire neuron. */
  readonly tau: number
  readonly decayInput: boolean
  readonly vThreshold: number
  /** Potential after a spike (hard reset), or null: the threshold is subtracted (soft reset). */
  readonly vReset: number | null
  readonly detachReset: boolean
  readonly surrogate: SurrogateName
  readonly alpha: number
  /** τ is a parameter (PLIF). */
  readonly learnable: boolean
}

export interface AvgPool2d {
  readonly kind: 'avgPool2d'
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly padding: Pair
}
export interface MaxPool2d {
  readonly kind: 'maxPool2d'
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly padding: Pair
}
export interface AdaptiveAvgPool2d {
  readonly kind: 'adaptiveAvgPool2d'
  readonly outputSize: Pair
}
export interface Flatten {
  readonly kind: 'flatten'
}
export interface Dropout {
  readonly kind: 'dropout'
  readonly p: number
}
export interface Scale {
  readonly kind: 'scale'
  readonly factor: number
}
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
  const [a, b] = typeof value === 'number' ? [value, value] : value
  expect(
    Number.isInteger(a) && Number.isInteger(b) && a >= minimum && b >= minimum,
    () => `${name} must be an integer ≥ ${minimum} or a pair of them, got ${JSON.stringify(value)}`,
  )
  return [a, b]
}

function count(name: string, value: number): number {
  expect(Number.isInteger(value) && value >= 1, () => `${name} must be an integer ≥ 1, got ${value}`)
  return value
}

export interface ConvOptions {
  /** Default 1. */
  stride?: Size
  /** Zeros added on every side; default 0. */
  padding?: Size
  /** Default true, as in PyTorch. */
  bias?: boolean
  /** Scaled weight standardisation with a learnable gain (OTTT's networks); default false. */
  standardise?: boolean
  init?: Init
}

/**
 * 2-D convolution (cross-correlation, as PyTorch's): [C, H, W] → [outChannels, H', W'], H' = ⌊(H + 2·padding − kernel) / stride⌋ + 1.
 * Parameters `weight` [out, in, kh, kw] and `bias` [out].
 * @throws SpikewasmError when a size is not a positive integer.
 */
export function conv2d(inChannels: number, outChannels: number, kernelSize: Size, options: ConvOptions = {}): Conv2d {
  const [kernelH, kernelW] = pair('conv2d.kernelSize', kernelSize, 1)
  expect(!options.standardise || inChannels * kernelH * kernelW > 1, () => 'conv2d.standardise needs more than one input for each output')
  return {
    kind: 'conv2d',
    inChannels: count('conv2d.inChannels', inChannels),
    outChannels: count('conv2d.outChannels', outChannels),
    kernelSize: [kernelH, kernelW],
    stride: pair('conv2d.stride', options.stride ?? 1, 1),
    padding: pair('conv2d.padding', options.padding ?? 0, 0),
    bias: options.bias ?? true,
    standardise: options.standardise ?? false,
    init: options.init ?? 'default',
  }
}

/**
 * Fully connected layer: [inFeatures] → [outFeatures]; parameters `weight` [out, in] and `bias` [out]. Put `flatten()` before it.
 * @throws SpikewasmError when a size is not a positive integer.
 */
export function linear(inFeatures: number, outFeatures: number, options: Pick<ConvOptions, 'bias' | 'standardise' | 'init'> = {}): Linear {
  expect(!options.standardise || inFeatures > 1, () => 'linear.standardise needs more than one input for each output')
  return {
    kind: 'linear',
    inFeatures: count('linear.inFeatures', inFeatures),
    outFeatures: count('linear.outFeatures', outFeatures),
    bias: options.bias ?? true,
    standardise: options.standardise ?? false,
    init: options.init ?? 'default',
  }
}

/**
 * Batch normalisation over batch, height, width and, in step mode m, time (METHOD: tdBN without the scale). Parameters `weight`, `bias`, running statistics
 * `running_mean`, `running_var`, all [channels].
 * @throws SpikewasmError when an option is out of range.
 */
export function batchNorm2d(channels: number, options: { eps?: number; momentum?: number } = {}): BatchNorm2d {
  const { eps = 1e-5, momentum = 0.1 } = options
  expect(eps > 0, () => `batchNorm2d.eps must be > 0, got ${eps}`)
  expect(momentum >= 0 && momentum <= 1, () => `batchNorm2d.momentum must lie in 0…1, got ${momentum}`)
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

function neuron(name: string, tau: number, learnable: boolean, options: NeuronOptions): Neuron {
  const { decayInput = false, vThreshold = 1, vReset = null, detachReset = true, surrogate = 'sigmoid' } = options
  if (!(surrogate in defaultAlpha))
    throw new SpikewasmError(`${name}.surrogate must be one of ${Object.keys(defaultAlpha).join(', ')}, got ${JSON.stringify(surrogate)}`)
  const alpha = options.alpha ?? defaultAlpha[surrogate]
  expect(tau > 1, () => `${name}.tau must be > 1, got ${tau}`)
  expect(Number.isFinite(vThreshold) && vThreshold > 0, () => `${name}.vThreshold must be > 0, got ${vThreshold}`)
  expect(
    vReset === null || (Number.isFinite(vReset) && vReset < vThreshold),
    () => `${name}.vReset must be null or < vThreshold (${vThreshold}), got ${vReset}`,
  )
  expect(alpha > 0, () => `${name}.alpha must be > 0, got ${alpha}`)
  return { kind: 'neuron', tau, decayInput, vThreshold, vReset, detachReset, surrogate, alpha, learnable }
}

/**
 * Leaky integrate-and-fire neurons, any shape. u = v − (v − v0)/τ + I; spike when u ≥ vThreshold; reset. Defaults are the paper's.
 * @throws SpikewasmError when an option is out of range.
 */
export function lif(options: NeuronOptions = {}): Neuron {
  return neuron('lif', options.tau ?? 1.25, false, options)
}

/** Integrate-and-fire neurons: no leak. @throws SpikewasmError when an option is out of range. */
export function integrateAndFire(options: Omit<NeuronOptions, 'tau' | 'decayInput'> = {}): Neuron {
  return neuron('integrateAndFire', Number.POSITIVE_INFINITY, false, { ...options, decayInput: false })
}

/**
 * LIF neurons with a learnable time constant, 1/τ = σ(w), one parameter `w` a layer (Fang et al. 2021); `tau` is where it starts. Method bptt only.
 * @throws SpikewasmError when an option is out of range.
 */
export function plif(options: NeuronOptions = {}): Neuron {
  return neuron('plif', options.tau ?? 2, true, options)
}

export interface PoolOptions {
  /** Default: the kernel's size. */
  stride?: Size
  padding?: Size
}

function pooling(name: string, kernelSize: Size, options: PoolOptions): { kernelSize: Pair; stride: Pair; padding: Pair } {
  const kernel = pair(`${name}.kernelSize`, kernelSize, 1)
  const padding = pair(`${name}.padding`, options.padding ?? 0, 0)
  expect(
    padding[0] * 2 <= kernel[0] && padding[1] * 2 <= kernel[1],
    () => `${name}.padding must be at most half the kernel (${kernel}), got ${padding}`,
  )
  return { kernelSize: kernel, stride: pair(`${name}.stride`, options.stride ?? kernelSize, 1), padding }
}

/** Mean over windows; padded zeros count (PyTorch's default). Pooled spikes stay event-driven. @throws SpikewasmError when a size is wrong. */
export function avgPool2d(kernelSize: Size, options: PoolOptions = {}): AvgPool2d {
  return { kind: 'avgPool2d', ...pooling('avgPool2d', kernelSize, options) }
}

/**
 * Max pooling, of a neuron layer's spikes (a window spikes when any of its neurons does) or of currents. In the rate method the gradient goes to the highest rate
 * or mean current, the first on ties. @throws SpikewasmError when a size is wrong.
 */
export function maxPool2d(kernelSize: Size, options: PoolOptions = {}): MaxPool2d {
  return { kind: 'maxPool2d', ...pooling('maxPool2d', kernelSize, options) }
}

/** Mean over equal windows so that the output has `outputSize`, which must divide the input's. @throws SpikewasmError when a size is wrong. */
export function adaptiveAvgPool2d(outputSize: Size): AdaptiveAvgPool2d {
  return { kind: 'adaptiveAvgPool2d', outputSize: pair('adaptiveAvgPool2d.outputSize', outputSize, 1) }
}

/** [C, H, W] → [C·H·W], in PyTorch's order. */
export function flatten(): Flatten {
  return { kind: 'flatten' }
}

/** Silences each neuron with probability p in training, the same ones at every step, and scales the others by 1/(1 − p). Only behind neurons. */
export function dropout(p = 0.5): Dropout {
  expect(p >= 0 && p < 1, () => `dropout.p must lie in 0…1 (1 excluded), got ${p}`)
  return { kind: 'dropout', p }
}

/** Multiplies by a constant (OTTT's networks scale spikes by 2.74). */
export function scale(factor: number): Scale {
  expect(Number.isFinite(factor) && factor !== 0, () => `scale.factor must be a finite number other than 0, got ${factor}`)
  return { kind: 'scale', factor }
}

/** Passes its input on. */
export function identity(): Identity {
  return { kind: 'identity' }
}
