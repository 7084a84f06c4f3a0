/** The folder that `train --out` writes: weights.safetensors, options.json, history.json. */

import { mkdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import * as v from 'valibot'
import { expect, SpikewasmError } from '../errors.js'
import { kindOfPath, readFileClear, writeFileAtomic, writeFilesAtomic } from '../io/files.js'
import { serializeState } from '../io/state.js'
import type { Model } from '../model.js'
import { modelNames } from '../models/registry.js'
import { gradientCheckpoints, methodNames, stepModes, updates } from '../plan/methods.js'
import type { EpochRecord } from '../train/records.js'
import { type DataArguments, type DatasetName, datasetNames } from './datasets.js'
import { withFiles } from './mistakes.js'

const positive = v.pipe(v.number(), v.integer(), v.minValue(1))

/** Everything needed to build a run's model and data again, and to train it alike. */
const runOptions = v.object({
  /** Of the package that wrote the folder. */
  version: v.string(),
  model: v.picklist(modelNames),
  dataset: v.picklist(datasetNames),
  data: v.optional(v.string()),
  limitTrain: v.optional(positive),
  limitTest: v.optional(positive),
  augment: v.boolean(),
  /** [C, H, W] */
  input: v.tuple([positive, positive, positive]),
  classes: positive,
  timeSteps: positive,
  tau: v.number(),
  method: v.picklist(methodNames),
  stepMode: v.picklist(stepModes),
  update: v.picklist(updates),
  backwardSteps: positive,
  /** Older folders have none. */
  gradientCheckpoint: v.optional(v.picklist(gradientCheckpoints), 'none'),
  epochs: positive,
  batchSize: positive,
  lr: v.number(),
  momentum: v.number(),
  weightDecay: v.number(),
  schedule: v.picklist(['cosine', 'constant']),
  seed: v.number(),
  threads: positive,
  load: v.optional(v.string()),
})

export type RunOptions = v.InferOutput<typeof runOptions>

const files = { weights: 'weights.safetensors', options: 'options.json', history: 'history.json' }

const json = (value: unknown): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`)

/**
 * Makes the folder if it is missing and tries to write in it, before hours of training are spent.
 *
 * @returns the folders that were made, outermost first, for `removeIfEmpty`
 * @throws SpikewasmError when it cannot be made or written; nothing is left behind then
 */
export async function openRunFolder(folder: string): Promise<readonly string[]> {
  const made: string[] = []
  try {
    await makeFolder(resolve(folder), made)
    const probe = join(folder, '.probe')
    await writeFileAtomic(probe, new Uint8Array())
    await rm(probe)
  } catch (error) {
    await removeIfEmpty(made)
    throw new SpikewasmError(
      `--out must be a folder that can be written, got ${JSON.stringify(folder)}: ` +
        `${(error as Error).message}`,
      {
        cause: error,
      },
    )
  }
  return made
}

/**
 * Makes a folder and those above it. (mkdir's own `recursive` never returns where the system denies
 * a folder with ENOENT, as /proc does.)
 */
async function makeFolder(path: string, made: string[]): Promise<void> {
  const kind = await kindOfPath(path)
  if (kind === 'folder') return
  if (kind === 'file') throw new Error(`"${path}" is a file; choose another path`)
  await makeFolder(dirname(path), made)
  await mkdir(path)
  made.push(path)
}

/** Removes the folders that `openRunFolder` made, if they are empty. */
export async function removeIfEmpty(made: readonly string[]): Promise<void> {
  for (const path of made.toReversed()) await rmdir(path).catch(() => undefined)
}

/** Writes the three files, all or none. @throws SpikewasmError when one cannot be written. */
export async function writeRun(
  folder: string,
  model: Model,
  options: RunOptions,
  history: { epochs: readonly EpochRecord[]; aborted: boolean },
): Promise<void> {
  await withFiles(async () => {
    await writeFilesAtomic([
      { path: weightsOf(folder), bytes: serializeState(model.stateDict()) },
      { path: join(folder, files.history), bytes: json(history) },
      { path: join(folder, files.options), bytes: json(options) },
    ])
  })
}

/** The weights of a run. */
export function weightsOf(folder: string): string {
  return join(folder, files.weights)
}

/** @throws SpikewasmError when the file is missing or does not hold a run's options. */
export async function readRunOptions(folder: string): Promise<RunOptions> {
  const path = join(folder, files.options)
  const bytes = await withFiles(() => readFileClear(path, "--run's options"))
  const refuse = (why: string): never => {
    throw new SpikewasmError(
      `${path}: must hold the options of a run, ${why}; give the folder of a train ` +
        '--out, or --weights and --model instead',
    )
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch (error) {
    return refuse(`got no JSON (${(error as Error).message})`)
  }
  const { success, output, issues } = v.safeParse(runOptions, value)
  if (success) return output
  return refuse(`got ${v.getDotPath(issues[0]) ?? 'something else'}: ${issues[0].message}`)
}

/**
 * Where the weights are that the options name, and the run that they come from, if any.
 *
 * @throws SpikewasmError unless exactly one of both is given
 */
export async function readWeights(args: {
  readonly run?: string
  readonly weights?: string
}): Promise<{ readonly run: RunOptions | undefined; readonly weights: string }> {
  expect(
    (args.run === undefined) !== (args.weights === undefined),
    () =>
      'either --run <folder> or --weights <file> must be given, got ' +
      (args.run === undefined
        ? 'neither; train --out writes such a folder'
        : 'both; leave one out'),
  )
  if (args.run === undefined) return { run: undefined, weights: args.weights! }
  return { run: await readRunOptions(args.run), weights: weightsOf(args.run) }
}

/** The data that the options name; what they leave out is the run's. */
export function dataOf(
  args: Partial<DataArguments> & { readonly dataset?: DatasetName },
  run: RunOptions | undefined,
): DataArguments {
  const dataset = args.dataset ?? run?.dataset ?? 'digits'
  // Another data set than the run's is another path and another number of samples too.
  const source: Partial<DataArguments> = run?.dataset === dataset ? run : {}
  const { data = source.data, limitTrain = source.limitTrain, limitTest = source.limitTest } = args
  return { dataset, data, limitTrain, limitTest }
}
