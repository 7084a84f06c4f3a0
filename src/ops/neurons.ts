/** What ops of neurons share: the currents that they read, what they learn, and their records. */

import { checkBoolean, checkOptions, describe, expect } from '../errors.js'
import type { Equations } from '../layers/equations.js'
import type { Cell, NeuronOptions } from '../nn/cell.js'
import { cellOf } from '../nn/cell.js'
import type { LayerKind } from '../nn/kind.js'
import type { NeuronModel } from '../nn/neuron-model.js'
import { isOneToOne, recurrentWeight } from '../nn/recurrence.js'
import { type ParameterLayout, vectorLayout } from '../plan/layout.js'
import {
  emitLearnGradients,
  emitNeuronsBackward,
  emitRecurrentGradient,
} from '../plan/neuron-backward.js'
import {
  emitNeurons,
  type NeuronInput,
  type NeuronScope,
  type Neurons,
  sizesOf,
} from '../plan/neuron-record.js'
import { parameterLayout } from '../plan/neurons.js'
import type { Contribution } from '../plan/tensors.js'
import type { Buffer } from '../plan/words.js'
import type { OpBuilder } from './builder.js'
import { gives, type Planning, takes } from './op.js'
import { flag, given, needed, oneOf, steps } from './options.js'
import { checkShape, type Extent, extentOf, still, withSteps } from './shapes.js'
import {
  behind,
  floats,
  groups,
  type Make,
  numbers,
  type OpTensor,
  parameter,
  type SpikesTensor,
  spikes,
} from './tensor.js'
import { asFloat, emitSpikeFloats } from './terms.js'
import { imageOf } from './windows.js'

type Made = Readonly<Record<string, OpTensor>>

/** A second current, which is added to the first. */
export interface ResidualOptions {
  /** As of the first current; default false. */
  readonly affine?: boolean | 'steps'
  /** It is the same at every step: it has no time axis. Default false. */
  readonly still?: boolean
}

const dynamics = {
  /** Membrane time constant τ in time steps, > 1. Default as `lif` and `plif` have it. */
  tau: given<NeuronOptions['tau']>(),
  /** The input is divided by τ as well. Default false. */
  decayInput: given<boolean>(),
  /** A neuron spikes when its potential is ≥ vThreshold. Default 1. */
  vThreshold: given<number>(),
  /** Potential after a spike (hard reset). Default null: the threshold is subtracted. */
  vReset: given<number | null>(),
  /** No gradient passes the reset's spike. Default true. */
  detachReset: given<boolean>(),
  /** What stands in for the derivative of a spike. Default 'sigmoid'. */
  surrogate: given<NeuronOptions['surrogate']>(),
  /** Sharpness α of the surrogate, > 0. Defaults as those of `lif`. */
  alpha: given<number>(),
}
export const dynamicsOptions = Object.keys(dynamics) as (keyof typeof dynamics)[]

/** What spiking neurons are, and what they read. */
export const charge = {
  ...dynamics,
  /**
   * Shape of the current: [B, T, C, H, W], [B, T, C] or [T, N]. With `timeSteps` it is the same at
   * every step: [B, C, H, W] or [B, C].
   */
  input: needed<readonly number[]>(),
  /** Time steps, where the current has no time axis. */
  timeSteps: steps,
  /** τ is a parameter: 1/τ = σ(w), and w [1] is an argument (PLIF). Default false. */
  learnable: flag(),
  /**
   * An affine map of each channel in front of the neurons, scale·x + shift, as a normalisation has
   * it. true: vectors [C]; 'steps': one for each time step, [T, C]. Default false.
   */
  affine: oneOf<boolean | 'steps'>([true, false, 'steps'], false),
  /** A second current is added; perhaps with a map of its own. Default false. */
  residual: given<boolean | ResidualOptions>(),
  /**
   * Spikes of another layer are added to the current, times this factor; true: 1. Default false.
   */
  shortcut: given<boolean | number>(),
}

type Checked = {
  readonly [K in keyof typeof charge]: ReturnType<(typeof charge)[K]['check']>
}

/** Those of the options that a layer has. */
export const pick = <K extends string>(
  options: { readonly [name in K]?: unknown },
  names: readonly K[],
): object => Object.fromEntries(names.map((name) => [name, options[name]]))

/** Checks what a layer checks. */
export const neuronOf = (of: Pick<Checked, 'learnable' | keyof typeof dynamics>): Cell =>
  cellOf(of.learnable ? 'plif' : 'lif', pick(of, dynamicsOptions))

/** The current's axes, and those of the neurons over all steps. */
function extentsOf(op: string, input: readonly number[], timeSteps: number | undefined) {
  const what = `${op}.input`
  if (timeSteps !== undefined) {
    const own = extentOf(what, input, 'never')
    return { own, extent: withSteps(own, timeSteps) }
  }
  checkShape(what, input, 'T N', 'B T C', 'B T C H W')
  const [T, N] = Array.from(input)
  // One image, whose axis no shape shows.
  const all = extentOf(what, input.length > 2 ? input : [1, T, N], 'always')
  const own = input.length > 2 ? all : { ...all, shape: [T, N] }
  return { own, extent: own }
}

function residualOf(op: string, given: Checked['residual']) {
  if (given === undefined || given === false) return undefined
  const options = given === true ? {} : given
  checkOptions(`${op}.residual`, options, ['affine', 'still'])
  const { affine } = options
  return {
    still: checkBoolean(`${op}.residual.still`, options.still, false),
    affine: charge.affine.check(`${op}.residual.affine`, affine),
  }
}

/** What neurons read, as checked. */
export function readsOf({ op, asked }: OpBuilder, of: Checked) {
  const { own, extent } = extentsOf(op, of.input, of.timeSteps)
  const { affine, shortcut = false } = of
  const residual = residualOf(op, of.residual)
  expect(
    typeof shortcut === 'boolean' || Number.isFinite(shortcut),
    () => `${op}.shortcut must be true, false or a finite factor, got ${describe(shortcut)}`,
  )
  const mean = (name: string, of: string, has: unknown): boolean => {
    expect(
      !asked.has(name) || Boolean(has),
      () =>
        `${op}.outputs: '${name}' is of what ${of} has normalised; set ${of} to true or 'steps'`,
    )
    return asked.has(name)
  }
  const xhat = mean('xhat', 'affine', affine)
  const residualXhat = mean('residualXhat', 'residual.affine', residual?.affine)
  const factor = shortcut === false ? undefined : Number(shortcut)
  return { own, extent, affine, residual, factor, xhat, residualXhat, learns: of.learnable }
}
type Reads = ReturnType<typeof readsOf>

/** The arguments of it. */
export function readTensors({ own, extent, affine, residual, factor, ...of }: Reads) {
  const map = (by: boolean | 'steps' | undefined, wanted = true) =>
    by && wanted && takes(groups(extent, by === 'steps'))
  const second = residual?.still ? still(extent) : extent
  return {
    /** The current. */
    input: takes(floats(own)),
    /** [C] or [T, C], with `affine`. */
    scale: map(affine),
    /** As `scale`. */
    shift: map(affine),
    /** As `scale`, for the output `xhat`. */
    mean: map(affine, of.xhat),
    /** As `mean`. */
    invStd: map(affine, of.xhat),
    /** The second current, with `residual`. */
    residual: residual && takes(floats(second)),
    /** As `scale`, of the second current. */
    residualScale: map(residual?.affine),
    /** As `residualScale`. */
    residualShift: map(residual?.affine),
    /** As `residualScale`, for the output `residualXhat`. */
    residualMean: map(residual?.affine, of.residualXhat),
    /** As `residualMean`. */
    residualInvStd: map(residual?.affine, of.residualXhat),
    /** 0 or 1, with `shortcut`: spikes of another layer. */
    shortcut: factor !== undefined && takes(spikes(extent)),
    /** [1], with `learnable`: 1/τ = σ(w). */
    w: of.learns && takes(numbers([1])),
  }
}

/** The same as records read it. */
export function currentsOf({ own, extent, affine, residual, factor }: Reads, made: Made) {
  const current = (
    name: string,
    extentOf: Extent,
    by: boolean | 'steps',
    prefix: (role: string) => string,
  ): NeuronInput => {
    const place = (role: string): Buffer | undefined => made[prefix(role)]?.buffer
    const tensor = asFloat(made[name], extentOf)
    if (!by) return { tensor }
    const [scale, shift] = [place('scale'), place('shift')] as Buffer[]
    const map = { groups: by === 'steps' ? extent.T : 1, scale, shift }
    const norm = { ...map, mean: place('mean'), invStd: place('invStd') }
    return { tensor, norm, xhat: place('xhat') }
  }
  const inputs = [current('input', own, affine, (role) => role)]
  const capital = (role: string): string => `residual${role[0].toUpperCase()}${role.slice(1)}`
  if (residual) {
    const second = residual.still ? still(extent) : extent
    inputs.push(current('residual', second, residual.affine, capital))
  }
  const scale = factor ?? 1
  return { inputs, spikes: made.shortcut && { masks: made.shortcut.buffer, scale } }
}

type Kind = LayerKind<Cell> | LayerKind<Equations>
type Layer = Cell | Equations

/** What a layer learns, in the order of its state dict. */
function layoutsOf(kind: Kind, layer: Layer, extent: Extent): [string, ParameterLayout][] {
  const shape = imageOf(extent)
  const specs = (kind as LayerKind<Layer>).parameters?.(layer, shape) ?? []
  return specs.map((spec) => [
    spec.name,
    parameterLayout(spec, shape) ?? vectorLayout(spec.shape, spec.shape[0] ?? 1),
  ])
}

/** Tensors of what a layer learns, or of its gradients. */
export const learnt = (
  kind: Kind,
  layer: Layer,
  extent: Extent,
  as: (make: Make<Float32Array>) => Planning<Float32Array> = takes,
  suffix = '',
): Readonly<Record<string, Planning<Float32Array>>> =>
  Object.fromEntries(
    layoutsOf(kind, layer, extent).map(([name, layout]) => [
      `${name}${suffix}`,
      as(parameter(layout)),
    ]),
  )

/** Gradients of what a layer learns. */
export const learntGradients = (kind: Kind, layer: Layer, extent: Extent) =>
  learnt(kind, layer, extent, gives, 'Gradient')

/** Neurons as records have them. */
export interface NeuronJob {
  readonly extent: Extent
  readonly scope: NeuronScope
  readonly neurons: Neurons
  readonly layer: Layer
}

/** @throws SpikewasmError for numbers of another length than the shape has; `where` begins it */
export function jobOf(
  { b, op, made }: OpBuilder,
  kind: Kind,
  layer: Layer,
  extent: Extent,
  currents?: Pick<Neurons, 'inputs' | 'spikes'> & { readonly totalSteps?: number },
  where = op,
): NeuronJob {
  const of = kind as LayerKind<Layer>
  const shape = imageOf(extent)
  of.output(layer, { node: 0, shape, flat: false }, where)
  const model = of.model?.(layer) as NeuronModel
  const plain = { inputs: [{ tensor: asFloat(made.input, extent) }], totalSteps: undefined }
  const placeOf = (name: string): Buffer => made[name]?.buffer
  const { totalSteps: timeSteps = extent.T, ...reads } = currents ?? plain
  return {
    ...{ extent, layer },
    scope: {
      ...{ b, images: extent.B, callSteps: extent.T },
      ...{ context: { images: extent.B }, options: { timeSteps } },
    },
    neurons: {
      // Forward and back draw the same numbers.
      ...{ name: 'neurons', model, shape, ...reads },
      parameters: new Map(Array.from(model.learn, ([key, name]) => [key, placeOf(name)])),
      recurrent: model.recurrence
        ? {
            weight: placeOf(recurrentWeight(layer)),
            bias: placeOf('recurrent.bias'),
            oneToOne: isOneToOne(layer),
          }
        : undefined,
    },
  }
}

/** What of neurons is counted: who asks for spikes alone has nothing counted. */
export const isCounted = ({ asked }: OpBuilder): boolean =>
  ['counts', 'rates', 'eligibilities', 'surrogates'].some((name) => asked.has(name))

/**
 * Neurons over all steps.
 * @param own name of what they give: spikes, or numbers
 */
export function emitForward(o: OpBuilder, job: NeuronJob, own: string): void {
  const { b, made, asked } = o
  const { extent, scope, neurons } = job
  const result = made[own]
  const spiking = 'counts' in result ? (result as SpikesTensor) : undefined
  const counts = spiking && isCounted(o) ? spiking.counts.buffer : undefined
  /** The potentials come first. */
  const carry = (bytes: number): Buffer => {
    const room = floats(still(extent), undefined, bytes / 4)
    made.potential = room(o, { name: 'potential', updated: true })
    made.state = behind(made.potential, 'state', bytes / 4)
    return made.potential.buffer
  }
  const { units } = sizesOf(scope, neurons)
  const results = {
    ...{ masks: spiking?.buffer, out: spiking ? undefined : result.buffer },
    ...{ counts, eligibility: made.eligibilities?.buffer },
    countPartials: counts && b.buffer('spike sums', units * 4, 'statistics'),
    surrogateOut: made.surrogates?.buffer,
  }
  emitNeurons(scope, neurons, results, asked.has('potential') ? carry : undefined)
  const { timeSteps } = scope.options
  if (made.rates && spiking) emitSpikeFloats(b, spiking, extent, timeSteps, made.rates.buffer, true)
}

/** Gradients through time, of those that arrive. */
export function emitBackward(
  o: OpBuilder,
  { extent, layer, scope, neurons }: NeuronJob,
  arriving: readonly Contribution[],
): void {
  const { b, made } = o
  const { model, recurrent } = neurons
  const gradientOf = (name: string): Buffer => made[`${name}Gradient`]?.buffer
  const before = recurrent ? floats(extent)(o, { name: 'spikesBefore' }) : undefined
  const inputs = before && floats(extent)(o, { name: 'currents' }).buffer
  if (before)
    emitNeurons(scope, neurons, {
      masks: spikes(extent)(o, { name: 'spikes' }).buffer,
      recurrent: { inputs, presynaptic: before.buffer },
    })
  const { bytes } = sizesOf(scope, neurons)
  const { size } = model.learn
  const traces = size > 0 ? b.buffer('derivatives', bytes * size) : undefined
  const out = made.inputGradient.buffer
  // In the order in which a network adds two: the sum is the same.
  const contributions = arriving.length === 2 ? arriving.toReversed() : arriving
  emitNeuronsBackward(scope, neurons, out, contributions, { traces, inputs })
  const to = ([key, name]: [string, string]) => [key, gradientOf(name)] as const
  if (traces)
    emitLearnGradients(scope, neurons, traces, undefined, new Map([...model.learn].map(to)))
  if (before) {
    const biasOut = recurrent?.bias && gradientOf('recurrent.bias')
    const weight = gradientOf(recurrentWeight(layer))
    const places = { out: weight, biasOut, in: before.buffer, delta: out }
    emitRecurrentGradient(scope, neurons, places, false)
  }
}
