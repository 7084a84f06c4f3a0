/** Random cells for tests, of every type and with every surrogate that the product has. */
import {
  alif,
  type Cell,
  cubaLif,
  integrateAndFire,
  integrator,
  leakyIntegrator,
  lif,
  plif,
  recurrent,
} from '../../src/index.js'
import { type CellType, cellTypes } from '../../src/nn/layers/cell.js'
import { keysOf, surrogateNames } from './tables.js'

export type Random = () => number
export const one = <T>(random: Random, list: readonly T[]): T =>
  list[Math.floor(random() * list.length)]
export const integer = (random: Random, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1))

/** A number for the layer, each channel or each neuron. */
function numbers(random: Random, [c, h, w]: readonly number[], least: number, most: number) {
  const count = one(random, [0, c, c * h * w])
  const draw = (): number => Math.fround(least + (most - least) * random())
  return count === 0 ? draw() : Array.from({ length: count }, draw)
}

const makers: Readonly<Record<CellType, (options: object) => unknown>> = {
  lif,
  integrateAndFire,
  plif,
  cubaLif,
  alif,
  leakyIntegrator,
  integrator,
}

/**
 * A cell of a type: a value for each option that the product's table says that it takes.
 *
 * @throws TypeError for an option of the table that has no value here
 */
function cellOfType(
  random: Random,
  shape: readonly number[],
  { type, learns }: { readonly type: CellType; readonly learns: boolean },
): Cell {
  const { options, learn } = cellTypes[type]
  const draws: Readonly<Record<string, (() => unknown) | undefined>> = {
    tau: () => numbers(random, shape, 1.5, 4),
    tauSyn: () => one(random, [type === 'cubaLif' ? 2 : undefined, numbers(random, shape, 1.5, 3)]),
    tauAdaptation: () => numbers(random, shape, 3, 9),
    beta: () => numbers(random, shape, 0.1, 0.4),
    vThreshold: () => numbers(random, shape, 0.3, 0.8),
    vReset: () => one(random, [null, null, 0, -0.25]),
    vRest: () => one(random, [undefined, 0.125]),
    inputScale: () => numbers(random, shape, 0.5, 1.5),
    fires: () => one(random, ['atOrAbove', 'above']),
    refractory: () => one(random, [0, 0, 1, 2]),
    detachReset: () => random() < 0.6,
    decayInput: () => random() < 0.3,
    surrogate: () => one(random, surrogateNames),
    alpha: () => one(random, [undefined, 1.5]),
  }
  const own: Record<string, unknown> = {}
  for (const key of options) {
    const value = key === 'learn' ? undefined : draws[key]!()
    if (value !== undefined) own[key] = value
  }
  if (learns && learn.length > 0) own.learn = learn.filter((key) => key in own && random() < 0.7)
  return makers[type](own) as Cell
}

const isSpiking = (type: CellType): boolean => cellTypes[type].options.includes('vThreshold')
const spiking = keysOf(cellTypes).filter(isSpiking)
const silent = keysOf(cellTypes).filter((type) => !isSpiking(type))

/** Spiking cells of any type; `learns`: with parameters, `hears`: recurrent. */
export function randomCell(
  random: Random,
  shape: readonly number[],
  { learns, hears }: { readonly learns: boolean; readonly hears: boolean },
): Cell {
  // A PLIF is nothing without its parameter.
  const types = spiking.filter((type) => learns || type !== 'plif')
  const cell = cellOfType(random, shape, { type: one(random, types), learns })
  if (!hears) return cell
  return recurrent(cell, one(random, [{ bias: true }, { bias: false }, { allToAll: false }]))
}

/** Cells whose output is their potential. */
export const randomIntegrator = (random: Random, shape: readonly number[], learns: boolean): Cell =>
  cellOfType(random, shape, { type: one(random, silent), learns })
