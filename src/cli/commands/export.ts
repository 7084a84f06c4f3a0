/** `spikewasm export` */

import { basename, dirname, join } from 'node:path'
import { fail, SpikewasmError } from '../../base/errors.js'
import { isText } from '../../compile/loss-kind.js'
import { type Dataset, subset } from '../../data/index.js'
import type { NetTarget } from '../../edge/abi.js'
import { evaluateNet } from '../../edge/accuracy.js'
import { exportWasm } from '../../edge/export.js'
import { isNetHeader, netHeader } from '../../edge/header.js'
import { openNet } from '../../edge/net.js'
import { canStore, checkExportOptions } from '../../edge/options.js'
import { synapticOperations } from '../../edge/synops.js'
import { checkTargets, kindOfPath, readFileClear, writeFilesAtomic } from '../../files/files.js'
import type { ModelData } from '../../files/json.js'
import type { CompileOptions } from '../../model/compile.js'
import type { Model } from '../../model/model.js'
import { checkInputShape } from '../../network/value.js'
import { about } from '../about.js'
import { type DatasetName, datasets, defaultThreads } from '../datasets.js'
import { loadData } from '../load-data.js'
import { withFiles } from '../mistakes.js'
import { dataOf, type RunOptions } from '../run-folder.js'
import { commandOf, expectLeftOut, flagOf, pick, present } from '../spec.js'
import { answer, percent, shareBar, tableText } from '../terminal.js'
import { expectNir, type GivenModel, givenModel, isNirFile, withModel } from '../which-model.js'
import * as own from './export-options.js'
import { lossOf, methodFor, optimizerOf, takenHere } from './training-options.js'

type ExportArguments = own.ExportArguments

/** Samples that tell what the file's accuracy is where nobody asked for all of them. */
const FEW_SAMPLES = 1000

export const exportCommand = commandOf(
  own.exportSpecs,
  about.export,
  async (args: ExportArguments) => {
    if (args.nir || /\.nir$/i.test(args.out)) return exportNir(args)
    if (!isNirFile(args.weights)) expectNir({ ...args, nir: undefined }, '--nir or a NIR file')
    const paths = await pathsOf(args)
    const given = await givenModel({ ...args, nir: undefined })
    const { data, missing } = await testData(args, given)
    await asked(args, given, async (model) =>
      tell(args.json, await exportModules(args, given, paths, model, data)),
    )
    if (missing) process.stderr.write(`accuracy was not measured: ${missing}\n`)
  },
)

type Files = Awaited<ReturnType<typeof exportModules>>['files']

/** Writes the files, and measures what is in them. */
async function exportModules(
  args: ExportArguments,
  given: GivenModel,
  { modules, header }: Awaited<ReturnType<typeof pathsOf>>,
  model: Model,
  data: Dataset | undefined,
) {
  const bar = shareBar(args.json)
  const { session, timeSteps, classes } = model
  const { target, mode, precision: weights, inputType, batchSize, name = given.name } = args
  // Mistakes show before anything is measured.
  const about = { ...given.data, ...dataAbout(data) }
  const labels = await own.readLabels(args.labels, about, classes)
  const scaling = own.scalingOf(args, about)
  const options = { target, mode, weights, inputType, name, batchSize, labels, ...scaling }
  const { weightType } = model
  if (weights && !canStore(weights, weightType, mode))
    fail(
      `--precision must be ${weightType}${mode === 'train' ? ' with --mode train' : ''}, as the ` +
        `model was trained, got ${weights}; leave it out`,
    )
  checkExportOptions(options, { channels: model.input[0], classes, weights: weightType })
  try {
    if (data) bar.show('testing the model', 0)
    const evaluation = data && (await model.evaluate(data))
    const began = performance.now()
    const exported = await exportWasm(model, {
      ...options,
      synops:
        evaluation && synapticOperations(session.graph, false, timeSteps, evaluation.firingRates),
      onProgress: (done) => bar.show('exporting', done),
    })
    const milliseconds = performance.now() - began
    const files = []
    for (const [target, file] of modules) {
      const bytes = exported instanceof Uint8Array ? exported : exported[target]
      // As a host would open it.
      const net = await openNet(bytes)
      const onProgress = (done: number): void => bar.show(`testing ${basename(file)}`, done)
      const found = data && (await evaluateNet(net, data, { onProgress }))
      const { accuracy, correct } = found ?? {}
      files.push({ file, bytes, info: net.info, accuracy, correct })
    }
    await write(files, header)
    return { model: given.name, files, header, evaluation, data: data?.name, milliseconds }
  } finally {
    bar.stop()
  }
}

/** The model as a file of NIR. */
async function exportNir(args: ExportArguments): Promise<void> {
  const idle = own.moduleKeys.filter((key) => args[key] !== own.exportSpecs[key].preset)
  expectLeftOut(args, idle, 'for a file of NIR', '; it is for modules')
  const { out, dt, discretisation, reset, weights, json } = args
  if (reset !== undefined && !isNirFile(weights))
    fail(`--reset must come with --weights and a NIR file, got ${reset}; it says how to read one`)
  // They say how steps become time; of a file that is read, the other way round as well.
  const times = isNirFile(weights) ? {} : { dt: undefined, discretisation: undefined }
  const given = await givenModel({ ...args, ...times, nir: undefined })
  await asked({ ...args, mode: 'infer' }, given, async (model) => {
    await withFiles(() => model.saveNir(out, { dt, discretisation }))
    answer(json, { model: given.name, file: out }, () => `wrote ${out}`)
  })
}

/**
 * Where the files go.
 * @throws SpikewasmError when there is no such folder, or something is there that stays
 */
async function pathsOf({ out, target }: ExportArguments) {
  const folder = dirname(out)
  if ((await kindOfPath(folder)) !== 'folder')
    fail(`--out must be a file in a folder that exists, got ${JSON.stringify(out)}; make it first`)
  if ((await kindOfPath(out)) === 'folder' || !/\w/.test(basename(out, '.wasm')))
    fail(`--out must name a file, such as net.wasm, got ${JSON.stringify(out)}`)
  if (/\.h$/i.test(out))
    fail(
      `--out must name the module, such as net.wasm, got ${JSON.stringify(out)}; a header is ` +
        'written beside it',
    )
  const stem = join(folder, basename(out, '.wasm'))
  const ofTarget = (name: NetTarget) => [name, `${stem}.${name}.wasm`] as const
  const modules =
    target === 'both' ? [ofTarget('simd'), ofTarget('scalar')] : [[target, out] as const]
  const header = `${stem}.h`
  await checkTargets([...modules.map(([, path]) => path), header])
  await checkHeader(header)
  return { modules, header }
}

/** @throws SpikewasmError when a header is there that somebody else has written */
async function checkHeader(path: string): Promise<void> {
  if ((await kindOfPath(path)) === undefined) return
  const text = new TextDecoder().decode(await withFiles(() => readFileClear(path, 'the header')))
  if (!isNetHeader(text))
    fail(
      `${path}: must be free for the header, or one that export has written, got another file; ` +
        'move it, or choose another name for --out',
    )
}

/** The data set that the options or the run name, if any. */
function datasetName(args: ExportArguments, given: GivenModel): DatasetName | undefined {
  const { run, isWhole, dataset } = given
  const known = args.input !== undefined || isWhole
  return args.dataset ?? run?.dataset ?? dataset ?? (known ? undefined : 'digits')
}

/** What a data set says about itself; nothing that is not known. */
function dataAbout(data: Dataset | undefined): ModelData {
  const { classNames, pixels } = data ?? {}
  return {
    ...(classNames && { classNames }),
    ...(pixels && { normalization: pixels.normalization }),
  }
}

/**
 * Test data: when asked for, when they come with the package, and when they are at hand and bytes
 * or int8 make them worth reading.
 *
 * @returns the data, or why there are none although they would be of use
 * @throws SpikewasmError when asked for and not readable
 */
async function testData(
  args: ExportArguments,
  given: GivenModel,
): Promise<{ data?: Dataset; missing?: string }> {
  const asked = args.data !== undefined || args.limitTest !== undefined
  const dataset = datasetName(args, given)
  if (asked && dataset === undefined)
    fail('--dataset must be given with --data and --limit-test, got none')
  const inPackage = dataset !== undefined && datasets[dataset].source === undefined
  const useful = (args.precision ?? 'f32') !== 'f32' || args.inputType === 'u8'
  if (!(asked || inPackage || useful)) return {}
  if (dataset === undefined) return { missing: 'no data set is known; give --dataset and --data' }
  try {
    const { test } = await loadData(dataOf({ ...args, dataset }, given))
    return { data: asked ? test : subset(test, FEW_SAMPLES) }
  } catch (error) {
    if (asked || !(error instanceof SpikewasmError)) throw error
    return { missing: error.message }
  }
}

/** Asks something of the model that is to be exported. */
function asked<T>(
  args: ExportArguments,
  given: GivenModel,
  ask: (model: Model) => Promise<T>,
): Promise<T> {
  const { run, isWhole, options: own } = given
  const dataset = datasetName(args, given)
  const known = dataset && datasets[dataset]
  if (isWhole && (args.input !== undefined || args.classes !== undefined))
    fail('--input and --classes must be left out, got one; the file says what its network takes')
  const shape = args.input ?? own.input ?? known?.shape
  const classes = args.classes ?? run?.classes ?? known?.classes ?? (isWhole ? 1 : undefined)
  if (shape === undefined || shape.length > 3 || !shape.every((n) => Number.isInteger(n) && n >= 1))
    fail(
      '--input must be C,H,W, of a series C,L, or of a vector F, integers ≥ 1, got ' +
        (shape?.join(',') ?? 'none'),
    )
  const input = checkInputShape('--input', shape)
  if (classes === undefined)
    fail('--classes must be given with --input where no data set is named, got none')
  const trains = args.mode === 'train'
  if (run && trains) expectLearns(run)
  const options: CompileOptions = {
    purpose: trains ? 'train' : 'inference',
    input,
    ...pick(own, 'frames', 'weights'),
    ...methodFor(args, own),
    // Like the step mode they belong to the method that the model was trained by.
    ...(trains && args.method === undefined ? takenHere(own) : {}),
    // K belongs to the T that it was chosen for.
    ...(args.timeSteps !== undefined && { backwardSteps: undefined }),
    timeSteps: args.timeSteps ?? own.timeSteps ?? 4,
    batchSize: trains ? (args.batchSize ?? 1) : 64,
    loss: run && trains ? lossOf(run) : undefined,
    threads: dataset === undefined ? 1 : defaultThreads(dataset),
  }
  return withModel(given, classes, options, (model) => {
    if (run && trains) model.optimizer = optimizerOf(run)
    return ask(model)
  })
}

/** @throws SpikewasmError for a run that did what a file that learns cannot go on with */
function expectLearns(run: RunOptions): void {
  const plain = {
    loss: 'crossEntropy',
    lossOf: 'rates',
    labelSmoothing: 0,
    ratePenalty: 0,
    accumulate: 1,
    clipNorm: undefined,
    freeze: undefined,
  }
  const odd = (Object.keys(plain) as (keyof typeof plain)[])
    .filter(
      (key) => (run[key] ?? plain[key]) !== plain[key] && !(key === 'loss' && isText(run.loss)),
    )
    .map((key) => (key === 'loss' ? `--loss ${run.loss}` : flagOf(key)))
  if (odd.length !== 0)
    fail(
      `--mode train must be left out for a run with ${odd.join(', ')}, which a file that learns ` +
        'has not; or give its weights with --weights, to learn by sgd and cross entropy alone',
    )
}

/** Writes the modules and the header, all or none. */
async function write(files: Files, header: string): Promise<void> {
  // The header of two files says what the larger one needs.
  const most = (key: 'memoryBytes' | 'usedBytes'): number =>
    Math.max(...files.map(({ info }) => info[key]))
  const figures = { memoryBytes: most('memoryBytes'), usedBytes: most('usedBytes') }
  const info = { ...files[0].info, ...figures }
  const bytes = new TextEncoder().encode(netHeader(info, basename(header)))
  // It may have come while networks were tested.
  await checkHeader(header)
  const modules = files.map(({ file: path, bytes }) => ({ path, bytes }))
  await withFiles(() => writeFilesAtomic([...modules, { path: header, bytes }]))
}

/** A line of JSON; or a table of the files, and lines about the network. */
function tell(json: boolean, result: Awaited<ReturnType<typeof exportModules>>): void {
  const { header, evaluation, data, model, milliseconds } = result
  const [{ info }] = result.files
  const files = result.files.map(({ file, bytes, info: own, accuracy = null, correct = null }) => ({
    file,
    target: own.target,
    bytes: bytes.length,
    overheadBytes: bytes.length - own.weightBytes,
    ...pick(own, 'memoryBytes', 'usedBytes'),
    accuracy,
    correct,
  }))
  const { mode, weights, inputType, timeSteps, parameters, synops } = info
  const line = {
    final: true,
    model,
    files,
    header,
    mode,
    precision: weights,
    ...pick(info, 'inputType', 'timeSteps', 'stepMode', 'parameters', 'weightBytes'),
    synopsMax: synops.max,
    synopsMean: synops.mean ?? null,
    modelAccuracy: evaluation?.accuracy ?? null,
    samples: evaluation?.count ?? null,
    firingRates: evaluation?.firingRates ?? {},
    exportMs: milliseconds,
  }
  const count = (value: number): string => value.toLocaleString('en-US')
  answer(json, line, () => {
    const head = ['file', 'bytes', 'over the weights', 'memory', 'used', 'accuracy']
    const rows = files.map(({ file, bytes, overheadBytes, memoryBytes, usedBytes, accuracy }) => [
      file,
      count(bytes),
      count(overheadBytes),
      `${memoryBytes / 1024} KB`,
      count(usedBytes),
      accuracy === null ? 'not measured' : percent(accuracy),
    ])
    const { mean, max } = synops
    return present([
      `${model}: ${count(parameters)} parameters; mode ${mode}, weights ${weights}, input ` +
        `${inputType}, T ${timeSteps}`,
      tableText('lrrrrr', head, rows),
      `synaptic operations of an inference: ${count(max)} if all fire` +
        (mean ? `; at most ${count(Math.round(mean))} from measured rates` : ''),
      evaluation &&
        `the model itself: ${percent(evaluation.accuracy)} of ${evaluation.count}, ${data}`,
      `wrote ${header} beside; exported in ${(milliseconds / 1000).toFixed(1)} s`,
    ]).join('\n')
  })
}
