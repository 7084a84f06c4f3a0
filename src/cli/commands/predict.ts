/** `spikewasm predict` */

import { fail, plainText, SpikewasmError } from '../../base/errors.js'
import { fromArrays } from '../../data/arrays.js'
import { encoders } from '../../data/encoders.js'
import { readSamples } from '../../data/samples.js'
import { callsOf, sampleBytesOf, shownAs } from '../../edge/abi.js'
import { byteOf } from '../../edge/accuracy.js'
import { readFileClear } from '../../files/files.js'
import type { ModelData } from '../../files/json.js'
import type { Model } from '../../model/model.js'
import { imageShape, sizeOf } from '../../network/value.js'
import { about } from '../about.js'
import { type DatasetName, datasets, isOfEvents, scaleOf } from '../datasets.js'
import { eventOptionsOf, expectNoEvents, nirWindows } from '../load-data.js'
import { withFiles } from '../mistakes.js'
import * as shared from '../options.js'
import type { RunOptions } from '../run-folder.js'
import * as o from '../spec.js'
import { percent, printJson, tableText } from '../terminal.js'
import * as which from '../which-model.js'
import { readLabels, scalingSpecs } from './export-options.js'

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
  about.predict,
  (args: PredictArguments, files: string[]) =>
    which.isNetFile(args.weights) ? askNet(args, args.weights, files) : askModel(args, files),
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
    timeSteps: args.timeSteps ?? options.timeSteps ?? known.frames ?? (ofEvents ? 10 : 4),
    batchSize: BATCH,
  }
  await which.withModel(given, run?.classes ?? known.classes, compiled, (model) =>
    predict(files, model, async (x) => (await model.predict(x)).logits, data, reading, args),
  )
}

/** Options that rebuild a network, or say what an exported one says itself. */
const superfluous = Object.keys({
  ...o.pick(predictSpecs, 'run', 'best', 'pretrained', 'model', 'tau', 'timeSteps', 'nir', 'dt'),
  ...o.pick(predictSpecs, 'reset', 'discretisation'),
})

const askNet = (args: PredictArguments, path: string, files: readonly string[]): Promise<void> =>
  which.withNet(path, '--weights', (net) => {
    const { info } = net
    const { input, timeSteps, inputType, mean, std } = info
    const ofBytes = inputType === 'u8'
    const idle = [...superfluous, ...(ofBytes ? ['mean', 'std'] : [])]
    o.expectLeftOut(args, idle, 'with an exported network', '; the file says it')
    const reading = readingOf(args, files, args.dataset, undefined)
    // A file of mode `step` takes frames one by one.
    const shown = reading.inFrames ? shownAs(info, { timeSteps }) : info
    const sampleBytes = sampleBytesOf(shown)
    const [call] = callsOf(info)
    const [channels] = input
    const pixels = sizeOf(input) / channels
    const toByte = byteOf(mean, std)
    const ask: Ask = async (x, file) => {
      const bytes = ofBytes
        ? Uint8Array.from(x, (value, i) => toByte(value, Math.floor(i / pixels) % channels, file))
        : new Uint8Array(x.slice().buffer)
      return (await net.ask(call, bytes, { sampleBytes })).outputs
    }
    const each = (value: number): number[] => new Array<number>(channels).fill(value)
    // How bytes become what it takes.
    const scaling = { scale: 255, mean: mean ?? each(0), std: std ?? each(1) }
    const data = { classNames: info.labels, normalization: ofBytes ? scaling : undefined }
    return predict(files, { ...info, frames: shown.frames }, ask, data, reading, args)
  })

/** How files become samples. */
type Reading = ReturnType<typeof readingOf>

/**
 * Recordings are cut as the flags say, and what they leave out as the run says; so still samples
 * are encoded. Pictures are resized as in the run.
 *
 * @throws SpikewasmError for flags that would do nothing
 */
function readingOf(
  args: PredictArguments,
  files: readonly string[],
  dataset: DatasetName | undefined,
  run: (shared.EventArguments & Pick<RunOptions, 'dataset' | 'imageSize'>) | undefined,
) {
  const ofEvents = areRecordings(dataset, files)
  if (!ofEvents) expectNoEvents(args, dataset ?? 'digits')
  const { encoder: asked, mean } = args
  const areFrames = ofEvents || (dataset !== undefined && datasets[dataset].frames !== undefined)
  if (areFrames && asked !== undefined)
    fail(`--encoder must be left out for recordings, which are frames already, got ${asked}`)
  const encoder = areFrames ? undefined : (asked ?? run?.encoder)
  if (mean !== undefined && encoder !== undefined && encoder !== 'constant')
    fail(
      `--mean and --std must be left out with the encoder ${encoder}, which reads byte / scale, ` +
        `got ${mean}`,
    )
  const given = [run ?? {}, args].map((values) => o.given(shared.eventSpecs, values))
  const cut = { ...given[0], ...given[1], ...nirWindows(args) }
  const inFrames = areFrames || encoder !== undefined
  const resized = run && datasets[run.dataset].sized?.(run.imageSize)
  return { dataset, ofEvents, encoder, inFrames, cut, resized }
}

/** Samples at a time. */
const BATCH = 16

/** What samples are for. */
type Takes = Pick<Model, 'input' | 'frames' | 'timeSteps'>

/** The outputs for samples of a file, one after the other. */
type Ask = (x: Float32Array, file: string) => Promise<Float32Array>

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
  model: Takes & Pick<Model, 'classes'>,
  ask: Ask,
  data: ModelData,
  reading: Reading,
  args: PredictArguments,
): Promise<void> {
  const { input, frames, timeSteps, classes } = model
  const { topK, json } = args
  const normalization = normalizationOf(args, data)
  if (topK > classes) fail(`--top-k must be at most the number of classes, ${classes}, got ${topK}`)
  const names = await readLabels(args.labels, data, classes)
  const shape = frames ? [timeSteps, ...input] : input
  const read = async (file: string): Promise<Float32Array> =>
    (await readRecording(file, model, reading)) ??
    (await readEncoded(file, model, reading, normalization)) ??
    readSamples(file, { shape, normalization, resized: reading.resized })
  const size = sizeOf(shape)
  const rows: Row[] = []
  for (const file of files)
    try {
      const x = await read(file)
      const samples = x.length / size
      const own: Row[] = []
      for (let first = 0; first < samples; first += BATCH) {
        const part = x.subarray(first * size, Math.min(first + BATCH, samples) * size)
        const all = await ask(part, file)
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

/** Endings that files of nothing else have. */
const ofRecordings = /\.(aedat4?|bs2|npz)$/i

/** Whether samples are recordings: the data set says it, or the name of a file. */
const areRecordings = (dataset: DatasetName | undefined, files: readonly string[]) =>
  (dataset !== undefined && isOfEvents(dataset)) || files.some((file) => ofRecordings.test(file))

/** @returns a sample [T][2][H][W]; undefined for a file that is no recording */
const readRecording = (
  path: string,
  { frames, timeSteps, input }: Takes,
  { ofEvents, cut, dataset }: Reading,
): Promise<Float32Array | undefined> =>
  withFiles(async () => {
    if (!ofEvents) return undefined
    const { isRecording, readEventSample } = await import('../../data/events/read.js')
    if (!isRecording(await readFileClear(path, 'the sample'), path)) return undefined
    if (!frames)
      fail(
        `${path}: is a recording, and the model takes one input for all steps, not frames; ` +
          'give a model that was trained on recordings, or --dataset events with a network by name',
      )
    const takes = imageShape(input)
    const cutting = eventOptionsOf(cut, timeSteps, {})
    const { nmnistOptions } = await import('../../data/events/sets.js')
    const options = dataset === 'nmnist' ? nmnistOptions(cutting) : cutting
    const title = `--dataset ${dataset ?? 'events'}`
    // As the data set was published, or as large as frames are; else what the file says.
    const published = dataset !== undefined && dataset !== 'events' && isOfEvents(dataset)
    const [, height, width] = published ? imageShape(datasets[dataset].shape) : takes
    const sensor = published || !cut.eventSize ? ([width, height] as const) : undefined
    const { data, shape } = await readEventSample(path, options, { title, sensor })
    if (shape.join() !== takes.join())
      fail(
        `${path}: must become frames of [${takes.join(', ')}], as the model takes, got ` +
          `[${shape.join(', ')}]; --event-size and --sensor say what they become`,
      )
    return data
  })

/**
 * Reads still inputs as an encoder's data sets have them: bytes become byte / scale, from 0 to 1,
 * or with `constant` the normalised number.
 *
 * @param normalization what the flags say, else the file; `constant` alone reads such numbers
 * @returns samples [T][C][H][W], one after the other; undefined without an encoder
 * @throws SpikewasmError that names the file
 */
async function readEncoded(
  path: string,
  { input: shape, timeSteps, frames }: Takes,
  { encoder, dataset, resized }: Reading,
  normalization: ModelData['normalization'],
): Promise<Float32Array | undefined> {
  if (encoder === undefined) return undefined
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
  const inputs = await readSamples(path, { shape, normalization: how, resized })
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
