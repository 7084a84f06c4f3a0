/** `spikewasm predict` */

import { fromArrays } from '../data/arrays.js'
import { encoders } from '../data/encoders.js'
import type { NetInfo } from '../edge/abi.js'
import { byteOf } from '../edge/accuracy.js'
import { callsOf, sampleBytesOf, shownAs } from '../edge/sizes.js'
import { fail, plainText, SpikewasmError } from '../errors.js'
import { readFileClear } from '../io/files.js'
import type { ModelData } from '../io/model-json.js'
import { readSamples } from '../io/samples/read.js'
import type { Model } from '../model.js'
import { imageShape, type Shape, sizeOf } from '../nn/value.js'
import type { ApartNet } from '../verify/apart.js'
import { type DatasetName, datasets, isOfEvents, scaleOf } from './datasets.js'
import { readLabels, scalingSpecs } from './export-options.js'
import { eventOptionsOf, expectNoEvents, nirWindows } from './load-data.js'
import { withFiles } from './mistakes.js'
import * as shared from './options.js'
import * as o from './spec.js'
import { percent, printJson, tableText } from './terminal.js'
import * as which from './which-model.js'

const predictSpecs = {
  ...which.modelOrNetSpecs,
  ...which.nirSpecs,
  ...shared.frameSpecs,
  ...o.fromRun({ dataset: shared.data.dataset, ...shared.modelOfData, ...shared.time }),
  ...scalingSpecs('of bytes', "the training data's"),
  topK: o.count('<n>', 'classes that are shown of each sample', { preset: 1 }),
  ...shared.last,
}

type PredictArguments = o.ArgumentsOf<typeof predictSpecs>

export const predictCommand = o.commandOf(
  predictSpecs,
  'Say which class a trained model sees in images and arrays: .npy, .json, .bin, .pgm, .ppm, ' +
    '.png, .jpg, and recordings: .bin, .bs2, .aedat, .aedat4, .npy, .npz. Sizes must be ' +
    'those that the network takes; recordings are cut as the run says.',
  (args: PredictArguments, files: string[]) =>
    which.isNetFile(args.weights) ? askNet(args, args.weights, files) : askModel(args, files),
  ['<file...>', 'samples; an array may hold several'],
)

async function askModel(args: PredictArguments, files: readonly string[]): Promise<void> {
  const given = await which.givenModel(args)
  const { run, options, data = {} } = given
  const reading = readingOf(args, files, args.dataset ?? run?.dataset ?? given.dataset, run)
  const { dataset, ofEvents, inFrames } = reading
  const known = datasets[dataset ?? (ofEvents ? 'events' : 'digits')]
  const compiled = {
    ...options,
    input: options.input ?? known.shape,
    frames: options.frames ?? inFrames,
    timeSteps: args.timeSteps ?? options.timeSteps ?? (ofEvents ? 10 : 4),
    batchSize: 16,
  }
  await which.withModel(given, run?.classes ?? known.classes, compiled, (model) =>
    predict(files, modelPredictor(model), data, reading, args),
  )
}

/** Options that rebuild a network, or say what an exported one says itself. */
const superfluous = [
  ...['run', 'best', 'pretrained', 'model', 'tau', 'timeSteps', 'nir', 'dt', 'reset'],
  'discretisation',
]

const askNet = (args: PredictArguments, path: string, files: readonly string[]): Promise<void> =>
  which.withNet(path, '--weights', (net) => {
    const { info } = net
    const scaled = info.inputType === 'u8' ? ['mean', 'std'] : []
    const idle = [...superfluous, ...scaled]
    o.expectLeftOut(args, idle, 'with an exported network', '; the file says it')
    const reading = readingOf(args, files, args.dataset, undefined)
    const data = { classNames: info.labels, normalization: scalingOf(info) }
    return predict(files, netPredictor(net, reading.inFrames), data, reading, args)
  })

/** How files become samples. */
type Reading = ReturnType<typeof readingOf>

/**
 * Recordings are cut as the flags say, and what they leave out as the run says; so still samples
 * are encoded.
 *
 * @throws SpikewasmError for flags that would do nothing
 */
function readingOf(
  args: PredictArguments,
  files: readonly string[],
  dataset: DatasetName | undefined,
  run: shared.EventArguments | undefined,
) {
  const ofEvents = areRecordings(dataset, files)
  if (!ofEvents) expectNoEvents(args, dataset ?? 'digits')
  const { encoder: asked, mean } = args
  if (ofEvents && asked !== undefined)
    fail(`--encoder must be left out for recordings, which are frames already, got ${asked}`)
  const encoder = ofEvents ? undefined : (asked ?? run?.encoder)
  if (mean !== undefined && encoder !== undefined && encoder !== 'constant')
    fail(
      `--mean and --std must be left out with the encoder ${encoder}, which reads byte / scale, ` +
        `got ${mean}`,
    )
  const given = [run ?? {}, args].map((values) => o.given(shared.eventSpecs, values))
  const cut = { ...given[0], ...given[1], ...nirWindows(args) }
  return { dataset, ofEvents, encoder, inFrames: ofEvents || encoder !== undefined, cut }
}

/** A network as samples meet it. */
interface Predictor extends Pick<Model, 'input' | 'frames' | 'timeSteps' | 'classes'> {
  /** Samples at a time. */
  readonly batchSize: number
  /** @param x samples, one after the other */
  logits(x: Float32Array, file: string): Promise<Float32Array>
}

/**
 * An exported network as a predictor.
 *
 * @param inFrames whether samples are T frames: one of mode `step` takes them one by one
 */
function netPredictor(net: ApartNet, inFrames: boolean): Predictor {
  const { info } = net
  const shown = inFrames ? shownAs(info, { timeSteps: info.timeSteps }) : info
  const sampleBytes = sampleBytesOf(shown)
  const [call] = callsOf(info)
  const { input, timeSteps, classes } = info
  const pixels = sizeOf(input) / input[0]
  const toByte = byteOf(info.mean, info.std, input[0])
  return {
    ...{ input, timeSteps, classes, frames: shown.frames, batchSize: 16 },
    async logits(x, file) {
      const channelOf = (i: number): number => Math.floor(i / pixels) % input[0]
      const bytes =
        info.inputType === 'u8'
          ? Uint8Array.from(x, (value, i) => toByte(value, channelOf(i), file))
          : new Uint8Array(x.slice().buffer)
      return (await net.ask(call, bytes, { sampleBytes })).outputs
    },
  }
}

function modelPredictor(model: Model): Predictor {
  const { input, frames, timeSteps, classes, batchSize } = model
  const logits = async (x: Float32Array) => (await model.predict(x)).logits
  return { input, frames, timeSteps, classes, batchSize, logits }
}

/** How bytes become what a file takes; undefined: it does not say. */
function scalingOf({ inputType, input, mean, std }: NetInfo): ModelData['normalization'] {
  if (inputType !== 'u8') return undefined
  const each = (value: number): number[] => new Array<number>(input[0]).fill(value)
  return { scale: 255, mean: mean ?? each(0), std: std ?? each(1) }
}

/** What the options say, else the file. */
function normalizationOf(
  { mean, std }: PredictArguments,
  { normalization: known }: ModelData,
): ModelData['normalization'] {
  if (mean === undefined && std === undefined) return known
  if (mean === undefined || !(std ?? [0]).every((value) => value > 0))
    fail(`--mean and --std must be given together, std > 0, got ${mean} and ${std}`)
  return { scale: known?.scale ?? 255, mean, std: std ?? [] }
}

/** @param data what is known of the data that the network was trained with */
async function predict(
  files: readonly string[],
  model: Predictor,
  data: ModelData,
  { ofEvents, cut, encoder, dataset }: Reading,
  args: PredictArguments,
): Promise<void> {
  const { input, frames, timeSteps, classes } = model
  const { topK, json } = args
  const normalization = normalizationOf(args, data)
  if (topK > classes) fail(`--top-k must be at most the number of classes, ${classes}, got ${topK}`)
  const names = await readLabels(args.labels, data, classes)
  const shape = frames ? [timeSteps, ...input] : input
  const read = async (file: string): Promise<Float32Array> =>
    (ofEvents ? await readRecording(file, model, cut, dataset) : undefined) ??
    (encoder
      ? readEncoded(file, model, encoder, dataset, normalization)
      : readSamples(file, { shape, normalization }))
  const size = sizeOf(shape)
  const rows: Row[] = []
  for (const file of files)
    try {
      const x = await read(file)
      const samples = x.length / size
      const own: Row[] = []
      for (let first = 0; first < samples; first += model.batchSize) {
        const part = x.subarray(first * size, Math.min(first + model.batchSize, samples) * size)
        const all = await model.logits(part, file)
        for (let i = 0; i < part.length / size; i++) {
          const logits = all.subarray(i * classes, (i + 1) * classes)
          const top = best(logits, topK, names)
          const sample = samples === 1 ? undefined : first + i
          if (json) printJson({ file, sample, ...top[0], top, logits: [...logits] })
          else own.push({ file, sample, top })
        }
      }
      for (const row of own) rows.push(row)
    } catch (error) {
      if (!(error instanceof SpikewasmError)) throw error
      if (json) printJson({ file, error: error.message })
      else process.stderr.write(`spikewasm: ${error.message}\n`)
      process.exitCode = 1
    }
  if (rows.length > 0) process.stdout.write(`${table(rows)}\n`)
}

/** A sample and what the model says of it; `sample` is its place, where the file holds several. */
interface Row {
  readonly file: string
  readonly sample: number | undefined
  readonly top: ReturnType<typeof best>
}

/** The classes with the largest outputs; probabilities are their softmax. */
function best(logits: Float32Array, count: number, names: readonly string[] | undefined) {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const shares = Array.from(logits, (logit) => Math.exp(logit - largest))
  const sum = shares.reduce((a, b) => a + b, 0)
  return shares
    .map((share, index) => ({
      class: index,
      ...(names && { className: names[index] }),
      probability: share / sum,
    }))
    .sort((a, b) => b.probability - a.probability || a.class - b.class)
    .slice(0, count)
}

const table = (rows: readonly Row[]): string =>
  tableText(
    'llr',
    ['file', 'class', 'probability'],
    rows.flatMap(({ file, sample, top }) =>
      top.map(({ class: index, className, probability }, i) => [
        i === 0 ? plainText(file) + (sample === undefined ? '' : ` [${sample}]`) : '',
        className === undefined ? String(index) : `${index} ${plainText(className)}`,
        percent(probability),
      ]),
    ),
  )

/** What samples are for. */
type Takes = Pick<Model, 'input' | 'frames' | 'timeSteps'>

/** Endings that files of nothing else have. */
const ofRecordings = /\.(aedat4?|bs2|npz)$/i

/** Whether samples are recordings: the data set says it, or the name of a file. */
export const areRecordings = (dataset: DatasetName | undefined, files: readonly string[]) =>
  (dataset !== undefined && isOfEvents(dataset)) || files.some((file) => ofRecordings.test(file))

/**
 * @param cut how recordings are cut
 * @param dataset that the model was trained with, as far as it is known
 * @returns a sample [T][2][H][W]; undefined for a file that is no recording
 */
export const readRecording = (
  path: string,
  { frames, timeSteps, input }: Takes,
  cut: shared.EventArguments,
  dataset: DatasetName | undefined,
): Promise<Float32Array | undefined> =>
  withFiles(async () => {
    const { isRecording, readEventSample } = await import('../data/events/read.js')
    if (!isRecording(await readFileClear(path, 'the sample'), path)) return undefined
    if (!frames)
      fail(
        `${path}: is a recording, and the model takes one input for all steps, not frames; ` +
          'give a model that was trained on recordings, or --dataset events with a network by name',
      )
    const takes = imageShape(input)
    const cutting = eventOptionsOf(cut, timeSteps, {})
    const options =
      dataset === 'nmnist'
        ? (await import('../data/events/sets.js')).nmnistOptions(cutting)
        : cutting
    const title = `--dataset ${dataset ?? 'events'}`
    const sensor = sensorOf(cut, dataset, takes)
    const { data, shape } = await readEventSample(path, options, { title, sensor })
    if (shape.join() !== takes.join())
      fail(
        `${path}: must become frames of [${takes.join(', ')}], as the model takes, got ` +
          `[${shape.join(', ')}]; --event-size and --sensor say what they become`,
      )
    return data
  })

/** As the data set was published, or as large as frames are; else what the file says. */
function sensorOf(
  { eventSize }: shared.EventArguments,
  dataset: DatasetName | undefined,
  [, height, width]: Shape,
): readonly [number, number] | undefined {
  if (dataset !== undefined && dataset !== 'events' && isOfEvents(dataset)) {
    const { shape } = datasets[dataset]
    return [shape[2], shape[1]]
  }
  return eventSize === undefined ? [width, height] : undefined
}

/**
 * Reads still inputs as an encoder's data sets have them: bytes become byte / scale, from 0 to 1,
 * or with `constant` the normalised number.
 *
 * @param dataset that the network was trained on, as far as it is known
 * @param normalization what the flags say, else the file; `constant` alone reads such numbers
 * @returns samples [T][C][H][W], one after the other
 * @throws SpikewasmError that names the file
 */
export async function readEncoded(
  path: string,
  { input: shape, timeSteps, frames }: Takes,
  encoder: NonNullable<shared.EventArguments['encoder']>,
  dataset: DatasetName | undefined,
  normalization: ModelData['normalization'],
): Promise<Float32Array> {
  if (!frames)
    fail(
      `--encoder must be left out, since the model takes one input for all steps, not frames, ` +
        `got ${encoder}`,
    )
  const [channels] = imageShape(shape)
  const each = (value: number): number[] => Array.from({ length: channels }, () => value)
  const scale = normalization?.scale ?? scaleOf(dataset)
  const shares = { scale, mean: each(0), std: each(1) }
  const how = encoder === 'constant' ? normalization : shares
  const inputs = await readSamples(path, { shape, normalization: how })
  const length = inputs.length / sizeOf(shape)
  const labels = new Int32Array(length)
  const still = fromArrays({ name: path, inputs, shape, labels, classes: 1 })
  return withFiles(async () => {
    const encoded = encoders[encoder](still, { timeSteps })
    const size = timeSteps * sizeOf(shape)
    const out = new Float32Array(length * size)
    for (let n = 0; n < length; n++) encoded.read(n, out.subarray(n * size, (n + 1) * size))
    return out
  })
}
