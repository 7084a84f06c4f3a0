/** What a sweep is: `sweep.json`, and the runs that it means. */

import { describe, fail, isOptions } from '../../errors.js'
import { duplicateKey, parseJsonBytes } from '../../io/json.js'
import { Purpose, RandomStream } from '../../random.js'
import {
  checkedElsewhere,
  complete,
  finite,
  integer,
  oneOf,
  optional,
  type Rules,
  such,
  truth,
} from '../../rules.js'
import { type Halving, readHalving, rungsOf } from './halving.js'
import { type CheckedRun, checkRun, optionNames } from './options.js'

/** A choice at random: of a list, or of a range. */
type Choice =
  | readonly unknown[]
  | {
      readonly min: number
      readonly max: number
      readonly scale: 'linear' | 'log'
      readonly integer: boolean
    }

export interface SweepRun extends CheckedRun {
  /** What this one has and others may not, for tables. */
  readonly chosen: Readonly<Record<string, unknown>>
}

export interface SweepSpec {
  readonly runs: readonly SweepRun[]
  /** Options that differ between runs. */
  readonly varied: readonly string[]
  readonly halving?: Halving
  /** Epochs at which a run may end; the last is its own number of epochs. */
  readonly rungs?: readonly number[]
}

/** More runs than anybody waits for. */
const MOST_RUNS = 10_000

/** Keeps these random numbers apart from those of trainings. */
const STREAM = 0x53574550

const anObject = optional(such<Readonly<Record<string, unknown>>>('an object', isOptions))

const rules = {
  base: anObject,
  grid: anObject,
  random: anObject,
  count: optional(integer(1, MOST_RUNS)),
  seed: optional(integer(0, 2 ** 32 - 1)),
  ...checkedElsewhere<{ halving: unknown }>(['halving']),
}

const rangeRules: Rules<Exclude<Choice, readonly unknown[]>> = {
  min: finite(),
  max: finite(),
  scale: oneOf(['linear', 'log'], 'linear'),
  integer: truth(false),
}

/** @throws SpikewasmError for what is no sweep; it says what is wrong where */
export function readSpec(bytes: Uint8Array, path: string): SweepSpec {
  const value = parseJsonBytes(bytes, path, 'the sweep', { length: 1_000_000, once: duplicateKey })
  const refuse = (where: string, expected: string, got: unknown): never => {
    fail(`${path}: ${where} must be ${expected}, got ${got === undefined ? 'none' : describe(got)}`)
  }
  const nameOf = (key: string): string => `${path}: ${key}`
  const spec = complete(nameOf('the sweep'), rules, value as object, [], nameOf)
  const { base = {}, grid, random, count, seed = 0 } = spec
  if ((grid === undefined) === (random === undefined))
    fail(
      `${path}: the sweep must have one of grid, such as {"lr": [0.05, 0.1]}, and random with ` +
        `count, got ${grid === undefined ? 'none of them' : 'both'}`,
    )
  for (const name of ['count', 'seed'] as const)
    if (random === undefined && spec[name] !== undefined)
      refuse(name, 'left out with grid', spec[name])
  const varies = grid ?? random ?? {}
  const varied = Object.keys(varies)
  const where = grid === undefined ? 'random' : 'grid'
  for (const name of varied) {
    if (!optionNames().includes(name)) checkRun({ [name]: 0 }, `${path}: ${where}`)
    if (Object.hasOwn(base, name)) refuse(`base.${name}`, `left out: it is in ${where}`, base[name])
  }
  const list = (name: string, of: unknown): readonly unknown[] => {
    if (!Array.isArray(of) || of.length === 0)
      return refuse(`${where}.${name}`, 'a list of values, one at least', of)
    const seen = new Set<string>()
    const twice = of
      .map((item) => JSON.stringify(item))
      .find((text) => seen.size === seen.add(text).size)
    if (twice !== undefined)
      fail(`${path}: ${where}.${name} must have each value once, got ${twice} twice`)
    return of
  }
  const choices: Record<string, unknown>[] = []
  if (grid !== undefined) {
    const lists = varied.map((name) => list(name, varies[name]))
    const total = lists.reduce((product, { length }) => product * length, 1)
    if (total > MOST_RUNS) refuse('grid', `at most ${MOST_RUNS} runs`, total)
    for (let i = 0; i < total; i++) choices.push(pick(varied, lists, i))
  } else {
    const runs = count ?? refuse('count', rules.count.words, count)
    const stream = new RandomStream(Purpose.Shuffle)
    const from = varied.map((name) =>
      Array.isArray(varies[name]) ? list(name, varies[name]) : rangeOf(name, varies[name]),
    )
    for (let i = 0; i < runs; i++) {
      // A run is the same whatever the count.
      stream.start(seed, STREAM, i)
      choices.push(Object.fromEntries(varied.map((name, j) => [name, draw(from[j], stream)])))
    }
  }
  function rangeOf(name: string, of: unknown): Choice {
    const at = `random.${name}`
    const choice = complete(nameOf(at), rangeRules, of as object)
    const { min, max, scale } = choice
    if (min >= max) refuse(`${at}.max`, `more than min, ${min}`, max)
    if (scale === 'log' && min <= 0) refuse(`${at}.min`, '> 0 with scale log', min)
    return choice
  }
  const runs = choices.map((chosen) => {
    const about = JSON.stringify(chosen)
    const place = `${path}: the run ${about.length > 120 ? `${about.slice(0, 120)}…` : about}`
    return { ...checkRun({ ...base, ...chosen }, place), chosen }
  })
  const halving = readHalving(spec.halving, `${path}: halving`)
  return { runs, varied, ...(halving && { halving, rungs: commonRungs(halving, runs, path) }) }
}

/** @throws SpikewasmError where runs have different numbers of epochs: they cannot be compared */
function commonRungs(halving: Halving, runs: readonly SweepRun[], path: string): number[] {
  const epochs = new Set(runs.map(({ parsed }) => parsed.epochs))
  if (epochs.size > 1)
    fail(
      `${path}: epochs must be the same for all runs with halving, which compares them by epoch, ` +
        `got ${[...epochs].join(', ')}`,
    )
  return rungsOf(halving, [...epochs][0] ?? 1)
}

/** The `i`th of all combinations; the last option changes fastest. */
function pick(
  names: readonly string[],
  lists: readonly (readonly unknown[])[],
  i: number,
): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  let rest = i
  for (let j = names.length - 1; j >= 0; j--) {
    out[names[j]] = lists[j][rest % lists[j].length]
    rest = Math.floor(rest / lists[j].length)
  }
  return Object.fromEntries(names.map((name) => [name, out[name]]))
}

function draw(from: Choice, stream: RandomStream): unknown {
  const share = stream.uniform()
  if (!('min' in from)) return from[Math.min(from.length - 1, Math.floor(share * from.length))]
  const { min, max, scale, integer } = from
  if (integer && scale === 'linear')
    return Math.min(
      max,
      Math.ceil(min) + Math.floor(share * (Math.floor(max) - Math.ceil(min) + 1)),
    )
  const value =
    scale === 'log'
      ? Math.exp(Math.log(min) + share * (Math.log(max) - Math.log(min)))
      : min + share * (max - min)
  // Six figures: functions such as exp may differ in the last one from machine to machine.
  return integer ? Math.round(value) : Number(value.toPrecision(6))
}
