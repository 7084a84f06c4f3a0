/**
 * Nodes as the Python package `nir` 1.0.7 takes them (nir/ir of github.com/neuromorphs/NIR): which
 * fields each kind has, and which sizes of what it takes and gives follow from them.
 */

import type { Group, NumbersLeaf } from '../../src/files/nir/graph.js'

export type Sizes = readonly number[]

/** Sizes of what a node takes and gives; undefined until what comes before it says. */
export interface Types {
  input?: Sizes
  output?: Sizes
}

/**
 * 'package': with two faults of its convolutions, which forget groups, and take a kernel for as
 * wide as it is high. 'definition': without them.
 */
export type Rules = 'package' | 'definition'

export interface Kind {
  /** Arguments without a preset. */
  readonly fields: readonly string[]
  /** Arguments with one. */
  readonly more?: readonly string[]
  /** Fields whose shapes must be one, where they are there. */
  readonly same?: readonly string[]
  types(node: PackageNode, rules: Rules): Types
  /** What it gives where only what it takes is known. */
  output?(node: PackageNode, input: Sizes): Sizes
}

/** One node of a file, its fields found by name. */
export class PackageNode {
  readonly types: Types
  readonly kind: Kind

  /** @throws Error for what the package refuses */
  constructor(
    readonly name: string,
    private readonly group: Group,
    rules: Rules,
  ) {
    if (!Object.hasOwn(kinds, this.type)) throw new Error(`Unknown unit type: ${this.type}`)
    this.kind = kinds[this.type]
    const { fields, more = [], same = [] } = this.kind
    const { members } = group
    for (const field of fields)
      if (!members.has(field)) throw new Error(`${name}: missing argument '${field}'`)
    for (const field of members.keys())
      if (![...fields, ...more, 'type', 'metadata'].includes(field))
        throw new Error(`${name}: unexpected argument '${field}'`)
    const shapes = same.filter((field) => members.has(field)).map((field) => this.shape(field))
    if (shapes.some((shape) => !equal(shape, shapes[0])))
      throw new Error(`${name}: All parameters must have the same shape`)
    this.types = this.kind.types(this, rules)
  }

  get type(): string {
    const type = this.group.members.get('type')
    return type?.kind === 'texts' ? type.data[0] : ''
  }

  private numbers(field: string): NumbersLeaf {
    const found = this.group.members.get(field)
    if (found?.kind !== 'numbers') throw new Error(`${this.name}: ${field} holds no numbers`)
    return found
  }

  has(field: string): boolean {
    return this.group.members.has(field)
  }

  shape(field: string): Sizes {
    return this.numbers(field).shape
  }

  list(field: string, dimensions = 1): Sizes {
    const { shape, data } = this.numbers(field)
    if (shape.length !== dimensions)
      throw new Error(`${this.name}: ${field} has shape [${shape.join(', ')}]`)
    return Array.from(data as ArrayLike<number | bigint>, Number)
  }

  /** One number for each dimension, of a list or of a single number. */
  each(field: string, dimensions: number): Sizes {
    if (this.shape(field).length === 0) return Array(dimensions).fill(this.scalar(field))
    const all = this.list(field)
    if (all.length !== dimensions) throw new Error(`${this.name}: ${field} has ${all.length} sizes`)
    return all
  }

  scalar(field: string, preset?: number): number {
    return preset !== undefined && !this.has(field) ? preset : this.list(field, 0)[0]
  }
}

export const equal = (a: Sizes | undefined, b: Sizes | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((n, i) => n === b[i])

const windows = (
  input: Sizes,
  padding: Sizes,
  kernel: Sizes,
  stride: Sizes,
  dilation: Sizes = kernel.map(() => 1),
): Sizes =>
  input.map((n, i) => {
    const span = dilation[i] * (kernel[i] - 1) + 1
    return Math.floor((n + 2 * padding[i] - span) / stride[i]) + 1
  })

function convolution(dimensions: 1 | 2): Kind {
  return {
    fields: ['input_shape', 'weight', 'stride', 'padding', 'dilation', 'groups', 'bias'],
    types(node, rules) {
      const input = dimensions === 1 ? [node.scalar('input_shape')] : node.list('input_shape')
      const [outputs, inputs, ...kernel] = node.shape('weight')
      const [stride, padding, dilation] = ['stride', 'padding', 'dilation'].map((key) =>
        node.each(key, dimensions),
      )
      const exact = rules === 'definition'
      const sides = exact ? kernel : kernel.map(() => kernel[0])
      return {
        input: [inputs * (exact ? node.scalar('groups') : 1), ...input],
        output: [outputs, ...windows(input, padding, sides, stride, dilation)],
      }
    },
  }
}

const pooling: Kind = {
  fields: ['kernel_size', 'stride', 'padding'],
  types: () => ({}),
  output(node, [channels, ...size]) {
    const [kernel, stride, padding] = ['kernel_size', 'stride', 'padding'].map((field) =>
      node.each(field, 2),
    )
    return [channels, ...windows(size, padding, kernel, stride)]
  },
}

/** Takes and gives as many numbers as one of its fields has. */
const likeField = (same: readonly string[], more: readonly string[] = []): Kind => ({
  fields: same,
  more,
  same: [...same, ...more.filter((field) => field === 'v_reset')],
  types: (node) => ({ input: node.shape(same[0]), output: node.shape(same[0]) }),
})

const dense = (fields: readonly string[]): Kind => ({
  fields,
  types(node) {
    const shape = node.shape('weight')
    if (shape.length < 2) throw new Error(`${node.name}: Weight must be at least 2D`)
    const rows = shape.slice(0, -2)
    return { input: [...rows, shape.at(-1)!], output: [...rows, shape.at(-2)!] }
  },
})

const border: Kind = {
  fields: ['shape'],
  types: (node) => ({ input: node.list('shape'), output: node.list('shape') }),
}

function flattened(sizes: Sizes, start: number, end: number): Sizes {
  const last = end === -1 ? sizes.length : end + 1
  const middle = sizes.slice(start, last).reduce((a, b) => a * b, 1)
  return [...sizes.slice(0, start), middle, ...sizes.slice(last)]
}

const flatten: Kind = {
  fields: [],
  more: ['start_dim', 'end_dim', 'input_type'],
  types(node) {
    const input = node.has('input_type') ? node.list('input_type') : undefined
    return { input, output: input && flatten.output!(node, input) }
  },
  output: (node, input) =>
    flattened(input, node.scalar('start_dim', 1), node.scalar('end_dim', -1)),
}

export const kinds: Readonly<Record<string, Kind>> = {
  Input: border,
  Output: border,
  Affine: dense(['weight', 'bias']),
  Linear: dense(['weight']),
  Conv1d: convolution(1),
  Conv2d: convolution(2),
  SumPool2d: pooling,
  AvgPool2d: pooling,
  Flatten: flatten,
  Scale: likeField(['scale']),
  Delay: likeField(['delay']),
  Threshold: likeField(['threshold']),
  I: likeField(['r']),
  IF: likeField(['r', 'v_threshold'], ['v_reset']),
  LI: likeField(['r', 'tau', 'v_leak']),
  LIF: likeField(['r', 'tau', 'v_leak', 'v_threshold'], ['v_reset']),
  CubaLI: likeField(['v_leak', 'tau_syn', 'tau_mem', 'r'], ['w_in']),
  CubaLIF: likeField(['v_threshold', 'tau_syn', 'tau_mem', 'r', 'v_leak'], ['v_reset', 'w_in']),
}
