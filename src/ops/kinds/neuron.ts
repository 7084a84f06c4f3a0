/** Neurons and activations from texts of equations, forward and back through time. */

import { expect } from '../../errors.js'
import { elementwise as activation, type ElementwiseOptions } from '../../layers/elementwise.js'
import {
  type EquationOptions,
  type Equations,
  equationOptions,
  equationsKind,
  neuron as neuronLayer,
} from '../../layers/equations.js'
import type { PerNeuron } from '../../nn/numbers.js'
import type { OpBuilder, Planned } from '../builder.js'
import { backwardOf, forwardOf, jobOf, type NeuronJob } from '../neuron-job.js'
import { pick, plainCurrent } from '../neurons.js'
import { operation } from '../operation.js'
import { type Selecting, selecting } from '../selecting.js'
import { type Extent, extentOf } from '../shapes.js'
import type { ActivityInput, Fixed, TimedInput } from '../types.js'
import type { CellGradients } from './cell.js'

/** What both ops take. */
export interface EquationOpOptions {
  /** Numbers by the names that the text has for them. */
  readonly parameters?: Readonly<Record<string, PerNeuron>>
  /** What a time step does, line by line. */
  readonly text: string
}

/** Options of `ops.neuron`: those of `neuron()`, its text and its input. */
export interface NeuronOpOptions extends EquationOpOptions, EquationOptions {
  /** Shape of the current: [B, T, C, H, W] or [B, T, C]. */
  readonly input: readonly number[]
}

/** Options of `ops.elementwise`: those of `elementwise()`, its text and its input. */
export interface ElementwiseOpOptions extends EquationOpOptions, ElementwiseOptions {
  /** Shape of the numbers: [B, C, H, W] or [B, C], or these with T behind B. */
  readonly input: readonly number[]
}

/** What `ops.neuron` can compute. */
export type NeuronOpResults = {
  /** 0 or 1 [B, T, …], of neurons with a line spike = …. */
  readonly spikes: Uint8Array
  /** [B, T, …], of neurons with a line output = …. */
  readonly values: Float32Array
  /** The factor of rate-based backpropagation, […]. */
  readonly eligibilities: Float32Array
  /** The derivative of each step's output by its current alone [B, T, …]. */
  readonly surrogates: Float32Array
}
type Name = keyof NeuronOpResults

/** The plan's own memory of ops of equations. */
export type EquationMemory = {
  /** [B][H][W][T][C]. */
  readonly input: Float32Array
}

/** `ops.neuron`: the current, and what is learnt, as a state dict has it. */
export type NeuronOpTypes = Selecting<
  TimedInput,
  [input: Float32Array, ...parameters: Float32Array[]],
  NeuronOpResults,
  EquationMemory,
  readonly ['spikes']
>

/** `ops.elementwise`: the numbers, and what is learnt, as a state dict has it. */
export type ElementwiseTypes = Fixed<
  ActivityInput,
  [input: Float32Array, ...parameters: Float32Array[]],
  Float32Array,
  EquationMemory & {
    /** [B][H][W][T][C]. */
    readonly output: Float32Array
  }
>

/**
 * `ops.neuronBackward`, `ops.elementwiseBackward`: the output's gradient, and what the op forward
 * reads.
 */
export type EquationBackwardTypes<Ranks> = Fixed<
  Ranks,
  [delta: Float32Array, input: Float32Array, ...parameters: Float32Array[]],
  Float32Array | CellGradients,
  EquationMemory & {
    /** [B][H][W][T][C]. */
    readonly delta: Float32Array
  }
>

const neuronOptions = ['input', 'text', 'parameters', ...equationOptions] as const

const jobOfText = (o: OpBuilder, layer: Equations, extent: Extent): NeuronJob =>
  jobOf(o, equationsKind, layer, plainCurrent(o, extent))

function neuronJob(o: OpBuilder, options: NeuronOpOptions) {
  const layer = neuronLayer(options.text, options.parameters, pick(options, equationOptions))
  return jobOfText(o, layer, extentOf(`${o.op}.input`, options.input, 'always'))
}

function buildForward(o: OpBuilder, options: NeuronOpOptions, outputs: ReadonlySet<Name>): Planned {
  const job = neuronJob(o, options)
  const { output } = job.neurons.model.equations
  const both = ['spikes', 'values'] as const
  const [own, other] = output === 'spike' ? both : both.toReversed()
  expect(
    !outputs.has(other),
    () => `${o.op}.outputs: a text with ${output} = … gives ${own}, got '${other}'`,
  )
  return forwardOf(o, job, own, outputs)
}

/**
 * Neurons from a text over all time steps, as `neuron()` has them in a network.
 *
 * Arguments of `run`: input [B, T, …], and what is learnt, in the order of `parameters` and as a
 * state dict has it: what a line such as `tau > 1` keeps in an open range is stored behind a map.
 * Result: what `outputs` names; `['spikes']` by default, which a text with `output = …` does not
 * have: name `values`.
 */
export const neuron = selecting<NeuronOpOptions, NeuronOpResults, NeuronOpTypes>(
  'neuron',
  neuronOptions,
  ['spikes', 'values', 'eligibilities', 'surrogates'],
  ['spikes'],
  buildForward,
)

/**
 * The gradients of `ops.neuron` through time (BPTT) from that of its spikes or values.
 *
 * Arguments of `run`: delta [B, T, …], then those of `ops.neuron`. Result: the input's gradient
 * [B, T, …]; where parameters are learnt { inputGradient, … } with `betaGradient`, … as well.
 */
export const neuronBackward = operation<NeuronOpOptions, EquationBackwardTypes<TimedInput>>(
  'neuronBackward',
  neuronOptions,
  (o, options) => backwardOf(o, neuronJob(o, options)),
)

const activationOptions = ['input', 'text', 'parameters', 'learn', 'seed'] as const

function elementwiseJob(
  o: OpBuilder,
  { input, text, parameters, learn, seed }: ElementwiseOpOptions,
) {
  const layer = activation(text, parameters, { learn, seed })
  return jobOfText(o, layer, extentOf(`${o.op}.input`, input))
}

/**
 * An activation of each number, as `elementwise()` has it in a network.
 *
 * Arguments of `run`: input, and what is learnt, as of `ops.neuron`. Result: output, of the input's
 * shape.
 */
export const elementwise = operation<ElementwiseOpOptions, ElementwiseTypes>(
  'elementwise',
  activationOptions,
  (o, options) => forwardOf(o, elementwiseJob(o, options), 'output', new Set(['output'])),
)

/**
 * The gradients of `ops.elementwise` from that of its output.
 *
 * Arguments of `run`: delta, then those of `ops.elementwise`. Result as of `ops.neuronBackward`.
 */
export const elementwiseBackward = operation<
  ElementwiseOpOptions,
  EquationBackwardTypes<ActivityInput>
>('elementwiseBackward', activationOptions, (o, options) =>
  backwardOf(o, elementwiseJob(o, options)),
)
