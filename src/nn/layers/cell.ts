/** Neurons with constants of their own, synaptic currents, adaptation, and integrators. */

import { checkBoolean, checkInteger, checkOptions, describe, expect } from '../../errors.js'
import { type Shape, show, type Value } from '../value.js'
import type { CellParameter } from './cell-options.js'
import type { LayerKind, ParameterSpec } from './kind.js'
import { checkNumbers, finite, type Values } from './numbers.js'
import { type Recurrence, recurrenceOf, recurrentSpecs } from './recurrence.js'
import { checkSurrogate, type SurrogateName } from './surrogates.js'

/** The functions that make cells. */
export type CellType =
  | 'lif'
  | 'integrateAndFire'
  | 'plif'
  | 'cubaLif'
  | 'alif'
  | 'leakyIntegrator'
  | 'integrator'

/** What `cubaLif`, `alif`, `leakyIntegrator`, `integrator` and `recurrent` make, and others. */
export interface Cell {
  /** Tells this layer from others. */
  readonly kind: 'cell'
  /** The function that made it. */
  readonly type: CellType
  /** Membrane time constant τ in time steps; Infinity without leak. */
  readonly tau: Values
  /** Time constant of the synaptic current, or null: there is none. */
  readonly tauSyn: Values | null
  /** Time constant of the adaptation, or null: there is none. */
  readonly tauAdaptation: Values | null
  /** What the adaptation adds to the threshold; 0 without one. */
  readonly beta: Values
  /** Whether the input is divided by τ (and by τ of the current) as well. */
  readonly decayInput: boolean
  /** What the input is multiplied with. */
  readonly inputScale: Values
  /** Threshold, or null: there are no spikes, the potential is the output. */
  readonly vThreshold: Values | null
  /** Potential after a spike (hard reset), or null: the threshold is subtracted (soft reset). */
  readonly vReset: Values | null
  /** Potential that the leak draws to. */
  readonly vRest: Values
  /** Whether a potential that equals the threshold fires. */
  readonly fires: 'atOrAbove' | 'above'
  /** Steps without charge and spike after a spike. */
  readonly refractory: number
  /** Whether no gradient passes the reset's spike. */
  readonly detachReset: boolean
  /** What stands in for the derivative of a spike. */
  readonly surrogate: SurrogateName
  /** Sharpness α of the surrogate. */
  readonly alpha: number
  /** What is a parameter. */
  readonly learn: readonly CellParameter[]
  /** Its own spikes as an input, or null. */
  readonly recurrence: Recurrence | null
}

/** All options; those that a function does not take are refused there. */
type AnyOptions = { -readonly [K in keyof Omit<Cell, 'kind' | 'type' | 'recurrence'>]?: unknown }

const spikingOptions = [
  'tau',
  'decayInput',
  'vThreshold',
  'vReset',
  'vRest',
  'inputScale',
  'fires',
  'refractory',
  'detachReset',
  'surrogate',
  'alpha',
  'learn',
]
const withoutTau = spikingOptions.filter((name) => name !== 'tau' && name !== 'decayInput')

interface TypeRow {
  readonly options: readonly string[]
  readonly learn: readonly CellParameter[]
  /** τ where none is given. */
  readonly tau: number
}

/** What each function takes. */
export const cellTypes: Readonly<Record<CellType, TypeRow>> = {
  lif: { options: spikingOptions, learn: ['tau', 'vThreshold'], tau: 1.25 },
  integrateAndFire: { options: withoutTau, learn: ['vThreshold'], tau: Number.POSITIVE_INFINITY },
  plif: { options: spikingOptions, learn: ['tau', 'vThreshold'], tau: 2 },
  cubaLif: {
    options: [...spikingOptions, 'tauSyn'],
    learn: ['tau', 'vThreshold', 'tauSyn'],
    tau: 2,
  },
  alif: {
    options: [...spikingOptions, 'tauSyn', 'tauAdaptation', 'beta'],
    learn: ['tau', 'vThreshold', 'tauSyn', 'beta', 'tauAdaptation'],
    tau: 2,
  },
  leakyIntegrator: {
    options: ['tau', 'tauSyn', 'decayInput', 'inputScale', 'vRest', 'learn'],
    learn: ['tau', 'tauSyn'],
    tau: 2,
  },
  integrator: { options: ['inputScale'], learn: [], tau: Number.POSITIVE_INFINITY },
}

/** Whether a cell spikes; the others give their potential. */
export const isSpiking = ({ vThreshold }: Cell): boolean => vThreshold !== null

function learned(name: string, type: CellType, given: unknown): readonly CellParameter[] {
  const { learn } = cellTypes[type]
  if (given === undefined) return []
  expect(
    Array.isArray(given) &&
      given.every((one, i) => learn.includes(one) && given.indexOf(one) === i),
    () =>
      learn.length === 0
        ? `${name} has nothing to learn, got learn: ${describe(given)}; leave it out`
        : `${name}.learn must be a list of ${learn.map((one) => `'${one}'`).join(', ')}, each at ` +
          `most once, got ${describe(given)}`,
  )
  // In one order, so that a network is the same however it was written.
  return learn.filter((one) => given.includes(one))
}

/** Checks and completes what a cell is. */
export function cellOf(type: CellType, options: object): Cell {
  const name = type
  const row = cellTypes[type]
  checkOptions(name, options, row.options)
  const own = options as AnyOptions
  const spiking = type !== 'leakyIntegrator' && type !== 'integrator'
  const time = (key: 'tau' | 'tauSyn' | 'tauAdaptation', fallback: number | null) =>
    own[key] === undefined || own[key] === null
      ? fallback
      : checkNumbers(`${name}.${key}`, own[key], '> 1', (x) => x > 1)
  const numbers = (key: keyof AnyOptions, fallback: number, rule = 'finite', fits = finite) =>
    own[key] === undefined ? fallback : checkNumbers(`${name}.${key}`, own[key], rule, fits)
  const positive = (x: number): boolean => finite(x) && Math.fround(x) > 0
  const tau = time('tau', row.tau) as Values
  const tauSyn = time('tauSyn', type === 'cubaLif' ? 2 : null)
  const vThreshold = spiking ? numbers('vThreshold', 1, '> 0 and finite', positive) : null
  const vReset = own.vReset === undefined || own.vReset === null ? null : numbers('vReset', 0)
  if (vReset !== null && vThreshold !== null) checkBelow(name, vReset, vThreshold)
  const adapts = type === 'alif'
  const { fires = 'atOrAbove', refractory = 0 } = own
  expect(
    fires === 'atOrAbove' || fires === 'above',
    () => `${name}.fires must be 'atOrAbove' or 'above', got ${describe(fires)}`,
  )
  checkInteger(`${name}.refractory`, refractory as number, 0, 4096)
  const learn = learned(name, type, own.learn)
  const finiteTimes = { tau, tauSyn, tauAdaptation: null as Values | null }
  const cell: Cell = {
    kind: 'cell',
    type,
    tau,
    tauSyn,
    tauAdaptation: adapts ? time('tauAdaptation', 20) : null,
    beta: numbers('beta', adapts ? 0.2 : 0, '≥ 0 and finite', (x) => finite(x) && x >= 0),
    decayInput: checkBoolean(`${name}.decayInput`, own.decayInput as boolean | undefined, false),
    inputScale: numbers('inputScale', 1),
    vThreshold,
    vReset,
    vRest: numbers('vRest', 0),
    fires,
    refractory: refractory as number,
    detachReset: checkBoolean(`${name}.detachReset`, own.detachReset as boolean | undefined, true),
    ...checkSurrogate(name, own as { surrogate?: SurrogateName; alpha?: number }),
    learn,
    recurrence: null,
  }
  for (const key of learn)
    if (key === 'tau' || key === 'tauSyn' || key === 'tauAdaptation')
      expect(
        cell[key] !== null && [cell[key]].flat().every(finite),
        () =>
          `${name}.learn names '${key}', so that ${name}.${key} must be given and finite, got ` +
          describe({ ...finiteTimes, ...cell }[key]),
      )
  return own.vRest === undefined && vReset !== null ? { ...cell, vRest: vReset } : cell
}

function checkBelow(name: string, vReset: Values, vThreshold: Values): void {
  const resets = [vReset].flat()
  const thresholds = [vThreshold].flat()
  const sizes = [resets.length, thresholds.length]
  const same = sizes.includes(1) || sizes[0] === sizes[1]
  for (let i = 0; same && i < Math.max(...sizes); i++) {
    const reset = resets[Math.min(i, sizes[0] - 1)]
    const threshold = thresholds[Math.min(i, sizes[1] - 1)]
    expect(
      reset < threshold,
      () => `${name}.vReset must be null or < vThreshold (${threshold}), got ${reset}`,
    )
  }
}

/** The fields of a cell that a cell of its type takes as options. */
function optionsOf({ type, ...fields }: Omit<Cell, 'kind' | 'recurrence'>): object {
  const known = (cellTypes[type] as TypeRow | undefined)?.options ?? []
  const standard = { ...cellOf('integrator', {}), tauAdaptation: null } as Partial<Cell>
  return Object.fromEntries(
    Object.entries(fields).filter(([key, value]) => {
      if (known.includes(key)) return value !== null
      const same = JSON.stringify(value) === JSON.stringify(standard[key as keyof Cell])
      return !(key in standard) || !same
    }),
  )
}

/** Numbers of a cell that may be of each channel or neuron, by name. */
export const valuesOf = (cell: Cell): [string, Values][] =>
  (
    [
      'tau',
      'tauSyn',
      'tauAdaptation',
      'beta',
      'inputScale',
      'vThreshold',
      'vReset',
      'vRest',
    ] as const
  ).flatMap((key) => (cell[key] === null ? [] : [[key, cell[key] as Values]]))

/** Names of parameters as the state dict has them. */
export const parameterNames: Readonly<Record<CellParameter, string>> = {
  tau: 'w',
  vThreshold: 'v_threshold',
  tauSyn: 'w_syn',
  beta: 'beta',
  tauAdaptation: 'w_adaptation',
}

function checkLengths(cell: Cell, x: Value, where: string): void {
  const { shape, flat } = x
  const [c, h, w] = shape
  const all = c * h * w
  const perChannel = !flat || all === c
  for (const [key, values] of valuesOf(cell)) {
    if (typeof values === 'number') continue
    expect(
      values.length === all || (perChannel && values.length === c),
      () =>
        `${where}: ${cell.type}.${key} has ${values.length} numbers, expected ` +
        `${perChannel && all !== c ? `${c} (one for each channel) or ` : ''}${all} (one for each ` +
        `neuron of ${show(x)}), or a single number`,
    )
  }
}

function learnedSpec(cell: Cell, key: CellParameter, [c, h, w]: Shape): ParameterSpec {
  const values = cell[key] as Values
  // 1/τ = σ(w)
  const start = (x: number): number =>
    key === 'vThreshold' || key === 'beta' ? x : -Math.log(x - 1)
  const perNeuron = typeof values !== 'number' && values.length !== c
  return {
    name: parameterNames[key],
    shape: typeof values === 'number' ? [] : perNeuron ? [c, h, w] : [c],
    decays: false,
    initial: typeof values === 'number' ? start(values) : { values: values.map(start) },
  }
}

/** What messages and summaries call a cell. */
export const cellName = ({ type, recurrence }: Cell): string =>
  recurrence ? `recurrent(${type})` : type

export const cellKind: LayerKind<Cell> = {
  output(cell, x, where) {
    checkLengths(cell, x, where)
    return [x.shape, x.flat]
  },
  again({ recurrence, ...fields }) {
    expect(
      typeof fields.type === 'string' && Object.hasOwn(cellTypes, fields.type),
      () =>
        `cell.type must be one of ${Object.keys(cellTypes).join(', ')}, got ` +
        `${describe(fields.type)}`,
    )
    const cell = cellOf(fields.type, optionsOf(fields))
    return recurrence ? { ...cell, recurrence: recurrenceOf(cell, recurrence) } : cell
  },
  label: cellName,
  spikes: isSpiking,
  title: 'neurons',
  parameters: (cell, shape) => [
    ...cell.learn.map((key) => learnedSpec(cell, key, shape)),
    ...recurrentSpecs(cell.recurrence, shape),
  ],
}
