/** Recordings as samples of `predict`. */

import type { EventDatasetOptions } from '../data/events/options.js'
import { expect } from '../errors.js'
import { readFileClear } from '../io/files.js'
import { imageShape } from '../nn/value.js'
import { type DatasetName, datasets, isOfEvents } from './datasets.js'
import { type EventArguments, eventOptionsOf, eventSpecs, nirWindows } from './event-options.js'
import { withFiles } from './mistakes.js'
import type { Predictor } from './predict-net.js'
import { given } from './spec.js'

/** Endings that files of nothing else have. */
const ofRecordings = /\.(aedat4?|bs2|npz)$/i

/** Whether samples are recordings: the data set says it, or the name of a file. */
export const areRecordings = (dataset: DatasetName | undefined, files: readonly string[]) =>
  (dataset !== undefined && isOfEvents(dataset)) || files.some((file) => ofRecordings.test(file))

/**
 * How recordings were cut: as the flags say, and what they leave out as the run says.
 *
 * @param dataset that the model was trained with, as far as it is known
 * @returns what reads a recording as a sample [T][2][H][W]; it gives undefined for other files
 */
export function recordingReader(
  args: EventArguments & { readonly nir?: string },
  run: EventArguments | undefined,
  dataset: DatasetName | undefined,
): (path: string, model: Predictor) => Promise<Float32Array | undefined> {
  const cut = { ...given(eventSpecs, run ?? {}), ...given(eventSpecs, args), ...nirWindows(args) }
  return (path, model) =>
    withFiles(async () => {
      const { isRecording, readEventSample } = await import('../data/events/read.js')
      if (!isRecording(await readFileClear(path, 'the sample'), path)) return undefined
      const { frames, timeSteps, input } = model
      expect(
        frames,
        () =>
          `${path}: is a recording, and the model takes one input for all steps, not frames; ` +
          'give a model that was trained on recordings, or --dataset events with a network by name',
      )
      const takes = imageShape(input)
      const options = await optionsOf(cut, timeSteps, dataset)
      const title = `--dataset ${dataset ?? 'events'}`
      const sensor = sensorOf(cut, dataset, takes)
      const { data, shape } = await readEventSample(path, options, { title, sensor })
      expect(
        shape.join() === takes.join(),
        () =>
          `${path}: must become frames of [${takes.join(', ')}], as the model takes, got ` +
          `[${shape.join(', ')}]; --event-size and --sensor say what they become`,
      )
      return data
    })
}

async function optionsOf(
  cut: EventArguments,
  timeSteps: number,
  dataset: DatasetName | undefined,
): Promise<EventDatasetOptions> {
  const options = eventOptionsOf(cut, timeSteps, {})
  if (dataset !== 'nmnist') return options
  return (await import('../data/events/sets.js')).nmnistOptions(options)
}

/** Of the data set as published, or of frames that are as large; else what the file says. */
function sensorOf(
  { eventSize }: EventArguments,
  dataset: DatasetName | undefined,
  [, height, width]: readonly [number, number, number],
): readonly [number, number] | undefined {
  if (dataset !== undefined && dataset !== 'events' && isOfEvents(dataset)) {
    const { shape } = datasets[dataset]
    return [shape[2], shape[1]]
  }
  return eventSize === undefined ? [width, height] : undefined
}
