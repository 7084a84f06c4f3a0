/** Options that commands share. Where the library checks a range, they leave it to that. */

import {
  gradientCheckpoints,
  methodNames,
  methodsTaking,
  type StepMode,
  stepModes,
  stepModesOf,
  updates,
} from '../compile/methods.js'
import { encoderNames } from '../data/encoders.js'
import { eventSplits } from '../data/events/options.js'
import { type ModelName, modelNames } from '../model/models/options.js'
import { weightTypes } from '../network/weights.js'
import { datasetNames, describeDefault, describeSources, namesWith } from './datasets.js'
import * as o from './spec.js'

export const isModelName = (model: string): model is ModelName =>
  modelNames.some((name) => name === model)

/** Whether --model names a module, by its ending. */
export const isModuleFile = (model: string): boolean => /(?<!\.d)\.[cm]?[jt]s$/i.test(model)

/** Whether --model names a file or a folder. */
export const isOwnModel = (model: string): boolean =>
  isModuleFile(model) || /[/\\]|\.(safetensors|nir|wasm)$/i.test(model)

/** `a, b and c` */
const listed = (names: readonly string[]): string =>
  [names.slice(0, -1).join(', '), ...names.slice(-1)].filter((part) => part !== '').join(' and ')

/** The default step modes, for --help: `m for rate and bptt, s for ottt, sltt and os`. */
const describeStepModes = (): string =>
  stepModes
    .map((mode) => [mode, methodNames.filter((name) => stepModesOf(name)[0] === mode)] as const)
    .filter(([, names]) => names.length > 0)
    .map(([mode, names]) => `${mode} for ${listed(names)}`)
    .join(', ')

/** Which data, and how they are read. */
export const data = o.under('Data', ['dataset', 'data'], {
  dataset: o.name('<name>', 'data set', datasetNames, { preset: 'digits' }),
  data: o.text(
    '<path>',
    `where the data set is: ${describeSources()}; digits come with the package`,
  ),
  imageSize: o.count('<n>', 'side of a sample in pixels', {
    usual: "imagenet 224, images the files'",
    only: ['dataset', ...namesWith('pictures')],
  }),
  cache: o.text(
    '<folder>',
    'images, imagenet, cifar10 as jpg files, recordings: keep what was converted once there',
  ),
  trainShare: o.number(
    '<share>',
    'of a folder of classes alone, the share of each class to train with; the rest tests',
    { usual: 'images none, events 0.9', only: ['dataset', ...namesWith('shares')] },
  ),
})

export const augmented = o.under('Data', ['augment'], {
  augment: o.flag(
    'change training pictures at random: crop, flip and, for cifar10 and cifar100, AutoAugment ' +
      'and Cutout',
    { preset: false, only: ['dataset', ...namesWith('augmentation', 'moves')] },
  ),
})

/** The same of data that a model was trained with. */
export const savedData = { ...data, ...o.fromRun({ dataset: data.dataset }) }

export const limits = o.under('Data', [], {
  limitTrain: o.count('<n>', 'only the first n training samples', { usual: 'all' }),
  limitTest: o.count('<n>', 'only the first n test samples', { usual: 'all' }),
})

export const modelOfData = o.under('Network', ['model'], {
  model: o.parsed<string>(
    '<name>',
    'network by name or file: ./my-net.mjs, a model file, the folder of a run',
    `one of ${modelNames.join(', ')}, or a path, such as ./my-net.mjs`,
    (given) => given,
    o.textThat((name) => isModelName(name) || isOwnModel(name)),
    { names: modelNames, usual: 'cnn, for recordings eventCnn, for shd and ssc mlp' },
  ),
})

export const modelByName = o.under('Network', ['model'], {
  model: o.name('<name>', 'network', modelNames, { preset: 'cnn' }),
})

/** How gradients are computed. */
export const method = o.under('Network', ['method'], {
  method: o.name('<name>', 'how gradients are computed', methodNames, { preset: methodNames[0] }),
  stepMode: o.name<StepMode>(
    '<mode>',
    'loop over time inside each layer (m) or around the network (s)',
    stepModes,
    { usual: describeStepModes() },
  ),
})

export const checkpoints = o.under('Network', [], {
  gradientCheckpoint: o.name(
    '<kind>',
    `${methodsTaking('gradientCheckpoint').join(', ')}: ` +
      'keep currents for the backward pass (none) or compute them again (layers), ' +
      'which takes less memory and gives the same gradients',
    gradientCheckpoints,
    { usual: gradientCheckpoints[0] },
  ),
})

/** The same of methods that take more. */
export const wholeMethod = o.under('Network', [], {
  ...method,
  update: o.name(
    '<when>',
    `${methodsTaking('update').join(', ')}: ` +
      'one optimizer step after all time steps or one for each',
    updates,
    { usual: updates[0] },
  ),
  backwardSteps: o.number(
    '<K>',
    `${methodsTaking('backwardSteps').join(', ')}: backpropagate at K random time steps`,
    { usual: 'all' },
  ),
  truncate: o.number(
    '<k>',
    `${methodsTaking('truncate').join(', ')}: gradients go back within segments of k time steps`,
    { usual: 'all steps are one' },
  ),
  ...checkpoints,
})

/** What weights are. Where `weights` names a file, it is `precision`. */
export const weightsOf = (more = '', how: { readonly cure?: string } = {}) =>
  o.name('<name>', `what weights are that spikes meet${more}`, weightTypes, {
    usual: 'f32',
    ...how,
  })

export const time = o.under('Network', ['timeSteps'], {
  timeSteps: o.number('<T>', 'time steps', { usual: "4, or the data's frames" }),
  tau: o.number('<steps>', 'membrane time constant of the neurons, > 1', { preset: 1.25 }),
})

export const batch = {
  batchSize: o.number('<n>', 'samples in one step', { usual: describeDefault('batchSize') }),
}

export const threads = o.under('Options', ['threads'], {
  threads: o.number('<n>', 'worker threads, at most', {
    usual: 'all processors; at most 2 for digits',
  }),
})

export const seedOf = (what: string) => ({
  seed: o.number('<n>', `seed of ${what}`, { preset: 0 }),
})

export const split = {
  split: o.name('<part>', 'part of the data', ['test', 'train'], { preset: 'test' }),
}

export const wide = o.under('Options', [], {
  revectorize: o.unless(
    "leave V8's wide vectors off; they are on where they help, which `spikewasm info` shows",
  ),
})

export const jsonOf = (what: string) =>
  o.under('Options', ['json'], { json: o.flag(what, { preset: false }) })

/** The last two of most commands. */
export const last = { ...wide, ...jsonOf('JSON on standard output, one object a line') }

/** What names data on the command line, or in a run's folder. */
export type DataChoice = o.ArgumentsOf<typeof data> & o.ArgumentsOf<typeof limits>

/** How a recording becomes frames. */
export const cutSpecs = o.under('Recordings', [], {
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
})

/** The same where data may be still. */
export const frameSpecs = o.under('Data', [], {
  ...cutSpecs,
  encoder: o.name(
    '<name>',
    'still data: turn inputs into frames of spikes',
    encoderNames.filter((name) => name !== 'delta'),
    { usual: 'the input itself at each step' },
  ),
})

/** Random changes of recordings in training. */
export const changeSpecs = o.under('Recordings', [], {
  flip: o.flag('recordings: mirror in training'),
  roll: o.number('<n>', 'recordings: roll by up to n pixels in training', { usual: '0' }),
  shift: o.number('<n>', 'recordings: move by up to n pixels in training', {
    usual: 'nmnist 2, others 0',
  }),
  timeJitter: o.number('<µs>', 'recordings: deviation of times in training', { usual: '0' }),
  dropEvent: o.number('<share>', 'recordings: drop events in training', { usual: '0' }),
  eventDrop: o.flag('recordings: EventDrop in training'),
})

export const eventSpecs = { ...frameSpecs, ...changeSpecs }

/** What they give; each is absent where it was not given. */
export type EventArguments = o.ArgumentsOf<typeof eventSpecs>
