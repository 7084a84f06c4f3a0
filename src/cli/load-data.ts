/** Loads data sets as the options of commands say. */

import { fail } from '../base/errors.js'
import { mapSplit } from '../data/datasets/dataset.js'
import type { EventDatasetOptions } from '../data/events/options.js'
import { augment, type Dataset, encoders, type Split, subset } from '../data/index.js'
import { type DatasetName, datasets, namesWith } from './datasets.js'
import { withFiles } from './mistakes.js'
import * as shared from './options.js'
import * as o from './spec.js'

/** What the data are, and what becomes of them. */
export interface DataArguments extends shared.EventArguments, shared.DataChoice {
  /** Whether training pictures change. */
  readonly augment?: boolean
  /** Frames of a recording, or of what an encoder makes. */
  readonly timeSteps?: number | readonly number[]
}

/**
 * Loads a data set as the options say.
 *
 * @throws SpikewasmError when `--data` is missing or superfluous, files are missing or damaged, or
 *   augmentation is not offered
 */
export async function loadData(args: DataArguments): Promise<Split> {
  const { dataset: name, data, limitTrain, limitTest, augment: augments, encoder } = args
  const { source, events: recorded, augmentation, ...entry } = datasets[name]
  const { timeSteps: asked } = args
  const timeSteps = typeof asked === 'object' ? framesOf(name, args, asked) : asked
  if (!recorded) expectNoEvents(args, name)
  if (entry.frames && encoder !== undefined)
    fail(`--encoder must be left out for --dataset ${name}, whose samples are frames already`)
  const events = recorded ? eventOptionsOf(args, timeSteps, recorded) : {}
  if (source !== undefined && data === undefined)
    fail(`--data must be ${source} for --dataset ${name}, got none`)
  if (source === undefined && data !== undefined)
    fail(
      `--data must be left out for --dataset ${name}, which comes with the package, got ` +
        `${JSON.stringify(data)}; name its data set with --dataset`,
    )
  o.expectUse({ ...shared.data, ...shared.augmented }, args)
  const places = [...namesWith('pictures'), 'cifar10 as jpg files', 'recordings'].join(' and ')
  if (!(entry.pictures ?? entry.cached ?? recorded))
    o.expectLeftOut(args, ['cache'], `for --dataset ${name}`, `; it is for ${places}`)
  const limited = (part: Dataset, limit: number | undefined): Dataset =>
    limit === undefined ? part : subset(part, limit)
  const encode = (part: Dataset): Dataset =>
    encoder === undefined ? part : encoders[encoder](part, { timeSteps: timeSteps ?? TIME_STEPS })
  return withFiles(async () => {
    const split = await entry.load(data ?? '', { ...args, timeSteps, events })
    const training = limited(split.train, limitTrain)
    return mapSplit(split, {
      train: encode(augments && augmentation ? augment(training, augmentation) : training),
      test: (test) => encode(limited(test, limitTest)),
    })
  })
}

/** The number of a list of time steps, where samples are frames. */
function framesOf(
  name: DatasetName,
  { encoder }: DataArguments,
  list: readonly number[],
): number | undefined {
  if (!datasets[name].frames && encoder === undefined) return undefined
  if (list.length !== 1)
    fail(
      `--time-steps must be one number where samples are frames (--dataset ${name}), got ` +
        list.join(','),
    )
  return list[0]
}

/** T unless --time-steps says otherwise, for data without frames. */
const TIME_STEPS = 4

/**
 * What a model is compiled with for some data: data of frames say themselves how many there are.
 *
 * @param asked what --time-steps says
 * @throws SpikewasmError when it asks for others
 */
export function stepsFor(
  { name, timeSteps }: Dataset,
  asked: number | undefined,
  otherwise = TIME_STEPS,
): { timeSteps: number; frames?: true } {
  if (timeSteps === undefined) return { timeSteps: asked ?? otherwise }
  if (asked !== undefined && asked !== timeSteps)
    fail(
      `--time-steps must be ${timeSteps}, the frames of a sample of ${name}, or left out, got ` +
        asked,
    )
  return { timeSteps, frames: true }
}

/** What a loader of recordings takes. */
export function eventOptionsOf(
  args: shared.EventArguments & { readonly cache?: string },
  timeSteps: number | undefined,
  { shift: usual = 0 }: { readonly shift?: number },
): EventDatasetOptions {
  const { eventSize: size, eventResize: resize, ...cut } = o.given(shared.cutSpecs, args)
  const { timeWindow, eventCount } = cut
  for (const [key, value] of Object.entries({ timeWindow, eventCount }))
    if (value !== undefined && timeSteps === undefined)
      fail(
        `${o.flagOf(key)} needs --time-steps, how many ` +
          `frames a sample has, got ${value} without it; give both`,
      )
  const augment = { shift: usual, ...o.given(shared.changeSpecs, args) }
  return o.defined({ timeSteps, ...cut, size, resize, cache: args.cache, augment })
}

/** Windows of recordings as simulators of NIR cut them: from time 0 on, the last takes the rest. */
export const nirWindows = ({
  nir,
  timeWindow,
  startTime = 0,
  rest = 'last',
}: shared.EventArguments & { readonly nir?: string }): shared.EventArguments =>
  nir === undefined || timeWindow === undefined ? {} : { startTime, rest }

const { encoder: _, ...ofRecordings } = shared.eventSpecs

/** @throws SpikewasmError when flags of recordings are given for other data */
export const expectNoEvents = (args: shared.EventArguments, dataset: string): void =>
  o.expectLeftOut(
    args,
    Object.keys(ofRecordings),
    `for --dataset ${dataset}`,
    '; it is for recordings',
  )
