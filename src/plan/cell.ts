/** Layers of cells: how they run, and how gradients pass them. */

import { expect } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import {
  type Cell,
  cellName,
  isSpiking,
  parameterNames,
  recurrentWeight,
} from '../nn/layers/cell.js'
import type { CellParameter } from '../nn/layers/index.js'
import type { ParameterSpec } from '../nn/layers/kind.js'
import { countArrivals, countNeurons } from './activity.js'
import {
  type CellRecord,
  cellStateRows,
  constantBytes,
  emitCell,
  emitCellBackwardTime,
  emitCellConstants,
  emitLearnGradients,
  emitRecurrentGradient,
  inCellUnits,
  type Places,
} from './cell-record.js'
import {
  giveTensorGradient,
  gradientBuffer,
  neuronGradient,
  neuronTimeGradient,
  sumGradient,
} from './gradients.js'
import { neuronAxes, type ParameterLayout, storedChannels } from './layout.js'
import { plainFloat } from './materialise.js'
import { type MethodTraits, quoteMethodsWith } from './methods.js'
import { type Pass, term } from './pass.js'
import { givePenalties } from './penalties.js'
import { isProbed, probe, probedSpikes } from './probe.js'
import { neuronBackwardOnline, neuronBackwardRate } from './records/gradient.js'
import { tellRatesOf } from './spiking.js'
import type { Expression, FloatTensor, Shape, SpikeTensor } from './tensors.js'
import type { Buffer, Reference } from './words.js'
import { materialise } from './write-out.js'

/** Stored index of each neuron in PyTorch's order [C][H][W]. */
function neuronAt([, h, w]: Shape, stored: number): (neuron: number) => number {
  const pixels = h * w
  return (neuron) => (neuron % pixels) * stored + Math.floor(neuron / pixels)
}

/** How parameters of cells lie: of each neuron [H][W][C'], a recurrent weight by its inputs. */
export function cellLayout(
  { name, shape }: ParameterSpec,
  image: Shape,
): ParameterLayout | undefined {
  const stored = storedChannels(image[0])
  const neurons = image[1] * image[2] * stored
  const at = neuronAt(image, stored)
  const n = image[0] * image[1] * image[2]
  if (name === 'recurrent.weight')
    return {
      shape,
      stored: neurons * neurons,
      axes: [...neuronAxes(image), ...neuronAxes(image, neurons)],
      each(visit) {
        for (let to = 0; to < n; to++)
          for (let from = 0; from < n; from++) visit(to * n + from, at(from) * neurons + at(to))
      },
    }
  const perNeuron = name === 'recurrent.bias' || name === 'recurrent.V' || shape.length === 3
  if (!perNeuron) return undefined
  return {
    shape,
    stored: neurons,
    axes: neuronAxes(image),
    each(visit) {
      for (let i = 0; i < n; i++) visit(i, at(i))
    },
  }
}

/** @throws SpikewasmError where the method cannot train the layer */
function checkMethod({ name }: GraphNode, cell: Cell, { training, context, options }: Pass): void {
  const { method } = context
  if (!training) return
  const where = `${name} (${cellName(cell)})`
  const after = quoteMethodsWith(({ backward }) => backward === 'afterwards')
  expect(
    cell.learn.length === 0 || method.neuron !== 'surrogate',
    () =>
      `${where}: what it learns (${cell.learn.join(', ')}) needs method ${after}, got ` +
      `'${options.method}'; use them, or leave out learn`,
  )
  const through = quoteMethodsWith(({ neuron }) => neuron !== 'eligibility')
  expect(
    !cell.recurrence || method.neuron !== 'eligibility',
    () =>
      `${where}: method '${options.method}' has no gradient of a recurrent weight, whose input ` +
      `is the layer's own output; use ${through}`,
  )
}

/** Emits a layer of cells and what of it goes back. */
export function lowerCell(pass: Pass, node: GraphNode, cell: Cell, x: Expression): Expression {
  const { b, context, options, training } = pass
  const { method, outer } = context
  checkMethod(node, cell, pass)
  const { name, shape, index } = node
  const plain = plainFloat(x)
  const input = plain && !plain.input ? plain : materialise(pass, node, x)
  const { stored } = input
  const pixels = pass.images * shape[1] * shape[2]
  const values = pixels * stored * 4
  const spiking = isSpiking(cell)
  const of = (
    place: (node: number, role: string) => Reference | 0,
  ): Places & { weight?: Reference; bias?: Reference } => ({
    ...Object.fromEntries(
      cell.learn.map((key: CellParameter) => [key, place(index, parameterNames[key])]),
    ),
  })
  const parameter = (role: string): Reference | undefined =>
    context.parameter(index, role) || undefined
  const parameters = of((at, role) => context.parameter(at, role))
  const learns = cell.learn.length > 0
  const constants = learns
    ? pass.forParameters(`${name} constants`, constantBytes(cell, shape), 'parameters')
    : undefined
  if (constants) pass.fromParameters(() => emitCellConstants(b, cell, shape, parameters, constants))
  const charge = {
    cell,
    shape,
    stored,
    input,
    constants,
    weight: cell.recurrence ? parameter(recurrentWeight(cell)) : undefined,
    bias: cell.recurrence ? parameter('recurrent.bias') : undefined,
  }
  const { units } = inCellUnits(pass, charge)
  const partials = spiking
    ? pass.carried(`${name} spike counts`, units * 4, 'statistics')
    : undefined
  const sums = partials && { buffer: partials, units }
  const lambda = typeof cell.tau === 'number' && !learns ? 1 - 1 / cell.tau : Number.NaN
  const output: SpikeTensor | FloatTensor = spiking
    ? pass.spikeTensor(name, shape, lambda, sums)
    : pass.floatTensor(name, shape, pass.callSteps)
  const byRates = training && method.neuron === 'eligibility'
  // A recurrent layer's rate is no function of its input alone.
  const probed = spiking && !cell.recurrence && isProbed(pass)
  const eligibility =
    byRates || probed
      ? pass.carried(`${name} eligibility`, values, 'kept', options.inspect)
      : undefined
  const traces =
    byRates && learns
      ? pass.carried(`${name} derivatives`, values * cell.learn.length, 'kept')
      : undefined
  const steps = values * pass.callSteps
  const surrogateOut =
    training && method.neuron === 'surrogate' ? b.buffer(`${name} surrogate`, steps) : undefined
  const presynaptic =
    training && cell.recurrence ? b.buffer(`${name} spikes before`, steps) : undefined
  const spikes = output.kind === 'spikes' ? output : undefined
  const record: CellRecord = {
    ...charge,
    masks: spikes?.masks,
    // A file that was exported tells no rates.
    counts: pass.countsSpikes ? spikes?.counts : undefined,
    countPartials: options.fixed ? undefined : partials,
    out: output.kind === 'float' ? output.buffer : undefined,
    state: outer
      ? pass.carried(`${name} state`, values * cellStateRows(cell, { eligibility, traces }), 'kept')
      : undefined,
    eligibility,
    surrogateOut,
    traces,
    presynaptic,
    traced: method.presynaptic === 'trace',
    ...countNeurons(pass, node, units, spiking),
    recurrentCounts: cell.recurrence ? countArrivals(pass, node, units, stored) : undefined,
  }
  emitCell(pass, record)
  if (spikes && sums) tellRatesOf(pass, spikes, sums, eligibility)
  pass.backward(node, () => {
    if (spikes) givePenalties(pass, node, spikes)
    if (output.gradient.length === 0) return
    const gradients = of((at, role) => context.gradient(at, role))
    const job = { pass, node, record, output, input, gradients }
    const delta = backward[method.neuron](job)
    if (presynaptic)
      emitRecurrentGradient(
        pass,
        record,
        {
          out: context.gradient(index, recurrentWeight(cell)) as Reference,
          biasOut: context.gradient(index, 'recurrent.bias') || undefined,
          in: presynaptic,
          delta: delta.buffer,
        },
        context.accumulate,
      )
    giveTensorGradient(input, delta.buffer, delta.steps)
  })
  return { shape, terms: [term(output)] }
}

/** What the backward part of a layer is made from. */
interface BackwardJob {
  readonly pass: Pass
  readonly node: GraphNode
  readonly record: CellRecord
  readonly output: SpikeTensor | FloatTensor
  readonly input: FloatTensor
  /** Where those of what is learned go. */
  readonly gradients: Places
}

/** How a gradient passes cells, by what the method asks for: that of the input. */
const backward: Readonly<
  Record<MethodTraits['neuron'], (job: BackwardJob) => { buffer: Buffer; steps: number }>
> = {
  eligibility({ pass, node, record, output, gradients }) {
    if (record.traces) {
      const delta = sumGradient(pass, `${node.name} output gradient`, output, 1)
      emitLearnGradients(pass, record, record.traces, delta, gradients)
    }
    const factor = record.eligibility as Buffer
    const name = `${node.name} input gradient`
    return { buffer: neuronGradient(pass, neuronBackwardRate, name, output, factor), steps: 1 }
  },
  surrogate({ pass, node, record, output }) {
    const factor = record.surrogateOut as Buffer
    const steps = pass.gradientSteps
    const name = `${node.name} input gradient`
    const buffer = neuronGradient(pass, neuronBackwardOnline, name, output, factor, steps)
    return { buffer, steps }
  },
  time({ pass, node, record, output, gradients }) {
    const steps = pass.gradientSteps
    const name = `${node.name} input gradient`
    const eligibility = record.eligibility as Buffer | undefined
    const spikes = eligibility && output.kind === 'spikes' && probedSpikes(pass, node, output)
    const { contributions, out } = neuronTimeGradient(pass, name, output, steps)
    const traces =
      record.cell.learn.length > 0
        ? gradientBuffer(
            pass,
            `${node.name} derivatives`,
            record.shape,
            record.cell.learn.length,
            record.stored,
          )
        : undefined
    emitCellBackwardTime(pass, record, out, contributions, traces)
    if (traces) emitLearnGradients(pass, record, traces, undefined, gradients)
    if (spikes && eligibility) probe(pass, node, output, { spikes, delta: out, eligibility })
    return { buffer: out, steps }
  },
}
