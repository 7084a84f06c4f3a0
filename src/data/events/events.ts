/** What is public of recordings. */

import { toFrames } from '../../events/frames.js'
import { type EventRecording, fromEvents } from '../../events/recording.js'
import {
  denoise,
  downsample,
  dropEvent,
  dropEventByArea,
  dropEventByTime,
  eventDrop,
  timeJitter,
} from '../../events/transforms.js'
import type { ReadEventsOptions } from './read.js'

/**
 * Recordings of event cameras: reading, cutting into frames, changing. Data sets of them are in
 * `datasets`.
 */
export const events = {
  /**
   * Reads a recording: N-MNIST (`.bin`, `.bs2`), AEDAT 2 of a DVS128 (CIFAR10-DVS), AEDAT 3.1
   * (DVS128 Gesture), AEDAT 4, `.npy` and `.npz` arrays of x, y, t and p (Node).
   *
   * @throws SpikewasmError that names the file when it is missing, damaged, cut off or of another
   *   format
   */
  read: async (path: string, options: ReadEventsOptions = {}): Promise<EventRecording> =>
    (await import('./read.js')).readEvents(path, options),
  from: fromEvents,
  toFrames,
  denoise,
  downsample,
  timeJitter,
  dropEvent,
  dropEventByTime,
  dropEventByArea,
  eventDrop,
}
