/** Cells, and neurons and activations from texts, forward and back through time. */

import { describe, fail } from '../../base/errors.js'
import { noPool } from '../../compile/tensors.js'
import type { Cell } from '../../network/cell.js'
import { fires } from '../../network/kind.js'
import type { PerNeuron } from '../../network/value.js'
import { cellKind } from '../../nn/layers/cells.js'
import * as activations from '../../nn/layers/elementwise.js'
import * as equations from '../../nn/layers/equations.js'
import type { OpBuilder } from '../builder.js'
import * as shared from '../neurons.js'
import { all, asked, gives, op, takes } from '../op.js'
import * as is from '../options.js'
import { type Extent, still } from '../shapes.js'
import { countsOf, floats, spikes } from '../tensor.js'

/** Gradients by name: `inputGradient`, and that of each parameter, such as `wGradient`. */
export type CellGradients = Readonly<Record<string, Float32Array>>

/** A layer, and what it gives at each step: spikes, or numbers by the name `values`. */
function giving(
  { op, asked }: OpBuilder,
  layer: shared.NeuronLayer,
  what: string,
  values: 'potentials' | 'values',
) {
  const spiking = fires(layer)
  const [own, other] = spiking ? ['spikes', values] : [values, 'spikes']
  if (asked.has(other))
    fail(`${op}.outputs: ${what} gives ${own}, got '${other}'; use outputs: ['${own}']`)
  return { layer, spiking, own }
}

/** Tensors of layers that may spike. */
const firing = (
  { input, layer, spiking }: { input: Extent; layer: shared.NeuronLayer; spiking: boolean },
  o: OpBuilder,
) => ({
  /** The current. */
  input: takes(floats(input)),
  ...shared.learnt(layer, input),
  /** 0 or 1, of neurons that spike. */
  spikes: spiking && gives(spikes(input)),
  /** Spikes of each neuron over all steps, without T. */
  counts: spiking && shared.isCounted(o) && gives(countsOf('spikes')),
  /** The factor of rate-based backpropagation, without T. */
  eligibilities: asked(floats(still(input))),
})

/** An op of the gradients through time of layers that are as options say. @__NO_SIDE_EFFECTS__ */
const backward = <S extends is.OptionTable>(
  name: string,
  options: S,
  layerOf: (of: is.Checked<S>) => shared.NeuronLayer,
  job = shared.jobOf,
) =>
  op(name, {
    options,
    returns: all<Float32Array | CellGradients>(),
    derive: (of) => ({ layer: layerOf(of), extent: of.input as Extent }),
    tensors: ({ layer, extent }) => ({
      /** The gradient of the output. */
      delta: takes(floats(extent)),
      /** As forward. */
      input: takes(floats(extent)),
      ...shared.learnt(layer, extent),
      /** The gradient of the input. */
      inputGradient: gives(floats(extent)),
      ...shared.learnt(layer, extent, gives, 'Gradient'),
    }),
    emit(o, { delta: buffer }, { layer, extent }) {
      const { T: steps, H: outH, W: outW } = extent
      const arriving = { buffer, steps, outH, outW, pool: noPool, scale: 1 }
      shared.emitBackward(o, job(o, layer, extent), [arriving])
    },
  })

const cells = {
  /** Shape of what the cells read: [B, T, C, H, W] or [B, T, C]. */
  input: is.timed,
  /** A layer: `cubaLif()`, `alif()`, `leakyIntegrator()`, `recurrent(lif())`, … */
  cell: is.option((name, cell: Cell): Cell => {
    if (typeof cell !== 'object' || cell === null || cell.kind !== 'cell')
      fail(`${name} must be a layer such as cubaLif() or leakyIntegrator(), got ${describe(cell)}`)
    const { kind: _, ...fields } = cell
    cellKind.again(fields)
    return cell
  }),
}

const cellJob: typeof shared.jobOf = (o, layer, input) =>
  shared.jobOf(o, layer, input, {}, { where: `${o.op}.cell` })

/**
 * Cells over all time steps, as a layer has them: neurons with constants of each channel or neuron,
 * on synaptic currents, with an adaptive threshold, recurrent ones, and integrators. The option
 * `cell` is the layer; their comments have the equations.
 *
 * Arguments of `run`: input, and what the layer learns, in the order of its state dict:
 * w, v_threshold, w_syn, beta, w_adaptation, recurrent.weight (or recurrent.V), recurrent.bias.
 * @example
 * ```ts
 * import { cubaLif } from 'spikewasm'
 * import * as ops from 'spikewasm/ops'
 *
 * const cell = cubaLif({ tau: [1.5, 2, 4], tauSyn: 3, learn: ['vThreshold'] })
 * const input = Float32Array.from({ length: 15 }, (_, i) => Math.sin(i) + 0.5)
 * const threshold = Float32Array.of(1)
 * console.log(ops.cell({ input: [1, 5, 3], cell }, input, threshold))
 * const delta = new Float32Array(15).fill(1)
 * console.log(ops.cellBackward({ input: [1, 5, 3], cell }, delta, input, threshold))
 * ```
 */
export const cell = op('cell', {
  options: {
    ...cells,
    /** Names of what to compute and return. Default ['spikes'], which integrators do not have. */
    outputs: is.outputs('spikes', 'potentials', 'eligibilities'),
  },
  returns: 'spikes',
  derive: ({ cell }, o) => giving(o, cell, `${cell.type}()`, 'potentials'),
  tensors: (of, o) => ({
    ...firing(of, o),
    /** For cells that do not spike. */
    potentials: !of.spiking && gives(floats(of.input)),
  }),
  emit: (o, _, { input, layer, own }) => shared.emitForward(o, cellJob(o, layer, input), own),
})

/**
 * The gradients of `ops.cell` through time (BPTT) from that of its spikes or potentials.
 *
 * Arguments of `run`: delta, then those of `ops.cell`. Result: the input's gradient; where there
 * are parameters { inputGradient, … } with `wGradient`, `v_thresholdGradient`,
 * `recurrent.weightGradient`, … as well.
 */
export const cellBackward = backward('cellBackward', cells, ({ cell }) => cell, cellJob)

const texts = {
  /** What a time step does, line by line. */
  text: is.needed<string>(),
  /** Numbers by the names that the text has for them. */
  parameters: is.given<Readonly<Record<string, PerNeuron>>>(),
}

const neurons = {
  /** Shape of the current: [B, T, C, H, W] or [B, T, C]. */
  input: is.timed,
  ...texts,
  ...is.ofLayer<equations.EquationOptions>(equations.equationOptions),
}
const layerOf = ({ text, parameters, ...options }: is.Checked<typeof neurons>) =>
  equations.neuron(text, parameters, shared.pick(options, equations.equationOptions))

/**
 * Neurons from a text over all time steps, as `neuron()` has them in a network.
 *
 * Arguments of `run`: input, and what is learnt, in the order of `parameters` and as a state dict
 * has it: what a line such as `tau > 1` keeps in an open range is stored behind a map.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const adaptive = {
 *   input: [1, 8, 1],
 *   text: `u = u*(1 - 1/tau) + x
 *          spike = u >= 1 + a
 *          a = 0.9*a + beta*spike
 *          u = u - detach(spike)`,
 *   parameters: { tau: 4, beta: 0.5 },
 *   learn: ['beta'],
 * }
 * const [current, beta] = [new Float32Array(8).fill(0.8), Float32Array.of(0.5)]
 * console.log(ops.neuron(adaptive, current, beta).join(' '))
 * const delta = new Float32Array(8).fill(1)
 * console.log(ops.neuronBackward(adaptive, delta, current, beta)) // of the input and of beta
 * ```
 */
export const neuron = op('neuron', {
  options: {
    ...neurons,
    /**
     * Names of what to compute and return. Default ['spikes'], which a text with `output = …` does
     * not have: name `values`.
     */
    outputs: is.outputs('spikes', 'values', 'eligibilities', 'surrogates'),
  },
  returns: 'spikes',
  derive(of, o) {
    const layer = layerOf(of)
    return giving(o, layer, `a text with ${fires(layer) ? 'spike' : 'output'} = …`, 'values')
  },
  tensors: (of, o) => ({
    ...firing(of, o),
    /** For neurons with a line output = …. */
    values: !of.spiking && gives(floats(of.input)),
    /** The derivative of each step's output by its current alone. */
    surrogates: asked(floats(of.input)),
  }),
  emit: (o, _, { input, layer, own }) => shared.emitForward(o, shared.jobOf(o, layer, input), own),
})

/**
 * The gradients of `ops.neuron` through time (BPTT) from that of its spikes or values.
 *
 * Arguments of `run`: delta, then those of `ops.neuron`. Result: the input's gradient; where
 * parameters are learnt { inputGradient, … } with `betaGradient`, … as well.
 */
export const neuronBackward = backward('neuronBackward', neurons, layerOf)

const activation = {
  /** Shape of the numbers: [B, C, H, W] or [B, C], or these with T behind B. */
  input: is.activity,
  ...texts,
  ...is.ofLayer<activations.ElementwiseOptions>(['learn', 'seed']),
}
const activationOf = ({ text, parameters, learn, seed }: is.Checked<typeof activation>) =>
  activations.elementwise(text, parameters, { learn, seed })

/**
 * An activation of each number, as `elementwise()` has it in a network.
 *
 * Arguments of `run`: input, and what is learnt, as of `ops.neuron`.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const swish = { input: [1, 3], text: 'x * sigmoid(x)' }
 * const x = Float32Array.of(-1, 0, 1)
 * console.log(ops.elementwise(swish, x))
 * console.log(ops.elementwiseBackward(swish, new Float32Array(3).fill(1), x))
 * ```
 */
export const elementwise = op('elementwise', {
  options: activation,
  derive: (of) => ({ layer: activationOf(of) }),
  tensors: ({ input, layer }) => ({
    /** Floats. */
    input: takes(floats(input)),
    ...shared.learnt(layer, input),
    /** The input's shape. */
    output: gives(floats(input)),
  }),
  emit: (o, _, { input, layer }) => shared.emitForward(o, shared.jobOf(o, layer, input), 'output'),
})

/**
 * The gradients of `ops.elementwise` from that of its output.
 *
 * Arguments of `run`: delta, then those of `ops.elementwise`. Result as of `ops.neuronBackward`.
 */
export const elementwiseBackward = backward('elementwiseBackward', activation, activationOf)
