/**
 * Options that commands share: how each is written, documented and read. Ranges are checked by the
 * library.
 */

import { Option } from 'commander'
import { SpikewasmError } from '../errors.js'
import { modelNames } from '../models/names.js'
import {
  gradientCheckpoints,
  methodNames,
  methodsTaking,
  stepModes,
  stepModesOf,
  updates,
} from '../plan/methods.js'
import { datasetNames, describeSources } from './datasets.js'

/** An option with a number. */
export function numeric(flags: string, description: string, preset?: number): Option {
  const option = new Option(flags, description).argParser((text) => {
    const value = Number(text)
    if (text.trim() === '' || Number.isNaN(value))
      throw new SpikewasmError(`${option.long} must be a number, got ${JSON.stringify(text)}`)
    return value
  })
  return preset === undefined ? option : option.default(preset)
}

/** An option that counts something: an integer ≥ 1. */
export function counting(flags: string, description: string): Option {
  const option = new Option(flags, description).argParser((text) => {
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < 1)
      throw new SpikewasmError(`${option.long} must be an integer ≥ 1, got ${JSON.stringify(text)}`)
    return value
  })
  return option
}

/** An option that takes one of some names. */
export function named(
  flags: string,
  description: string,
  names: readonly string[],
  preset?: string,
): Option {
  // `choices` documents them in --help; the parser says what is wrong in our words.
  const option = new Option(flags, description).choices(names).argParser((text) => {
    if (!names.includes(text))
      throw new SpikewasmError(
        `${option.long} must be one of ${names.join(', ')}, got ${JSON.stringify(text)}`,
      )
    return text
  })
  return preset === undefined ? option : option.default(preset)
}

/**
 * The option without its default, which is the run's; --help says both. (What the description says
 * of its default is put into the same words.)
 */
export function fromRun(option: Option): Option {
  const [plain, said] = option.description.split(/ \(default: (.*)\)$/)
  const preset = option.defaultValue ?? said
  option.default(undefined)
  option.description = `${plain} (default: the run's, without --run ${preset})`
  return option
}

/** An option with numbers, separated by commas. */
export function numbers(flags: string, description: string): Option {
  const option = new Option(flags, description).argParser((text) => {
    const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
    if (values.some(Number.isNaN))
      throw new SpikewasmError(
        `${option.long} must be numbers, separated by commas, as in 0.5,0.25, got ` +
          JSON.stringify(text),
      )
    return values
  })
  return option
}

/** `a, b and c` */
const listed = (names: readonly string[]): string =>
  [names.slice(0, -1).join(', '), ...names.slice(-1)].filter((part) => part !== '').join(' and ')

/** The default step modes, for --help: `m for rate and bptt, s for ottt, sltt and os`. */
function describeStepModes(): string {
  return stepModes
    .map((mode) => [mode, methodNames.filter((name) => stepModesOf(name)[0] === mode)] as const)
    .filter(([, names]) => names.length > 0)
    .map(([mode, names]) => `${mode} for ${listed(names)}`)
    .join(', ')
}

/** Fresh options each time: a commander Option belongs to one command. */
export const shared = {
  dataset: (): Option => named('--dataset <name>', 'data set', datasetNames, 'digits'),
  data: (): Option =>
    new Option(
      '--data <path>',
      `where the data set is: ${describeSources()}; digits come with the package`,
    ),
  model: (): Option => named('--model <name>', 'network', modelNames, 'cnn'),
  modelOfData: (): Option =>
    named('--model <name>', 'network (default: cnn, for recordings eventCnn)', modelNames),
  method: (): Option =>
    named('--method <name>', 'how gradients are computed', methodNames, methodNames[0]),
  stepMode: (): Option =>
    named(
      '--step-mode <mode>',
      'loop over time inside each layer (m) or around the network (s) ' +
        `(default: ${describeStepModes()})`,
      stepModes,
    ),
  update: (): Option =>
    named(
      '--update <when>',
      `${methodsTaking('update').join(', ')}: ` +
        `one optimizer step after all time steps or one for each (default: ${updates[0]})`,
      updates,
    ),
  backwardSteps: (): Option =>
    numeric(
      '--backward-steps <K>',
      `${methodsTaking('backwardSteps').join(', ')}: ` +
        'backpropagate at K random time steps (default: all)',
    ),
  gradientCheckpoint: (): Option =>
    named(
      '--gradient-checkpoint <kind>',
      `${methodsTaking('gradientCheckpoint').join(', ')}: ` +
        'keep currents for the backward pass (none) or compute them again (layers), ' +
        'which takes less memory and gives the same gradients (default: ' +
        `${gradientCheckpoints[0]})`,
      gradientCheckpoints,
    ),
  timeSteps: (): Option =>
    numeric('--time-steps <T>', "time steps (default: 4, or the data's frames)"),
  tau: (): Option => numeric('--tau <steps>', 'membrane time constant of the neurons, > 1', 1.25),
  threads: (): Option =>
    numeric(
      '--threads <n>',
      'worker threads, at most (default: all processors; at most 2 for digits)',
    ),
  imageSize: (): Option =>
    counting(
      '--image-size <n>',
      "images, imagenet: side of a sample in pixels (default: imagenet 224, images the files')",
    ),
  cache: (): Option =>
    new Option(
      '--cache <folder>',
      'images, imagenet, cifar10 as jpg files, recordings: keep what was converted once there',
    ),
  trainShare: (): Option =>
    numeric(
      '--train-share <share>',
      'images, events: of a folder of classes alone, the share of each class to train with; the ' +
        'rest tests (default: images none, events 0.9)',
    ),
  limitTrain: (): Option =>
    counting('--limit-train <n>', 'only the first n training samples (default: all)'),
  limitTest: (): Option =>
    counting('--limit-test <n>', 'only the first n test samples (default: all)'),
  revectorize: (): Option =>
    new Option(
      '--no-revectorize',
      "leave V8's wide vectors off; they are on where they help, which `spikewasm info` shows",
    ),
  json: (): Option =>
    new Option('--json', 'JSON on standard output, one object a line').default(false),
}
