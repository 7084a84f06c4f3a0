/** The options of recordings and encoders, and what loaders take of them. */

import { encoderNames } from '../data/encoders.js'
import type { EventDatasetOptions } from '../data/events/options.js'
import { eventSplits } from '../data/events/split-names.js'
import { fail } from '../errors.js'
import * as o from './spec.js'

/** How a recording becomes frames. */
export const cutSpecs = {
  splitBy: o.name(
    '<way>',
    'recordings: how they are cut into --time-steps frames; number, time as SpikingJelly, ' +
      'timeBins, eventBins as Tonic',
    eventSplits,
    { usual: 'number' },
  ),
  timeWindow: o.number('<µs>', 'recordings: µs of a frame; needs --time-steps'),
  eventCount: o.count('<n>', 'recordings: events of a frame; needs --time-steps'),
  overlap: o.number('<n>', "recordings: Tonic's overlap of frames", { usual: '0' }),
  startTime: o.number('<µs>', 'with --time-window: where the first frame begins', {
    usual: 'at the first event; nmnist 0',
  }),
  rest: o.name(
    '<way>',
    'with --time-window or --event-count: drop events behind the frames, or add them to the last',
    ['drop', 'last'],
    { usual: 'drop; nmnist with --time-window last' },
  ),
  binary: o.flag('recordings: 1 where there was an event, not their number'),
  eventSize: o.count('<n>', 'recordings: side of a frame', { usual: "the sensor's" }),
  eventResize: o.name(
    '<way>',
    'with --event-size: move events (sum), or as the official code of CIFAR10-DVS (official)',
    ['sum', 'official'],
    { usual: 'sum' },
  ),
  denoise: o.number('<µs>', 'recordings: drop events without a neighbour in this time'),
  sensor: o.numbers<[number, number]>(
    '<list>',
    'recordings: width,height of the sensor in pixels',
    {
      usual: 'as the files or the data set say',
      rule: 'width,height in pixels, as in 128,128',
      fits: (sizes) =>
        sizes.length === 2 && sizes.every((size) => Number.isInteger(size) && size >= 1),
    },
  ),
}

/** The same where data may be still. */
export const frameSpecs = {
  ...cutSpecs,
  encoder: o.name(
    '<name>',
    'still data: turn inputs into frames of spikes',
    encoderNames.filter((name) => name !== 'delta'),
    { usual: 'the input itself at each step' },
  ),
}

/** Random changes of recordings in training. */
const changeSpecs = {
  flip: o.flag('recordings: mirror in training'),
  roll: o.number('<n>', 'recordings: roll by up to n pixels in training', { usual: '0' }),
  shift: o.number('<n>', 'recordings: move by up to n pixels in training', {
    usual: 'nmnist 2, others 0',
  }),
  timeJitter: o.number('<µs>', 'recordings: deviation of times in training', { usual: '0' }),
  dropEvent: o.number('<share>', 'recordings: drop events in training', { usual: '0' }),
  eventDrop: o.flag('recordings: EventDrop in training'),
}

/** All of them. */
export const eventSpecs = { ...frameSpecs, ...changeSpecs }

/** What they give; each is absent where it was not given. */
export type EventArguments = o.ArgumentsOf<typeof eventSpecs>

/** What a loader of recordings takes. */
export function eventOptionsOf(
  args: EventArguments & { readonly cache?: string },
  timeSteps: number | undefined,
  { shift: usual = 0 }: { readonly shift?: number },
): EventDatasetOptions {
  const { eventSize: size, eventResize: resize, ...cut } = o.given(cutSpecs, args)
  const { timeWindow, eventCount } = cut
  for (const [key, value] of Object.entries({ timeWindow, eventCount }))
    if (value !== undefined && timeSteps === undefined)
      fail(
        `${o.flagOf(key)} needs --time-steps, how many ` +
          `frames a sample has, got ${value} without it; give both`,
      )
  const augment = { shift: usual, ...o.given(changeSpecs, args) }
  return o.defined({ timeSteps, ...cut, size, resize, cache: args.cache, augment })
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

const { encoder: _, ...ofRecordings } = eventSpecs

/** @throws SpikewasmError when flags of recordings are given for other data */
export const expectNoEvents = (args: EventArguments, dataset: string): void =>
  o.expectLeftOut(
    args,
    Object.keys(ofRecordings),
    `for --dataset ${dataset}`,
    '; it is for recordings',
  )
