/** What is drawn from random numbers of 0 … 1. */

export type Random = () => number

export const integer = (random: Random, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1))

export const one = <T>(random: Random, list: readonly T[]): T =>
  list[integer(random, 0, list.length - 1)]
