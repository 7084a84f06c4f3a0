/** What the flags of recordings and encoders give, and what loaders take of it. */

import type { EncoderName } from '../data/encoders.js'
import type { EventDatasetOptions, EventSplit } from '../data/events/options.js'
import { eventSplits } from '../data/events/split-names.js'
import { expect } from '../errors.js'
import * as v from '../runtime/vendor/valibot/index.js'

/** What the flags give; each is absent where it was not given. */
export interface EventArguments {
  readonly splitBy?: EventSplit
  readonly timeWindow?: number
  readonly eventCount?: number
  readonly overlap?: number
  readonly startTime?: number
  readonly rest?: 'drop' | 'last'
  readonly binary?: true
  readonly eventSize?: number
  readonly eventResize?: 'sum' | 'official'
  readonly denoise?: number
  /** Width and height in pixels. */
  readonly sensor?: [number, number]
  readonly flip?: true
  readonly roll?: number
  readonly shift?: number
  readonly timeJitter?: number
  readonly dropEvent?: number
  readonly eventDrop?: true
  readonly encoder?: Exclude<EncoderName, 'delta'>
}

const amount = v.optional(v.number())
const isOn = v.optional(v.literal(true))

/** The same in a run's folder. */
export const eventSchema = {
  splitBy: v.optional(v.picklist(eventSplits)),
  timeWindow: amount,
  eventCount: amount,
  overlap: amount,
  startTime: amount,
  rest: v.optional(v.picklist(['drop', 'last'])),
  binary: isOn,
  eventSize: amount,
  eventResize: v.optional(v.picklist(['sum', 'official'])),
  denoise: amount,
  sensor: v.optional(v.tuple([v.number(), v.number()])),
  flip: isOn,
  roll: amount,
  shift: amount,
  timeJitter: amount,
  dropEvent: amount,
  eventDrop: isOn,
  encoder: v.optional(v.picklist(['constant', 'rate', 'latency', 'phase'])),
}

const keys = Object.keys(eventSchema) as (keyof EventArguments)[]

/** The flags that were given, as a run's folder keeps them. */
export function givenEvents(args: EventArguments): EventArguments {
  return Object.fromEntries(
    keys.filter((key) => args[key] !== undefined).map((key) => [key, args[key]]),
  )
}

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
        `--${flag === 'timeWindow' ? 'time-window' : 'event-count'} needs --time-steps, how many ` +
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

/** @throws SpikewasmError when flags of recordings are given for other data */
export function expectNoEvents(args: EventArguments, dataset: string): void {
  for (const key of keys)
    expect(
      key === 'encoder' || args[key] === undefined,
      () =>
        `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} must be left out for ` +
        `--dataset ${dataset}; it is for recordings`,
    )
}
