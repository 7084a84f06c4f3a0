/** A model as a NIR file. */

import { checkPath, fail, listNames } from '../../base/errors.js'
import type { NamedTensor, StateDict } from '../../engine/memory/state.js'
import type { Session } from '../../engine/session.js'
import { labelOf } from '../../network/kind.js'
import {
  type Graph,
  type GraphNode,
  inputsOf,
  ownerOf,
  readersOf,
  sourceOf,
} from '../../network/trace.js'
import { sizeOf } from '../../network/value.js'
import type { Conv1d, Conv2d } from '../../nn/layers/convolution.js'
import type { Cell } from '../../nn/layers/index.js'
import { writeFileAtomic } from '../files.js'
import { type Group, group, numbers, type Tree, texts } from './graph.js'
import { writeHdf5 } from './hdf5.js'
import * as nir from './options.js'

/** A node of the file, until it is written; a normalisation changes the weight before it. */
interface Draft {
  type: string
  readonly fields: Record<string, Tree>
}

/** One layer and what is known about it. */
interface Place {
  readonly node: GraphNode
  /** The name by which its parameters are known: those of a shared layer are written each time. */
  readonly owner: string
  readonly state: StateDict
  readonly time: nir.NirTime
  /** Sizes of its input and output as NIR has them: [F], [C, L] or [C, H, W]. */
  readonly inShape: readonly number[]
  readonly shape: readonly number[]
}

const integers = (...values: number[]): Tree =>
  numbers(BigInt64Array.from(values, BigInt), [values.length])
const integer = (value: number): Tree => numbers(BigInt64Array.of(BigInt(value)), [])
const text = (value: string): Tree => texts([value], [])

/** One number for each neuron, of one for all or one for each channel. */
function spread({ shape }: Place, values: number | ArrayLike<number>): Float64Array {
  const count = sizeOf(shape)
  const list = typeof values === 'number' ? [values] : values
  return Float64Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)])
}

/** A parameter or statistic of a layer. */
const parameterOf = ({ owner, state }: Place, key: string): NamedTensor | undefined =>
  state[owner === '' ? key : `${owner}.${key}`]

/** @throws SpikewasmError that names the layer, for neurons that NIR does not have */
function neuronNode(place: Place, cell: Cell): Draft {
  const { node, shape, time } = place
  const refuse = (what: string, how: string): never =>
    fail(
      `saveNir: ${node.name || 'the network'} (${cell.type}) cannot be written as NIR, which has ` +
        `no ${what}; ${how}`,
    )
  if (cell.tauAdaptation !== null) refuse('adaptive threshold', 'use lif() or cubaLif()')
  if (cell.refractory > 0) refuse('refractory time', 'leave refractory out')
  if (cell.reset) refuse('delayed reset', 'leave reset out')
  /** What was learned, or what the layer was made with. */
  const values = (key: keyof Cell, name = '', learned = (w: number) => w): Float64Array => {
    const own = parameterOf(place, name)
    return spread(place, own ? [...own.data].map(learned) : (cell[key] as number | number[]))
  }
  const steps = (w: number): number => 1 + Math.exp(-w)
  const tree = (data: Float64Array): Tree => numbers(data, shape)
  const seconds = (of: Float64Array): Tree => tree(of.map((value) => nir.secondsOf(value, time)))
  const tau = values('tau', 'w', steps)
  const leaks = tau.every(Number.isFinite)
  if (!leaks && tau.some(Number.isFinite))
    refuse('neurons of which some leak and some do not', 'make them two layers')
  const { decayInput } = cell
  const fields: Record<string, Tree> = {}
  if (cell.tauSyn !== null) {
    const tauSyn = values('tauSyn', 'w_syn', steps)
    if (!leaks || !tauSyn.every(Number.isFinite))
      refuse('synaptic current on neurons without leak', 'give a finite tau and tauSyn')
    fields.tau_syn = seconds(tauSyn)
    fields.tau_mem = seconds(tau)
    fields.w_in = tree(decayInput ? tauSyn.map(() => 1) : tauSyn)
  } else if (leaks) fields.tau = seconds(tau)
  // What a step makes of the input is r/τ of it.
  const r = values('inputScale').map((value, i) => (leaks && !decayInput ? value * tau[i] : value))
  fields.r = tree(r)
  if (leaks) fields.v_leak = tree(values('vRest'))
  const kind = `${cell.tauSyn === null ? '' : 'Cuba'}${leaks ? 'L' : ''}I`
  if (cell.vThreshold === null) return { type: kind, fields }
  fields.v_threshold = tree(values('vThreshold', 'v_threshold'))
  fields.v_reset = tree(spread(place, cell.vReset ?? 0))
  fields.metadata = group([
    ['reset', text(cell.vReset === null ? 'subtract' : 'stored')],
    ['fires', text(cell.fires === 'above' ? 'above' : 'at')],
  ])
  return { type: `${kind}F`, fields }
}

/** The version of NIR whose layout is written. */
const VERSION = '1.0'

/** Nodes of a file that a sum stands for; more become one node. */
const MOST_SOURCES = 64

/** What a layer becomes: nothing, or nodes in a row, each with the end of its name. */
type Made = readonly { readonly end: string; readonly draft: Draft }[]

/** @throws SpikewasmError that names the layer, for what NIR cannot say */
function refuse({ node }: Place, why: string): never {
  fail(`saveNir: ${node.name || 'the network'} (${labelOf(node)}) cannot be written as NIR: ${why}`)
}

/** Nodes of the file and the edges between them, as they come. */
class Wiring {
  readonly nodes = new Map<string, Draft>()
  readonly edges: [string, string][] = []

  /**
   * Adds a node that reads others.
   * @returns its name, which gets `_` behind it where there is one of that name
   */
  add(name: string, draft: Draft, from: readonly string[]): string {
    if (name.includes('/') || name === '.' || name === '__proto__')
      fail(`saveNir: names of layers must be without /, got ${name}; rename it`)
    let own = name
    while (this.nodes.has(own)) own += '_'
    this.nodes.set(own, draft)
    for (const source of from) this.edges.push([source, own])
    return own
  }

  /**
   * The nodes whose sum is that of others. What is added twice needs two nodes: an edge counts
   * once.
   * @param name of the one node that long sums become: sums of sums would double theirs each time
   */
  joined(name: string, sources: readonly string[], shape: readonly number[]): string[] {
    const ones = (): Draft => ({
      type: 'Scale',
      fields: { scale: numbers(new Float32Array(sizeOf(shape)).fill(1), shape) },
    })
    const joined = new Set<string>()
    for (const source of sources)
      joined.add(joined.has(source) ? this.add(`${source}.again`, ones(), [source]) : source)
    return joined.size > MOST_SOURCES ? [this.add(name, ones(), [...joined])] : [...joined]
  }
}

/**
 * Writes the file, or an error leaves what was there.
 * @throws SpikewasmError as `model.saveNir` does
 */
export async function saveNir(
  session: Session,
  path: string,
  state: StateDict,
  options: nir.SaveNirOptions,
): Promise<void> {
  checkPath('saveNir.path', path)
  const time = nir.checkSaveOptions(options)
  const tree = nirTree(session, state, time)
  const bytes = Object.values(state).reduce((sum, { data }) => sum + data.byteLength, 0)
  await writeFileAtomic(path, await writeHdf5(tree, path, bytes))
}

/**
 * The tree of a file.
 * @throws SpikewasmError that names the layer, for what NIR cannot say
 */
export function nirTree(session: Session, state: StateDict, time: nir.NirTime): Group {
  const { graph, inputs, timeSteps, frames } = session
  expectOneOutput(graph)
  const wiring = new Wiring()
  const shapeOf = shapes(graph)
  const border = (type: 'Input' | 'Output', node: GraphNode): Draft => ({
    type,
    fields: { shape: integers(...shapeOf(node)) },
  })
  /** The nodes of the file whose sum a node of the graph gives. */
  const sources: string[][] = []
  for (const node of graph.nodes) {
    const shape = shapeOf(node)
    if (node.kind === 'input') {
      sources.push([wiring.add(node.name || 'input', border('Input', node), [])])
      continue
    }
    const from = node.inputs.map((index) => sources[index])
    if (node.kind === 'add') {
      sources.push(wiring.joined(node.name || 'sum', from.flat(), shape))
      continue
    }
    const [read] = from
    const inShape = shapeOf(sourceOf(graph, node))
    const owner = graph.nodes[ownerOf(node)].name
    const place: Place = { node, owner, state, time, inShape, shape }
    if (node.kind === 'batchNorm2d' || (node.kind as string) === 'batchNorm1d') {
      const only = readersOf(graph, node.inputs[0]).length === 1 && read.length === 1
      foldNorm(place, only ? wiring.nodes.get(read[0]) : undefined)
      sources.push(read)
      continue
    }
    let last: readonly string[] = read
    for (const { end, draft } of made(place))
      last = [wiring.add(node.name === '' ? node.kind : `${node.name}${end}`, draft, last)]
    // Spikes come back through nodes of their own.
    const back = recurrenceOf(place)
    if (back) wiring.edges.push([wiring.add(`${last[0]}.recurrent`, back, last), last[0]])
    sources.push([...last])
  }
  wiring.add('output', border('Output', graph.nodes[graph.output]), sources[graph.output])
  const note: nir.NirNote = { ...time, integration: 'step', timeSteps, frames, inputs }
  return group([
    ['version', text(VERSION)],
    ['node', graphTree(wiring, note)],
  ])
}

/** @throws SpikewasmError for a network of several outputs */
function expectOneOutput({ exits = [], outputName = '' }: Graph): void {
  const names = [...exits.map(({ name }) => name), outputName]
  if (names.length !== 1)
    fail(
      `saveNir: the network must have one output, got ${listNames(names)}; make a network of the ` +
        'one that you want',
    )
}

function graphTree({ nodes, edges }: Wiring, note: nir.NirNote): Group {
  const written = [...nodes].map(([name, { type, fields }]): [string, Group] => [
    name,
    group([['type', text(type)], ...Object.entries(fields)]),
  ])
  return group([
    ['type', text('NIRGraph')],
    ['nodes', group(written)],
    ['edges', texts(edges.flat(), [edges.length, 2])],
    ['metadata', group([[nir.noteKey, text(JSON.stringify(note))]])],
  ])
}

/** Sizes as NIR has them. The network is one of series where nothing in it is about images. */
function shapes(graph: Graph): (node: GraphNode) => readonly number[] {
  const images = graph.nodes.some(({ kind }) => kind.endsWith('2d'))
  const series = !images && inputsOf(graph).every(({ shape, flat }) => flat || shape[1] === 1)
  return ({ shape, flat }) => {
    if (flat) return [sizeOf(shape)]
    return series ? [shape[0], shape[2]] : shape
  }
}

function made(place: Place): Made {
  const { inShape, shape } = place
  const { layer } = place.node
  const one = (type: string, fields: Record<string, Tree>): Made => [
    { end: '', draft: { type, fields } },
  ]
  const flatten = (end: string): Made => {
    const input = integers(...inShape)
    const fields = { start_dim: integer(0), end_dim: integer(-1), input_type: input }
    return inShape.length === 1 ? [] : [{ end, draft: { type: 'Flatten', fields } }]
  }
  switch (layer?.kind) {
    case 'identity':
    case 'dropout':
      return []
    case 'linear': {
      const draft = dense(weightOf(place), parameterOf(place, 'bias'))
      return [...flatten('.flatten'), { end: '', draft }]
    }
    case 'conv1d':
    case 'conv2d':
      return [{ end: '', draft: convolution(place, layer) }]
    case 'avgPool2d':
    case 'sumPool2d':
      return one(layer.kind === 'avgPool2d' ? 'AvgPool2d' : 'SumPool2d', {
        kernel_size: integers(...layer.kernelSize),
        stride: integers(...layer.stride),
        padding: integers(...layer.padding),
      })
    case 'adaptiveAvgPool2d': {
      const [h, w] = [inShape[1], inShape[2]]
      const [oh, ow] = layer.outputSize
      if (h % oh !== 0 || w % ow !== 0)
        refuse(place, `its windows differ in size; ${oh}×${ow} must divide ${h}×${w}`)
      const kernel = integers(h / oh, w / ow)
      return one('AvgPool2d', { kernel_size: kernel, stride: kernel, padding: integers(0, 0) })
    }
    case 'equations':
      return refuse(place, 'NIR has no free equations; lif() and cubaLif() have nodes')
    case 'flatten':
      return flatten('')
    case 'scale':
      return one('Scale', { scale: numbers(spread(place, layer.factor), shape) })
    case 'delay': {
      if (layer.learn) refuse(place, 'NIR has no delays that are learnt; use whole steps')
      const seconds = spread(place, layer.steps).map((steps) => steps * place.time.dt)
      return one('Delay', { delay: numbers(seconds, shape) })
    }
    case 'cell':
      return [{ end: '', draft: neuronNode(place, layer) }]
    default:
      return refuse(
        place,
        'NIR has no such node; it has convolutions, linear layers, sum and average pooling, ' +
          'neurons, scale and delay',
      )
  }
}

/** A Conv1d where the network is one of series, else a Conv2d. */
function convolution(place: Place, layer: Conv1d | Conv2d): Draft {
  const { stride, padding, dilation = 1, groups, outChannels } = layer
  const { inShape } = place
  const isSeries = inShape.length === 2
  const { data, shape } = weightOf(place)
  const bias = parameterOf(place, 'bias')?.data
  // A series within images has a height of 1.
  const sizes = isSeries || shape.length === 4 ? shape : [shape[0], shape[1], 1, shape[2]]
  const both = (along: number | readonly [number, number], across: number): Tree => {
    if (typeof along !== 'number') return integers(...along)
    return isSeries ? integer(along) : integers(across, along)
  }
  return {
    type: isSeries ? 'Conv1d' : 'Conv2d',
    fields: {
      input_shape: isSeries ? integer(inShape[1]) : integers(...inShape.slice(1)),
      weight: numbers(data, sizes),
      stride: both(stride, 1),
      padding: both(padding, 0),
      dilation: both(dilation, 1),
      groups: integer(groups),
      bias: numbers(bias ?? new Float32Array(outChannels), [outChannels]),
    },
  }
}

const dense = (weight: NamedTensor, bias: NamedTensor | undefined): Draft => ({
  type: bias ? 'Affine' : 'Linear',
  fields: {
    weight: numbers(weight.data, weight.shape),
    ...(bias && { bias: numbers(bias.data, bias.shape) }),
  },
})

/** @throws SpikewasmError where a weight is standardised, which NIR cannot say */
function weightOf(place: Place): NamedTensor {
  const { layer } = place.node
  const gain = parameterOf(place, 'gain')
  if (gain !== undefined || (layer && 'standardise' in layer && layer.standardise))
    refuse(place, 'its weights are standardised; train without standardise')
  return parameterOf(place, 'weight')!
}

/**
 * Running statistics become part of the convolution or linear layer before them: weight ·
 * w/√(variance + eps) and a bias.
 */
function foldNorm(place: Place, before: Draft | undefined): void {
  const { layer } = place.node
  if (before === undefined || !['Conv1d', 'Conv2d', 'Affine', 'Linear'].includes(before.type))
    refuse(
      place,
      'NIR has no normalisation; one right behind a convolution or linear layer that nothing ' +
        'else reads becomes part of it',
    )
  const names = ['weight', 'bias', 'running_mean', 'running_var']
  const [weight, bias, mean, variance] = names.map((key) => parameterOf(place, key)!.data)
  const { eps } = layer as { eps: number }
  const old = before.fields.weight
  const oldBias = before.fields.bias
  if (old.kind !== 'numbers') return
  const each = old.data.length / weight.length
  const factors = Float64Array.from(weight, (value, c) => value / Math.sqrt(variance[c] + eps))
  const data = (old.data as Float32Array).map((value, i) => value * factors[Math.floor(i / each)])
  const shift = Float32Array.from(factors, (factor, c) => {
    const own = oldBias?.kind === 'numbers' ? Number(oldBias.data[c]) : 0
    return bias[c] + factor * (own - mean[c])
  })
  before.fields.weight = numbers(data, old.shape)
  before.fields.bias = numbers(shift, [shift.length])
  if (before.type === 'Linear') before.type = 'Affine'
}

/**
 * The weight by which spikes of a recurrent layer come back; undefined for other layers.
 * @throws SpikewasmError that names the layer, for one that joins all neurons of images
 */
function recurrenceOf(place: Place): Draft | undefined {
  const { shape } = place
  const each = parameterOf(place, 'recurrent.V')
  if (each && shape.length > 1)
    return { type: 'Scale', fields: { scale: numbers(each.data, shape) } }
  const weight = each ? diagonal(each.data) : parameterOf(place, 'recurrent.weight')
  if (weight === undefined) return undefined
  if (shape.length > 1)
    refuse(
      place,
      `its weight joins all neurons of [${shape.join(', ')}], and a weight of NIR takes ` +
        '[features] alone; put flatten() before it, which leaves the weight as it is',
    )
  return dense(weight, parameterOf(place, 'recurrent.bias'))
}

/** A matrix of all neurons that lets each hear itself alone. */
function diagonal(values: ArrayLike<number>): { shape: number[]; data: Float32Array } {
  const n = values.length
  const data = new Float32Array(n * n)
  for (let i = 0; i < n; i++) data[i * n + i] = values[i]
  return { shape: [n, n], data }
}
