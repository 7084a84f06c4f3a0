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
  read: async (path: string | URL, options: ReadEventsOptions = {}): Promise<EventRecording> =>
    (await import('./read.js')).readEvents(path, options),
  /** A recording from arrays of x, y, t and p. */
  from: fromEvents,
  /** Cuts a recording into frames. */
  toFrames,
  /** Drops events that have no neighbour within a time. */
  denoise,
  /** Moves events to a smaller sensor. */
  downsample,
  /** Moves the times of events at random. */
  timeJitter,
  /** Drops events at random. */
  dropEvent,
  /** Drops the events of a random span of time. */
  dropEventByTime,
  /** Drops the events of a random area. */
  dropEventByArea,
  /** EventDrop (Gu et al. 2021): one of these at random. */
  eventDrop,
}
