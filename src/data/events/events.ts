/** What is public of recordings. */

import type * as host from '../../base/host.js'
import { copyOf } from '../../base/objects.js'
import type { EventRecording } from '../recordings/recording.js'
import { eventFunctions } from './functions.js'
import type { ReadEventsOptions } from './options.js'

/**
 * Recordings of event cameras: reading, cutting into frames, changing. Data sets of them are in
 * `datasets`.
 */
export const events = {
  /**
   * Reads a recording: N-MNIST (`.bin`, `.bs2`), AEDAT 2 of a DVS128 (CIFAR10-DVS), AEDAT 3.1
   * (DVS128 Gesture), AEDAT 4, `.npy` and `.npz` arrays of x, y, t and p.
   *
   * @param from its path (Node), or its bytes: a `File` of a page too, whose name tells the format
   * @throws SpikewasmError that names the file when it is missing, damaged, cut off or of another
   *   format
   */
  read: async (
    from: string | host.URL | Uint8Array | host.Blob,
    options: ReadEventsOptions = {},
  ): Promise<EventRecording> => {
    const given = copyOf([from, options] as const)
    return (await import('./read.js')).readEvents(...given)
  },
  ...eventFunctions,
}
