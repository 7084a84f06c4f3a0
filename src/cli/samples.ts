/** Samples of `predict` that become frames: recordings, and still ones by an encoder. */

import { fromArrays } from '../data/arrays.js'
import { encoders } from '../data/encoders.js'
import { fail } from '../errors.js'
import { readFileClear } from '../io/files.js'
import type { ModelData } from '../io/model-json.js'
import { readSamples } from '../io/samples/read.js'
import type { Model } from '../model.js'
import { imageShape, type Shape, sizeOf } from '../nn/value.js'
import { type DatasetName, datasets, isOfEvents, scaleOf } from './datasets.js'
import { type EventArguments, eventOptionsOf } from './event-options.js'
import { withFiles } from './mistakes.js'

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
  cut: EventArguments,
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
  { eventSize }: EventArguments,
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
  encoder: NonNullable<EventArguments['encoder']>,
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
