/**
 * Cells of `reference.ts` in float64: what they do at a step, and how a gradient passes all steps
 * backward. Numbers of neurons are in PyTorch's order, [B][C][H][W] for each step.
 */
import type { Cell } from '../../src/index.js'

type Tensor = Float64Array
type Shape = readonly [number, number, number]
type State = Readonly<Record<string, Tensor>>

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** What one neuron's equations need. */
interface Constants {
  /** 1/τ, 1/τ of the synapse and of the adaptation; 1 and 0 where there is none. */
  readonly rate: number
  readonly synapse: number | undefined
  readonly adaptation: number | undefined
  readonly beta: number
  readonly scale: number
  readonly threshold: number
  /** For a hard reset. */
  readonly reset: number | undefined
  readonly rest: number
}

/** Where the parameter of a neuron lies. */
type Place = (neuron: number) => number

/** A layer of cells with its parameters. */
export interface CellLayer {
  readonly cell: Cell
  readonly name: string
  readonly shape: Shape
  readonly batch: number
  readonly state: State
  /** Steps of a segment, behind whose last one no gradient comes back. */
  readonly truncate?: number
}

/** Names of parameters in the state dict. */
const roles = {
  tau: 'w',
  vThreshold: 'v_threshold',
  tauSyn: 'w_syn',
  beta: 'beta',
  tauAdaptation: 'w_adaptation',
} as const
type Learned = keyof typeof roles

/** One number for the layer, each channel or each neuron. */
function placeOf(count: number, [c, h, w]: Shape): Place {
  if (count === 1) return () => 0
  return count === c ? (i) => Math.floor(i / (h * w)) % c : (i) => i % (c * h * w)
}

function constantsOf({ cell, name, shape, state }: CellLayer): (neuron: number) => Constants {
  const value = (key: keyof Cell): ((i: number) => number | undefined) => {
    const given = cell[key] as number | readonly number[] | null
    if (given === null) return () => undefined
    const list = typeof given === 'number' ? [given] : given
    const place = placeOf(list.length, shape)
    return (i) => list[place(i)]
  }
  const learned = (key: Learned): ((i: number) => number) | undefined => {
    const data = state[`${name}.${roles[key]}`]
    if (!cell.learn.includes(key)) return undefined
    const place = placeOf(data.length, shape)
    return (i) => data[place(i)]
  }
  const rate = (key: 'tau' | 'tauSyn' | 'tauAdaptation') => {
    const [own, fixed] = [learned(key), value(key)]
    return (i: number): number | undefined => {
      if (own) return sigmoid(own(i))
      const tau = fixed(i)
      return tau === undefined ? undefined : 1 / tau
    }
  }
  const [membrane, synapse, adaptation] = [rate('tau'), rate('tauSyn'), rate('tauAdaptation')]
  const [beta, given] = (['beta', 'vThreshold'] as const).map((key) => learned(key) ?? value(key))
  // A threshold that is learned stops there.
  const threshold = (i: number): number | undefined =>
    cell.learn.includes('vThreshold') ? Math.max(given(i) as number, 2 ** -10) : given(i)
  const [scale, reset, rest] = (['inputScale', 'vReset', 'vRest'] as const).map(value)
  return (i) => ({
    rate: membrane(i) as number,
    synapse: synapse(i),
    adaptation: adaptation(i),
    beta: beta(i) as number,
    scale: scale(i) as number,
    threshold: threshold(i) ?? Number.POSITIVE_INFINITY,
    reset: reset(i),
    rest: rest(i) as number,
  })
}

/**
 * How far from where a rounding error would show: from the threshold, and from where a rectangle
 * jumps.
 */
export const distanceOf = (
  { surrogate, alpha }: Pick<Cell, 'surrogate' | 'alpha'>,
  x: number,
): number => {
  const distance = Math.abs(x)
  return surrogate === 'rectangle'
    ? Math.min(distance, Math.abs(distance - 1 / (2 * alpha)))
    : distance
}

/** What a neuron remembers: potential, current, adaptation, steps of rest, its last spike. */
export interface CellState {
  readonly v: Tensor
  readonly current: Tensor
  readonly adaptation: Tensor
  readonly resting: Tensor
  readonly spike: Tensor
}

/** What a step leaves for the way back. */
export interface CellStep {
  /** Input, the recurrent one included, and the spikes before the step. */
  readonly x: Tensor
  readonly spikeBefore: Tensor
  /** Potential, current and adaptation before the step. */
  readonly before: Pick<CellState, 'v' | 'current' | 'adaptation'>
  /** Potential that the step before left; `before.v` is behind a delayed hard reset. */
  readonly held: Tensor
  /** Potential that decides, and the current that charges it. */
  readonly u: Tensor
  readonly current: Tensor
  readonly theta: Tensor
  /** Whether neurons charge. */
  readonly active: readonly boolean[]
  /** Spikes; of integrators potentials. */
  readonly out: Tensor
}

export const cellStart = ({ cell, shape: [c, h, w], batch, ...layer }: CellLayer): CellState => {
  const size = batch * c * h * w
  const constants = constantsOf({ cell, shape: [c, h, w], batch, ...layer })
  const zeros = (): Tensor => new Float64Array(size)
  return {
    v: zeros().map((_, i) => constants(i).reset ?? 0),
    current: zeros(),
    adaptation: zeros(),
    resting: zeros(),
    spike: zeros(),
  }
}

/** x + W s + b of each image. */
function withRecurrent({ cell, name, shape, batch, state }: CellLayer, x: Tensor, spike: Tensor) {
  if (!cell.recurrence) return x
  const n = shape[0] * shape[1] * shape[2]
  const each = state[`${name}.recurrent.V`]
  if (each) return x.map((v, i) => v + each[i % n] * spike[i])
  const weight = state[`${name}.recurrent.weight`]
  const bias = state[`${name}.recurrent.bias`]
  const sum = x.slice()
  for (let b = 0; b < batch; b++)
    for (let to = 0; to < n; to++) {
      sum[b * n + to] += bias?.[to] ?? 0
      for (let from = 0; from < n; from++)
        sum[b * n + to] += weight[to * n + from] * spike[b * n + from]
    }
  return sum
}

/** One step; moves the state. `near` hears how far a potential is from its threshold. */
export function cellStep(
  layer: CellLayer,
  given: Tensor,
  state: CellState,
  near: (distance: number) => void,
): CellStep {
  const { cell } = layer
  const constants = constantsOf(layer)
  const spikeBefore = state.spike.slice()
  const x = withRecurrent(layer, given, spikeBefore)
  const isDelayed = cell.reset === 'delayed'
  const before = {
    // A delayed hard reset comes first in a step.
    v: state.v.map((v, i) => (isDelayed && spikeBefore[i] ? (constants(i).reset ?? v) : v)),
    current: state.current.slice(),
    adaptation: state.adaptation.slice(),
  }
  const held = state.v.slice()
  const zeros = (): Tensor => new Float64Array(x.length)
  const [u, current, theta, out] = [zeros(), zeros(), zeros(), zeros()]
  const active: boolean[] = []
  x.forEach((input, i) => {
    const c = constants(i)
    const scaled = c.scale * input
    if (c.synapse !== undefined) {
      state.current[i] =
        (1 - c.synapse) * before.current[i] + (cell.decayInput ? c.synapse : 1) * scaled
      current[i] = state.current[i]
    } else current[i] = scaled
    active[i] = state.resting[i] <= 0
    const leaked = before.v[i] - c.rate * (before.v[i] - c.rest)
    u[i] = active[i] ? leaked + (cell.decayInput ? c.rate : 1) * current[i] : before.v[i]
    if (isDelayed && c.reset === undefined && spikeBefore[i]) u[i] -= c.threshold
    if (cell.vThreshold === null) {
      state.v[i] = u[i]
      out[i] = u[i]
      return
    }
    theta[i] = c.threshold + c.beta * before.adaptation[i]
    if (active[i]) near(distanceOf(cell, u[i] - theta[i]))
    const fires = cell.fires === 'above' ? u[i] > theta[i] : u[i] >= theta[i]
    const s = active[i] && fires ? 1 : 0
    if (isDelayed) state.v[i] = u[i]
    else state.v[i] = c.reset === undefined ? u[i] - s * c.threshold : s ? c.reset : u[i]
    if (c.adaptation !== undefined)
      state.adaptation[i] = (1 - c.adaptation) * before.adaptation[i] + s
    state.resting[i] = s ? cell.refractory : Math.max(0, state.resting[i] - 1)
    state.spike[i] = s
    out[i] = s
  })
  return { x, spikeBefore, before, held, u, current, theta, active, out }
}

/** ∂out/∂x of one step alone. */
export function cellFactor(
  layer: CellLayer,
  { u, theta, active }: CellStep,
  slope: (x: number) => number,
): Tensor {
  const { cell } = layer
  const constants = constantsOf(layer)
  return u.map((potential, i) => {
    const { rate, synapse, scale } = constants(i)
    const gain = cell.decayInput ? rate * (synapse ?? 1) : 1
    const spiking = cell.vThreshold !== null
    return active[i] ? scale * gain * (spiking ? slope(potential - theta[i]) : 1) : 0
  })
}

/** Adds up gradients by the name of the parameter. */
export type AddGradient = (name: string, index: number, value: number) => void

/** Gradient of a recurrent weight, from the gradient of the input and the spikes (or traces) before. */
export function addRecurrent(
  { cell, name, shape, batch }: CellLayer,
  gx: Tensor,
  before: Tensor,
  add: AddGradient,
): void {
  if (!cell.recurrence) return
  const n = shape[0] * shape[1] * shape[2]
  if (cell.recurrence.allToAll === false) {
    gx.forEach((g, i) => void add(`${name}.recurrent.V`, i % n, g * before[i]))
    return
  }
  for (let b = 0; b < batch; b++)
    for (let to = 0; to < n; to++) {
      const g = gx[b * n + to]
      if (cell.recurrence.bias) add(`${name}.recurrent.bias`, to, g)
      for (let from = 0; from < n; from++)
        add(`${name}.recurrent.weight`, to * n + from, g * before[b * n + from])
    }
}

/**
 * From the gradients of the outputs of all steps to those of the inputs, by the chain rule of the
 * equations above; parameters += theirs.
 */
export function cellBackward(
  layer: CellLayer,
  steps: readonly CellStep[],
  deltas: readonly Tensor[],
  slope: (x: number) => number,
  add: AddGradient,
): Tensor[] {
  const { cell, name, shape, batch, state } = layer
  const constants = constantsOf(layer)
  const n = shape[0] * shape[1] * shape[2]
  const size = batch * n
  const learns = (key: Learned, i: number, value: number): void => {
    if (!cell.learn.includes(key)) return
    const parameter = `${name}.${roles[key]}`
    add(parameter, placeOf(state[parameter].length, shape)(i), value)
  }
  const learnsRate = (key: Learned, i: number, rate: number, value: number): void =>
    learns(key, i, value * rate * (1 - rate))
  const gradients: Tensor[] = []
  const isDelayed = cell.reset === 'delayed'
  // Of the states behind a step, and of the spikes that the next one resets by.
  const [gv, gi, ga, gr] = [0, 0, 0, 0].map(() => new Float64Array(size))
  const isLast = (t: number): boolean =>
    t + 1 === steps.length || (t + 1) % (layer.truncate ?? steps.length) === 0
  for (let t = steps.length - 1; t >= 0; t--) {
    // A state that is detached.
    if (isLast(t)) for (const g of [gv, gi, ga, gr]) g.fill(0)
    const { x, before, held, u, current, theta, active, out, spikeBefore } = steps[t]
    const gout = deltas[t].slice()
    // What the spikes of now send to the next step.
    const each = state[`${name}.recurrent.V`]
    if (each && !isLast(t))
      for (let i = 0; i < size; i++) gout[i] += each[i % n] * gradients[t + 1][i]
    else if (cell.recurrence && !isLast(t))
      for (let b = 0; b < batch; b++)
        for (let from = 0; from < n; from++)
          for (let to = 0; to < n; to++)
            gout[b * n + from] +=
              state[`${name}.recurrent.weight`][to * n + from] * gradients[t + 1][b * n + to]
    const gx = new Float64Array(size)
    for (let i = 0; i < size; i++) {
      const c = constants(i)
      let gu: number
      if (cell.vThreshold === null) gu = gv[i] + gout[i]
      else {
        const s = out[i]
        // s reaches the output, the adaptation and, unless detached, the reset.
        let gs = gout[i] + ga[i]
        const now = isDelayed ? 0 : gv[i]
        if (!cell.detachReset)
          gs += gr[i] + now * (c.reset === undefined ? -c.threshold : c.reset - u[i])
        const through = active[i] ? gs * slope(u[i] - theta[i]) : 0
        gu = through + (isDelayed || c.reset === undefined ? gv[i] : gv[i] * (1 - s))
        const taken = isDelayed ? gu * spikeBefore[i] : gv[i] * s
        learns('vThreshold', i, -through - (c.reset === undefined ? taken : 0))
        learns('beta', i, -through * before.adaptation[i])
        if (c.adaptation !== undefined) {
          learnsRate('tauAdaptation', i, c.adaptation, -ga[i] * before.adaptation[i])
          ga[i] = (1 - c.adaptation) * ga[i] - through * c.beta
        } else ga[i] = 0
      }
      if (!active[i]) gv[i] = gu
      else {
        const drive = cell.decayInput ? current[i] : 0
        learnsRate('tau', i, c.rate, gu * (drive - (before.v[i] - c.rest)))
        gv[i] = (1 - c.rate) * gu
      }
      if (isDelayed && c.reset === undefined) gr[i] = -c.threshold * gu
      if (isDelayed && c.reset !== undefined) {
        gr[i] = (c.reset - held[i]) * gv[i]
        gv[i] *= 1 - spikeBefore[i]
      }
      let gcurrent = active[i] ? gu * (cell.decayInput ? c.rate : 1) : 0
      if (c.synapse !== undefined) {
        gcurrent += gi[i]
        const drive = cell.decayInput ? c.scale * x[i] : 0
        learnsRate('tauSyn', i, c.synapse, gcurrent * (drive - before.current[i]))
        gi[i] = (1 - c.synapse) * gcurrent
        if (cell.decayInput) gcurrent *= c.synapse
      }
      gx[i] = c.scale * gcurrent
    }
    addRecurrent(layer, gx, spikeBefore, add)
    gradients[t] = gx
  }
  return gradients
}
