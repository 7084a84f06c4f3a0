/** Neurons with constants of their own, synaptic currents, adaptation, and integrators. */

import { checkBoolean, checkOptions, describe, fail } from '../base/errors.js'
import { checkBy, integer, oneOf, type Rule, truth } from '../base/rules.js'
import type { OfKind, ParameterSpec } from './kind.js'
import { checkSurrogate, type SurrogateName } from './surrogates.js'
import {
  checkLearn,
  checkNumbers,
  finite,
  type PerNeuron,
  type Shape,
  type Values,
} from './value.js'
import { type Init, weights } from './weights.js'

/** Options as a layer keeps them: all are there, and lists of numbers are plain. */
type Completed<O> = { readonly [K in keyof O]-?: Exclude<O[K], Float32Array | Float64Array> }

/** What `lif`, `plif`, `cubaLif`, `alif`, `leakyIntegrator`, `recurrent` and others make. */
export interface Cell
  extends OfKind<'cell'>,
    Completed<Omit<AlifOptions, 'tauSyn' | 'tauAdaptation' | 'vThreshold' | 'reset'>> {
  /** The function that made it. */
  readonly type: CellType
  /** Time constant of the synaptic current, or null: there is none. */
  readonly tauSyn: Values | null
  /** Time constant of the adaptation, or null: there is none. */
  readonly tauAdaptation: Values | null
  /** Threshold, or null: there are no spikes, the potential is the output. */
  readonly vThreshold: Values | null
  /** Absent: what a spike takes away goes at once. */
  readonly reset?: 'delayed'
  /** Its own spikes as an input, or null. */
  readonly recurrence: Recurrence | null
}

/** What `lif`, `plif` and `integrateAndFire` make. */
export type Neuron = Cell

/** What of a cell can be a parameter. */
export type CellParameter = 'tau' | 'vThreshold' | 'tauSyn' | 'beta' | 'tauAdaptation'

/** Options of `lif`, `plif` and, but for `tau` and `decayInput`, `integrateAndFire`. */
export interface CellOptions {
  /**
   * Membrane time constant τ in time steps, > 1: a number, or one for each channel (length C) or
   * each neuron (length C·H·W, PyTorch's order). Infinity: no leak. `lif` starts at 1.25, the
   * paper's: a share λ = 1 − 1/τ = 0.2 of the potential is left after a step; others at 2.
   */
  tau?: PerNeuron
  /** Whether the input is divided by τ (and by tauSyn) as well; default false. */
  decayInput?: boolean
  /** Threshold, > 0: a number, or one for each channel or neuron; default 1. */
  vThreshold?: PerNeuron
  /**
   * Potential after a spike, < vThreshold (hard reset): a number, or one for each channel or
   * neuron. Default null: the threshold is subtracted (soft reset).
   */
  vReset?: PerNeuron | null
  /**
   * When a spike resets the potential. 'immediate': at once, before the leak of the next step.
   * 'delayed': in the next step; a threshold is then subtracted behind the leak, as in snnTorch.
   * Default 'immediate'.
   */
  reset?: 'immediate' | 'delayed'
  /** Potential that the leak draws to; default vReset, or 0 where that is null. */
  vRest?: PerNeuron
  /** What the input is multiplied with, for all neurons, each channel or each neuron; default 1. */
  inputScale?: PerNeuron
  /**
   * 'atOrAbove': a neuron spikes when its potential is ≥ the threshold. 'above': only when it is >.
   * Default 'atOrAbove'.
   */
  fires?: 'atOrAbove' | 'above'
  /** After a spike a neuron neither charges nor spikes for so many steps, 0 … 4096; default 0. */
  refractory?: number
  /** Whether no gradient passes through the spike of the reset; default true. */
  detachReset?: boolean
  /** What stands in for the derivative of a spike; default 'sigmoid'. */
  surrogate?: SurrogateName
  /**
   * Sharpness α of the surrogate, > 0. Its default is the surrogate's own.
   */
  alpha?: number
  /**
   * What is a parameter, one for the layer, each channel or each neuron as its numbers are. 'tau':
   * `w`, with 1/τ = σ(w). 'vThreshold': `v_threshold`; below 1/1024 it counts as that. Where cells
   * have them, 'tauSyn': `w_syn`, 'beta': `beta`, 'tauAdaptation': `w_adaptation`. Default:
   * nothing.
   */
  learn?: readonly CellParameter[]
}

/** The options of these neurons that are the same for all of a layer. */
export interface NeuronOptions
  extends Pick<CellOptions, 'decayInput' | 'detachReset' | 'surrogate' | 'alpha'> {
  /** Membrane time constant τ in time steps, > 1; `lif` starts at 1.25, `plif` at 2. */
  tau?: number
  /** A neuron spikes when its potential is ≥ vThreshold (ties fire); default 1. */
  vThreshold?: number
  /**
   * Potential after a spike, < vThreshold (hard reset). Default null: the threshold is subtracted
   * (soft reset).
   */
  vReset?: number | null
}

/** Options of `cubaLif`. */
export interface CubaLifOptions extends CellOptions {
  /**
   * Time constant of the synaptic current i in time steps, > 1: i ← i·(1 − 1/tauSyn) + x. Default 2
   * for `cubaLif`, and no such current for others.
   */
  tauSyn?: PerNeuron
}

/** Options of `alif`. */
export interface AlifOptions extends CubaLifOptions {
  /** Time constant of the adaptation in time steps, > 1; default 20. */
  tauAdaptation?: PerNeuron
  /** What a unit of adaptation adds to the threshold, ≥ 0; default 0.2. */
  beta?: PerNeuron
}

/** Options of integrators that leak. */
export type LeakyIntegratorOptions = Pick<
  CubaLifOptions,
  'tau' | 'tauSyn' | 'decayInput' | 'inputScale' | 'vRest' | 'learn'
>

/** Fields that are options, but for those of surrogates, which are checked together. */
type Fields = Omit<Cell, 'kind' | 'type' | 'reset' | 'surrogate' | 'alpha' | 'recurrence'> &
  Pick<Required<CellOptions>, 'reset'>

const spikingOptions = [
  'tau',
  'decayInput',
  'vThreshold',
  'vReset',
  'reset',
  'vRest',
  'inputScale',
  'fires',
  'refractory',
  'detachReset',
  'surrogate',
  'alpha',
  'learn',
] as const satisfies readonly (keyof Cell)[]

type TypeRow = { options: readonly (keyof Cell)[]; defaults: Partial<Fields> }

const rows = {
  lif: { options: spikingOptions, defaults: { tau: 1.25 } },
  integrateAndFire: {
    options: spikingOptions.filter((name) => name !== 'tau' && name !== 'decayInput'),
    defaults: { tau: Infinity },
  },
  plif: { options: spikingOptions, defaults: { learn: ['tau'] } },
  cubaLif: { options: [...spikingOptions, 'tauSyn'], defaults: { tauSyn: 2 } },
  alif: {
    options: [...spikingOptions, 'tauSyn', 'tauAdaptation', 'beta'],
    defaults: { tauAdaptation: 20, beta: 0.2 },
  },
  leakyIntegrator: {
    options: ['tau', 'tauSyn', 'decayInput', 'inputScale', 'vRest', 'learn'],
    defaults: { vThreshold: null },
  },
  integrator: { options: ['inputScale'], defaults: { tau: Infinity, vThreshold: null } },
} as const satisfies Readonly<Record<string, TypeRow>>

/** The functions that make cells. */
export type CellType = keyof typeof rows

/** What each function takes, and defaults that are not those of most cells. */
export const cellTypes: Readonly<Record<CellType, TypeRow>> = rows

/** Names in the state dict of what cells can learn. */
export const storedNames: Readonly<Record<CellParameter, string>> = {
  tau: 'w',
  vThreshold: 'v_threshold',
  tauSyn: 'w_syn',
  beta: 'beta',
  tauAdaptation: 'w_adaptation',
}

/** What cells of a type can learn, in the order of the state dict. */
export const learnable = (type: CellType): CellParameter[] =>
  (Object.keys(storedNames) as CellParameter[]).filter(
    (name) => cellTypes[type].options.includes(name) && cellTypes[type].options.includes('learn'),
  )

/** Whether a cell spikes; the others give their potential. */
export const isSpiking = ({ vThreshold }: Cell): boolean => vThreshold !== null

type Check = (name: string, given: never, type: CellType) => unknown

const numbers =
  (rule = '', fits: (x: number) => boolean = finite): Check =>
  (name, given) =>
    checkNumbers(name, given, `${rule}finite as a float32`, fits)

const time: Check = (name, given) => checkNumbers(name, given, '> 1', (x) => x > 1)

const ruled =
  (rule: Rule): Check =>
  (name, given) => {
    checkBy(name, rule, given)
    return given
  }

/** In one order, so that a network is the same however it was written. */
function checkLearnt(name: string, given: unknown, type: CellType): readonly CellParameter[] {
  const { learn = [] } = cellTypes[type].defaults
  const all = [...checkLearn(name, given, learnable(type)), ...learn]
  return learnable(type).filter((one) => all.includes(one))
}

/** What most cells are where nothing is said, and what each option must be. */
const fields: { readonly [K in keyof Fields]: readonly [standard: Fields[K], check: Check] } = {
  tau: [2, time],
  tauSyn: [null, time],
  tauAdaptation: [null, time],
  beta: [0, numbers('≥ 0 and ', (x) => finite(x) && x >= 0)],
  decayInput: [false, ruled(truth())],
  inputScale: [1, numbers()],
  vThreshold: [1, numbers('> 0 and ', (x) => finite(x) && Math.fround(x) > 0)],
  vReset: [null, numbers()],
  reset: ['immediate', ruled(oneOf(['immediate', 'delayed']))],
  vRest: [0, numbers()],
  fires: ['atOrAbove', ruled(oneOf(['atOrAbove', 'above']))],
  refractory: [0, ruled(integer(0, 4096))],
  detachReset: [true, ruled(truth())],
  learn: [[], checkLearnt],
}

/**
 * Checks and completes what a cell is.
 * @param name what messages call it
 */
export function cellOf(type: CellType, options: object, name: string = type): Cell {
  const { options: known, defaults } = cellTypes[type]
  checkOptions(name, options, known)
  const own = options as Readonly<Record<string, never>>
  const complete = Object.entries(fields).map(([key, [standard, check]]) => {
    const usual = { [key]: standard, ...defaults }[key]
    const given = own[key]
    const isUsual = given === undefined || given === usual
    return [key, isUsual ? usual : check(`${name}.${key}`, given, type)]
  })
  const { learn, reset, ...of } = Object.fromEntries(complete) as Fields
  const { vReset, vThreshold } = of
  if (vReset !== null && vThreshold !== null) checkBelow(name, vReset, vThreshold)
  for (const key of learn)
    if (key.startsWith('tau'))
      if (!(of[key] !== null && [of[key]].flat().every(finite)))
        fail(`${name}.${key} must be finite to be learnt, got ${describe(of[key])}; give a number`)
  const vRest = own.vRest === undefined ? (vReset ?? 0) : of.vRest
  const late = reset === 'delayed' ? { reset } : {}
  const all = { ...of, ...late, vRest, ...checkSurrogate(name, own), learn: [...learn] }
  return { kind: 'cell', type, ...all, recurrence: null }
}

/** Lists of channels beside lists of neurons are compared by nobody: no shape is known yet. */
function checkBelow(name: string, vReset: Values, vThreshold: Values): void {
  const both = [[vReset].flat(), [vThreshold].flat()]
  const count = Math.max(...both.map(({ length }) => length))
  if (both.some(({ length }) => length !== 1 && length !== count)) return
  for (let i = 0; i < count; i++) {
    const [reset, threshold] = both.map((values) => values[i % values.length])
    if (!(Math.fround(reset) < Math.fround(threshold)))
      fail(`${name}.vReset must be null or < vThreshold (${threshold}), got ${reset}`)
  }
}

/** A cell made anew by its function, from the fields of one. */
export function cellAgain({ type, ...of }: Omit<Cell, 'kind' | 'recurrence'>): Cell {
  if (!(typeof type === 'string' && Object.hasOwn(cellTypes, type)))
    fail(`cell.type must be one of ${Object.keys(cellTypes).join(', ')}, got ${describe(type)}`)
  const { kind: _, type: __, recurrence: ___, ...standard } = cellOf(type, {})
  const given: Record<string, unknown> = { ...of }
  for (const [key, usual] of Object.entries(standard)) {
    // What no option says is as it is in every cell of the type; null stands for none.
    const isNamed = cellTypes[type].options.includes(key as keyof Cell)
    const isOption = isNamed && (usual !== null || given[key] !== null)
    if (!isOption && isSame(given[key], usual)) delete given[key]
  }
  const cell = cellOf(type, given)
  for (const key of Object.keys(standard) as (keyof typeof standard)[])
    if (of[key] === undefined) fail(`${type}.${key} is missing`)
  if (!cell.learn.every((name) => of.learn.includes(name)))
    fail(`${type}.learn must hold ${describe(cell.learn)}`)
  return cell
}

const isSame = (a: unknown, b: unknown): boolean =>
  a === b || (Array.isArray(a) && `${a}` === `${b}`)

// A layer's own spikes as an input at the next step.

/** A weight from a layer's spikes to its own input at the next step. */
export interface Recurrence {
  /** Whether there is a bias for each neuron. */
  readonly bias: boolean
  /** Where weight and bias start. */
  readonly init: Init
  /** False: each neuron hears itself alone. Absent: all neurons of the layer. */
  readonly allToAll?: false
}

/** A layer, or its model, that may hear itself. */
interface Hearing {
  readonly recurrence: Pick<Recurrence, 'allToAll'> | null
}

/** Checks the options of `recurrent` for a layer that spikes and is not recurrent yet. */
export function recurrenceOf({ recurrence }: Hearing, given: object): Recurrence {
  const name = 'recurrent'
  checkOptions(name, given, ['bias', 'init', 'allToAll'])
  const options = given as { bias?: boolean; init?: Init; allToAll?: boolean }
  if (recurrence !== null) fail(`recurrent() takes a cell that is not recurrent yet`)
  const { bias, init } = weights(name, 2, options)
  if (checkBoolean(`${name}.allToAll`, options.allToAll, true)) return { bias, init }
  if (options.bias === true)
    fail(`${name}.bias must be left out or false with allToAll: false, which has none`)
  return { bias: false, init, allToAll: false }
}

/** Whether the neurons of a recurrent layer hear themselves alone. */
export const isOneToOne = ({ recurrence }: Hearing): boolean => recurrence?.allToAll === false

/** Name of the weight of a recurrent layer. */
export const recurrentWeight = (layer: Hearing): 'recurrent.V' | 'recurrent.weight' =>
  isOneToOne(layer) ? 'recurrent.V' : 'recurrent.weight'

/** Parameters of a recurrent layer, beside those of its neurons. */
export function recurrentSpecs(recurrence: Recurrence | null, [c, h, w]: Shape): ParameterSpec[] {
  if (!recurrence) return []
  const { bias, init } = recurrence
  const n = c * h * w
  const [shape, own] = recurrence.allToAll === false ? [[n], 1] : [[n, n], 1 / Math.sqrt(n)]
  const standard = shape.length === 1 ? own : { uniform: own }
  const initial = init === 'default' ? standard : { normal: init.normal }
  const start = init === 'default' || init.bias === 'default' ? standard : 0
  return [
    { name: recurrentWeight({ recurrence }), shape, decays: true, initial },
    ...(bias ? [{ name: 'recurrent.bias', shape: [n], decays: false, initial: start }] : []),
  ]
}
