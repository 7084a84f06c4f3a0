/** The folder that `train --out` writes, and what commands read of it. */

import { randomBytes } from 'node:crypto'
import { readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, fail, isOptions, SpikewasmError } from '../base/errors.js'
import * as v from '../engine/vendor/valibot/index.js'
import { explainFolder, makeFolder } from '../files/files.js'
import { RunFolder, readRunFile } from '../files/folder/folder.js'
import { MANIFEST } from '../files/folder/read.js'
import { parseJsonBytes } from '../files/json.js'
import type { NetworkJson } from '../network/json.js'
import { hasCheckpoint, optionsFile, runFiles } from '../train/callbacks/checkpoint.js'
import { trainingSchema } from './commands/training-flags.js'
import type { DatasetName } from './datasets.js'
import type { DataArguments } from './load-data.js'
import { withFiles } from './mistakes.js'
import * as shared from './options.js'
import { roundsSchema } from './rounds/flags.js'
import { given, schemaOf, schemasOf } from './spec.js'

/** The most that options.json has; a program's holds its network. */
const MOST_BYTES = 10_000_000

const positive = v.pipe(v.number(), v.integer(), v.minValue(1))

const { dataset, data, imageSize, trainShare } = shared.data
const { backwardSteps: _, truncate, ...methods } = shared.wholeMethod
const { tau, timeSteps } = shared.time
/** Which samples there are, as options of a run say it. */
const samples = { data, imageSize, trainShare, ...shared.limits, ...shared.eventSpecs }

/** Everything needed to build a run's model and data again, and to train it alike. */
const runOptions = v.object({
  /** The package that wrote the folder. */
  version: v.string(),
  /** By name; with `network`, of the file that it came from. */
  model: v.pipe(v.string(), v.maxLength(100)),
  /** SHA-256 of that file. */
  modelSha256: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
  ...schemasOf({ dataset, ...methods, tau }),
  ...schemaOf({ truncate, weights: shared.weightsOf() }),
  ...schemaOf(samples),
  augment: v.boolean(),
  /** [C, H, W] */
  input: v.tuple([positive, positive, positive]),
  classes: positive,
  timeSteps: positive,
  /** Whether the data give a frame for each step. */
  frames: v.optional(v.literal(true)),
  backwardSteps: positive,
  epochs: positive,
  batchSize: positive,
  ...trainingSchema,
  seed: v.number(),
  threads: positive,
  /** The weights that it started from: where they were, and the hash of their file. */
  load: v.optional(v.string()),
  loadSha256: v.optional(v.string()),
  checkpointEvery: v.optional(v.union([v.number(), v.string()])),
  /** How a training is divided into rounds of replicas. */
  rounds: v.optional(roundsSchema),
  /** The network itself, where it is none by name; it is checked when it is made. */
  network: v.optional(v.custom<NetworkJson>(isOptions)),
})

export type RunOptions = v.InferOutput<typeof runOptions>

/**
 * Makes a folder of results if it is missing and tries to write in it, before hours of work are
 * spent.
 *
 * @param option that names it
 * @returns the folders that were made, outermost first, for `removeIfEmpty`
 * @throws SpikewasmError when it cannot be made or written; nothing is left behind then
 */
export async function openOutFolder(folder: string, option: string): Promise<readonly string[]> {
  const made: string[] = []
  try {
    makeFolder(resolve(folder), made)
    const probe = join(folder, `.${randomBytes(8).toString('hex')}.tmp`)
    await writeFile(probe, '', { flag: 'wx' })
    await rm(probe)
  } catch (error) {
    await removeIfEmpty(made)
    fail(
      `${option} must be a folder that can be written, got ${JSON.stringify(folder)}: ` +
        (await explainFolder(error, folder)),
      error,
    )
  }
  return made
}

/** Removes the folders that `openOutFolder` made, if they are empty. */
export async function removeIfEmpty(made: readonly string[]): Promise<void> {
  for (const path of made.toReversed()) await rmdir(path).catch(() => undefined)
}

/** Names of a run's files. */
const runNames: readonly string[] = Object.values(runFiles)

/** Whether a folder holds a run, as far as names tell. */
export async function holdsRun(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => [] as string[])
  return [MANIFEST, ...runNames].some((name) => names.includes(name))
}

export const optionsJson = (options: RunOptions): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(options, undefined, 2)}\n`)

/** What people and programs are shown: a network is not for them. */
export const shownOptions = ({ network: _, ...options }: RunOptions): object => options

/** @throws SpikewasmError when the file is missing or does not hold a run's options. */
export async function readRunOptions(folder: string): Promise<RunOptions> {
  const bytes = await withFiles(() => readRunFile(folder, runFiles.options))
  return optionsIn(folder, bytes, runFiles.options)
}

/**
 * The options of the run in a folder. `train` writes whole paths; one that somebody has made
 * relative counts from the folder, so that both can be moved together.
 */
export function optionsIn(folder: string, bytes: Uint8Array, name: string): RunOptions {
  const run = parseRunOptions(bytes, join(folder, name))
  const placed = (path: string | undefined): string | undefined => path && resolve(folder, path)
  return { ...run, data: placed(run.data), load: placed(run.load) }
}

/** Whether a program has written them, by the callback `checkpoint`: then they hold a network. */
export function areOfProgram(bytes: Uint8Array): boolean {
  try {
    const value = parseJsonBytes(bytes, '', 'the options', { length: MOST_BYTES })
    const isObject = typeof value === 'object' && value !== null
    return isObject && 'network' in value && !('version' in value)
  } catch {
    return false
  }
}

/** @throws SpikewasmError when they are not a run's options. */
export function parseRunOptions(bytes: Uint8Array, path: string): RunOptions {
  const refuse = (why: string): never =>
    fail(
      `${path}: must hold the options of a run, ${why}; give the folder of a train ` +
        '--out, or --weights and --model instead',
    )
  if (areOfProgram(bytes))
    fail(
      `${path}: must hold the options of spikewasm train, got those of a program (the callback ` +
        'checkpoint), which name no data set; leave --run out and give --dataset',
    )
  let value: unknown
  try {
    value = parseJsonBytes(bytes, path, 'the options', { length: MOST_BYTES })
  } catch (error) {
    return refuse(`got something else (${(error as Error).message})`)
  }
  const { model, modelSha256, network = modelSha256 } = Object(value)
  if (typeof model === 'string' && !shared.isModelName(model) && network === undefined)
    refuse(`got model: ${describe(model)}, which is no name of a network`)
  const { success, output, issues } = v.safeParse(runOptions, value)
  if (success) return output
  const [{ expected, input }] = issues
  const field = v.getDotPath(issues[0])
  // Where a field is missing, the one that was expected is its own name.
  if (field !== null && input === undefined) return refuse(`got none of the name ${field}`)
  const wanted = expected === null ? '' : ` instead of ${expected}`
  return refuse(`got ${field === null ? '' : `${field}: `}${describe(input)}${wanted}`)
}

/**
 * The data that the options name; what they leave out is the run's.
 *
 * @param usual the data set where nothing names one
 */
export function dataOf(
  args: Partial<DataArguments>,
  { run, dataset: usual = 'digits' }: { run?: RunOptions; dataset?: DatasetName },
): DataArguments {
  const dataset = args.dataset ?? run?.dataset ?? usual
  // Another data set than the run's is another path and another number of samples too.
  const source = run?.dataset === dataset ? run : {}
  const kept = { ...samples, timeSteps }
  // What changes samples in training says nothing about a test.
  return { ...given(kept, source), ...given(kept, args), dataset, cache: args.cache }
}

/** Where a run is kept. */
export interface RunPlace {
  readonly folder: RunFolder
  /** A checkpoint to go on from. */
  readonly checkpoint?: Uint8Array
  /** Whether it goes on, from a checkpoint or from the beginning. */
  readonly resumed: boolean
}

/**
 * The folder of a new run.
 * @throws SpikewasmError when it holds one already, unless that may be written over
 */
export const newPlace = (path: string, overwrite: boolean): Promise<RunPlace> =>
  placeAt(path, '--out', async (folder) => {
    const taken = await folder.taken(runNames)
    if (!overwrite && (taken.length > 0 || folder.names.length > 0))
      fail(
        `--out: ${path} holds a run already; --resume ${path} goes on with it, ` +
          '--overwrite begins anew',
      )
    return { folder, resumed: false }
  })

/** The folder of a run that goes on. */
export async function oldPlace(path: string): Promise<RunPlace> {
  if (!(await holdsRun(path)))
    fail(`--resume must be the folder of a run, got ${JSON.stringify(path)}; train --out makes one`)
  return placeAt(path, '--resume', async (folder) => {
    const begun = hasCheckpoint(folder.names)
    const options = optionsFile(folder.names)
    if (folder.names.includes(options) && areOfProgram(await folder.read(options)))
      fail(
        `--resume: ${path} was written by a program, whose network and data are not known here; ` +
          `go on in the program: fit(data, { resume: ${JSON.stringify(path)}, … })`,
      )
    if (!begun && !folder.names.includes(runFiles.options))
      fail(
        folder.generation > 0
          ? `--resume: ${path} holds no options and no checkpoint; train anew with --overwrite`
          : `--resume: ${path} has lost its ${MANIFEST}, which tells whether the other files are ` +
              `whole; put it back, or ${beginAnew(path)}`,
      )
    return { folder, resumed: true, checkpoint: begun ? await readCheckpoint(folder) : undefined }
  })
}

/** A folder that is let go where it cannot be used. */
async function placeAt(
  path: string,
  option: string,
  use: (folder: RunFolder) => Promise<RunPlace>,
): Promise<RunPlace> {
  const folder = await withFiles(() => RunFolder.open(path, option))
  try {
    return await use(folder)
  } catch (error) {
    await folder.close()
    throw error
  }
}

const beginAnew = (path: string): string =>
  `begin anew from its weights with --load ${join(path, runFiles.weights)} --out <another folder>`

const readCheckpoint = (folder: RunFolder): Promise<Uint8Array> =>
  folder.read(runFiles.checkpoint).catch((error: unknown) => {
    if (!(error instanceof SpikewasmError)) throw error
    fail(`${error.message}, or ${beginAnew(folder.path)}`, error)
  })
