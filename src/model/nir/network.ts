/** A network with its weights from a NIR graph. */

import { fail } from '../../base/errors.js'
import type { StateDict } from '../../engine/memory/state.js'
import type { Fields, NirFile } from '../../files/nir/graph.js'
import {
  conventions,
  type NirConventions,
  type NirOptions,
  noteKey,
} from '../../files/nir/options.js'
import {
  checkInputs,
  type InputShape,
  type InputShapes,
  imageShape,
  isShapes,
  sampleShape,
  sizeOf,
  type Value,
} from '../../network/value.js'
import { type Block, compilable } from '../containers.js'
import { Builder, fieldsOf } from './builder.js'
import { type FlatNode, flatGraph, type Named } from './flatten.js'
import { type Mapping, type Place, stateless } from './layers.js'
import { neurons } from './neurons.js'

/** A network that a NIR file describes. */
export interface NirNetwork {
  /** Layers are named as the nodes are. */
  readonly network: Block
  /** Weights and biases. */
  readonly state: StateDict
  /**
   * Sizes of one sample of one step, as the file's Input says; of several inputs, how many numbers
   * they have together, [n].
   */
  readonly input: InputShape
  /**
   * Sizes of several inputs by the names of their nodes, for `compile({ input: inputs })`;
   * undefined where one is.
   */
  readonly inputs?: InputShapes
  /** Seconds of a time step, and how equations became steps. */
  readonly conventions: NirConventions
  /** Steps of a sample, where the file says. */
  readonly timeSteps?: number
  /** Whether inputs differ from step to step, where the file says. */
  readonly frames?: boolean
}

/**
 * @param keepBias whether biases of zeros stay parameters, to be trained
 * @param name what messages call the file
 * @throws SpikewasmError that names the node, for what the engine cannot express
 */
export function networkOf(
  { graph }: NirFile,
  options: NirOptions,
  keepBias: boolean,
  name: string,
): NirNetwork {
  const said = noteOf(graph.metadata)
  const how = conventions(options, said)
  const flat = flatGraph(graph, name)
  const input = inputsOf(flat.inputs, said.inputs, name)
  const builder = new Builder(input, name)
  const names = isShapes(input) ? Object.keys(input) : [flat.inputs[0].name]
  const values = new Map(names.map((key, i): [string, Value] => [key, builder.inputs[i]]))
  const sum = (node: FlatNode, { where }: Fields): Value => {
    const given = node.from.map((from) => values.get(from)!)
    return builder.sum(node.name, where, given)
  }
  for (const node of flat.nodes) {
    const fields = fieldsOf(node, name)
    const x = sum(node, fields)
    const take = readersTake(node, flat.nodes)
    const place = { node, fields, x, file: name, how, options, keepBias, readersTake: take }
    values.set(node.name, mapped(builder, place))
  }
  const out = fieldsOf(flat.output, name)
  const result = sum(flat.output, out)
  expectOutput(out, result)
  const { timeSteps, frames } = said
  return {
    network: compilable(builder.network(result)),
    state: builder.state,
    input: sampleShape(input),
    ...(isShapes(input) && { inputs: input }),
    conventions: how,
    timeSteps: Number.isInteger(timeSteps) ? (timeSteps as number) : undefined,
    frames: typeof frames === 'boolean' ? frames : undefined,
  }
}

/**
 * Sizes of the Inputs: by name where there are several, or a file of ours says so, which also knows
 * their order and which images of one row are series.
 */
function inputsOf(nodes: readonly Named[], noted: unknown, file: string): InputShape | InputShapes {
  const found = nodes.map((node): [string, InputShape] => [
    node.name,
    fieldsOf(node, file).shape('shape') as unknown as InputShape,
  ])
  const own = Object.fromEntries(found)
  // A note may be anything.
  const isKnown =
    isShapes(noted as InputShapes) && Object.values(noted as object).every(Array.isArray)
  const sizes = (all: InputShapes): string[] =>
    Object.entries(all)
      .map(([key, shape]) => JSON.stringify([key, imageShape(shape)]))
      .sort()
  if (isKnown && `${sizes(noted as InputShapes)}` === `${sizes(own)}`)
    return checkInputs(file, noted)
  return found.length === 1 ? found[0][1] : checkInputs(file, own)
}

const mappings: Readonly<Record<string, Mapping>> = { ...stateless, ...neurons }

function mapped(builder: Builder, place: Place): Value {
  const { node, fields, x } = place
  if (!Object.hasOwn(mappings, node.type))
    fail(
      `${fields.where} must be of a known type, got one that ` +
        `${node.type === 'NIRGraph' ? 'is a graph' : 'is none of them'}; known are ` +
        `${['Input', 'Output', ...Object.keys(mappings)].join(', ')}: ` +
        'put it in their words before writing the file',
    )
  const steps = mappings[node.type](place)
  let value = x
  for (const { layer, end = '', weights } of steps)
    value = builder.layer(`${node.name}${end}`, fields.where, value, layer, weights)
  // A node that changes nothing still has its name.
  return steps.length > 0
    ? value
    : builder.layer(node.name, fields.where, x, () => ({ kind: 'identity' }))
}

/** Numbers that all linear readers of a node take; undefined where others read it too. */
function readersTake({ name }: FlatNode, nodes: readonly FlatNode[]): number | undefined {
  const taken = nodes
    .filter(({ from }) => from.includes(name))
    .map(({ type, fields }) => {
      const weight = fields.get('weight')
      if (!['Affine', 'Linear'].includes(type) || weight?.kind !== 'numbers') return undefined
      return weight.shape[weight.shape.length - 1]
    })
  return taken.length > 0 && taken.every((n) => n === taken[0]) ? taken[0] : undefined
}

/** What a file of `saveNir` says about itself; nothing for other files, or for other text. */
function noteOf(metadata: NirFile['graph']['metadata']): Readonly<Record<string, unknown>> {
  const note = metadata?.kind === 'group' ? metadata.members.get(noteKey) : undefined
  if (note?.kind !== 'texts' || note.data.length !== 1) return {}
  try {
    const said: unknown = JSON.parse(note.data[0])
    return typeof said === 'object' && said !== null ? (said as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** @throws SpikewasmError where the Output says another number of outputs than there are */
function expectOutput(fields: Fields, { shape }: Value): void {
  if (!fields.has('shape')) return
  const said = fields.shape('shape')
  if (sizeOf(said) !== sizeOf(shape))
    fail(
      `${fields.where}: its shape is [${said.join(', ')}], but it gets [${shape.join(', ')}]; ` +
        'one of them is wrong',
    )
}
