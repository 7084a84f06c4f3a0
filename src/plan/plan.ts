/**
 * Graph + method → a plan: parameters, buffers with addresses, programs. Plain data; nothing is
 * allocated here.
 */

import { Control, Op, PoolWord, SgdWord } from '../../assembly/opcodes.js'
import { expect } from '../errors.js'
import type { Graph } from '../nn/trace.js'
import { BackwardPlanner, type NeuronProbe, type WeightProbe } from './backward.js'
import { Context, type Parameter, type PlanOptions, type Statistic } from './context.js'
import { ForwardPlanner, type RateProbe } from './forward.js'
import { storedChannels, vectorLayout, weightLayout } from './layout.js'
import { assignAddresses, assignAddressesByWorker } from './memory.js'
import {
  type Buffer,
  type Encoded,
  encode,
  encodedSize,
  type Phase,
  ProgramBuilder,
  type Purpose,
  ref,
} from './program.js'

export type {
  Method,
  MethodOptions,
  Parameter,
  PlanOptions,
  Statistic,
  StepMode,
} from './context.js'
export type { RateProbe } from './forward.js'

export type ProgramName = 'train' | 'gradients' | 'evaluate'

export interface Plan {
  readonly options: PlanOptions
  readonly parameters: readonly Parameter[]
  readonly statistics: readonly Statistic[]
  readonly buffers: readonly Buffer[]
  readonly named: {
    readonly parameters: Buffer
    readonly gradients: Buffer
    readonly velocities: Buffer
    readonly statistics: Buffer
    readonly zeros: Buffer
    readonly output: Buffer
    readonly losses: Buffer
    readonly predictions: Buffer
    /** Two slots each: one is filled while the other is read. */
    readonly images: readonly Buffer[]
    readonly labels: readonly Buffer[]
  }
  readonly rates: { readonly train: readonly RateProbe[]; readonly evaluate: readonly RateProbe[] }
  readonly programs: Readonly<Record<ProgramName, number>>
  readonly encoded: Encoded
  readonly encodedAt: number
  /** Name of the layer of each record, by program: for messages. */
  readonly recordLayers: Readonly<Record<ProgramName, readonly number[]>>
  readonly recordPhases: readonly Phase[]
  /** What `diagnostics` reads; empty unless the method is bptt and `inspect` was asked for. */
  readonly probes: {
    readonly neurons: readonly NeuronProbe[]
    readonly weights: readonly WeightProbe[]
  }
  /** Bytes of scratch for one worker, and where the workers' scratch starts. */
  readonly workerScratch: number
  readonly workerScratchAt: number
  readonly memory: MemoryUse
}

/** Bytes by purpose. */
export interface MemoryUse {
  readonly program: number
  readonly parameters: number
  readonly gradients: number
  readonly optimizer: number
  readonly statistics: number
  readonly input: number
  /** Written by the forward pass and read by the backward pass. */
  readonly kept: number
  /** What buffers of limited lifetime take together. */
  readonly scratch: number
  readonly workers: number
  readonly total: number
}

const UPDATE_FLOATS = 16384

/** Parameters and running statistics of a graph, weights first, in the order of the layers. */
export function collectState(graph: Graph): {
  parameters: Parameter[]
  statistics: Statistic[]
  parameterFloats: number
  decayFloats: number
  statisticFloats: number
} {
  const found: Omit<Parameter, 'offset'>[] = []
  const statistics: Statistic[] = []
  let statisticFloats = 0
  const names = new Set<string>()
  for (const node of graph.nodes) {
    const { layer, index, name } = node
    if (!layer) continue
    const prefix = name === '' ? '' : `${name}.`
    const add = (
      role: Parameter['role'],
      suffix: string,
      layout: Parameter['layout'],
      decays: boolean,
    ): void => {
      expect(
        !names.has(prefix + suffix),
        () =>
          `${name} (${layer.kind}) is called more than once; make a layer of its own for each call`,
      )
      names.add(prefix + suffix)
      found.push({ name: prefix + suffix, layout, decays, node: index, role })
    }
    if (layer.kind === 'conv2d' || layer.kind === 'linear') {
      const source = graph.nodes[node.inputs[0]]
      const [c, h, w] = source.shape
      const stored = isInput(graph, node.inputs[0]) ? c : storedChannels(c)
      const [out, inputs, taps] =
        layer.kind === 'conv2d'
          ? [layer.outChannels, c, layer.kernelSize[0] * layer.kernelSize[1]]
          : [layer.outFeatures, c, h * w]
      const shape =
        layer.kind === 'conv2d' ? [out, inputs, ...layer.kernelSize] : [out, inputs * taps]
      add('weight', 'weight', weightLayout(shape, out, inputs, taps, stored), true)
      if (layer.standardise)
        add(
          'gain',
          'gain',
          vectorLayout(layer.kind === 'conv2d' ? [out, 1, 1, 1] : [out, 1], out),
          false,
        )
      if (layer.bias) add('bias', 'bias', vectorLayout([out], out), false)
    } else if (layer.kind === 'batchNorm2d') {
      const layout = vectorLayout([layer.channels], layer.channels)
      add('norm.weight', 'weight', layout, false)
      add('norm.bias', 'bias', layout, false)
      for (const role of ['running_mean', 'running_var'] as const) {
        statistics.push({
          name: `${prefix}${role}`,
          layout,
          offset: statisticFloats * 4,
          node: index,
          role,
        })
        statisticFloats += Math.ceil(layout.stored / 16) * 16
      }
    } else if (layer.kind === 'neuron' && layer.learnable) add('w', 'w', vectorLayout([], 1), false)
  }
  let floats = 0
  let decayFloats = 0
  const parameters: Parameter[] = []
  for (const decays of [true, false]) {
    for (const parameter of found) {
      if (parameter.decays !== decays) continue
      parameters.push({ ...parameter, offset: floats * 4 })
      floats += Math.ceil(parameter.layout.stored / 16) * 16
    }
    if (decays) decayFloats = floats
  }
  // In the order of the network, as PyTorch lists them.
  parameters.sort(
    (a, b) => found.findIndex((p) => p.name === a.name) - found.findIndex((p) => p.name === b.name),
  )
  return { parameters, statistics, parameterFloats: floats, decayFloats, statisticFloats }
}

/** Whether a node is the input image itself, or a view of it that dense kernels read as it is. */
function isInput(graph: Graph, index: number): boolean {
  const node = graph.nodes[index]
  return (
    node.kind === 'input' ||
    ((node.kind === 'flatten' || node.kind === 'identity') && isInput(graph, node.inputs[0]))
  )
}

/** Pixels of a node that a kernel behind it may read in one run. */
function zeroPixels(graph: Graph, { index }: { index: number }): number {
  const kernels = graph.nodes
    .filter((n) => n.inputs.includes(index))
    .map(({ layer }) => (layer?.kind === 'conv2d' ? layer.kernelSize[1] : 1))
  return Math.max(1, ...kernels)
}

/**
 * Memory of buffers up to which workers have theirs to themselves (`assignAddressesByWorker`):
 * about what stays in the last cache from one use to the next.
 */
const OWN_MEMORY_BYTES = 32 * 2 ** 20

/** Everything about a model's memory and programs, for a number of workers. */
export function makePlan(options: PlanOptions, workers: number): Plan {
  const { graph, batchSize, timeSteps, input } = options
  const { parameters, statistics, parameterFloats, decayFloats, statisticFloats } =
    collectState(graph)
  const b = new ProgramBuilder()
  const classes = storedChannels(graph.nodes[graph.output].shape[0])
  // Stands for rows outside an image: as long as what a kernel reads at once, a kernel row or a
  // flattened image of channels.
  const pixels = Math.max(
    ...graph.nodes.map((node) => storedChannels(node.shape[0]) * zeroPixels(graph, node)),
  )
  const imageBytes =
    batchSize * input[0] * input[1] * input[2] * (options.frames ? timeSteps : 1) * 4
  const buffers = {
    parameters: b.buffer('parameters', parameterFloats * 4, 'parameters'),
    gradients: b.buffer('gradients', parameterFloats * 4, 'gradients'),
    velocities: b.buffer('velocities', parameterFloats * 4, 'optimizer'),
    statistics: b.buffer('running statistics', statisticFloats * 4, 'statistics'),
    zeros: b.buffer('zeros', pixels * 4, 'statistics'),
    output: b.buffer('output', batchSize * classes * 4, 'statistics'),
    losses: b.buffer('losses', batchSize * 4, 'statistics'),
    predictions: b.buffer('predictions', batchSize * 4, 'statistics'),
  }
  const images = [0, 1].map((i) => b.buffer(`images ${i}`, imageBytes, 'input'))
  const labels = [0, 1].map((i) => b.buffer(`labels ${i}`, batchSize * 4, 'input'))
  const context = new Context(options, b, parameters, statistics, buffers)

  const emitUpdate = (): void => {
    b.phase = 'update'
    for (const [group, from, count] of [
      [0, 0, decayFloats],
      [1, decayFloats, parameterFloats - decayFloats],
    ]) {
      if (count === 0) continue
      b.emit(Op.Sgd, Math.ceil(count / UPDATE_FLOATS), {
        [SgdWord.Parameters]: ref(buffers.parameters, from * 4),
        [SgdWord.Gradients]: ref(buffers.gradients, from * 4),
        [SgdWord.Velocities]: ref(buffers.velocities, from * 4),
        [SgdWord.Count]: count,
        [SgdWord.PerUnit]: UPDATE_FLOATS,
        [SgdWord.Group]: group,
      })
    }
  }

  b.program('train')
  if (context.online && options.update === 'afterwards')
    b.emit(Op.Clear, Math.ceil(parameterFloats / UPDATE_FLOATS), {
      [PoolWord.Out]: ref(buffers.gradients),
      [PoolWord.Images]: parameterFloats,
      [PoolWord.PixelsPerUnit]: UPDATE_FLOATS,
    })
  if (context.outer) b.startSection(timeSteps)
  const forward = new ForwardPlanner(context, true).run()
  const forwardEnd = b.now
  if (context.outer && !context.online) b.startSection(1)
  if (context.online) b.setCondition('stepMask')
  b.phase = 'backward'
  const backward = new BackwardPlanner(context, forward)
  backward.run()
  if (context.online && options.update === 'everyStep') emitUpdate()
  b.phase = 'backward'
  b.startSection(1)
  for (const item of backward.standardised) backward.emitStandardised(item)
  b.startSection(1)
  if (!(context.online && options.update === 'everyStep')) emitUpdate()
  const kept = b.buffers.filter(
    (x) =>
      (x.purpose === 'kept' && x.first < forwardEnd) ||
      (x.purpose === 'scratch' && x.first < forwardEnd && x.last >= forwardEnd),
  )

  b.program('evaluate')
  const evaluateFrom = b.now
  if (context.outer) b.startSection(timeSteps)
  const evaluation = new ForwardPlanner(context, false).run()

  const [train, evaluate] = b.programs
  const programs = [
    train,
    {
      name: 'gradients',
      sections: train.sections.map(({ records, repeats }) => ({
        records: records.filter((r) => r.phase !== 'update'),
        repeats,
      })),
    },
    evaluate,
  ]
  const used = b.buffers.filter((buffer) => buffer.persistent || buffer.last >= 0)
  const encodedAt = Control.Bytes
  const size = encodedSize(programs, workers)
  const base = Math.ceil((encodedAt + size) / 64) * 64 + 64
  const end =
    workers > 1
      ? assignAddressesByWorker(used, base, evaluateFrom, OWN_MEMORY_BYTES)
      : assignAddresses(used, base)
  const encoded = encode(programs, workers, encodedAt)
  const records = programs.flatMap((p) => p.sections.flatMap((s) => s.records))
  const workerScratch = Math.ceil(Math.max(64, ...records.map((r) => r.scratch)) / 64) * 64 + 64
  const total = end + workerScratch * workers + 64
  const sum = (purpose: Purpose): number =>
    used.filter((x) => x.purpose === purpose && x.persistent).reduce((n, x) => n + x.bytes, 0)
  const persistent = used.filter((x) => x.persistent).reduce((n, x) => n + x.bytes + 64, 0)
  return {
    options,
    parameters,
    statistics,
    buffers: used,
    named: { ...buffers, images, labels },
    rates: { train: forward.rates, evaluate: evaluation.rates },
    programs: {
      train: encoded.programs[0],
      gradients: encoded.programs[1],
      evaluate: encoded.programs[2],
    },
    encoded,
    encodedAt,
    recordLayers: {
      train: layersOf(programs[0]),
      gradients: layersOf(programs[1]),
      evaluate: layersOf(programs[2]),
    },
    recordPhases: train.sections.flatMap((section) => section.records.map((r) => r.phase)),
    probes: { neurons: backward.neuronProbes, weights: backward.weightProbes },
    workerScratch,
    workerScratchAt: end,
    memory: {
      program: size,
      parameters: sum('parameters'),
      gradients: sum('gradients'),
      optimizer: sum('optimizer'),
      statistics: sum('statistics'),
      input: sum('input'),
      kept: kept.reduce((n, x) => n + x.bytes, 0),
      scratch: Math.max(0, end - base - persistent) + sum('kept'),
      workers: workerScratch * workers,
      total,
    },
  }
}

function layersOf(program: {
  sections: readonly { records: readonly { layer: number }[] }[]
}): number[] {
  return program.sections.flatMap((s) => s.records.map((r) => r.layer))
}
