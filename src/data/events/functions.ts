/** What is done with recordings: the same in Node and in a page. */

import { fromEvents } from '../recordings/recording.js'
import { toFrames } from '../recordings/slices.js'
import {
  denoise,
  downsample,
  dropEvent,
  dropEventByArea,
  dropEventByTime,
  eventDrop,
  timeJitter,
} from '../recordings/transforms.js'

export const eventFunctions = {
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
  /** EventDrop (Gu et al. 2021): one of the three drops before, or none, at random. */
  eventDrop,
}
