/**
 * A plain simulation of a NIR graph, node by node from its definition, in float64 and with Euler's
 * steps; it shares the reader of files with the package, and nothing else.
 */

import { graphOf, isGraph, type NirGraph, type NirNode } from '../../src/files/nir/graph.js'
import { readHdf5 } from '../../src/files/nir/hdf5.js'

interface Array_ {
  readonly shape: readonly number[]
  readonly data: number[]
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

function arrayOf(node: NirNode, field: string): Array_ {
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

function convolve(node: NirNode, { shape, data }: Array_, dimensions: 1 | 2): Array_ {
  const weight = arrayOf(node, 'weight')
  const bias = arrayOf(node, 'bias').data
  const text = node.fields.get('padding')
  const pair = (field: string): [number, number] => {
    const { data } = arrayOf(node, field)
    return dimensions === 1 ? [field === 'stride' ? 1 : 0, data[0]] : [data[0], data[1]]
  }
  const [c, h, w] = dimensions === 1 ? [shape[0], 1, shape[1]] : shape
  const [outputs, groupIn] = weight.shape
  const [kh, kw] = dimensions === 1 ? [1, weight.shape[2]] : weight.shape.slice(2)
  const [sy, sx] = pair('stride')
  const [py, px] = text?.kind === 'texts' ? [(kh - 1) / 2, (kw - 1) / 2] : pair('padding')
  const groups = c / groupIn
  const [oh, ow] = [Math.floor((h + 2 * py - kh) / sy) + 1, Math.floor((w + 2 * px - kw) / sx) + 1]
  const out: number[] = []
  for (let o = 0; o < outputs; o++)
    for (let y = 0; y < oh; y++)
      for (let x = 0; x < ow; x++) {
        let sum = bias[o]
        const first = Math.floor(o / (outputs / groups)) * groupIn
        for (let k = 0; k < groupIn; k++)
          for (let a = 0; a < kh; a++)
            for (let b = 0; b < kw; b++) {
              const [yy, xx] = [y * sy + a - py, x * sx + b - px]
              if (yy < 0 || xx < 0 || yy >= h || xx >= w) continue
              sum +=
                weight.data[((o * groupIn + k) * kh + a) * kw + b] *
                data[((first + k) * h + yy) * w + xx]
            }
        out.push(sum)
      }
  return { shape: dimensions === 1 ? [outputs, ow] : [outputs, oh, ow], data: out }
}

function pool(node: NirNode, { shape: [c, h, w], data }: Array_, mean: boolean): Array_ {
  const [kh, kw] = arrayOf(node, 'kernel_size').data
  const [sy, sx] = arrayOf(node, 'stride').data
  const [py, px] = arrayOf(node, 'padding').data
  const [oh, ow] = [Math.floor((h + 2 * py - kh) / sy) + 1, Math.floor((w + 2 * px - kw) / sx) + 1]
  const at = (k: number, y: number, x: number): number =>
    y < 0 || y >= h || x < 0 || x >= w ? 0 : data[(k * h + y) * w + x]
  const out: number[] = []
  for (let k = 0; k < c; k++)
    for (let y = 0; y < oh; y++)
      for (let x = 0; x < ow; x++) {
        let sum = 0
        for (let a = 0; a < kh; a++)
          for (let b = 0; b < kw; b++) sum += at(k, y * sy + a - py, x * sx + b - px)
        out.push(mean ? sum / (kh * kw) : sum)
      }
  return { shape: [c, oh, ow], data: out }
}

function neuron(
  node: NirNode,
  { shape, data }: Array_,
  state: { v: number[]; i: number[] },
  { dt, reset = 'subtract', fires = 'above' }: Settings,
): Array_ {
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
  x: Array_,
  states: State,
  settings: Settings,
): Array_ {
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
      return convolve(node, x, 1)
    case 'Conv2d':
      return convolve(node, x, 2)
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
 * Outputs of each node at each step for one sample; a spike that comes back counts a step later.
 *
 * @param frames the input of each step
 */
export async function simulate(
  bytes: Uint8Array,
  frames: readonly number[][],
  settings: Settings,
): Promise<Map<string, number[][]>> {
  const { nodes, edges } = flat(graphOf(await readHdf5(bytes, 'it'), 'it').graph)
  const states: State = new Map()
  const out = new Map<string, number[][]>([...nodes.keys()].map((name) => [name, []]))
  let before = new Map<string, Array_>()
  const shape = arrayOf(nodes.get('input')!, 'shape').data
  for (const frame of frames) {
    const now = new Map<string, Array_>()
    // Spikes of the last step, through the weights that hold them.
    const late = new Map<string, Array_>()
    for (const [from, to] of edges) {
      const back = /w_rec$/.test(from) && before.size > 0
      if (back) late.set(to, before.get(from)!)
    }
    const rest = new Set([...nodes.keys()].filter((name) => !/w_rec$/.test(name)))
    while (rest.size > 0)
      for (const name of rest) {
        const from = edges.filter(([, to]) => to === name).map(([source]) => source)
        const known = from.filter((source) => !/w_rec$/.test(source))
        if (known.some((source) => !now.has(source))) continue
        const parts = known.map((source) => now.get(source)!)
        const back = late.get(name)
        if (name === 'input') parts.push({ shape, data: frame })
        if (back) parts.push(back)
        // A weight whose neuron has not spiked yet gives its bias.
        else if (from.length > known.length) {
          const weight = nodes.get(from.find((source) => /w_rec$/.test(source))!)!
          parts.push({ shape: parts[0].shape, data: arrayOf(weight, 'bias').data })
        }
        const sum = parts[0].data.map((_, i) => parts.reduce((all, { data }) => all + data[i], 0))
        const x = { shape: parts[0].shape, data: sum }
        now.set(name, compute(nodes.get(name)!, name, x, states, settings))
        out.get(name)!.push(now.get(name)!.data)
        rest.delete(name)
      }
    before = new Map()
    for (const name of nodes.keys()) {
      if (!/w_rec$/.test(name)) continue
      const from = edges.find(([, to]) => to === name)![0]
      before.set(name, compute(nodes.get(name)!, name, now.get(from)!, states, settings))
    }
  }
  return out
}
