/** Which model a command is about: of a run's folder, of a file, an exported one, or by name. */

import { basename, join } from 'node:path'
import { fail } from '../base/errors.js'
import { type MethodOptions, takenOptions } from '../compile/methods.js'
import type { Dataset } from '../data/datasets/dataset.js'
import type { NetInfo } from '../edge/abi.js'
import { type ApartNet, type ApartOptions, openApart } from '../edge/verify/apart.js'
import { kindOfPath, readFileClear } from '../files/files.js'
import { readRunFiles } from '../files/folder/folder.js'
import type { ModelData } from '../files/json.js'
import { expectNoModule } from '../files/state.js'
import { type CompileOptions, compile } from '../model/compile.js'
import { expectWeightsOf, readModel } from '../model/load.js'
import type { Model } from '../model/model.js'
import { pretrainedBytes, pretrainedDataset, pretrainedNames } from '../model/models/pretrained.js'
import { networkFromNir } from '../model/nir/load.js'
import { compositeOf } from '../network/json.js'
import type { Module } from '../network/module.js'
import { type InputShapes, imageShape } from '../network/value.js'
import { weightTypes } from '../network/weights.js'
import { runFiles } from '../train/callbacks/checkpoint.js'
import { inFile } from '../train/model-file.js'
import { classesOf, type DatasetName, datasetNames, defaultModel } from './datasets.js'
import { type DataArguments, loadData, nirWindows, stepsFor } from './load-data.js'
import { withFiles } from './mistakes.js'
import { isModuleFile, isOwnModel, time } from './options.js'
import { type NetworkSizes, type NetworkSource, networkByName, openNetwork } from './own-model.js'
import { areOfProgram, dataOf, optionsIn, type RunOptions } from './run-folder.js'
import * as o from './spec.js'

const { preset: TAU } = time.tau

/** How the time of a NIR file becomes steps. */
export const nirTimeSpecs = o.under('Model', [], {
  dt: o.number('<seconds>', 'with a NIR file: time of a step', {
    usual: "the file's, else 0.0001",
  }),
  discretisation: o.name(
    '<name>',
    'with a NIR file: how neurons decay in a step',
    ['euler', 'exact'],
    { usual: "the file's, else euler" },
  ),
  reset: o.name(
    '<name>',
    'with a NIR file: what becomes of the potential of a neuron that spikes',
    ['subtract', 'zero', 'stored'],
    { usual: "the file's, else subtract" },
  ),
})

/** All that belong to a file of NIR that is read. */
export const nirSpecs = o.under('Model', [], {
  nir: o.text('<file>', 'network of another program, a file of NIR (needs h5wasm)'),
  ...nirTimeSpecs,
})

type NirArguments = o.ArgumentsOf<typeof nirSpecs>

/** Options that name a model. */
export const modelFileSpecs = o.under('Model', ['run', 'weights', 'pretrained'], {
  run: o.text('<folder>', 'folder that train --out has written, or checkpoint in a program'),
  best: o.flag('with --run: the best weights (best.safetensors), not the last', { preset: false }),
  weights: o.parsed<string>(
    '<file>',
    'safetensors file of a model, or a file of NIR (.nir, needs h5wasm); where it holds weights ' +
      'alone, give --model too',
    'a file',
    (path) => path,
    o.textThat((path) => weightTypes.every((type) => type !== path)),
    { cure: 'export and info take the type of weights as --precision' },
  ),
  pretrained: o.name('<name>', 'trained network that comes with the package', pretrainedNames),
})

/** The same where a command takes an exported network, too. */
export const modelOrNetSpecs = {
  ...modelFileSpecs,
  weights: o.adding(modelFileSpecs.weights, '; or an exported network (.wasm)'),
}

const networkAlone = '; its network is taken, not its weights'

/** Where a command reads the network of a file, and no weights. */
export const networkSpecs = {
  run: o.adding(modelFileSpecs.run, networkAlone),
  weights: o.adding(modelFileSpecs.weights, networkAlone),
}

/** What names a model on the command line. */
interface ModelArguments extends NirArguments, Partial<o.ArgumentsOf<typeof modelFileSpecs>> {
  /** The network by name or of a module, whatever the file says; or a file of a model. */
  readonly model?: string
  readonly tau?: number
  /** Says which network it is where nothing else does. */
  readonly dataset?: DatasetName
}

/** A model that a command was given. */
export interface GivenModel {
  readonly run?: RunOptions
  /** Whether the file says what the network is and takes. */
  readonly isWhole: boolean
  /** What the file says about the data that the model was trained with. */
  readonly data?: ModelData
  /** The data set of a network that comes with the package. */
  readonly dataset?: DatasetName
  /** For people. */
  readonly name: string
  /**
   * The network, for these sizes where the file does not say.
   * @throws SpikewasmError when the weights are not its own
   */
  network(sizes: Omit<NetworkSizes, 'tau'>): Promise<Module>
  /** What `compile` needs to get the same numbers; from the file, or else from the run. */
  readonly options: Partial<Pick<CompileOptions, 'input' | 'timeSteps' | 'frames' | 'weights'>> &
    MethodOptions
  /** Sizes of several inputs by name, where the file has them; `options.input` is of all. */
  readonly inputs?: InputShapes
  /** Gives a model of the network the weights. */
  load(model: Model): void
}

/** Whether --weights names a file of NIR, which says what the network is, too. */
export const isNirFile = (path: string | undefined): boolean => /\.nir$/i.test(path ?? '')

/** Whether --weights names an exported network. */
export const isNetFile = (path: string | undefined): path is string => /\.wasm$/i.test(path ?? '')

/** @throws SpikewasmError for options that are about a NIR file where there is none */
export function expectNir(args: NirArguments, because = '--nir'): void {
  for (const key of ['dt', 'discretisation', 'reset'] as const)
    if (args[key] !== undefined) fail(`--${key} must come with ${because}, got ${args[key]}`)
}

/**
 * @param networkAlone whether its weights do not matter, so that they may be of another network
 *   than one by name
 * @throws SpikewasmError unless exactly one of --run and --weights is given, or when a file is
 *   missing or damaged
 */
export async function givenModel(
  asked: ModelArguments,
  { networkAlone = false } = {},
): Promise<GivenModel> {
  const placed = await placedArguments(asked)
  const ofNir = isNirFile(placed.weights) && placed.nir === undefined
  const args = ofNir ? { ...placed, nir: placed.weights, weights: undefined } : placed
  const { run: folder, nir, best = false, pretrained } = args
  expectPretrainedAlone(args)
  const weights = pretrained ?? args.weights
  const given = [folder, weights, nir].filter((path) => path !== undefined).length
  const got = ['none; train --out writes such a folder', '', 'both; leave one out']
  if (given !== 1)
    fail(
      'either --run <folder>, --weights <file> or --pretrained <name> must be given, got ' +
        (got[given] ?? 'all; leave two out'),
    )
  if (nir !== undefined) return nirModel(nir, args)
  expectNir(args)
  if (best && folder === undefined)
    fail('--best must be left out with --weights, got it; it chooses a file of --run')
  const file = best ? runFiles.best : runFiles.weights
  const path = folder === undefined ? weights! : join(folder, file)
  const named = pretrained && (await withFiles(() => pretrainedBytes('--pretrained', pretrained)))
  const { run, bytes } = named ? { bytes: named } : await filesOf(folder, file, path)
  const { json, state } = readModel(expectNoModule(bytes, path), path)
  const byName = args.model !== undefined || args.tau !== undefined
  // Undefined where the file holds weights alone, or a network by name is wanted.
  const saved = byName ? undefined : json
  const usual = defaultModel(args.dataset ?? 'digits')
  const source = saved ? undefined : await sourceOf(args, run, usual)
  const from = saved ?? run
  const { input, timeSteps, frames = false } = from ?? {}
  const inputs = saved?.inputs
  const method: MethodOptions = saved?.method ?? run ?? {}
  return {
    run,
    isWhole: saved !== undefined,
    data: json?.data,
    dataset: datasetNames.find((name) => pretrained && name === pretrainedDataset(pretrained)),
    name: source?.name ?? run?.model ?? basename(folder ?? path, '.safetensors'),
    async network(sizes) {
      const tau = args.tau ?? run?.tau ?? TAU
      const made = source && (await source.make({ ...sizes, tau }))
      const network = made?.network ?? compositeOf(saved?.network, path)
      if (saved || !networkAlone) expectWeightsOf(network, inputs ?? sizes.input, state, path)
      return network
    },
    options: {
      ...(from ? { input, timeSteps, frames, ...takenOptions(method) } : {}),
      ...o.defined({ weights: (json ?? run)?.weights }),
    },
    inputs,
    load: (model) => inFile(path, () => model.loadStateDict(state)),
  }
}

/** The network where the weights are not to say it. */
async function sourceOf(
  { model, tau }: ModelArguments,
  run: RunOptions | undefined,
  usual: string,
): Promise<NetworkSource> {
  if (model !== undefined) return openNetwork(model)
  if (run?.network && tau !== undefined)
    fail(
      `--tau must be left out, since ${run.model} alone says how tau becomes the run's network, ` +
        `got ${tau}; give its path as --model too`,
    )
  return networkByName(run?.model ?? usual)
}

/**
 * The file or folder of a model as --model is the same as one of --weights or --run.
 * @throws SpikewasmError where another is given too: its network would win over that one's
 */
async function placedArguments(args: ModelArguments): Promise<ModelArguments> {
  const { model, run, weights, nir, pretrained } = args
  if (model === undefined || !isOwnModel(model) || isModuleFile(model)) return args
  const other = run ?? weights ?? nir ?? pretrained
  if (other !== undefined)
    fail(
      `--model must be a name or a module of your own beside ${other}, got ${model}, which has ` +
        'weights itself; leave one of both out',
    )
  const isFolder = (await kindOfPath(model)) === 'folder'
  return { ...args, model: undefined, [isFolder ? 'run' : 'weights']: model }
}

/** @throws SpikewasmError where --pretrained and another option name a model */
function expectPretrainedAlone({ run, weights, nir, pretrained }: ModelArguments): void {
  const other = run ?? weights ?? nir
  if (pretrained !== undefined && other !== undefined)
    fail(`--run, --weights and --nir must be left out with --pretrained, got ${other}`)
}

/** @throws SpikewasmError for options that a NIR file leaves nothing to say */
async function nirModel(path: string, args: ModelArguments): Promise<GivenModel> {
  o.expectLeftOut(args, ['best', 'model', 'tau'], 'with --nir')
  const { dt, discretisation, reset } = args
  const { network, state, input, inputs, timeSteps, frames } = await withFiles(() =>
    networkFromNir(path, { dt, discretisation, reset }),
  )
  return {
    name: basename(path, '.nir'),
    isWhole: true,
    network: async () => network,
    options: o.defined({ input, timeSteps, frames }),
    inputs,
    load: (model) => model.loadStateDict(state),
  }
}

/** Weights, and the run that they come from, if any. */
async function filesOf(
  folder: string | undefined,
  file: string,
  path: string,
): Promise<{ readonly run?: RunOptions; readonly bytes: Uint8Array }> {
  if (folder === undefined) return { bytes: await withFiles(() => readFileClear(path, 'weights')) }
  // Both are of one commit: another run may be written into the folder between two looks.
  const files = await withFiles(() => readRunFiles(folder, [runFiles.options, file]))
  const options = files[runFiles.options]
  // A program's folder has in its weights all that is known: they are like a file of --weights.
  const run = areOfProgram(options) ? {} : { run: optionsIn(folder, options, runFiles.options) }
  return { ...run, bytes: files[file] }
}

/**
 * A network, where weights do not matter: that of a run or file, or one by name.
 * @throws SpikewasmError when a file is missing or damaged
 */
export async function givenNetwork(asked: ModelArguments): Promise<Omit<GivenModel, 'load'>> {
  const args = await placedArguments(asked)
  if ([args.run, args.weights, args.nir].some((path) => path !== undefined))
    return givenModel(args, { networkAlone: true })
  expectNir(args)
  const { model = defaultModel(args.dataset ?? 'digits'), tau = TAU } = args
  const { name, make } = await openNetwork(model)
  const network = async (sizes: Omit<NetworkSizes, 'tau'>): Promise<Module> =>
    (await make({ ...sizes, tau })).network
  return { name, isWhole: false, options: {}, network }
}

/** Asks something of a model that a command was given, for inference unless options say else. */
export async function withModel<T>(
  given: GivenModel,
  classes: number,
  options: CompileOptions,
  ask: (model: Model) => T | Promise<T>,
): Promise<T> {
  const { input, timeSteps = 4 } = options
  const model = await compile(await given.network({ input, classes, timeSteps }), {
    purpose: 'inference',
    ...options,
    input: given.inputs ?? input,
  })
  try {
    given.load(model)
    return await ask(model)
  } finally {
    await model.dispose()
  }
}

type OnDataArguments = ModelArguments &
  Partial<Omit<DataArguments, 'timeSteps'>> & { split: 'train' | 'test'; timeSteps?: number }

/**
 * Asks something of a model that a command was given, about the data that it was trained with, or
 * others.
 *
 * @param options what it is compiled with besides
 * @throws SpikewasmError when the network of a file takes other samples than the data have
 */
export async function withModelOnData(
  args: OnDataArguments,
  options: (part: Dataset, dataset: DatasetName, given: GivenModel) => Partial<CompileOptions>,
  ask: (model: Model, part: Dataset, dataset: DatasetName, name: string) => Promise<void>,
): Promise<void> {
  const given = await givenModel(args)
  const { run, isWhole, options: own, name } = given
  const { timeSteps = own.timeSteps } = args
  const source = dataOf({ ...args, ...nirWindows(args), timeSteps }, given)
  const { dataset } = source
  const part = (await loadData(source))[args.split]
  const { input = part.shape } = own
  const [has, takes] = [part.shape, input].map((shape) => imageShape(shape).join(', '))
  if (isWhole && has !== takes)
    fail(
      `${args.run ?? args.weights ?? args.nir ?? args.pretrained}: the model takes samples of ` +
        `[${input.join(', ')}], got ${part.name} with [${part.shape.join(', ')}]; ` +
        'give --dataset with the data that it was trained with',
    )
  const steps = stepsFor(part, args.timeSteps, own.timeSteps)
  const compiled = { ...own, input, ...steps, ...options(part, dataset, given) }
  const classes = run?.classes ?? classesOf(dataset, part)
  await withModel(given, classes, compiled, (model) => ask(model, part, dataset, name))
}

/**
 * Reads, checks and opens an exported network, where it can be stopped, and asks something of it.
 *
 * @param option where the path came from
 * @throws SpikewasmError that names the file and what is wrong with it
 */
export async function withNet<T>(
  path: string,
  option: string,
  ask: (net: ApartNet, bytes: Uint8Array) => T | Promise<T>,
  options?: ApartOptions,
): Promise<T> {
  const bytes = await withFiles(() => readFileClear(path, option))
  const net = await openApart(bytes, path, options)
  try {
    return await ask(net, bytes)
  } finally {
    await net.close()
  }
}

/** Whether nobody has changed a file that was opened since its export. */
export const isSealed = ({ seal }: NetInfo): boolean => seal !== undefined

/** What people are told of it. */
export const sealLine = ({ seal }: NetInfo): string =>
  seal === undefined
    ? 'no: its section was stripped, nobody can tell whether it was changed'
    : `yes: ${seal}`
