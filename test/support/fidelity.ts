/** Trains a drawn network and writes what spikewasm got, for tools/fidelity.py. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Purpose, RandomStream } from '../../src/base/random.js'
import { serializeSafetensors, type Tensor } from '../../src/files/safetensors.js'
import {
  type Dataset,
  type Layer,
  type MeanSquaredErrorOptions,
  type Model,
  ops,
  perStep,
  type StateDict,
  type StepInfo,
  type Training,
} from '../../src/index.js'
import { graphToJson } from '../../src/network/json.js'
import { type Graph, type GraphNode, trace } from '../../src/network/trace.js'
import { axisOf } from '../../src/network/value.js'
import type { Drawn } from './draw/networks.js'
import { modelOf, type Sketch } from './draw/sketch.js'
import { testRandom } from './engine.js'

type Random = () => number
type Tensors = Map<string, Tensor>

/** A normal number. */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

const put = (
  tensors: Tensors,
  name: string,
  shape: readonly number[],
  data: Float32Array,
): void => {
  tensors.set(name, { dtype: 'F32', shape: [...shape], data })
}

function putState(tensors: Tensors, prefix: string, state: StateDict): void {
  for (const [name, { shape, data }] of Object.entries(state))
    put(tensors, `${prefix}/${name}`, shape, Float32Array.from(data))
}

/** Parameters with which neurons fire: larger than they start, and none of them a constant. */
function drawState(random: Random, state: StateDict, { coarse, start }: Drawn): StateDict {
  const draw = (name: string, fan: number): number => {
    if (name.endsWith('running_var')) return 0.25 + 2 * random()
    if (name.endsWith('running_mean')) return normal(random) / 4
    if (name.endsWith('bias')) return 0.6 * random() - 0.1
    if (name.includes('recurrent')) return (0.6 * normal(random)) / Math.sqrt(fan)
    if (name.endsWith('gain')) return 1 + 2 * random()
    return fan > 1 ? (1.6 * normal(random) + 0.4) / Math.sqrt(fan) : 0.5 + random()
  }
  return Object.fromEntries(
    Object.entries(state).map(([name, { shape, data }]) => {
      const role = name.slice(name.indexOf('.') + 1)
      const isOwn = /weight|bias|gain|running_(mean|var)|recurrent/.test(role)
      const fan = shape.length > 1 ? data.length / shape[0] : 1
      const values = Float32Array.from(data, (value) => {
        const drawn = isOwn ? draw(name, fan) : value
        return coarse && isOwn ? Math.round(drawn * 8) / 8 || 0.125 : drawn
      })
      return [name, { shape, data: start?.[name] ?? values }]
    }),
  )
}

/** Samples for so many batches; `order` tells which were read, in turn. */
function drawData(
  random: Random,
  drawn: Drawn,
): {
  data: Dataset
  order: number[]
  samples: Float32Array[]
  shares: Float32Array[]
  weights: number[] | undefined
} {
  const { compile, classes, loss, coarse, factors } = drawn
  const { input, frames, timeSteps = 1, batchSize = 1 } = compile
  const length = batchSize * factors.length
  const size = input.reduce((a, b) => a * b, 1) * (frames ? timeSteps : 1)
  const value = (): number => {
    const x = 0.5 + normal(random)
    return coarse ? Math.round(x * 4) / 4 : x
  }
  const { targets, ignore } = loss as MeanSquaredErrorOptions
  const isNumbers = loss.kind === 'mse' && targets !== 'labels'
  const rows = targets === 'steps' ? timeSteps : 1
  const samples = Array.from({ length }, () => Float32Array.from({ length: size }, value))
  const left = (): boolean => ignore !== undefined && random() < 0.3
  // Values, or 1 for one of the classes; NaN where nothing counts.
  const shares = Array.from({ length }, () => {
    const out = new Float32Array(rows * classes)
    for (let row = 0; row < out.length; row += classes)
      if (isNumbers) for (let i = 0; i < classes; i++) out[row + i] = left() ? Number.NaN : random()
      else if (left()) out.fill(Number.NaN, row, row + classes)
      else out[row + Math.floor(random() * classes)] = 1
    return out
  })
  /** A class, for each row. */
  const labelsOf = (share: Float32Array): number[] =>
    Array.from({ length: rows }, (_, t) => {
      const row = share.subarray(t * classes, (t + 1) * classes)
      return Number.isNaN(row[0]) ? Number(ignore) : row.indexOf(1)
    })
  const targetsOf = (share: Float32Array): ArrayLike<number> =>
    isNumbers ? share.map((v) => (Number.isNaN(v) ? Number(ignore) : v)) : labelsOf(share)
  const weights = drawn.weighted ? samples.map(() => Math.fround(2 * random())) : undefined
  const hasTargets = isNumbers || targets === 'steps'
  const order: number[] = []
  const data: Dataset = {
    name: 'random',
    length,
    shape: input,
    classes: hasTargets ? 0 : classes,
    ...(frames ? { timeSteps } : {}),
    read: (index, out) => {
      order.push(index)
      out.set(samples[index])
      return hasTargets ? 0 : labelsOf(shares[index])[0]
    },
    ...(hasTargets && {
      targets: {
        size: targetsOf(shares[0]).length,
        read: (index, out) => void out.set(targetsOf(shares[index])),
      },
    }),
    ...(weights && { weightOf: (index: number) => weights[index] }),
  }
  return { data, order, samples, shares, weights }
}

/** Which neurons each dropout leaves at a step, by the kernel as a function. */
async function putMasks(tensors: Tensors, graph: Graph, drawn: Drawn, step: number): Promise<void> {
  const stream = new RandomStream(Purpose.Dropout)
  stream.start(drawn.compile.seed as number, 0, step)
  const seed = stream.next()
  const { batchSize = 1 } = drawn.compile
  let at = 0
  for (const { layer, shape, name } of graph.nodes) {
    if (layer?.kind !== 'dropout') continue
    at++
    const input = [batchSize, ...shape] as const
    const op = await ops.dropout.plan({ input, p: layer.p, stream: at })
    const ones = new Float32Array(batchSize * shape[0] * shape[1] * shape[2]).fill(1)
    const mask = Float32Array.from(op.run(ones, { seed }) as Float32Array)
    put(tensors, `step ${step}/mask/${name}`, input, mask)
    op.dispose()
  }
}

interface Step {
  loss: number
  factor: number
  gradientNorm?: number
  rates: Record<string, number>
}

const joined = (parts: readonly Float32Array[]): Float32Array =>
  Float32Array.from(parts.flatMap((part) => [...part]))

const putSpikes = (tensors: Tensors, prefix: string, model: Model): void => {
  for (const name of Object.keys(model.firingRates())) {
    const { shape, data } = model.spikes(name)
    put(tensors, `${prefix}/${name}`, shape, Float32Array.from(data))
  }
}

/** Neurons as their equations say. */
function equationsOf(layer: Layer | undefined): object {
  const found = layer && modelOf(layer)
  if (!found) return {}
  const { equations, learn, init, parameters } = found
  const { text, dt, solver } =
    layer.kind === 'equations' ? layer : { text: equations.text, dt: 1, solver: 'euler' }
  return { parameters, init, text, dt, solver, learn: Object.fromEntries(learn) }
}

/** What is of rows and columns, and what a layer of series has for its one row. */
const sizes = {
  ...{ kernelSize: 1, stride: 1, padding: 0, outputSize: 1 },
  ...{ dilation: 1, outputPadding: 0, scale: 1 },
} as const

/** Sizes of the output, and axes of [C, H, W] that dims mean; where a slice begins. */
function placesOf({ nodes }: Graph, { layer, inputs, shape, flat }: GraphNode): object {
  const x = nodes[inputs[0]]
  const sizes = (of: Pick<GraphNode, 'shape' | 'flat'>): number[] =>
    of.flat ? [of.shape.reduce((a, b) => a * b, 1), 1, 1] : [...of.shape]
  const to = sizes({ shape, flat })
  if (layer?.kind === 'softmax') return { to, axes: [axisOf('', x, layer.dim)] }
  if (layer?.kind === 'slice') {
    const axis = axisOf('', x, layer.dim)
    return {
      to,
      axes: [axis],
      first: Array.from({ length: sizes(x)[axis] }, (_, n) => n).at(layer.from) ?? 0,
    }
  }
  if (layer?.kind !== 'permute') return { to }
  const axes = layer.dims.map((dim) => axisOf('', x, dim))
  return { to, axes: axes.length === 3 ? axes : [axes[0], 1, axes[1] ?? 2] }
}

/** Nodes as tools/fidelity.py reads them: layers of images, cells, and natures of signals. */
function nodesOf(graph: Graph, { signals }: Sketch): object[] {
  const others = graphToJson(graph).nodes.map(({ layer = {}, kind, name, inputs }, i) => {
    const given = Object.entries(layer).map(([key, value]) =>
      key in sizes && typeof value === 'number'
        ? ([key, [sizes[key as keyof typeof sizes], value]] as const)
        : ([key, value] as const),
    )
    const { trace, spikes } = signals[i + 1]
    return {
      ...Object.fromEntries(given),
      ...placesOf(graph, graph.nodes[i + 1]),
      ...equationsOf(graph.nodes[i + 1].layer),
      ...(typeof trace === 'number' ? { leak: trace } : {}),
      ...{ spikes, kind: kind.replace(/[12]d$/, ''), name, inputs, at: i + 1 },
    }
  })
  return [{ kind: 'input', at: 0 }, ...others]
}

/**
 * Writes the network's file into a folder. What is compared is of a model as anybody compiles it; a
 * second one, which does the same, records its spikes.
 *
 * @returns firing rates of its layers in each step
 */
export async function writeNetwork(drawn: Drawn, folder: string): Promise<number[]> {
  const { compile, fit, factors, loss, penalties, optimizer, sketch, classes } = drawn
  const network = sketch.network(drawn.outputs)
  const graph = trace(network, sketch.input)
  const options = { ...compile, loss, penalties, optimizer }
  const model = await network.compile(options)
  const recorded = await network.compile({ ...options, record: true })
  const random = testRandom(drawn.seed ^ 0x5bd1e995)
  const tensors: Tensors = new Map()
  const steps: Step[] = []
  try {
    const state = drawState(random, model.stateDict(), drawn)
    for (const one of [model, recorded]) one.loadStateDict(state)
    putState(tensors, 'state 0', state)
    const { data, order, samples, shares, weights } = drawData(random, drawn)
    const schedule = perStep(({ step }) => factors[step])
    // Before numbers grow beyond float32.
    const ends = {
      name: 'ends',
      onStep: ({ loss }: StepInfo, t: Training) => loss > 100 && t.stop(),
    }
    const shared = { ...fit, schedule, numWorkers: 0, callbacks: [ends] }
    await model.fit(data, {
      ...shared,
      onStep: async ({ step, loss, gradientNorm }) => {
        steps.push({ loss, factor: factors[step], gradientNorm, rates: model.firingRates() })
        const output = model.output()
        put(tensors, `step ${step}/output`, [output.length], Float32Array.from(output))
        putState(tensors, `step ${step}/gradient`, model.gradients())
        putState(tensors, `state ${step + 1}`, model.stateDict())
        await putMasks(tensors, graph, drawn, step)
      },
    })
    const { batchSize = 1, frames, timeSteps = 1 } = compile
    const readAt = (step: number): number[] => order.slice(step * batchSize, (step + 1) * batchSize)
    const size = sketch.input.reduce((a, b) => a * b, 1)
    for (const step of steps.keys()) {
      const read = readAt(step)
      // A still image is the same at all steps.
      const x = Array.from({ length: timeSteps }, (_, t) =>
        read.map((i) => samples[i].subarray(frames ? t * size : 0).subarray(0, size)),
      )
      put(
        tensors,
        `step ${step}/x`,
        [timeSteps, batchSize, ...graph.nodes[0].shape],
        joined(x.flat()),
      )
      const y = joined(read.map((i) => shares[i]))
      const rows = y.length / batchSize / classes
      const shape = 'targets' in loss && loss.targets === 'steps' ? [rows, classes] : [classes]
      put(tensors, `step ${step}/y`, [batchSize, ...shape], y)
      if (weights) {
        const own = Float32Array.from(read, (i) => weights[i])
        put(tensors, `step ${step}/weights`, [batchSize], own)
      }
    }
    if (fit.ema !== undefined) putState(tensors, 'average', model.averages())
    await recorded.fit(data, {
      ...shared,
      onStep: ({ step }) => putSpikes(tensors, `step ${step}/spikes`, recorded),
    })
    const x = joined(readAt(steps.length - 1).map((i) => samples[i]))
    const { logits: outputs } = await model.predict(x)
    put(tensors, 'predict/output', [outputs.length], Float32Array.from(outputs))
    await recorded.predict(x)
    putSpikes(tensors, 'predict/spikes', recorded)
  } finally {
    await Promise.all([model.dispose(), recorded.dispose()])
  }
  const { index } = drawn
  const nodes = nodesOf(graph, sketch)
  const groups = optimizer.groups.map((group) => ({ ...group, params: [group.params].flat() }))
  const text = {
    ...{ index, nodes, outputs: drawn.outputs, compile, fit, steps },
    penalties: penalties.map((of) => ({ ...of, layers: [of.layers].flat() })),
    optimizer: { ...optimizer, groups },
  }
  const isOnline = sketch.traits.backward === 'everyCall'
  const mixed = isOnline ? (compile.mseWeight ?? 0.05) : 0
  const metadata = {
    case: JSON.stringify({ ...text, loss: { ...loss, mixed }, planned: factors.length }),
  }
  const name = `${String(drawn.index).padStart(5, '0')}.safetensors`
  await writeFile(join(folder, name), serializeSafetensors(tensors, metadata))
  return steps.flatMap(({ rates }) => Object.values(rates))
}
