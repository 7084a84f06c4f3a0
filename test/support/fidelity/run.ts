/** Trains a drawn network and writes what spikewasm got, for tools/fidelity.py. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { graphToJson } from '../../../src/graph/json.js'
import { type Graph, trace } from '../../../src/graph/trace.js'
import {
  type Dataset,
  type Model,
  ops,
  perStep,
  type StateDict,
  type StepInfo,
  type Training,
} from '../../../src/index.js'
import { serializeSafetensors, type Tensor } from '../../../src/io/safetensors.js'
import { Purpose, RandomStream } from '../../../src/random.js'
import { testRandom } from '../engine.js'
import type { Drawn } from './draw.js'

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
function drawState(random: Random, state: StateDict, coarse: boolean): StateDict {
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
      return [name, { shape, data: values }]
    }),
  )
}

/** Samples for so many batches; `order` tells which were read, in turn. */
function drawData(
  random: Random,
  drawn: Drawn,
): { data: Dataset; order: number[]; samples: Float32Array[]; targets: Float32Array[] } {
  const { compile, classes, loss, coarse, factors } = drawn
  const { input, frames, timeSteps = 1, batchSize = 1 } = compile
  const length = batchSize * factors.length
  const size = input.reduce((a, b) => a * b, 1) * (frames ? timeSteps : 1)
  const value = (): number => {
    const x = 0.5 + normal(random)
    return coarse ? Math.round(x * 4) / 4 : x
  }
  const values = loss.kind === 'mse' && loss.targets === 'values'
  const samples = Array.from({ length }, () => Float32Array.from({ length: size }, value))
  const targets = Array.from({ length }, () =>
    values
      ? Float32Array.from({ length: classes }, () => random())
      : Float32Array.of(Math.floor(random() * classes)),
  )
  const order: number[] = []
  const data: Dataset = {
    name: 'random',
    length,
    shape: input,
    classes: values ? 0 : classes,
    ...(frames ? { timeSteps } : {}),
    read: (index, out) => {
      order.push(index)
      out.set(samples[index])
      return values ? 0 : targets[index][0]
    },
    ...(values
      ? { targets: { size: classes, read: (index, out) => void out.set(targets[index]) } }
      : {}),
  }
  return { data, order, samples, targets }
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

/**
 * Writes the network's file into a folder. What is compared is of a model as anybody compiles it; a
 * second one, which does the same, records its spikes.
 */
export async function writeNetwork(drawn: Drawn, folder: string): Promise<void> {
  const { compile, fit, factors, loss, penalties, optimizer, sketch } = drawn
  const network = sketch.network(drawn.outputs)
  const graph = trace(network, sketch.input)
  const options = { ...compile, loss, penalties, optimizer }
  const model = await network.compile(options)
  const recorded = await network.compile({ ...options, record: true })
  const random = testRandom(drawn.seed ^ 0x5bd1e995)
  const tensors: Tensors = new Map()
  const steps: Step[] = []
  try {
    const state = drawState(random, model.stateDict(), drawn.coarse)
    for (const one of [model, recorded]) one.loadStateDict(state)
    putState(tensors, 'state 0', state)
    const { data, order, samples, targets } = drawData(random, drawn)
    const schedule = perStep(({ step }) => factors[step])
    // Before numbers grow beyond float32.
    const ends = {
      name: 'ends',
      onStep: ({ loss }: StepInfo, t: Training) => loss > 1e4 && t.stop(),
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
    const shape = [batchSize, ...(frames ? [timeSteps] : []), ...graph.nodes[0].shape]
    for (const step of steps.keys()) {
      const read = order.slice(step * batchSize, (step + 1) * batchSize)
      put(tensors, `step ${step}/x`, shape, joined(read.map((i) => samples[i])))
      const y = joined(read.map((i) => targets[i]))
      put(
        tensors,
        `step ${step}/y`,
        y.length === batchSize ? [batchSize] : [batchSize, y.length / batchSize],
        y,
      )
    }
    if (fit.ema !== undefined) putState(tensors, 'average', model.averages())
    await recorded.fit(data, {
      ...shared,
      onStep: ({ step }) => putSpikes(tensors, `step ${step}/spikes`, recorded),
    })
    const x = tensors.get(`step ${steps.length - 1}/x`)?.data as Float32Array
    const { logits: outputs } = await model.predict(x)
    put(tensors, 'predict/output', [outputs.length], Float32Array.from(outputs))
    await recorded.predict(x)
    putSpikes(tensors, 'predict/spikes', recorded)
  } finally {
    await Promise.all([model.dispose(), recorded.dispose()])
  }
  const given = { ...compile, mseWeight: compile.mseWeight ?? 0.05 }
  const values = loss.kind === 'mse' && loss.targets === 'values'
  const text = {
    network: graphToJson(graph),
    compile: given,
    fit,
    loss,
    penalties,
    optimizer,
    values,
  }
  const metadata = {
    case: JSON.stringify({ index: drawn.index, ...text, steps, planned: factors.length }),
  }
  const name = `${String(drawn.index).padStart(5, '0')}.safetensors`
  await writeFile(join(folder, name), serializeSafetensors(tensors, metadata))
}
