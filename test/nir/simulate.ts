/**
 * A plain simulation of a NIR graph, node by node from its definition, in float64 and with Euler's
 * steps; it shares the reader of files with the package, and nothing else.
 */

import * as assert from 'uvu/assert'
import { graphOf, isGraph, type NirGraph, type NirNode } from '../../src/files/nir/graph.js'
import { readHdf5 } from '../../src/files/nir/hdf5.js'
import { forwardReference, shapesOf } from '../support/ops-convolution.js'

interface Signal {
  readonly shape: readonly number[]
  readonly data: number[]
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

function arrayOf(node: NirNode, field: string): Signal {
  const found = node.fields.get(field)
  if (found?.kind !== 'numbers') throw new Error(`${node.type} has no ${field}`)
  return { shape: found.shape, data: Array.from(found.data as ArrayLike<number>, Number) }
}

const has = (node: NirNode, field: string): boolean => node.fields.has(field)

interface Settings {
  readonly dt: number
  readonly reset?: 'subtract' | 'zero' | 'stored'
  readonly fires?: 'above' | 'at'
}

type State = Map<string, { v: number[]; i: number[]; past: number[][] }>

/** Sums over windows, weighted; a series is an image of one row. */
function windows(node: NirNode, { shape, data }: Signal, weight: Signal, bias?: number[]): Signal {
  const isSeries = shape.length === 2
  const pair = (values: readonly number[], across: number) =>
    (isSeries ? [across, values[0]] : values) as [number, number]
  const [C, H, W] = isSeries ? [shape[0], 1, shape[1]] : shape
  const [N, groupIn, ...sides] = weight.shape
  const kernel = pair(sides, 1)
  const same = node.fields.get('padding')?.kind === 'texts'
  const apart = node.fields.has('dilation') ? arrayOf(node, 'dilation').data : sides.map(() => 1)
  const dilation = pair(apart, 1)
  const around = kernel.map((k, i) => (dilation[i] * (k - 1)) / 2)
  const padding = same ? around : pair(arrayOf(node, 'padding').data, 0)
  const convolution = {
    T: 1,
    timed: false,
    B: 1,
    C,
    H,
    W,
    N,
    kernel,
    groups: C / groupIn,
    stride: pair(arrayOf(node, 'stride').data, 1),
    padding: padding as [number, number],
    dilation,
  }
  const { outH, outW } = shapesOf(convolution)
  const out = forwardReference(convolution, data, weight.data, bias)
  return { shape: isSeries ? [N, outW] : [N, outH, outW], data: [...out] }
}

function pool(node: NirNode, x: Signal, mean: boolean): Signal {
  const kernel = arrayOf(node, 'kernel_size').data
  const shape = [x.shape[0], 1, ...kernel]
  const sums = windows(node, x, { shape, data: Array(size(shape)).fill(1) })
  return { ...sums, data: sums.data.map((sum) => (mean ? sum / size(kernel) : sum)) }
}

function neuron(
  node: NirNode,
  { shape, data }: Signal,
  state: { v: number[]; i: number[] },
  { dt, reset = 'subtract', fires = 'above' }: Settings,
): Signal {
  const of = (field: string): number[] => arrayOf(node, field).data
  const cuba = node.type.startsWith('Cuba')
  const leaks = node.type !== 'IF' && node.type !== 'I'
  const spikes = node.type.endsWith('F')
  const out: number[] = []
  for (let n = 0; n < data.length; n++) {
    let input = data[n]
    if (cuba) {
      state.i[n] += (dt / of('tau_syn')[n]) * (-state.i[n] + of('w_in')[n] * input)
      input = state.i[n]
    }
    const drive = of('r')[n] * input
    const tau = leaks ? of(cuba ? 'tau_mem' : 'tau')[n] : 0
    state.v[n] += leaks ? (dt / tau) * (of('v_leak')[n] - state.v[n] + drive) : drive
    if (!spikes) {
      out.push(state.v[n])
      continue
    }
    const theta = of('v_threshold')[n]
    const spike = fires === 'above' ? state.v[n] > theta : state.v[n] >= theta
    const to = reset === 'stored' ? of('v_reset')[n] : 0
    if (spike) state.v[n] = reset === 'subtract' ? state.v[n] - theta : to
    out.push(spike ? 1 : 0)
  }
  return { shape, data: out }
}

function compute(
  node: NirNode,
  name: string,
  x: Signal,
  states: State,
  settings: Settings,
): Signal {
  if (!states.has(name)) {
    const zeros = (): number[] => Array(size(x.shape)).fill(0)
    // Neurons start where a spike leaves them.
    const isStored = settings.reset === 'stored' && has(node, 'v_reset')
    const v = isStored ? arrayOf(node, 'v_reset').data : zeros()
    states.set(name, { v, i: zeros(), past: [] })
  }
  const state = states.get(name)!
  switch (node.type) {
    case 'Affine':
    case 'Linear': {
      const { shape, data } = arrayOf(node, 'weight')
      const bias = has(node, 'bias') ? arrayOf(node, 'bias').data : []
      const rows = Array.from({ length: shape[0] }, (_, o) =>
        x.data.reduce((sum, value, i) => sum + data[o * shape[1] + i] * value, bias[o] ?? 0),
      )
      return { shape: [shape[0]], data: rows }
    }
    case 'Conv1d':
    case 'Conv2d':
      return windows(node, x, arrayOf(node, 'weight'), arrayOf(node, 'bias').data)
    case 'SumPool2d':
      return pool(node, x, false)
    case 'AvgPool2d':
      return pool(node, x, true)
    case 'Flatten':
      return { shape: [x.data.length], data: x.data }
    case 'Scale': {
      const { data } = arrayOf(node, 'scale')
      return { shape: x.shape, data: x.data.map((value, i) => value * data[i]) }
    }
    case 'Delay': {
      const { data } = arrayOf(node, 'delay')
      state.past.push(x.data)
      const now = state.past.length - 1
      const out = data.map((by, i) => state.past[now - Math.round(by / settings.dt)]?.[i] ?? 0)
      return { shape: x.shape, data: out }
    }
    case 'Threshold': {
      const { data } = arrayOf(node, 'threshold')
      const fires = (value: number, theta: number): boolean =>
        settings.fires === 'at' ? value >= theta : value > theta
      return { shape: x.shape, data: x.data.map((value, i) => (fires(value, data[i]) ? 1 : 0)) }
    }
    case 'Input':
    case 'Output':
      return x
    default:
      return neuron(node, x, state, settings)
  }
}

/** Names and edges without graphs in graphs. */
function flat(graph: NirGraph, prefix = ''): { nodes: Map<string, NirNode>; edges: string[][] } {
  const nodes = new Map<string, NirNode>()
  const edges: string[][] = []
  const ends = new Map<string, { input: string; output: string }>()
  for (const [name, node] of graph.nodes) {
    if (!isGraph(node)) {
      nodes.set(prefix + name, node)
      continue
    }
    const inner = flat(node, `${prefix}${name}.`)
    for (const [key, value] of inner.nodes) nodes.set(key, value)
    edges.push(...inner.edges)
    ends.set(name, { input: `${prefix}${name}.input`, output: `${prefix}${name}.output` })
  }
  for (const [from, to] of graph.edges)
    edges.push([ends.get(from)?.output ?? prefix + from, ends.get(to)?.input ?? prefix + to])
  return { nodes, edges }
}

/**
 * Outputs of each node at each step for one sample; a spike that comes back, through a node whose
 * name ends so, counts a step later.
 *
 * @param frames the input of each step
 */
async function simulate(
  bytes: Uint8Array,
  frames: readonly number[][],
  settings: Settings,
): Promise<Map<string, number[][]>> {
  const { nodes, edges } = flat(graphOf(await readHdf5(bytes, 'it'), 'it').graph)
  const sources = (name: string): string[] =>
    edges.filter(([, to]) => to === name).map(([from]) => from)
  const states: State = new Map()
  const step = (name: string, x: Signal): Signal =>
    compute(nodes.get(name)!, name, x, states, settings)
  const [back, forward] = [true, false].map((isBack) =>
    [...nodes.keys()].filter((name) => name.endsWith('w_rec') === isBack),
  )
  const out = new Map<string, number[][]>(forward.map((name) => [name, []]))
  const shape = arrayOf(nodes.get('input')!, 'shape').data
  // Before the first step nothing has spiked.
  let late = back.map((name): [string, Signal] => {
    const [count] = arrayOf(nodes.get(name)!, 'bias').shape
    return [name, step(name, { shape: [count], data: Array(count).fill(0) })]
  })
  for (const frame of frames) {
    const now = new Map(late)
    const rest = new Set(forward)
    while (rest.size > 0)
      for (const name of rest) {
        const from = sources(name)
        if (!from.every((source) => now.has(source))) continue
        const parts = name === 'input' ? [{ shape, data: frame }] : from.map((of) => now.get(of)!)
        const sum = parts[0].data.map((_, i) => parts.reduce((all, { data }) => all + data[i], 0))
        now.set(name, step(name, { shape: parts[0].shape, data: sum }))
        out.get(name)!.push(now.get(name)!.data)
        rest.delete(name)
      }
    late = back.map((name) => [name, step(name, now.get(sources(name)[0])!)])
  }
  return out
}

/** Inputs of samples, [samples][steps][size]: small whole numbers, as counts of events are. */
export const inputs = (random: () => number, count: number): Float32Array =>
  Float32Array.from({ length: count }, () => (random() < 0.4 ? 1 + Math.floor(2 * random()) : 0))

/**
 * Fails unless logits are the means over time of what a node gives.
 * @returns the outputs of each node at each step, by sample
 */
export async function expectSimulated(
  {
    logits,
    x,
    samples,
    steps,
  }: Record<'logits' | 'x', Float32Array> & Record<'samples' | 'steps', number>,
  bytes: Uint8Array,
  node: string,
  settings: Settings,
): Promise<Map<string, number[][]>[]> {
  const [features, classes] = [x.length / samples / steps, logits.length / samples]
  const all: Map<string, number[][]>[] = []
  for (let b = 0; b < samples; b++) {
    const frames = Array.from({ length: steps }, (_, t) => {
      const from = (b * steps + t) * features
      return Array.from(x.subarray(from, from + features))
    })
    const outputs = await simulate(bytes, frames, settings)
    const rows = outputs.get(node)!
    for (let i = 0; i < classes; i++) {
      const [got, wanted] = [
        logits[b * classes + i],
        rows.reduce((sum, row) => sum + row[i], 0) / steps,
      ]
      assert.ok(
        Math.abs(got - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted)),
        `${i} of sample ${b}: ${got}, not ${wanted}`,
      )
    }
    all.push(outputs)
  }
  return all
}
