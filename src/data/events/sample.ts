/** One recording as a sample, as a data set of recordings has it (Node). */

import { isEventArray, isNpy } from '../../events/arrays.js'
import type { Sensor } from '../../events/recording.js'
import { readFileClear } from '../../io/files.js'
import { checkEvents, type EventDatasetOptions, FrameMaker } from './options.js'
import { parseFile } from './read.js'

/**
 * Whether a file is a recording, for a network of recordings: `.npy` may hold events, or frames
 * that are cut already.
 */
export const isRecording = (bytes: Uint8Array, path: string): boolean =>
  isNpy(bytes) ? isEventArray(bytes) : /\.(aedat4?|bs2|npz|bin)$/i.test(path)

/**
 * Reads a recording and cuts it into frames.
 *
 * @param title what error messages call the options
 * @param sensor of the recording; default: what the file says
 * @returns [T][2][H][W], and [2, H, W]
 * @throws SpikewasmError when the file is missing, damaged or no recording, or an option is wrong
 */
export async function readEventSample(
  path: string,
  options: EventDatasetOptions,
  { title, sensor }: { readonly title: string; readonly sensor?: Sensor },
): Promise<{ readonly data: Float32Array; readonly shape: readonly [number, number, number] }> {
  const checked = checkEvents(title, options)
  const bytes = await readFileClear(path, 'recording')
  const recording = parseFile(bytes, path, { sensor: checked.sensor ?? sensor })
  const maker = new FrameMaker(checked, [recording.width, recording.height])
  const frames = new Float32Array(maker.floats)
  maker.make(() => recording, frames, 0, undefined, undefined)
  return { data: frames, shape: maker.shape }
}
