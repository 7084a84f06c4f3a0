/** Cells, and neurons and activations from texts, forward and back through time. */

import { describe, expect } from '../../errors.js'
import { cellKind } from '../../layers/cells.js'
import { elementwise as elementwiseLayer } from '../../layers/elementwise.js'
import {
  type Equations,
  equationOptions,
  equationsKind,
  neuron as neuronLayer,
} from '../../layers/equations.js'
import type { Cell } from '../../nn/cell.js'
import { isSpiking } from '../../nn/cell.js'
import type { PerNeuron } from '../../nn/numbers.js'
import { noPool } from '../../plan/tensors.js'
import type { OpBuilder } from '../builder.js'
import {
  emitBackward,
  emitForward,
  isCounted,
  jobOf,
  learnt,
  learntGradients,
  pick,
} from '../neurons.js'
import { all, asked, gives, op, takes } from '../op.js'
import { activity, given, needed, option, outputs, timed } from '../options.js'
import { type Extent, still } from '../shapes.js'
import { countsOf, floats, spikes } from '../tensor.js'

/** Gradients by name: `inputGradient`, and that of each parameter, such as `wGradient`. */
export type CellGradients = Readonly<Record<string, Float32Array>>

/** What a layer computes at each step is spikes, or numbers; `other` is what it does not have. */
function checkOwn({ op, asked }: OpBuilder, what: string, own: string, other: string, cure = '') {
  expect(!asked.has(other), () => `${op}.outputs: ${what} gives ${own}, got '${other}'${cure}`)
}

const cells = {
  /** Shape of what the cells read: [B, T, C, H, W] or [B, T, C]. */
  input: timed,
  /** A layer: `cubaLif()`, `alif()`, `leakyIntegrator()`, `recurrent(lif())`, … */
  cell: option((name, cell: Cell): Cell => {
    expect(
      typeof cell === 'object' && cell !== null && cell.kind === 'cell',
      () => `${name} must be a layer such as cubaLif() or leakyIntegrator(), got ${describe(cell)}`,
    )
    const { kind: _, ...fields } = cell
    cellKind.again(fields)
    return cell
  }),
}

/**
 * Cells over all time steps, as a layer has them: neurons with constants of each channel or neuron,
 * on synaptic currents, with an adaptive threshold, recurrent ones, and integrators. The option
 * `cell` is the layer; docs/networks.md has the equations.
 *
 * Arguments of `run`: input, and what the layer learns, in the order of its state dict:
 * w, v_threshold, w_syn, beta, w_adaptation, recurrent.weight (or recurrent.V), recurrent.bias.
 */
export const cell = op('cell', {
  options: {
    ...cells,
    /** Names of what to compute and return. Default ['spikes'], which integrators do not have. */
    outputs: outputs('spikes', 'potentials', 'eligibilities'),
  },
  returns: 'spikes',
  tensors({ input, cell }, o) {
    const both = ['spikes', 'potentials'] as const
    const [own, other] = isSpiking(cell) ? both : both.toReversed()
    checkOwn(o, `${cell.type}()`, own, other, `; use outputs: ['${own}']`)
    return {
      /** The current. */
      input: takes(floats(input)),
      ...learnt(cellKind, cell, input),
      /** 0 or 1, of cells that spike. */
      spikes: isSpiking(cell) && gives(spikes(input)),
      /** For cells that do not spike. */
      potentials: !isSpiking(cell) && gives(floats(input)),
      /** Spikes of each neuron over all steps, without T. */
      counts: isSpiking(cell) && isCounted(o) && gives(countsOf('spikes')),
      /** The factor of rate-based backpropagation, without T. */
      eligibilities: asked(floats(still(input))),
    }
  },
  emit(o, _, { input, cell }) {
    const job = jobOf(o, cellKind, cell, input, undefined, `${o.op}.cell`)
    emitForward(o, job, isSpiking(cell) ? 'spikes' : 'potentials')
  },
})

/** Tensors of gradients through time. */
const backTensors = (
  kind: typeof cellKind | typeof equationsKind,
  layer: Cell | Equations,
  input: Extent,
) => ({
  /** The gradient of the output. */
  delta: takes(floats(input)),
  /** As forward. */
  input: takes(floats(input)),
  ...learnt(kind, layer, input),
  /** The gradient of the input. */
  inputGradient: gives(floats(input)),
  ...learntGradients(kind, layer, input),
})

/** Emits it. */
function emitBack(
  o: OpBuilder,
  kind: typeof cellKind | typeof equationsKind,
  layer: Cell | Equations,
  input: Extent,
  where?: string,
): void {
  const { T: steps, H: outH, W: outW } = input
  const arriving = { buffer: o.made.delta.buffer, steps, outH, outW, pool: noPool, scale: 1 }
  emitBackward(o, jobOf(o, kind, layer, input, undefined, where), [arriving])
}

/**
 * The gradients of `ops.cell` through time (BPTT) from that of its spikes or potentials.
 *
 * Arguments of `run`: delta, then those of `ops.cell`. Result: the input's gradient; where there
 * are parameters { inputGradient, … } with `wGradient`, `v_thresholdGradient`,
 * `recurrent.weightGradient`, … as well.
 */
export const cellBackward = op('cellBackward', {
  options: cells,
  returns: all<Float32Array | CellGradients>(),
  tensors: ({ input, cell }) => backTensors(cellKind, cell, input),
  emit: (o, _, { input, cell }) => emitBack(o, cellKind, cell, input, `${o.op}.cell`),
})

const texts = {
  /** What a time step does, line by line. */
  text: needed<string>(),
  /** Numbers by the names that the text has for them. */
  parameters: given<Readonly<Record<string, PerNeuron>>>(),
}

const neurons = {
  /** Shape of the current: [B, T, C, H, W] or [B, T, C]. */
  input: timed,
  ...texts,
  /** What stands in for the derivative of a spike: a name, or a text of `x` and `alpha`. */
  surrogate: given<string>(),
  /** Sharpness α of the surrogate, > 0. */
  alpha: given<number>(),
  /** Names of parameters that are learnt. */
  learn: given<readonly string[]>(),
  /** States before the first step, or names of parameters that say them. Default 0. */
  init: given<Readonly<Record<string, number | string>>>(),
  /** Length of a time step, > 0, for lines dv/dt = …. Default 1. */
  dt: given<number>(),
  /** How lines dv/dt = … move v. Default 'euler'. */
  solver: given<'euler' | 'exponentialEuler'>(),
  /** Seed of what rand() and randn() draw, 0…2³² − 1. Default 0. */
  seed: given<number>(),
}
type NeuronText = Pick<Parameters<typeof pick>[0], never> & {
  readonly text: string
  readonly parameters: Readonly<Record<string, PerNeuron>> | undefined
}
const layerOf = ({ text, parameters, ...options }: NeuronText): Equations =>
  neuronLayer(text, parameters, pick(options, equationOptions))

/**
 * Neurons from a text over all time steps, as `neuron()` has them in a network.
 *
 * Arguments of `run`: input, and what is learnt, in the order of `parameters` and as a state dict
 * has it: what a line such as `tau > 1` keeps in an open range is stored behind a map.
 */
export const neuron = op('neuron', {
  options: {
    ...neurons,
    /**
     * Names of what to compute and return. Default ['spikes'], which a text with `output = …` does
     * not have: name `values`.
     */
    outputs: outputs('spikes', 'values', 'eligibilities', 'surrogates'),
  },
  returns: 'spikes',
  tensors(of, o) {
    const { input } = of
    const layer = layerOf(of)
    const output = outputOf(layer)
    const spiking = output === 'spike'
    const both = ['spikes', 'values'] as const
    const [own, other] = spiking ? both : both.toReversed()
    checkOwn(o, `a text with ${output} = …`, own, other)
    return {
      /** The current. */
      input: takes(floats(input)),
      ...learnt(equationsKind, layer, input),
      /** 0 or 1, of neurons with a line spike = …. */
      spikes: spiking && gives(spikes(input)),
      /** For neurons with a line output = …. */
      values: !spiking && gives(floats(input)),
      /** Spikes of each neuron over all steps, without T. */
      counts: spiking && isCounted(o) && gives(countsOf('spikes')),
      /** The factor of rate-based backpropagation, without T. */
      eligibilities: asked(floats(still(input))),
      /** The derivative of each step's output by its current alone. */
      surrogates: asked(floats(input)),
    }
  },
  emit(o, _, of) {
    const layer = layerOf(of)
    const own = outputOf(layer) === 'spike' ? 'spikes' : 'values'
    emitForward(o, jobOf(o, equationsKind, layer, of.input), own)
  },
})

const outputOf = (layer: Equations) => equationsKind.model?.(layer).equations.output

/**
 * The gradients of `ops.neuron` through time (BPTT) from that of its spikes or values.
 *
 * Arguments of `run`: delta, then those of `ops.neuron`. Result: the input's gradient; where
 * parameters are learnt { inputGradient, … } with `betaGradient`, … as well.
 */
export const neuronBackward = op('neuronBackward', {
  options: neurons,
  returns: all<Float32Array | CellGradients>(),
  tensors: (of) => backTensors(equationsKind, layerOf(of), of.input),
  emit: (o, _, of) => emitBack(o, equationsKind, layerOf(of), of.input),
})

const activation = {
  /** Shape of the numbers: [B, C, H, W] or [B, C], or these with T behind B. */
  input: activity,
  ...texts,
  /** Names of parameters that are learnt. */
  learn: given<readonly string[]>(),
  /** Seed of what rand() and randn() draw, 0…2³² − 1. Default 0. */
  seed: given<number>(),
}
const activationOf = ({
  text,
  parameters,
  learn,
  seed,
}: NeuronText & { readonly learn?: readonly string[]; readonly seed?: number }): Equations =>
  elementwiseLayer(text, parameters, { learn, seed })

/**
 * An activation of each number, as `elementwise()` has it in a network.
 *
 * Arguments of `run`: input, and what is learnt, as of `ops.neuron`.
 */
export const elementwise = op('elementwise', {
  options: activation,
  returns: 'output',
  tensors: (of) => ({
    /** Floats. */
    input: takes(floats(of.input)),
    ...learnt(equationsKind, activationOf(of), of.input),
    /** The input's shape. */
    output: gives(floats(of.input)),
  }),
  emit: (o, _, of) => emitForward(o, jobOf(o, equationsKind, activationOf(of), of.input), 'output'),
})

/**
 * The gradients of `ops.elementwise` from that of its output.
 *
 * Arguments of `run`: delta, then those of `ops.elementwise`. Result as of `ops.neuronBackward`.
 */
export const elementwiseBackward = op('elementwiseBackward', {
  options: activation,
  returns: all<Float32Array | CellGradients>(),
  tensors: (of) => backTensors(equationsKind, activationOf(of), of.input),
  emit: (o, _, of) => emitBack(o, equationsKind, activationOf(of), of.input),
})
