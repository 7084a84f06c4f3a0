/**
 * Options of a run in a sweep: those of `train`, in camelCase. They are read as `train` reads its
 * flags, so that what a sweep takes is what `train` takes. And the data that they name.
 */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Split } from '../../data/index.js'
import { describe, fail, quote, SpikewasmError } from '../../errors.js'
import { own } from '../../own.js'
import { MOST_STEPS, methodOptions } from '../../plan/methods.js'
import { checkBy, integer } from '../../rules.js'
import { hashId, type Json } from '../../scale/jobs.js'
import { type RoundsSetting, roundsKeys } from '../../scale/rounds/options.js'
import { fingerprint, prepareFingerprint } from '../../train/fingerprint.js'
import { VERSION } from '../../version.js'
import { type DatasetName, datasets, defaultModel, isOfEvents } from '../datasets.js'
import { type DataArguments, loadData } from '../load-data.js'
import * as shared from '../options.js'
import { roundsOf } from '../rounds/flags.js'
import { expectLeftOut, flagOf, type Specs } from '../spec.js'
import { type TrainArguments, trainingSchema, trainSpecs } from '../training-flags.js'
import { trainingOf } from '../training-options.js'

/** Values that an option of a run may have. */
export type RunValue = boolean | number | string | readonly (number | string)[]
export type GivenOptions = Readonly<Record<string, RunValue>>

/** Options of `train` that a sweep says itself, or that name files. */
const ownOptions = [
  ...['out', 'overwrite', 'resume', 'json', 'dashboard', 'report', 'load', 'checkpointEvery'],
  ...['revectorize', 'data', 'cache', 'redis', 'namespace', 'shared', 'replaceAfter'],
]

/** What no number depends on: it may stand in `base`, but makes no other run. */
const placeOptions = ['threads', 'numWorkers'] as const

/** A text in a run's options is a name: it is no path. */
const NAME = /^[A-Za-z0-9][\w.+-]{0,99}$/

/** Far longer lists than any option has. */
const MOST_ITEMS = 200

/** Options that `base` and `grid` may have. */
const specs: Specs = Object.fromEntries(
  Object.entries(trainSpecs).filter(([key]) => !ownOptions.includes(key)),
)

/** Their names. */
export const optionNames = (): string[] => Object.keys(specs)

/** What of `train`'s arguments is looked at here. */
type Parsed = Omit<TrainArguments, 'json'>

/** A run's options, checked, and what they mean to `train`. */
export interface CheckedRun {
  readonly given: GivenOptions
  /** The command line of `train` that they are. */
  readonly args: readonly string[]
  /** As `train` reads it, with its defaults. */
  readonly parsed: Parsed & { readonly epochs: number }
  /** All that numbers depend on, the data themselves left out. */
  readonly normal: Json
}

/**
 * @param where what error messages call the options, for example `sweep.json: base`
 * @throws SpikewasmError for an option that `train` does not take
 */
export function checkRun(given: unknown, where: string): CheckedRun {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    fail(`${where} must be an object of options, got ${describe(given)}`)
  const args: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, { preset }] of Object.entries(specs))
    if (preset !== undefined) values[name] = preset
  for (const [name, value] of Object.entries(given)) {
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
    model: parsed.model ?? defaultModel(dataset),
    epochs,
    batchSize: parsed.batchSize ?? defaults.batchSize,
    ...record,
    rounds,
  }
  return {
    given: given as GivenOptions,
    args,
    parsed: { ...parsed, epochs },
    normal: JSON.parse(JSON.stringify(normal)) as Json,
  }
}

/** What `train` refuses once data are there: it is told before the first of many runs begins. */
function checkModel(parsed: Parsed): void {
  const { dataset, timeSteps = 4, batchSize = 1, seed, validationSplit } = parsed
  const { method, stepMode, update, backwardSteps, gradientCheckpoint } = parsed
  checkBy('--time-steps', integer(1, MOST_STEPS), timeSteps)
  checkBy('--batch-size', integer(1, 2 ** 20), batchSize)
  checkBy('--seed', integer(0, 2 ** 32 - 1), seed)
  // Recordings may give more steps.
  if (parsed.timeSteps !== undefined || !isOfEvents(dataset))
    methodOptions({ method, stepMode, update, backwardSteps, gradientCheckpoint }, timeSteps)
  if (validationSplit !== undefined)
    expectLeftOut(parsed, ['limitTest'], 'with --validation-split, which tests on training data')
}

const inRun = (error: SpikewasmError, where: string): SpikewasmError =>
  new SpikewasmError(`${where}: ${error.message}`, { cause: error })

const expectedOf = (parsed: unknown): string => {
  if (Array.isArray(parsed)) return `a list such as ${JSON.stringify(parsed)}`
  return typeof parsed === 'number' ? 'a number' : 'a name as train takes it'
}

/** The arguments of one option, and what `train` makes of them. */
function readOption(
  name: string,
  value: unknown,
  where: string,
): { readonly args: readonly string[]; readonly value: unknown } {
  const option = own(specs, name)
  const place = `${where}.${quote(name).slice(1, -1)}`
  const refuse = (what: string): never => {
    fail(`${place} must be ${what}, got ${describe(value)}`)
  }
  if (!option) {
    const why = ownOptions.includes(name)
      ? 'must be left out: it names files, or is for one run alone'
      : `is no option of train; known are ${optionNames().join(', ')}`
    fail(`${place} ${why}`)
  }
  const flag = flagOf(name)
  if (option.takes === '') {
    if (typeof value !== 'boolean') return refuse('true or false')
    return value ? { args: [flag], value } : { args: [], value: option.preset }
  }
  const items = Array.isArray(value) ? value : [value]
  const fits = (item: unknown): boolean =>
    typeof item === 'number' ? Number.isFinite(item) : typeof item === 'string' && NAME.test(item)
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
  if (!('source' in datasets[name])) return undefined
  if (folder === undefined)
    fail(`--data must be the folder that has ${name} in it, ${datasets[name].source}, got none`)
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

/** Arguments of `train` behind those of the run: what of it is of this machine. */
export function placeArgs(
  { parsed, given }: CheckedRun,
  { data, cache, threads }: { data?: string; cache?: string; threads: number },
): string[] {
  const path = dataPath(parsed.dataset, data)
  return [
    ...(path === undefined ? [] : ['--data', path]),
    ...(cache === undefined ? [] : ['--cache', cache]),
    ...(Object.hasOwn(given, 'threads') ? [] : ['--threads', String(threads)]),
  ]
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
