/** Equations → the kernels of backward passes through time. */

import { neuronWords as word } from '../records/neuron.js'
import type { Tensor } from './addresses.js'
import type { Code } from './code.js'
import { adjoints, isFixed, Level, type Node, reachable } from './graph.js'
import type { Output, Section } from './kernel.js'
import { bySteps, type Layer, Neurons, type Turn, UNROLLED } from './layer.js'
import { lowering } from './lower.js'

export interface BackwardOptions {
  readonly steps: number
  /** Derivatives by what is learnt. */
  readonly traces?: boolean
  /** Steps beyond which no derivative goes back. */
  readonly segment?: number
}

const divisorOf = (a: number, b: number): number => (b === 0 ? a : divisorOf(b, a % b))

/** A leaf, and what it begins with or becomes. */
type Carried = readonly [leaf: Node, next: Node]
type Stored = Extract<Output, { kind: 'store' }>
/** A turn backward. */
interface Back extends Section {
  readonly outputs: readonly Stored[]
}

/** Bytes of what is kept rather than computed again: half of a small second cache. */
const MOST_KEPT = 2 ** 17

const nodesOf = ({ outputs, carry }: Back): Node[] => [
  ...outputs.map(({ node }) => node),
  ...carry.map(([, next]) => next),
]

const mapped = (back: Back, f: (node: Node) => Node): Back => ({
  ...back,
  outputs: back.outputs.map((output) => ({ ...output, node: f(output.node) })),
  carry: back.carry.map(([leaf, next]) => [leaf, f(next)]),
})

class Backward {
  private readonly neurons: Neurons
  private readonly zero: Node
  private readonly lower: (node: Node) => Node
  private readonly learnt: Neurons['learnt']
  /** What derivatives by them are by. */
  private readonly raw: readonly Node[]
  private readonly state: readonly Node[]
  private readonly adjoint: readonly Node[]
  private readonly sums: readonly Node[]
  private readonly delta: Tensor
  private readonly traces: Tensor

  constructor(
    private readonly layer: Layer,
    private readonly options: BackwardOptions,
    last?: number,
  ) {
    const { states } = layer.equations
    this.neurons = new Neurons(layer, last)
    const { neurons } = this
    const { g } = neurons
    this.zero = g.constant(0)
    this.lower = lowering(g, layer.equations.functions)
    this.learnt = options.traces ? neurons.learnt : []
    this.raw = this.learnt.map((parameter) => neurons.origin(parameter))
    this.state = states.map((one) => g.leaf(one, Level.Neuron))
    this.adjoint = states.map((one) => g.leaf(`adjoint of ${one}`, Level.Neuron))
    this.sums = this.learnt.map(({ name }) => g.leaf(`gradient of ${name}`, Level.Neuron))
    this.delta = neurons.tensor('delta', bySteps(word.delta, options.steps))
    const rows = this.learnt.length
    this.traces = neurons.tensor('traces', { word: word.traces, pixel: { rows } })
  }

  /** Steps forward. */
  private ahead(
    turn: Turn,
    outputs: (states: readonly (readonly Node[])[]) => readonly Output[],
  ): Section {
    const { states, after } = this.neurons.steps(turn.steps, this.state)
    return {
      ...turn,
      outputs: outputs([this.state, ...states.slice(0, -1)]),
      carry: this.state.map((leaf, i) => [leaf, after[i]] as const),
    }
  }

  /** A row of a tensor for each of some nodes. */
  private rows(role: string, tensor: Tensor, nodes: readonly Node[]): Node[] {
    return nodes.map((_, row) =>
      this.neurons.leaf(`${role} ${row}`, Level.Neuron, { tensor, step: 0, row }),
    )
  }

  /**
   * A state before a step of a turn: derivatives end at it where the step is the first one of a
   * segment. Which step that is may change from turn to turn.
   */
  private cut(state: Node, { times, from }: Turn, step: number): Node {
    const { g } = this.neurons
    const { segment } = this.options
    if (segment === undefined) return state
    const detached = g.make('detach', [state])
    if (times === 1) return (from + step) % segment === 0 ? detached : state
    if (step % divisorOf(UNROLLED, segment) !== 0) return state
    if (UNROLLED % segment === 0) return detached
    const within = { value: step, name: `${segment}`, level: Level.Neuron }
    return g.where(g.make('within', [], within), state, detached)
  }

  /** Backward through the steps of a turn; `last`: there is none behind it. */
  private back(turn: Turn, before: readonly Node[], last: boolean): Back {
    const { neurons, zero, delta, adjoint, sums, raw } = this
    const { g } = neurons
    const cut = (state: Node, step: number): Node => this.cut(state, turn, step)
    const { inputs, results, after } = neurons.steps(turn.steps, before, cut)
    const seeds = results.map((node, step) => {
      const to = { tensor: delta, step }
      return [node, neurons.leaf(`delta ${step}`, Level.Neuron, to)] as const
    })
    const roots = [...seeds, ...(last ? [] : after.map((node, i) => [node, adjoint[i]] as const))]
    const of = adjoints(g, neurons.surrogate, roots, new Set([...inputs, ...before, ...raw]))
    const stores = inputs.map((input, step): Stored => {
      const node = of(input) ?? zero
      return { kind: 'store', to: { tensor: delta, step }, node }
    })
    const added = sums.map((leaf, i): Carried => {
      const part = of(raw[i])
      return [leaf, part ? g.make('add', [leaf, part]) : leaf]
    })
    const behind = adjoint.map((leaf, i): Carried => [leaf, of(before[i]) ?? zero])
    const carry = [...(last ? [] : behind), ...added]
    return { ...turn, backwards: true, outputs: stores.reverse(), carry }
  }

  /**
   * What a turn takes from the one forward, by the steps it comes from: all that meets gradients,
   * or the states before it, from which it is computed again, where that is too much.
   */
  private taken(back: Back): readonly Node[] {
    const gradients = new Set([...this.adjoint, ...this.sums])
    const taken = new Set<Node>()
    for (const node of reachable(nodesOf(back)))
      if (node.name.startsWith('delta ') || node.args.some((arg) => gradients.has(arg))) {
        gradients.add(node)
        for (const arg of node.args)
          if (!gradients.has(arg) && !isFixed(arg) && arg.op !== 'within') taken.add(arg)
      }
    if (this.bytes(taken.size) > MOST_KEPT) return this.state
    return [...taken].sort((a, b) => a.depth - b.depth)
  }

  /** With leaves for what it takes. */
  private taking(back: Back, taken: readonly Node[], kept: Tensor): Back {
    const { g } = this.neurons
    const rows = this.rows('kept', kept, taken)
    const known = new Map(taken.map((node, row) => [node, rows[row]]))
    const found = (node: Node): Node => known.get(node) ?? node
    for (const node of reachable(nodesOf(back), new Set(taken))) {
      const args = node.args.map(found)
      if (!known.has(node) && args.some((arg, i) => arg !== node.args[i]))
        known.set(node, g.make(node.op, args, node))
    }
    return mapped(back, found)
  }

  /** Bytes of so many rows for each turn. */
  private bytes(rows: number): number {
    const turns = Math.ceil(this.options.steps / UNROLLED)
    return rows * turns * 16 * (this.layer.wide ? 2 : 1)
  }

  private stores(tensor: Tensor, nodes: readonly Node[], step = 0): Stored[] {
    return nodes.map((node, row) => ({ kind: 'store', to: { tensor, step, row }, node }))
  }

  private get storedSums(): Output[] {
    return this.stores(this.traces, this.sums)
  }

  private func(start: readonly Carried[], sections: readonly Section[]): Code {
    return this.neurons.kernel({ lower: this.lower, start, sections })
  }

  private start(leaves: readonly Node[], first: (i: number) => Node = () => this.zero): Carried[] {
    return leaves.map((leaf, i) => [leaf, first(i)])
  }

  private get beginning(): Carried[] {
    return this.start(this.state, (i) => this.neurons.first[i])
  }

  private end(outputs: readonly Output[]): Section[] {
    return outputs.length > 0 ? [{ times: 1, steps: 0, from: 0, outputs, carry: [] }] : []
  }

  /** All steps, in one function. */
  all(): { readonly func: Code; readonly scratch: number } {
    const { neurons, options } = this
    const turns = neurons.turns(options.steps)
    const isSingle = turns.length === 1 && turns[0].times === 1
    if (isSingle) {
      const first = neurons.first.map((node) => neurons.g.state(node))
      const sections = turns.map((turn) => this.back(turn, first, true))
      const start = this.start(this.sums)
      const func = this.func(start, [...sections, ...this.end(this.storedSums)])
      return { func, scratch: 0 }
    }
    const backs = turns.map((turn) => mapped(this.back(turn, this.state, false), this.lower))
    const taken = backs.map((back) => this.taken(back))
    const rows = Math.max(...taken.map(({ length }) => length))
    const kept = neurons.tensor('kept', { word: 0, kept: true, pixel: { rows } })
    const ahead = turns.map((turn, i) => this.ahead(turn, () => this.stores(kept, taken[i])))
    const func = this.func(
      [...this.beginning, ...this.start(this.adjoint), ...this.start(this.sums)],
      [
        ...(rows > 0 ? ahead : []),
        ...backs.map((back, i) => this.taking(back, taken[i], kept)).reverse(),
        ...this.end(this.storedSums),
      ],
    )
    return { func, scratch: this.bytes(rows) }
  }

  private get keptSteps(): Tensor {
    const { length } = this.layer.equations.states
    const pixel = { rows: length * this.options.steps }
    return this.neurons.tensor('kept', { word: word.kept, pixel, step: { rows: length } })
  }

  /** Forward over all steps: Kept [pixel][T][state][C], the states before each. */
  states(): Code {
    const { neurons, options } = this
    const kept = this.keptSteps
    const turns = neurons
      .turns(options.steps)
      .map((turn) =>
        this.ahead(turn, (states) => states.flatMap((one, step) => this.stores(kept, one, step))),
      )
    return this.func(this.beginning, turns)
  }

  /** Back over one step, with the states before it; t > 0: steps behind it came before. */
  step(): Code {
    const { neurons, layer, adjoint, sums } = this
    const { length } = layer.equations.states
    const later = neurons.g.make('later', [], { level: Level.Layer })
    const places = (tensor: Tensor, leaves: readonly Node[], role: string): Carried[] =>
      this.rows(role, tensor, leaves).map((before, row) => [
        leaves[row],
        neurons.g.where(later, before, this.zero),
      ])
    const adjoints = neurons.tensor('adjoints', { word: word.adjoints, pixel: { rows: length } })
    const turn = { times: 1, steps: 1, from: 0 }
    return this.func(
      [...places(adjoints, adjoint, 'adjoint'), ...places(this.traces, sums, 'gradient')],
      [
        this.back(turn, this.rows('kept', this.keptSteps, this.state), false),
        ...this.end([...this.stores(adjoints, adjoint), ...this.storedSums]),
      ],
    )
  }
}

/**
 * Backward through time: Delta [pixel][T][C] from ∂L/∂output to ∂L/∂x, in place, and Traces, the
 * gradients of each neuron by what is learnt.
 * @returns the function, and bytes of scratch
 */
export const backwardKernel = (
  layer: Layer,
  options: BackwardOptions,
): { readonly func: Code; readonly scratch: number } => new Backward(layer, options).all()

/**
 * The same where something happens between steps: first `states`, and then from the last step on
 * `step`, t being how many steps came before, with Delta and Kept at its step, and Adjoints
 * [pixel][state][C].
 */
export const backwardSteps = (
  layer: Layer,
  options: BackwardOptions,
): { readonly states: () => { func: Code }; readonly step: () => { func: Code } } => ({
  states: () => ({ func: new Backward(layer, options).states() }),
  step: () => ({ func: new Backward(layer, options, options.steps - 1).step() }),
})
