/** What the ops of neurons share: options, the currents that neurons read, and their record. */

import { checkBoolean, checkInteger, checkOptions, describe, expect } from '../errors.js'
import type { NeuronOptions } from '../layers/index.js'
import { type Cell, cellOf } from '../nn/cell.js'
import type { NeuronInput, Neurons } from '../plan/neuron-record.js'
import type { OpBuilder } from './builder.js'
import { checkShape, type Extent, extentOf, MOST_STEPS, still, withSteps } from './shapes.js'
import { groupTensor } from './special.js'
import { floatTensor, type OpTensor, spikesTensor } from './tensor.js'
import { asFloat } from './terms.js'
import type { Asks, Only, Option, With } from './types.js'

/**
 * An affine map of each channel in front of the neurons, scale·x + shift, as a normalisation has
 * it. true: vectors [C]; 'steps': one for each time step, [T, C].
 */
export type AffineOption = boolean | 'steps'

/** A second current, which is added to the first. */
export interface ResidualOptions {
  /** As of the first current; default false. */
  readonly affine?: AffineOption
  /** It is the same at every step: it has no time axis. Default false. */
  readonly still?: boolean
}

/** What neurons are, and what they read. */
export interface ChargeOptions extends NeuronOptions {
  /**
   * The current: [B, T, C, H, W], [B, T, C] or [T, N]. With `timeSteps` it is the same at every
   * step: [B, C, H, W] or [B, C].
   */
  readonly input: readonly number[]
  /** Time steps, where the current has no time axis. */
  readonly timeSteps?: number
  /** τ is a parameter: 1/τ = σ(w), and w [1] is an argument (PLIF). Default false. */
  readonly learnable?: boolean
  /** Default false. */
  readonly affine?: AffineOption
  /** Default false. */
  readonly residual?: boolean | ResidualOptions
  /**
   * Spikes of another layer are added to the current, times this factor; true: 1. Default false.
   */
  readonly shortcut?: boolean | number
}

/** Whether the second current has an affine map. */
export type ResidualAffine<O> =
  Option<O, 'residual', false> extends infer R
    ? R extends unknown
      ? Asks<R, 'affine'>
      : never
    : never

/** Vectors over channels, or floats, by name. */
export type Vectors<Names extends string> = { readonly [K in Names]: Float32Array }

/** Arrays of what neurons read, as far as options ask for it. `X`, `Y`: means of x̂ are wanted. */
export type ChargeArguments<O, X = false, Y = false> = [
  input: Float32Array,
  ...map: Only<Asks<O, 'affine'>, [scale: Float32Array, shift: Float32Array]>,
  ...statistics: Only<X, [mean: Float32Array, invStd: Float32Array]>,
  ...residual: Only<Asks<O, 'residual'>, [residual: Float32Array]>,
  ...residualMap: Only<
    ResidualAffine<O>,
    [residualScale: Float32Array, residualShift: Float32Array]
  >,
  ...residualStatistics: Only<Y, [residualMean: Float32Array, residualInvStd: Float32Array]>,
  ...shortcut: Only<Asks<O, 'shortcut'>, [shortcut: Uint8Array]>,
  ...w: Only<Asks<O, 'learnable'>, [w: Float32Array]>,
]

/** The plan's own memory of the same, by name. */
export type ChargeMemory<O, X = false, Y = false> = {
  /** The current, [B][H][W][T][C]. */
  readonly input: Float32Array
} & With<Asks<O, 'affine'>, Vectors<'scale' | 'shift'>> &
  With<X, Vectors<'mean' | 'invStd'>> &
  With<Asks<O, 'residual'>, Vectors<'residual'>> &
  With<ResidualAffine<O>, Vectors<'residualScale' | 'residualShift'>> &
  With<Y, Vectors<'residualMean' | 'residualInvStd'>> &
  With<
    Asks<O, 'shortcut'>,
    {
      /** Masks of the other layer's spikes. */
      readonly shortcut: Uint8Array
    }
  > &
  With<Asks<O, 'learnable'>, Vectors<'w'>>

/** Options of the layer. */
export const dynamicsOptions = [
  'tau',
  'decayInput',
  'vThreshold',
  'vReset',
  'detachReset',
  'surrogate',
  'alpha',
] as const
export const chargeOptions = [
  ...dynamicsOptions,
  'input',
  'timeSteps',
  'learnable',
  'affine',
  'residual',
  'shortcut',
] as const

/** What neurons read, as an op plans it. */
export interface Currents {
  /** Axes of the neurons over all steps. */
  readonly extent: Extent
  /** Over which means run; default: the steps of the extent. */
  readonly totalSteps?: number
  readonly inputs: readonly NeuronInput[]
  /** Spikes of another layer. */
  readonly spikes?: Neurons['spikes']
  /** All of this, in the order of `run`'s arguments. */
  readonly tensors: readonly OpTensor[]
  /** Outputs for the time means of x̂, of the first current and of the second. */
  readonly means?: Readonly<Record<'xhat' | 'residualXhat', OpTensor | undefined>>
}

/** A current alone. */
export function plainCurrent({ b }: OpBuilder, extent: Extent): Currents {
  const input = floatTensor(b, { name: 'input' }, extent)
  return { extent, inputs: [{ tensor: asFloat(input, extent) }], tensors: [input] }
}

/** Those of the options that a layer has. */
export const pick = <K extends string>(
  options: { readonly [name in K]?: unknown },
  names: readonly K[],
): object => Object.fromEntries(names.map((name) => [name, options[name]]))

/** Checks what a layer checks. */
export function neuronOf(op: string, options: NeuronOptions & { learnable?: boolean }): Cell {
  const learns = checkBoolean(`${op}.learnable`, options.learnable, false)
  return cellOf(learns ? 'plif' : 'lif', pick(options, dynamicsOptions))
}

/** The current's axes, and those of the neurons over all steps. */
function extentsOf(op: string, { input, timeSteps }: ChargeOptions): { own: Extent; all: Extent } {
  const what = `${op}.input`
  if (timeSteps !== undefined) {
    checkInteger(`${op}.timeSteps`, timeSteps, 1, MOST_STEPS)
    const own = extentOf(what, input, 'never')
    return { own, all: withSteps(own, timeSteps) }
  }
  checkShape(what, input, 'T N', 'B T C', 'B T C H W')
  const [T, N] = Array.from(input)
  if (input.length > 2) {
    const own = extentOf(what, input, 'always')
    return { own, all: own }
  }
  // One image, whose axis no shape shows.
  const { C } = extentOf(what, [1, T, N], 'always')
  const own: Extent = { shape: [T, N], timed: true, T, B: 1, C, H: 1, W: 1 }
  return { own, all: own }
}

function checkAffine(what: string, affine: unknown = false): AffineOption {
  expect(
    typeof affine === 'boolean' || affine === 'steps',
    () => `${what} must be true, false or 'steps', got ${describe(affine)}`,
  )
  return affine as AffineOption
}

/** A current with its affine map. `name`: of the map's tensors, behind the current's own. */
function current(
  o: OpBuilder,
  name: string,
  own: Extent,
  all: Extent,
  affine: AffineOption,
  xhat: OpTensor | undefined,
): { input: NeuronInput; tensors: OpTensor[] } {
  const x = floatTensor(o.b, { name }, own)
  const tensor = asFloat(x, own)
  if (!affine) return { input: { tensor }, tensors: [x] }
  const steps = affine === 'steps'
  const of = (role: string): OpTensor => {
    const named = name === 'input' ? role : `${name}${role[0].toUpperCase()}${role.slice(1)}`
    return groupTensor(o.b, { name: named }, all, steps)
  }
  const [scale, shift] = ['scale', 'shift'].map(of)
  const [mean, invStd] = xhat ? ['mean', 'invStd'].map(of) : []
  const norm = {
    groups: steps ? all.T : 1,
    scale: scale.buffer,
    shift: shift.buffer,
    mean: mean?.buffer,
    invStd: invStd?.buffer,
  }
  return {
    input: { tensor, norm, xhat: xhat?.buffer },
    tensors: [x, scale, shift, ...(xhat ? [mean, invStd] : [])],
  }
}

function residualOf(op: string, given: ChargeOptions['residual']): ResidualOptions | undefined {
  if (given === undefined || given === false) return undefined
  if (given === true) return {}
  checkOptions(`${op}.residual`, given, ['affine', 'still'])
  checkBoolean(`${op}.residual.still`, given.still, false)
  return given
}

function shortcutScale(op: string, given: unknown = false): number | undefined {
  expect(
    typeof given === 'boolean' || Number.isFinite(given),
    () => `${op}.shortcut must be true, false or a finite factor, got ${describe(given)}`,
  )
  return given === false ? undefined : Number(given)
}

/** Checks what neurons read and makes its tensors. `outputs`: x̂ of which currents is wanted. */
export function currentsOf(
  o: OpBuilder,
  options: ChargeOptions,
  outputs: ReadonlySet<string> = new Set(),
): Currents {
  const { b, op } = o
  const { own, all } = extentsOf(op, options)
  const affine = checkAffine(`${op}.affine`, options.affine)
  const residual = residualOf(op, options.residual)
  const residualAffine = checkAffine(`${op}.residual.affine`, residual?.affine)
  const scale = shortcutScale(op, options.shortcut)
  const one = still(all)
  const mean = (name: string, of: string, has: AffineOption): OpTensor | undefined => {
    if (!outputs.has(name)) return undefined
    expect(
      has !== false,
      () =>
        `${op}.outputs: '${name}' is of what ${of} has normalised; set ${of} to true or 'steps'`,
    )
    return floatTensor(b, { name }, one)
  }
  const xhat = mean('xhat', 'affine', affine)
  const residualXhat = mean('residualXhat', 'residual.affine', residualAffine)
  const both = [current(o, 'input', own, all, affine, xhat)]
  if (residual)
    both.push(current(o, 'residual', residual.still ? one : all, all, residualAffine, residualXhat))
  const shortcut = scale === undefined ? undefined : spikesTensor(b, op, { name: 'shortcut' }, all)
  return {
    extent: all,
    inputs: both.map(({ input }) => input),
    spikes: shortcut && scale !== undefined ? { masks: shortcut.buffer, scale } : undefined,
    tensors: [...both.flatMap(({ tensors }) => tensors), ...(shortcut ? [shortcut] : [])],
    means: { xhat, residualXhat },
  }
}
