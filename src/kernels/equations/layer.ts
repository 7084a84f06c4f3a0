/** A layer of neurons as nodes: what its steps read, compute and leave. */

import { Control } from '../../../assembly/opcodes.js'
import { FIRST_LEARNT, neuronWords as word } from '../records/neuron.js'
import type { Place, Tensor } from './addresses.js'
import { type Code, Wasm } from './code.js'
import { Graph, Level, type Node, type Surrogate, tangents } from './graph.js'
import { type KernelSpec, kernel, type Section } from './kernel.js'
import { hashOf, type Noise } from './noise.js'
import type { Equations, Written } from './step.js'

/** Steps that are written out; where there are more, they are turns of a loop. */
export const UNROLLED = 8

/** How a parameter is stored: in the code, or as one number, of each channel, of each neuron. */
export interface Parameter {
  readonly name: string
  readonly value?: number
  readonly level: Level
  readonly learns: boolean
  /** Where an array that is not learnt begins, in bytes. */
  readonly offset: number
  /** What it is made of what is stored. */
  readonly range?: { readonly least: number; readonly most: number; readonly open: boolean }
}

/** A float tensor among the currents. */
export interface Term {
  /** Through scale and shift; of each step its own. */
  readonly affine?: boolean
  readonly groups?: boolean
  /** The same at every step. */
  readonly still?: boolean
  /** The time mean of its normalised values is wanted. */
  readonly xhat?: boolean
}

/** What a layer of neurons is, and what it reads. */
export interface Layer {
  readonly equations: Equations
  readonly surrogate: Written
  readonly alpha: number
  readonly parameters: readonly Parameter[]
  /** Those that are learnt, in the order of the rows of their derivatives. */
  readonly learn: readonly string[]
  readonly init: Readonly<Record<string, number | string>>
  readonly terms: readonly Term[]
  /** Spikes among the currents, times this. */
  readonly spikes?: number
  /** Numbers that are drawn: their seed; whether each run and each image have others. */
  readonly noise?: { readonly seed: number; readonly byRun: boolean }
  /** The share of a potential that a step leaves, where there is one. */
  readonly leak?: Written
  /** Whether some channels are padding. */
  readonly padded: boolean
  /** Whether channels are a multiple of 8. */
  readonly wide: boolean
}

export const byRow = { rows: 1 }
export const own = (word: number): Tensor => ({ word, pixel: byRow })
export const bySteps = (word: number, rows: number): Tensor => ({
  word,
  pixel: { rows },
  step: byRow,
})

/** Turns of a loop, the steps of each, and the first step of the first. */
export type Turn = Pick<Section, 'times' | 'steps' | 'from'>

/** Words of the second current, behind those of the first. */
export const SECOND = word.b - word.a

export class Neurons {
  readonly g: Graph
  readonly places = new Map<string, Place>()
  readonly surrogate: Surrogate
  /** In the order of the rows of their derivatives. */
  readonly learnt: readonly Parameter[]
  private readonly fixed: ReadonlyMap<string, Node>

  /** @param last the last step, where the kernel's t says how many come behind the one that runs */
  constructor(
    readonly layer: Layer,
    private readonly last?: number,
  ) {
    const { equations, surrogate, alpha, parameters } = layer
    this.g = new Graph(equations.what)
    const { g } = this
    this.surrogate = (x) =>
      surrogate.run(
        g,
        new Map([
          ['x', x],
          ['alpha', g.constant(alpha)],
        ]),
      )
    this.learnt = layer.learn.map((name) => parameters.find((p) => p.name === name) as Parameter)
    this.fixed = new Map(parameters.map((parameter) => [parameter.name, this.parameter(parameter)]))
  }

  leaf(name: string, level: Level, place?: Place): Node {
    if (place) this.places.set(name, place)
    return this.g.leaf(name, level)
  }

  /** What is stored of a parameter. */
  stored({ name, level, learns, offset }: Parameter): Node {
    const place = learns
      ? { word: FIRST_LEARNT + this.layer.learn.indexOf(name) }
      : { word: word.given, offset }
    const tensor = this.tensor(`parameter ${name}`, { ...place, image: level === Level.Neuron })
    return this.leaf(`parameter ${name}`, level, { tensor, step: 0 })
  }

  /**
   * What derivatives by a parameter are by. Those of a value that counts as the bound of its range
   * pass, or it could not come back.
   */
  origin(parameter: Parameter): Node {
    const isBound = parameter.range?.open === false
    return isBound ? (this.fixed.get(parameter.name) as Node) : this.stored(parameter)
  }

  /** A parameter's value: what is learnt stays in its range by a map. */
  private parameter(parameter: Parameter): Node {
    const { g } = this
    const { value, range, learns } = parameter
    if (value !== undefined && !learns) return g.constant(value)
    const raw = this.stored(parameter)
    if (!learns || !range) return raw
    const { least, most, open } = range
    const [low, high] = [g.constant(least), g.constant(most)]
    if (!open) {
      const above = least > -Infinity ? g.make('max', [raw, low]) : raw
      return most < Infinity ? g.make('min', [above, high]) : above
    }
    if (least > -Infinity && most < Infinity)
      return g.add(low, g.mul(g.sub(high, low), g.make('sigmoid', [raw])))
    const distance = g.make('exp', [g.neg(raw)])
    return least > -Infinity ? g.add(low, distance) : g.sub(high, distance)
  }

  /** Where the values of a float term are at a step of a turn. */
  private termPlace(i: number, step: number): Place {
    const at = i * SECOND
    const { still } = this.layer.terms[i]
    const pixel = { word: word.aPixelBytes + at }
    return {
      tensor: this.tensor(`term ${i}`, {
        word: word.a + at,
        pixel,
        ...(still ? {} : { step: { word: word.aStepBytes + at } }),
      }),
      step: still ? 0 : step,
    }
  }

  private readonly tensors = new Map<string, Tensor>()
  /** One object for a tensor, however often it is named. */
  tensor(name: string, tensor: Tensor): Tensor {
    const known = this.tensors.get(name) ?? tensor
    this.tensors.set(name, known)
    return known
  }

  /** A row of a statistic: of all steps, or of each. */
  private statistic(i: number, role: string, first: number, step: number): Node {
    const at = i * SECOND
    const { groups } = this.layer.terms[i]
    const tensor = this.tensor(`${role} ${i}`, {
      word: first + at,
      ...(groups ? { step: { word: word.aGroupBytes + at } } : {}),
    })
    const when = groups ? step : 0
    const level = groups ? Level.Neuron : Level.Channel
    return this.leaf(`${role} ${i} ${when}`, level, { tensor, step: when })
  }

  private term(i: number, step: number): Node {
    const place = this.termPlace(i, step)
    return this.leaf(`term ${i} ${place.step}`, Level.Neuron, place)
  }

  /** The current of a step of a turn. */
  private current(step: number): Node {
    const { g } = this
    const { terms, spikes } = this.layer
    const parts = terms.map(({ affine }, i) => {
      const value = this.term(i, step)
      if (!affine) return value
      const scaled = g.mul(value, this.statistic(i, 'scale', word.aScale, step))
      return g.add(scaled, this.statistic(i, 'shift', word.aShift, step))
    })
    if (spikes !== undefined) {
      const planes = { word: word.spikePlaneBytes }
      const tensor = this.tensor('spikes', { word: word.spikes, bytes: true, step: planes })
      this.places.set(`spike ${step}`, { tensor, step })
      const bit = g.make('bit', [], { name: `spike ${step}`, level: Level.Neuron })
      parts.push(g.where(bit, g.constant(spikes), g.constant(0)))
    }
    // A step of its own, also where all have the same current: derivatives are by each.
    return g.make('current', [parts.reduce((a, b) => g.add(a, b))], { name: `${step}` })
  }

  /** Normalised values of a step of a term. */
  normalised(i: number, step: number): Node {
    const { g } = this
    const centred = g.sub(this.term(i, step), this.statistic(i, 'mean', word.aMean, step))
    return g.mul(centred, this.statistic(i, 'inverse', word.aInvStd, step))
  }

  get first(): Node[] {
    const { equations, init } = this.layer
    return equations.states.map((name) => {
      const start = Object.hasOwn(init, name) ? init[name] : 0
      return typeof start === 'number' ? this.g.constant(start) : (this.fixed.get(start) as Node)
    })
  }

  /** What numbers that are drawn at a step of a turn follow from. */
  private noise(t: number): Omit<Noise, 'calls'> {
    const { g, last } = this
    const { seed, byRun } = this.layer.noise ?? { seed: 0, byRun: false }
    const own = g.make('i32x4', [], { value: hashOf(seed) })
    const run = g.make('word', [], { value: Control.Seed, level: Level.Layer })
    return {
      step: g.make('step', [], {
        ...(last === undefined ? { value: t } : { value: last + t, name: 'down' }),
        level: Level.Neuron,
      }),
      neuron: g.make('neuron', [], { name: byRun ? '' : 'image', level: Level.Neuron }),
      key: byRun ? g.make(Wasm.v128Xor, [own, run]) : own,
    }
  }

  /** Some steps from states on, which `seen` may change; `all`: every name behind each step. */
  steps(
    count: number,
    before: readonly Node[],
    seen: (state: Node, step: number) => Node = (state) => state,
  ) {
    const { g } = this
    const { equations } = this.layer
    let state = before
    const states: (readonly Node[])[] = []
    const inputs: Node[] = []
    const results: Node[] = []
    const all: ReadonlyMap<string, Node>[] = []
    for (let t = 0; t < count; t++) {
      inputs.push(this.current(t))
      const names = new Map([
        ['x', inputs[t]] as const,
        ...this.fixed,
        ...equations.states.map((name, i) => [name, seen(state[i], t)] as const),
      ])
      if (this.layer.noise)
        for (const [name, node] of Object.entries(this.noise(t))) names.set(` ${name}`, node)
      equations.run(g, names)
      all.push(names)
      results.push(names.get(equations.output) as Node)
      state = equations.states.map((name) => g.state(g.number(names.get(name) as Node)))
      states.push(state)
    }
    return { inputs, results, states, all, after: state }
  }

  /** Derivatives of steps by seeds, where the states have derivatives before. */
  derivatives(
    by: Parameter | undefined,
    { inputs, results, after }: Steps,
    before: readonly Node[],
    tangent: readonly (Node | undefined)[],
    weight: Node,
  ): (node: Node) => Node | undefined {
    const seeds = new Map<Node, Node | undefined>()
    for (const input of inputs) seeds.set(input, by ? undefined : weight)
    if (by) seeds.set(this.origin(by), weight)
    for (const [i, state] of before.entries()) seeds.set(state, tangent[i])
    return tangents(this.g, this.surrogate, [...results, ...after], seeds)
  }

  /** Turns: of all steps, or of eight and the rest. */
  turns(steps: number): Turn[] {
    const times = Math.floor(steps / UNROLLED)
    const rest = steps % UNROLLED
    return [
      { times, steps: UNROLLED, from: 0 },
      { times: 1, steps: rest, from: times * UNROLLED },
    ].filter((turn) => turn.times > 0 && turn.steps > 0)
  }

  kernel(of: Omit<KernelSpec, 'words' | 'width' | 'padded' | 'places'>): Code {
    const { wide, padded } = this.layer
    return kernel({ ...of, words: word, width: wide ? 2 : 1, padded, places: this.places })
  }

  /** The share of a potential that a step leaves, by which traces of spikes decay. */
  leak(): Node {
    return (this.layer.leak as Written).run(this.g, new Map(this.fixed))
  }
}

export type Steps = ReturnType<Neurons['steps']>
