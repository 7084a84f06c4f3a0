/** The options of recordings and encoders, and what loaders take of them. */

import { encoderNames } from '../data/encoders.js'
import type { EventDatasetOptions } from '../data/events/options.js'
import { eventSplits } from '../data/events/split-names.js'
import { expect } from '../errors.js'
import {
  type ArgumentsOf,
  count,
  expectLeftOut,
  flag,
  flagOf,
  name,
  number,
  numbers,
} from './spec.js'

/** How a recording becomes frames. */
export const cutSpecs = {
  splitBy: name(
    '<way>',
    'recordings: how they are cut into --time-steps frames; number, time as SpikingJelly, ' +
      'timeBins, eventBins as Tonic',
    eventSplits,
    { usual: 'number' },
  ),
  timeWindow: number('<µs>', 'recordings: µs of a frame; needs --time-steps'),
  eventCount: count('<n>', 'recordings: events of a frame; needs --time-steps'),
  overlap: number('<n>', "recordings: Tonic's overlap of frames", { usual: '0' }),
  startTime: number('<µs>', 'with --time-window: where the first frame begins', {
    usual: 'at the first event; nmnist 0',
  }),
  rest: name(
    '<way>',
    'with --time-window or --event-count: drop events behind the frames, or add them to the last',
    ['drop', 'last'],
    { usual: 'drop; nmnist with --time-window last' },
  ),
  binary: flag('recordings: 1 where there was an event, not their number'),
  eventSize: count('<n>', 'recordings: side of a frame', { usual: "the sensor's" }),
  eventResize: name(
    '<way>',
    'with --event-size: move events (sum), or as the official code of CIFAR10-DVS (official)',
    ['sum', 'official'],
    { usual: 'sum' },
  ),
  denoise: number('<µs>', 'recordings: drop events without a neighbour in this time'),
  sensor: numbers<[number, number]>('<list>', 'recordings: width,height of the sensor in pixels', {
    usual: 'as the files or the data set say',
    rule: 'width,height in pixels, as in 128,128',
    fits: (sizes) =>
      sizes.length === 2 && sizes.every((size) => Number.isInteger(size) && size >= 1),
  }),
}

/** The same where data may be still. */
export const frameSpecs = {
  ...cutSpecs,
  encoder: name(
    '<name>',
    'still data: turn inputs into frames of spikes',
    encoderNames.filter((name) => name !== 'delta'),
    { usual: 'the input itself at each step' },
  ),
}

/** Random changes of recordings in training. */
const changeSpecs = {
  flip: flag('recordings: mirror in training'),
  roll: number('<n>', 'recordings: roll by up to n pixels in training', { usual: '0' }),
  shift: number('<n>', 'recordings: move by up to n pixels in training', {
    usual: 'nmnist 2, others 0',
  }),
  timeJitter: number('<µs>', 'recordings: deviation of times in training', { usual: '0' }),
  dropEvent: number('<share>', 'recordings: drop events in training', { usual: '0' }),
  eventDrop: flag('recordings: EventDrop in training'),
}

/** All of them. */
export const eventSpecs = { ...frameSpecs, ...changeSpecs }

/** What they give; each is absent where it was not given. */
export type EventArguments = ArgumentsOf<typeof eventSpecs>

/** What a loader of recordings takes. */
export function eventOptionsOf(
  args: EventArguments & { readonly cache?: string },
  timeSteps: number | undefined,
  { shift: usual = 0 }: { readonly shift?: number },
): EventDatasetOptions {
  const { splitBy, timeWindow, eventCount, overlap, startTime, rest, binary, denoise, cache } = args
  const { eventSize: size, eventResize: resize, sensor } = args
  const { flip, roll, shift = usual, timeJitter, dropEvent, eventDrop } = args
  for (const [flag, value] of Object.entries({ timeWindow, eventCount }))
    expect(
      value === undefined || timeSteps !== undefined,
      () =>
        `${flagOf(flag)} needs --time-steps, how many ` +
        `frames a sample has, got ${value} without it; give both`,
    )
  const augment = { flip, roll, shift, timeJitter, dropEvent, eventDrop }
  return without({
    ...{ timeSteps, splitBy, timeWindow, eventCount, overlap, startTime, binary, size, resize },
    ...{ cache, rest, denoise, sensor, augment: without(augment) },
  })
}

/** Windows of recordings as simulators of NIR cut them: from time 0 on, the last takes the rest. */
export function nirWindows({
  nir,
  timeWindow,
  startTime = 0,
  rest = 'last',
}: EventArguments & { readonly nir?: string }): EventArguments {
  return nir === undefined || timeWindow === undefined ? {} : { startTime, rest }
}

const without = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T

const { encoder: _, ...ofRecordings } = eventSpecs

/** @throws SpikewasmError when flags of recordings are given for other data */
export const expectNoEvents = (args: EventArguments, dataset: string): void =>
  expectLeftOut(
    args,
    Object.keys(ofRecordings),
    `for --dataset ${dataset}`,
    '; it is for recordings',
  )
