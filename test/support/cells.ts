/** Random cells for tests. */
import { alif, type Cell, cubaLif, lif, recurrent } from '../../src/index.js'

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

/** What cells that spike have in common. */
const common = (random: Random, shape: readonly number[]) => ({
  tau: numbers(random, shape, 1.5, 4),
  vThreshold: numbers(random, shape, 0.3, 0.8),
  vReset: one(random, [null, null, 0, -0.25]),
  vRest: one(random, [undefined, 0.125]),
  inputScale: numbers(random, shape, 0.5, 1.5),
  refractory: one(random, [0, 0, 1, 2]),
  detachReset: random() < 0.6,
  decayInput: random() < 0.3,
  surrogate: one(random, ['sigmoid', 'atan', 'fastSigmoid'] as const),
})

/** Kinds of cells by name, with options that a random number decides. */
const kinds: Readonly<
  Record<string, (random: Random, shape: readonly number[], learns: boolean) => Cell>
> = {
  lif: (random, shape, learns) =>
    lif({ ...common(random, shape), learn: learns ? ['tau', 'vThreshold'] : [] }) as Cell,
  cubaLif: (random, shape, learns) =>
    cubaLif({
      ...common(random, shape),
      tauSyn: numbers(random, shape, 1.5, 3),
      learn: learns ? ['tau', 'tauSyn'] : [],
    }),
  alif: (random, shape, learns) =>
    alif({
      ...common(random, shape),
      beta: numbers(random, shape, 0.1, 0.4),
      tauAdaptation: numbers(random, shape, 3, 9),
      tauSyn: one(random, [undefined, 2.5]),
      learn: learns ? ['vThreshold', 'beta', 'tauAdaptation'] : [],
    }),
}

/** Spiking cells of any kind; `learns`: with parameters, `hears`: recurrent. */
export function randomCell(
  random: Random,
  shape: readonly number[],
  { learns, hears }: { readonly learns: boolean; readonly hears: boolean },
): Cell {
  const cell = one(random, Object.values(kinds))(random, shape, learns)
  if (!hears) return cell
  return recurrent(cell, one(random, [{ bias: true }, { bias: false }, { allToAll: false }]))
}
