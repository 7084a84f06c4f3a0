/**
 * What a sweep is: `sweep.json`, the runs that it means, and which of them go on.
 */

import { describe, fail, isOptions } from '../../errors.js'
import { duplicateKey, parseJsonBytes } from '../../io/json.js'
import { Purpose, RandomStream } from '../../random.js'
import * as r from '../../rules.js'
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

const anObject = r.optional(r.such<Readonly<Record<string, unknown>>>('an object', isOptions))

const rules = {
  base: anObject,
  grid: anObject,
  random: anObject,
  count: r.optional(r.integer(1, MOST_RUNS)),
  seed: r.optional(r.integer(0, 2 ** 32 - 1)),
  ...r.checkedElsewhere<{ halving: unknown }>(['halving']),
}

const rangeRules: r.Rules<Exclude<Choice, readonly unknown[]>> = {
  min: r.finite(),
  max: r.finite(),
  scale: r.oneOf(['linear', 'log'], 'linear'),
  integer: r.truth(false),
}

/** @throws SpikewasmError for what is no sweep; it says what is wrong where */
export function readSpec(bytes: Uint8Array, path: string): SweepSpec {
  const value = parseJsonBytes(bytes, path, 'the sweep', { length: 1_000_000, once: duplicateKey })
  const refuse = (where: string, expected: string, got: unknown): never => {
    fail(`${path}: ${where} must be ${expected}, got ${got === undefined ? 'none' : describe(got)}`)
  }
  const nameOf = (key: string): string => `${path}: ${key}`
  const spec = r.complete(nameOf('the sweep'), rules, value as object, [], nameOf)
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
  let choices: Record<string, unknown>[] = [{}]
  if (grid !== undefined) {
    const lists = varied.map((name) => list(name, varies[name]))
    const total = lists.reduce((product, { length }) => product * length, 1)
    if (total > MOST_RUNS) refuse('grid', `at most ${MOST_RUNS} runs`, total)
    // The last option changes fastest.
    for (const [j, values] of lists.entries())
      choices = choices.flatMap((one) => values.map((value) => ({ ...one, [varied[j]]: value })))
  } else {
    const runs = count ?? refuse('count', rules.count.words, count)
    const stream = new RandomStream(Purpose.Shuffle)
    const from = varied.map((name) =>
      Array.isArray(varies[name]) ? list(name, varies[name]) : rangeOf(name, varies[name]),
    )
    choices = Array.from({ length: runs }, (_, i) => {
      // A run is the same whatever the count.
      stream.start(seed, STREAM, i)
      return Object.fromEntries(varied.map((name, j) => [name, draw(from[j], stream)]))
    })
  }
  function rangeOf(name: string, of: unknown): Choice {
    const at = `random.${name}`
    const choice = r.complete(nameOf(at), rangeRules, of as object)
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

function draw(from: Choice, stream: RandomStream): unknown {
  const share = stream.uniform()
  if (!('min' in from)) return from[Math.min(from.length - 1, Math.floor(share * from.length))]
  const { min, max, scale, integer } = from
  if (integer && scale === 'linear') {
    const first = Math.ceil(min)
    return Math.min(max, first + Math.floor(share * (Math.floor(max) - first + 1)))
  }
  const [low, high] = [Math.log(min), Math.log(max)]
  const value = scale === 'log' ? Math.exp(low + share * (high - low)) : min + share * (max - min)
  // Six figures: functions such as exp may differ in the last one from machine to machine.
  return integer ? Math.round(value) : Number(value.toPrecision(6))
}

export interface Halving {
  /** One of so many goes on. */
  readonly factor: number
  /** The first rung, in epochs; each next one is `factor` times as far. */
  readonly minEpochs: number
}

/** @throws SpikewasmError for something else */
export function readHalving(value: unknown, where: string): Halving | undefined {
  if (value === undefined) return undefined
  const rules = { factor: r.integer(2, 1000, 3), minEpochs: r.integer(1, 1000, 1) }
  return r.complete(where, rules, value as object)
}

/** Epochs of the rungs; the last one is the end of a run. */
export function rungsOf({ factor, minEpochs }: Halving, epochs: number): number[] {
  const rungs: number[] = []
  for (let at = minEpochs; at < epochs; at *= factor) rungs.push(at)
  return [...rungs, epochs]
}

/** Where a run stands. */
export interface Standing {
  /** The rung that it has reached, or trains for. */
  readonly rung: number
  /**
   * 'trains': it has no result at its rung yet; 'waits': it has one, and others are missing;
   * 'stopped': it ends at its rung; 'ended': it has come to its end.
   */
  readonly state: 'trains' | 'waits' | 'stopped' | 'ended'
}

/**
 * @param result test accuracy of a run at a rung, 0…1; −Infinity of one that failed, undefined
 *   where it is not known yet
 */
export function standings(
  ids: readonly string[],
  { factor }: Pick<Halving, 'factor'>,
  rungs: number,
  result: (id: string, rung: number) => number | undefined,
): Map<string, Standing> {
  const out = new Map<string, Standing>()
  let [members, size] = [[...ids], ids.length]
  for (let rung = 0; rung < rungs; rung++) {
    const known = members.filter((id) => result(id, rung) !== undefined)
    const isLast = rung === rungs - 1
    const keep = Math.max(1, Math.floor(size / factor))
    const ranked = known.sort((a, b) => {
      const [x, y] = [result(a, rung) ?? 0, result(b, rung) ?? 0]
      return x === y ? (a < b ? -1 : 1) : y - x
    })
    const unknown = size - ranked.length
    for (const id of members)
      if (result(id, rung) === undefined) out.set(id, { rung, state: 'trains' })
    const next: string[] = []
    for (const [better, id] of ranked.entries()) {
      if (isLast) out.set(id, { rung, state: 'ended' })
      else if (better >= keep) out.set(id, { rung, state: 'stopped' })
      else if (better + unknown < keep) next.push(id)
      else out.set(id, { rung, state: 'waits' })
    }
    members = next
    size = keep
  }
  return out
}
