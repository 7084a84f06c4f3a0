/**
 * What a sweep is: `sweep.json`, the runs that it means, and which of them go on.
 */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, fail, isOptions, quote, SpikewasmError } from '../../base/errors.js'
import { own } from '../../base/objects.js'
import { Purpose, RandomStream } from '../../base/random.js'
import * as r from '../../base/rules.js'
import { checkBy, integer } from '../../base/rules.js'
import { VERSION } from '../../base/version.js'
import { isText } from '../../compile/loss-kind.js'
import { MOST_STEPS, methodOptions } from '../../compile/methods.js'
import type { Split } from '../../data/index.js'
import { duplicateKey, parseJsonBytes } from '../../files/json.js'
import { type RoundsSetting, roundsKeys } from '../../scale/rounds/options.js'
import { hashId, type Json, type OwnNetwork } from '../../scale/store.js'
import { fingerprint, prepareFingerprint } from '../../train/fingerprint.js'
import { type TrainArguments, trainingSchema, trainSpecs } from '../commands/training-flags.js'
import { trainingOf } from '../commands/training-options.js'
import { type DatasetName, datasets, defaultModel } from '../datasets.js'
import { type DataArguments, loadData } from '../load-data.js'
import * as shared from '../options.js'
import { ownNetwork } from '../own-model.js'
import { roundsOf } from '../rounds/flags.js'
import type { Specs } from '../spec.js'
import * as o from '../spec.js'

// Options of a run in a sweep: those of `train`, in camelCase. They are read as `train` reads its
// flags, so that what a sweep takes is what `train` takes. And the data that they name.

/** Values that an option of a run may have. */
export type RunValue = boolean | number | string | readonly (number | string)[]
export type GivenOptions = Readonly<Record<string, RunValue>>

/** Options of `train` that a sweep says itself, or that name files. */
const ownOptions = (
  'out overwrite resume json dashboard report load checkpointEvery revectorize data cache ' +
  'redis namespace shared replaceAfter'
).split(' ')

/** What no number depends on: it may stand in `base`, but makes no other run. */
const placeOptions = ['threads', 'numWorkers'] as const

/** A text in a run's options is a name: it is no path. */
export const NAME = /^[A-Za-z0-9][\w.+-]{0,99}$/

/** Options that may be a text of equations too. */
const texts = ['loss', 'optimizer']

/** Far longer lists than any option has. */
const MOST_ITEMS = 200

/** Options that `base` and `grid` may have; a text of them is never a path. */
const specs: Specs = Object.fromEntries(
  Object.entries({ ...trainSpecs, ...o.withoutPreset(shared.modelByName) }).filter(
    ([key]) => !ownOptions.includes(key),
  ),
)

export const optionNames = (): string[] => Object.keys(specs)

/** What of `train`'s arguments is looked at here. */
type Parsed = Omit<TrainArguments, 'json'>

/** A run's options, checked, and what they mean to `train`. */
export interface CheckedRun {
  readonly given: GivenOptions
  /** The network where it is none by name; `path`: where it is on this machine. */
  readonly own?: OwnNetwork & { readonly path?: string }
  /** The command line of `train` that they are. */
  readonly args: readonly string[]
  /** As `train` reads it, with its defaults. */
  readonly parsed: Parsed & { readonly epochs: number }
  /** All that numbers depend on, the data themselves left out. */
  readonly normal: Json
}

/**
 * @param where what error messages call the options, for example `sweep.json: base`
 * @param own the network that stands in the place of the option `model`
 * @throws SpikewasmError for an option that `train` does not take
 */
export function checkRun(given: unknown, where: string, own?: CheckedRun['own']): CheckedRun {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    fail(`${where} must be an object of options, got ${describe(given)}`)
  const args: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, { preset }] of Object.entries(specs))
    if (preset !== undefined) values[name] = preset
  for (const [name, value] of Object.entries(given)) {
    if (own && name === 'model') continue
    const read = readOption(name, value, where)
    args.push(...read.args)
    values[name] = read.value
  }
  const parsed = values as unknown as Parsed
  const { dataset } = parsed
  const { defaults } = datasets[dataset]
  const { epochs = defaults.epochs, timeSteps = 4, method, backwardSteps } = parsed
  let record: object
  let rounds: RoundsSetting | undefined
  try {
    ;({ record } = trainingOf(parsed, { method, timeSteps, backwardSteps, epochs, defaults }))
    rounds = roundsOf(parsed, undefined)
    checkModel(parsed)
  } catch (error) {
    throw error instanceof SpikewasmError ? inRun(error, where) : error
  }
  const left = [...ownOptions, ...placeOptions, ...roundsKeys, ...Object.keys(trainingSchema)]
  const rest = Object.entries(parsed).filter(([name]) => !left.includes(name))
  const normal = {
    ...Object.fromEntries(rest),
    model: own ? `sha256:${own.sha256}` : (parsed.model ?? defaultModel(dataset)),
    epochs,
    batchSize: parsed.batchSize ?? defaults.batchSize,
    ...record,
    rounds,
  }
  return {
    given: given as GivenOptions,
    own,
    args,
    parsed: { ...parsed, epochs },
    normal: JSON.parse(JSON.stringify(normal)) as Json,
  }
}

/** What `train` refuses once data are there: it is told before the first of many runs begins. */
function checkModel(parsed: Parsed): void {
  const { dataset, timeSteps = 4, batchSize = 1, seed, validationSplit } = parsed
  checkBy('--time-steps', integer(1, MOST_STEPS), timeSteps)
  checkBy('--batch-size', integer(1, 2 ** 20), batchSize)
  checkBy('--seed', integer(0, 2 ** 32 - 1), seed)
  // Frames of samples may be more steps.
  if (parsed.timeSteps !== undefined || !datasets[dataset].frames) methodOptions(parsed, timeSteps)
  if (validationSplit !== undefined)
    o.expectLeftOut(parsed, ['limitTest'], 'with --validation-split, which tests on training data')
}

const inRun = (error: SpikewasmError, where: string): SpikewasmError =>
  new SpikewasmError(`${where}: ${error.message}`, { cause: error })

const expectedOf = (parsed: unknown): string => {
  if (Array.isArray(parsed)) return `a list such as ${JSON.stringify(parsed)}`
  return typeof parsed === 'number' ? 'a number' : 'a name as train takes it'
}

/** The arguments of one option, and what `train` makes of them. */
function readOption(name: string, value: unknown, where: string) {
  const option = own(specs, name)
  const place = `${where}.${quote(name).slice(1, -1)}`
  const refuse = (what: string): never => fail(`${place} must be ${what}, got ${describe(value)}`)
  if (!option) {
    const why = ownOptions.includes(name)
      ? 'must be left out: it names files, or is for one run alone'
      : `is no option of train; known are ${optionNames().join(', ')}`
    fail(`${place} ${why}`)
  }
  const flag = o.flagOf(name)
  if (option.takes === '') {
    if (typeof value !== 'boolean') return refuse('true or false')
    return value ? { args: [flag], value } : { args: [], value: option.preset }
  }
  const items = Array.isArray(value) ? value : [value]
  const fits = (item: unknown): boolean =>
    typeof item === 'number'
      ? Number.isFinite(item)
      : typeof item === 'string' && (NAME.test(item) || (texts.includes(name) && isText(item)))
  if (items.length === 0 || items.length > MOST_ITEMS || !items.every(fits))
    return refuse('a finite number, a name, or a list of them')
  const text = items.map(String).join(',')
  let read: unknown = text
  try {
    if (option.read) read = option.read(text, flag)
  } catch (error) {
    throw error instanceof SpikewasmError ? inRun(error, where) : error
  }
  if (JSON.stringify(read) !== JSON.stringify(value)) return refuse(expectedOf(read))
  return { args: [`${flag}=${text}`], value: read }
}

/**
 * What tells runs apart: equal runs have equal ids, on any machine.
 *
 * @param data hash of the data
 */
export const runId = (run: CheckedRun, data: string): string =>
  hashId({ version: VERSION, options: run.normal, data })

/** A hash of what a run trains and is tested with; 16 hexadecimal digits. */
export async function splitHash({ train, test }: Split): Promise<string> {
  const hash = createHash('sha256')
  for (const part of [train, test]) {
    await prepareFingerprint(part)
    hash.update(`${part.length} ${part.shape.join('x')} ${part.classes} ${fingerprint(part)};`)
  }
  return hash.digest('hex').slice(0, 16)
}

/**
 * Where a data set is.
 *
 * @param folder what `--data` says: the data set, or a folder with one of its name in it
 * @returns undefined for data that come with the package
 * @throws SpikewasmError when there is no folder
 */
export function dataPath(name: DatasetName, folder: string | undefined): string | undefined {
  const { source } = datasets[name]
  if (source === undefined) return undefined
  if (folder === undefined)
    fail(`--data must be the folder that has ${name} in it, ${source}, got none`)
  const inside = join(folder, name)
  if (existsSync(inside)) return inside
  try {
    const isArchive = (file: string) => file.startsWith(`${name}.`) && /\.(tar|gz)/.test(file)
    const archive = readdirSync(folder).sort().find(isArchive)
    return archive === undefined ? folder : join(folder, archive)
  } catch {
    // It is no folder.
    return folder
  }
}

/**
 * Arguments of `train` behind those of the run: what of it is of this machine.
 *
 * @param model where its own network is
 */
export function placeArgs(
  { parsed, given, own }: CheckedRun,
  of: { data?: string; cache?: string; threads: number; model?: string },
): string[] {
  const { cache, model = own?.path } = of
  const data = dataPath(parsed.dataset, of.data)
  const threads = Object.hasOwn(given, 'threads') ? undefined : of.threads
  return Object.entries(o.defined({ model, data, cache, threads })).flatMap(([name, value]) => [
    o.flagOf(name),
    String(value),
  ])
}

/** Options that say which samples there are. */
const { data: _, cache: __, ...chosen } = { ...shared.data, ...shared.limits, ...shared.frameSpecs }
const dataKeys = [...Object.keys(chosen), 'timeSteps']

/** Hashes of data by what options say of them: each is loaded once. */
export function dataHashes(folder: string | undefined, cache: string | undefined) {
  const known = new Map<string, Promise<string>>()
  return (args: DataArguments): Promise<string> => {
    const all = new Map<string, unknown>(Object.entries(args))
    const key = JSON.stringify(dataKeys.map((name) => all.get(name) ?? null))
    const data = dataPath(args.dataset, folder)
    const hash =
      known.get(key) ?? loadData({ ...args, augment: false, data, cache }).then(splitHash)
    known.set(key, hash)
    return hash
  }
}

/** Values to choose from at random, where they are no list. */
interface ChoiceRange {
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

const rangeRules: r.Rules<ChoiceRange> = {
  min: r.finite(),
  max: r.finite(),
  scale: r.oneOf(['linear', 'log'], 'linear'),
  integer: r.truth(false),
}

type Refusal = (where: string, expected: string, got: unknown) => never

const refusal =
  (path: string): Refusal =>
  (where, expected, got) =>
    fail(`${path}: ${where} must be ${expected}, got ${got === undefined ? 'none' : describe(got)}`)

/** @throws SpikewasmError for what is no sweep; it says what is wrong where */
export function readSpec(bytes: Uint8Array, path: string): SweepSpec {
  const value = parseJsonBytes(bytes, path, 'the sweep', { length: 1_000_000, once: duplicateKey })
  const refuse: Refusal = refusal(path)
  const nameOf = (key: string): string => `${path}: ${key}`
  const spec = r.complete(nameOf('the sweep'), rules, value as object, [], nameOf)
  const { base = {}, grid, random } = spec
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
  const choices = choicesOf(spec, varies, path)
  const held = new Map<string, CheckedRun['own']>()
  const ownOf = (model: unknown): CheckedRun['own'] => {
    if (typeof model !== 'string' || !shared.isOwnModel(model)) return undefined
    const own = held.get(model) ?? ownNetwork(resolve(dirname(path), model), `${path}: model`)
    held.set(model, own)
    return own
  }
  const runs = choices.map((chosen) => {
    const about = JSON.stringify(chosen)
    const place = `${path}: the run ${about.length > 120 ? `${about.slice(0, 120)}…` : about}`
    const options = { ...base, ...chosen }
    return { ...checkRun(options, place, ownOf(Object(options).model)), chosen }
  })
  const halving = readHalving(spec.halving, `${path}: halving`)
  return { runs, varied, ...(halving && { halving, rungs: commonRungs(halving, runs, path) }) }
}

/** What each run has of its own: all of the grid, or so many at random. */
function choicesOf(
  { grid, count, seed = 0 }: { grid?: object; count?: number; seed?: number },
  varies: Readonly<Record<string, unknown>>,
  path: string,
): Record<string, unknown>[] {
  const where = grid === undefined ? 'random' : 'grid'
  const refuse: Refusal = refusal(path)
  const listOf = (name: string, of: unknown): readonly unknown[] => {
    if (!Array.isArray(of) || of.length === 0)
      return refuse(`${where}.${name}`, 'a list of values, one at least', of)
    const seen = new Set<string>()
    const texts = of.map((item) => JSON.stringify(item))
    const twice = texts.find((text) => seen.size === seen.add(text).size)
    if (twice !== undefined)
      fail(`${path}: ${where}.${name} must have each value once, got ${twice} twice`)
    return of
  }
  const rangeOf = (name: string, of: unknown): ChoiceRange => {
    const at = `random.${name}`
    const range = r.complete(`${path}: ${at}`, rangeRules, of as object)
    const { min, max, scale } = range
    if (min >= max) refuse(`${at}.max`, `more than min, ${min}`, max)
    if (scale === 'log' && min <= 0) refuse(`${at}.min`, '> 0 with scale log', min)
    return range
  }
  if (grid !== undefined) {
    const lists = Object.entries(varies).map(([name, of]) => [name, listOf(name, of)] as const)
    const total = lists.reduce((product, [, { length }]) => product * length, 1)
    if (total > MOST_RUNS) refuse('grid', `at most ${MOST_RUNS} runs`, total)
    // The last option changes fastest.
    return lists.reduce<Record<string, unknown>[]>(
      (all, [name, values]) =>
        all.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
      [{}],
    )
  }
  const runs = count ?? refuse('count', rules.count.words, count)
  const stream = new RandomStream(Purpose.Shuffle)
  const from = Object.entries(varies).map(
    ([name, of]) => [name, Array.isArray(of) ? listOf(name, of) : rangeOf(name, of)] as const,
  )
  return Array.from({ length: runs }, (_, i) => {
    // A run is the same whatever the count.
    stream.start(seed, STREAM, i)
    return Object.fromEntries(from.map(([name, choice]) => [name, draw(choice, stream)]))
  })
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

function draw(from: readonly unknown[] | ChoiceRange, stream: RandomStream): unknown {
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
