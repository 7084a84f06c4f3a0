/** Equations → the kernel of a forward pass, with what a method keeps of it. */

import { neuronWords as word } from '../records/neuron.js'
import type { Place, Tensor } from './addresses.js'
import type { Code } from './code.js'
import { type Graph, Level, type Node, tangents } from './graph.js'
import type { Output, Section } from './kernel.js'
import { seenOf } from './kernel-set.js'
import * as layers from './layer.js'
import { lowering } from './lower.js'

export interface ForwardOptions {
  /** Steps of a call, and of all. */
  readonly steps: number
  readonly totalSteps: number
  /** Rows of a pixel where results are of each step; default: those of a call. */
  readonly rows?: number
  /** Calls go on from one another. */
  readonly carried?: boolean
  readonly counts?: boolean
  readonly eligibility?: boolean
  /** Derivatives by what is learnt. */
  readonly traces?: boolean
  /** ∂output/∂x of each step alone. */
  readonly surrogateOut?: boolean
  /** Neither spikes nor numbers are wanted. */
  readonly silent?: boolean
  /** For how many neurons and steps the potential changes. */
  readonly changes?: boolean
  /** The last rows of State are the spikes of a step as numbers, and a trace of them. */
  readonly fired?: 'spikes' | 'trace'
  /** Names whose values are kept, at each of so many steps; `whole`: of all calls. */
  readonly recorded?: {
    readonly names: readonly string[]
    readonly steps: number
    readonly whole: boolean
  }
}

/** What a kernel keeps from turn to turn, and from call to call. */
interface Kept {
  readonly leaf: Node
  readonly first: Node
}

/** A sum over all steps, and what each of a turn adds to it. */
interface Total {
  readonly kept: Kept
  readonly to: Place
  readonly terms: (turn: Turn) => (Node | undefined)[]
}

type Turn = layers.Steps & { readonly derived: readonly ((node: Node) => Node | undefined)[] }

class Forward {
  private readonly neurons: layers.Neurons
  private readonly g: Graph
  private readonly zero: Node
  private readonly weight: Node
  private readonly later: Node
  /** Rows of State. */
  readonly rows: { readonly node: Node; readonly to: Place }[] = []
  private readonly common: [Node, Node, Node][] = []
  private readonly states: readonly Kept[]
  /** What derivatives are by: the current, and what is learnt. */
  private readonly seeds: readonly (layers.Parameter | undefined)[]
  /** Those of the states, by each. */
  private readonly slopes: readonly (readonly Kept[])[]
  private readonly totals: readonly Total[]
  /** The potential a step before, where its changes are counted. */
  private readonly before: Kept
  private readonly spikes: readonly Kept[]

  constructor(
    private readonly layer: layers.Layer,
    private readonly options: ForwardOptions,
  ) {
    this.neurons = new layers.Neurons(layer)
    const { neurons } = this
    this.g = neurons.g
    this.zero = this.g.constant(0)
    this.weight = this.g.constant(1 / options.totalSteps)
    this.later = this.g.make('later', [], { level: Level.Layer })
    const { states } = layer.equations
    this.states = states.map((one, i) => this.inState(one, neurons.first[i]))
    this.seeds = [
      ...(options.eligibility ? [undefined] : []),
      ...(options.traces ? neurons.learnt : []),
    ]
    this.slopes = this.seeds.map((by) => this.slopesBy(by))
    this.totals = [...this.seeds.map((by, s) => this.derivative(by, s)), ...this.means()]
    // NaN is no potential's equal: the first step is a change.
    const unknown = this.g.constant(Number.NaN)
    const potential = this.states[layer.equations.potential]?.first ?? unknown
    this.before = {
      leaf: this.g.leaf('potential before', Level.Neuron),
      first: options.carried ? this.g.where(this.later, potential, unknown) : unknown,
    }
    const { fired } = options
    const roles = fired ? ['fired', ...(fired === 'trace' ? ['trace of spikes'] : [])] : []
    this.spikes = roles.map((role) => this.inState(role, this.zero))
  }

  /** A leaf that begins with what an earlier call has left. */
  private resumed(role: string, first: Node, place: Place): Kept {
    const leaf = this.g.leaf(role, Level.Neuron)
    if (!this.options.carried) return { leaf, first }
    const before = this.neurons.leaf(`${role} before`, Level.Neuron, place)
    return { leaf, first: this.g.where(this.later, before, first) }
  }

  private inState(role: string, first: Node): Kept {
    const tensor = { word: word.state, pixel: layers.byRow, plane: this.rows.length }
    const to = { tensor, step: 0 }
    const kept = this.resumed(role, first, to)
    this.rows.push({ node: kept.leaf, to })
    return kept
  }

  private slopesBy(by: layers.Parameter | undefined): Kept[] {
    const shared = commonTangents(this.neurons, by, this.weight)
    return this.layer.equations.states.map((one, i) => {
      const role = `derivative of ${one} by ${by?.name ?? 'x'}`
      const same = shared[i]
      if (!same) return this.inState(role, this.zero)
      this.common.push([same.leaf, this.zero, same.next])
      // Within a call it goes on from turn to turn.
      const first = this.options.carried ? same.leaf : this.zero
      return { leaf: this.g.leaf(role, Level.Neuron), first }
    })
  }

  private total(role: string, tensor: Tensor, row: number, terms: Total['terms']): Total {
    const to = { tensor, step: 0, row }
    return { kept: this.resumed(role, this.zero, to), to, terms }
  }

  private derivative(by: layers.Parameter | undefined, s: number): Total {
    const { neurons } = this
    const { learnt } = neurons
    const tensor = by
      ? neurons.tensor('traces', { word: word.traces, pixel: { rows: learnt.length } })
      : neurons.tensor('eligibility', layers.own(word.eligibility))
    const role = `total by ${by?.name ?? 'x'}`
    return this.total(role, tensor, by ? learnt.indexOf(by) : 0, ({ results, derived }) =>
      results.map(derived[s]),
    )
  }

  /** Time means of normalised values. */
  private means(): Total[] {
    const { g, neurons, weight } = this
    return this.layer.terms.flatMap(({ xhat }, i) => {
      if (!xhat) return []
      const tensor = neurons.tensor(`xhat ${i}`, layers.own(word.aXhat + i * layers.SECOND))
      return this.total(`mean ${i}`, tensor, 0, ({ inputs }) =>
        inputs.map((_, t) => g.mul(neurons.normalised(i, t), weight)),
      )
    })
  }

  private turn(count: number): Turn {
    const before = this.states.map(({ leaf }) => leaf)
    const run = this.neurons.steps(count, before)
    const derived = this.seeds.map((by, s) => {
      const slopes = this.slopes[s].map(({ leaf }) => leaf)
      return this.neurons.derivatives(by, run, before, slopes, this.weight)
    })
    return { ...run, derived }
  }

  /** Spikes of the last step as a number, and the trace of all. */
  private spikesAfter({ results }: Turn): Node[] {
    const { g, neurons } = this
    if (this.spikes.length === 0) return []
    const last = results.map(({ args: [mask] }) => g.number(mask))
    const [, trace] = this.spikes
    if (!trace) return this.spikes.map(() => last.at(-1) as Node)
    const leak = neurons.leak()
    const sum = last.reduce((sum, fired) => g.hold(g.add(g.mul(leak, sum), fired)), trace.leaf)
    return [last.at(-1) as Node, sum]
  }

  /** Up to each step. */
  private sums(turn: Turn): Node[][] {
    const terms = this.totals.map((total) => total.terms(turn))
    let sums = this.totals.map(({ kept }) => kept.leaf)
    return turn.results.map((_, t) => {
      sums = sums.map((sum, i) => {
        const term = terms[i][t]
        return term ? this.g.make('add', [sum, term]) : sum
      })
      return sums
    })
  }

  private section(of: layers.Turn): Section {
    const { zero, options, neurons } = this
    const turn = this.turn(of.steps)
    const { potential } = this.layer.equations
    const potentials = options.changes
      ? [this.before.leaf, ...turn.states.map((one) => one[potential] ?? zero)]
      : []
    const sums = this.sums(turn)
    const next = [
      ...turn.after,
      ...turn.derived.flatMap((of) => turn.after.map((node) => of(node) ?? zero)),
      ...sums[of.steps - 1],
      ...potentials.slice(-1),
      ...this.spikesAfter(turn),
    ]
    return {
      ...of,
      outputs: [
        ...(options.silent ? [] : resultsOf(neurons, options, turn, sums)),
        ...(options.changes ? [changesOf(neurons, potentials)] : []),
        ...recordedOf(neurons, options, turn),
      ],
      carry: this.kept.map(({ leaf }, i) => [leaf, next[i]] as const),
    }
  }

  /** In the order of what they become. */
  private get kept(): Kept[] {
    return [
      ...this.states,
      ...this.slopes.flat(),
      ...this.totals.map(({ kept }) => kept),
      ...(this.options.changes ? [this.before] : []),
      ...this.spikes,
    ]
  }

  build(): Code {
    const { layer, options, neurons } = this
    const { carried = false } = options
    const sections = neurons.turns(options.steps).map((turn) => this.section(turn))
    const last: Output[] = [
      ...this.totals.map(({ kept, to }): Output => ({ kind: 'store', to, node: kept.leaf })),
      ...(carried ? this.rows.map(({ node, to }): Output => ({ kind: 'store', to, node })) : []),
    ]
    if (last.length > 0) sections.push({ times: 1, steps: 0, from: 0, outputs: last, carry: [] })
    return neurons.kernel({
      lower: lowering(this.g, layer.equations.functions),
      common: carried ? this.common : [],
      start: this.kept.map(({ leaf, first }) => [leaf, first] as const),
      sections,
      counts: options.counts
        ? { tensor: { word: word.counts, bytes: true }, adds: carried }
        : undefined,
    })
  }
}

/**
 * Forward. Rows of State [rows][pixel][C] where calls go on from one another: the states, the
 * derivatives of each that differ from neuron to neuron, and what `fired` says.
 * @returns the function, and the rows
 */
export function forwardKernel(
  layer: layers.Layer,
  options: ForwardOptions,
): { readonly func: Code; readonly stateRows: number } {
  const forward = new Forward(layer, options)
  return { func: forward.build(), stateRows: forward.rows.length }
}

/** At which steps potentials are not what they were before. */
function changesOf({ g }: layers.Neurons, potentials: readonly Node[]): Output {
  const masks = potentials.slice(1).map((now, step) => g.make('ne', [now, potentials[step]]))
  return { kind: 'count', masks }
}

/** Values by name at each step. */
function recordedOf(
  { g, layer }: layers.Neurons,
  { recorded }: ForwardOptions,
  { all }: Turn,
): Output[] {
  if (!recorded) return []
  const { names, steps, whole } = recorded
  const rows = names.length
  const tensor = { word: word.recorded, pixel: { rows: rows * steps }, step: { rows }, whole }
  const parameters = layer.parameters.map(({ name }) => name)
  return all.flatMap((values, step) => {
    const seen = seenOf(values, parameters)
    return names.map((name, row): Output => {
      const node = g.number(seen.get(name) as Node)
      return { kind: 'store', to: { tensor, step, row }, node }
    })
  })
}

/** Masks of spikes, or numbers, and derivatives of each step alone. */
function resultsOf(
  neurons: layers.Neurons,
  options: ForwardOptions,
  { inputs, results }: Turn,
  sums: readonly (readonly Node[])[],
): Output[] {
  const { g, layer } = neurons
  const { rows = options.steps } = options
  const outputs: Output[] = []
  if (layer.equations.output === 'spike') {
    const step = { word: word.planeBytes }
    const tensor = neurons.tensor('masks', { word: word.masks, bytes: true, step })
    const masks = results.map(({ args: [mask] }) => mask)
    outputs.push({ kind: 'masks', to: { tensor, step: 0 }, masks, sums })
  } else {
    const tensor = neurons.tensor('out', layers.bySteps(word.out, rows))
    for (const [step, node] of results.entries())
      outputs.push({ kind: 'store', to: { tensor, step }, node })
  }
  if (options.surrogateOut) {
    const tensor = neurons.tensor('surrogate', layers.bySteps(word.surrogateOut, rows))
    for (const [step, input] of inputs.entries()) {
      // What came before the step is given.
      const seeds = new Map<Node, Node | undefined>(inputs.map((one) => [one, undefined]))
      seeds.set(input, g.constant(1))
      const node = tangents(g, neurons.surrogate, [results[step]], seeds)(results[step])
      outputs.push({ kind: 'store', to: { tensor, step }, node: node ?? g.constant(0) })
    }
  }
  return outputs
}

/** Derivatives of states that are the same for all neurons, one step after the other. */
function commonTangents(
  neurons: layers.Neurons,
  by: layers.Parameter | undefined,
  weight: Node,
): ({ readonly leaf: Node; readonly next: Node } | undefined)[] {
  const { g, layer } = neurons
  const { states } = layer.equations
  const before = states.map((name) => g.leaf(`common ${name}`, Level.Neuron))
  const run = neurons.steps(1, before)
  let shared = states.map(() => true)
  for (;;) {
    const leaves = states.map((name, i) =>
      g.leaf(
        `common derivative of ${name} by ${by?.name ?? 'x'}`,
        shared[i] ? Level.Layer : Level.Neuron,
      ),
    )
    const of = neurons.derivatives(by, run, before, leaves, weight)
    const nexts = run.after.map((node) => of(node) ?? g.constant(0))
    const still = shared.map((is, i) => is && nexts[i].level <= Level.Layer)
    if (still.every((is, i) => is === shared[i]))
      return states.map((_, i) => (shared[i] ? { leaf: leaves[i], next: nexts[i] } : undefined))
    shared = still
  }
}
