/** Training methods as a table: what the planner, the runtime and the command line ask of each. */

import { describe, fail } from '../base/errors.js'
import { checkBy, integer, oneOf, type Rule, range } from '../base/rules.js'

// Names of methods, apart from what they do: small pages need no more.

/**
 * How gradients are computed. `'rate'`: rate-based backpropagation. `'bptt'`: backpropagation
 * through time. `'ottt'`, `'sltt'`: online through space, step by step, with and without traces of
 * the inputs. `'os'`: as sltt, with batch normalisation over all steps (online stabilisation).
 */
export type Method = 'rate' | 'bptt' | 'ottt' | 'sltt' | 'os'

/** Where the loop over time steps is: inside each layer (`'m'`) or around the network (`'s'`). */
export type StepMode = 'm' | 's'

export const stepModes: readonly StepMode[] = ['m', 's']

export const methodNames: readonly Method[] = ['rate', 'bptt', 'ottt', 'sltt', 'os']

/** Steps whose spikes a byte can count; above them spikes are added up as floats. */
export const MOST_COUNTED_STEPS = 255

/** Steps of any model. */
export const MOST_STEPS = 4096

/** Most time steps: of training by a method, of another purpose, and of what bytes count. */
export const mostSteps = {
  rate: MOST_STEPS,
  bptt: MOST_STEPS,
  ottt: MOST_STEPS,
  sltt: MOST_STEPS,
  os: MOST_STEPS,
  inference: MOST_STEPS,
  stream: MOST_STEPS,
  exportWasm: MOST_COUNTED_STEPS,
  /** A file that learns by some of the steps: their bits are a word. */
  exportedChoice: 32,
  stepRates: MOST_COUNTED_STEPS,
  diagnose: MOST_COUNTED_STEPS,
  selfDistillation: MOST_COUNTED_STEPS,
  /** `maxPool2d` with `rate: 'official'`. */
  officialRate: MOST_COUNTED_STEPS,
} as const satisfies Readonly<Record<Method | 'inference' | 'stream', number>> &
  Readonly<Record<string, number>>

/** When online methods run the optimizer. */
export const updates: readonly ('afterwards' | 'everyStep')[] = ['afterwards', 'everyStep']

/**
 * Options that choose a training method; each has a default. An option that the method does not
 * take is refused, whatever its value.
 */
export interface MethodOptions {
  /**
   * rate: rate-based backpropagation (the paper's). bptt: the ordinary gradient through time. ottt,
   * sltt, os: online through space. Default 'rate'.
   */
  method?: Method
  /**
   * m: the loop over T is inside each layer. s: it is outside the network. Default 'm' ('s' for
   * ottt, sltt and os, which have no other).
   */
  stepMode?: StepMode
  /**
   * Online methods: one optimizer step after all T steps, or one at each step. Default
   * 'afterwards'.
   */
  update?: 'afterwards' | 'everyStep'
  /**
   * Online methods: weight m of the loss (1 − m)·cross entropy + m·mean squared error, 0…1. Default
   * 0.05.
   */
  mseWeight?: number
  /**
   * sltt: backpropagate at this many random steps only (SLTT-K), an integer from 1 to T. Default:
   * all T.
   */
  backwardSteps?: number
  /**
   * bptt: where the backward pass gets the currents of each layer from. 'none': they are kept.
   * 'layers': spikes alone are kept, and layers compute their currents again, which takes less
   * memory and more time and gives the same gradients to the last bit. Default 'none'.
   */
  gradientCheckpoint?: 'none' | 'layers'
  /**
   * os: where the deviation of a channel in a step is far from the running one, the statistics of
   * the step normalise in its place. 'channel': that channel alone, with the true gradient.
   * 'layer', as in the authors' code: all channels of the layer, whose gradients are scaled by the
   * running deviations all the same. Default 'channel'.
   */
  normFallback?: 'channel' | 'layer'
  /**
   * bptt: truncated backpropagation through time. Time is cut into segments of this many steps, the
   * last of which may be shorter. Between two segments states, recurrent spikes and delayed signals
   * go on, and their gradients do not. The loss stays that of all steps, and gradients of weights
   * add up over the segments. An integer from 1 to 4096; from T on nothing is cut. Default: T.
   */
  truncate?: number
}

/** Values of `gradientCheckpoint`. */
export const gradientCheckpoints: readonly ('none' | 'layers')[] = ['none', 'layers']

/** The options that only some methods take. */
type ExtraOption = Exclude<keyof MethodOptions, 'method' | 'stepMode'>

/** What they may be, by the model's time steps. */
const optionRows: {
  readonly [K in ExtraOption]: (timeSteps: number) => Rule<Required<MethodOptions>[K]>
} = {
  update: () => oneOf(updates, 'afterwards'),
  mseWeight: () => range('0…1', 0.05),
  backwardSteps: (timeSteps) => ({
    ...integer(1, timeSteps, timeSteps),
    words: `an integer from 1 to timeSteps (${timeSteps})`,
  }),
  gradientCheckpoint: () => oneOf(gradientCheckpoints, 'none'),
  normFallback: () => oneOf(['channel', 'layer'] as const, 'channel'),
  truncate: (timeSteps) => integer(1, mostSteps.bptt, timeSteps),
}

const extraOptions = Object.keys(optionRows) as ExtraOption[]

/** Names of a method's options, for lists of known options. */
export const methodOptionKeys = ['method', 'stepMode', ...extraOptions] as const

/** The options of a method among other options; those that are undefined are left out. */
export function pickMethodOptions(
  options: MethodOptions,
  keys: readonly (keyof MethodOptions)[] = methodOptionKeys,
): MethodOptions {
  const given = keys.filter((key) => options[key] !== undefined)
  return Object.fromEntries(given.map((key) => [key, options[key]]))
}

/** What the planner asks of a method; nothing else in the planner knows a method's name. */
export interface MethodTraits {
  /** Where the loop over T is: inside each layer, or outside the network, by calls of few steps. */
  readonly loop: 'layers' | 'network'
  /** When the backward pass runs: once behind all steps, or in each call. */
  readonly backward: 'afterwards' | 'everyCall'
  /** Rows per pixel of a gradient: one (of the time mean) or one for each step of a call. */
  readonly rows: 'one' | 'steps'
  /** What a weight's gradient multiplies with: time means, each step's input, or its trace. */
  readonly presynaptic: 'mean' | 'steps' | 'trace'
  /**
   * How a gradient passes neurons: times their eligibility, times the surrogate of each step, or
   * through time.
   */
  readonly neuron: 'eligibility' | 'surrogate' | 'time'
  /**
   * Rows of one BatchNorm statistic: all of a call, or each step's; or running ones, which move
   * once behind all steps.
   */
  readonly statistics: 'call' | 'step' | 'allTime'
  /** Whether thresholds may follow potentials (`stabilizedLif`); a call is then one step. */
  readonly stabilizes: boolean
  /** What the loss is divided by: images, or images and steps. */
  readonly lossOver: 'images' | 'imagesAndSteps'
}

const afterwards = { backward: 'afterwards', stabilizes: false } as const
const rate = {
  ...afterwards,
  rows: 'one',
  presynaptic: 'mean',
  neuron: 'eligibility',
  lossOver: 'imagesAndSteps',
} as const
const bptt = {
  ...afterwards,
  loop: 'layers',
  rows: 'steps',
  presynaptic: 'steps',
  neuron: 'time',
  lossOver: 'images',
} as const
const online = {
  loop: 'network',
  backward: 'everyCall',
  rows: 'steps',
  neuron: 'surrogate',
  statistics: 'step',
  lossOver: 'imagesAndSteps',
  stabilizes: false,
} as const

/**
 * Step modes with their traits, the first one being the default; and the options that a method
 * takes beside them.
 */
interface MethodRow {
  readonly modes: Partial<Record<StepMode, MethodTraits>>
  readonly options: readonly ExtraOption[]
}

/** The methods: a new one is a row here. */
export const methods: Readonly<Record<Method, MethodRow>> = {
  rate: {
    modes: {
      m: { ...rate, loop: 'layers', statistics: 'call' },
      s: { ...rate, loop: 'network', statistics: 'step' },
    },
    options: [],
  },
  bptt: {
    modes: { m: { ...bptt, statistics: 'call' }, s: { ...bptt, statistics: 'step' } },
    options: ['gradientCheckpoint', 'truncate'],
  },
  ottt: { modes: { s: { ...online, presynaptic: 'trace' } }, options: ['update', 'mseWeight'] },
  sltt: {
    modes: { s: { ...online, presynaptic: 'steps' } },
    options: ['update', 'mseWeight', 'backwardSteps'],
  },
  os: {
    modes: { s: { ...online, presynaptic: 'steps', statistics: 'allTime', stabilizes: true } },
    options: ['mseWeight', 'normFallback'],
  },
}

/** The step modes of a method, the default one first. */
export const stepModesOf = (method: Method): StepMode[] =>
  Object.keys(methods[method].modes) as StepMode[]

/** Methods that take an option. */
export const methodsTaking = (option: ExtraOption): Method[] =>
  methodNames.filter((name) => methods[name].options.includes(option))

/** Whether an option has its default value. */
export const isStandard = <K extends ExtraOption>(
  name: K,
  value: Required<MethodOptions>[K],
  timeSteps: number,
): boolean => value === optionRows[name](timeSteps).preset

/** Methods that have what is asked for in one of their step modes. */
export const methodsWith = (has: (traits: MethodTraits) => boolean): Method[] =>
  methodNames.filter((name) => Object.values(methods[name].modes).some(has))

/** Those methods as messages name them: `'ottt' or 'sltt'`. */
export const quoteMethodsWith = (has: (traits: MethodTraits) => boolean): string =>
  methodsWith(has)
    .map((name) => `'${name}'`)
    .join(' or ')

/** A method in one of its step modes. */
export type MethodChoice = Readonly<Required<Pick<MethodOptions, 'method' | 'stepMode'>>>

/** What a method does in a step mode that it has. */
export const traitsOf = ({ method, stepMode }: MethodChoice): MethodTraits =>
  methods[method].modes[stepMode] as MethodTraits

/**
 * The options that a method takes: what `methodOptions` completed can be given again.
 */
export const takenOptions = (options: MethodOptions): MethodOptions =>
  pickMethodOptions(options, ['method', 'stepMode', ...methods[options.method ?? 'rate'].options])

/**
 * @param use what to use instead
 * @throws SpikewasmError for more time steps than something has
 */
export function checkSteps(of: keyof typeof mostSteps, what: string, T: number, use: string): void {
  const most = mostSteps[of]
  if (!(T <= most)) fail(`${what} must be at most ${most}, got ${T}; use ${use}`)
}

/** An option's value, checked; a method that does not take it refuses any. */
function optionOf(name: ExtraOption, given: MethodOptions, method: Method, timeSteps: number) {
  const rule: Rule = optionRows[name](timeSteps)
  const { [name]: value = rule.preset } = given
  checkBy(name, rule, value)
  const takers = methodsTaking(name)
  if (given[name] !== undefined && !takers.includes(method))
    fail(`${name} is an option of method ${takers.join(', ')}, got it with ${method}`)
  return value
}

/**
 * Checks and completes a method's options.
 * @param timeSteps T of the model
 * @param training whether the model trains: then T has the method's limit
 * @throws SpikewasmError for an option out of range or one that the method does not take
 */
export function methodOptions(
  given: MethodOptions,
  timeSteps: number,
  training = true,
): Required<MethodOptions> {
  const { method = 'rate' } = given
  if ((method as string) === 'dsr')
    fail(
      "method 'dsr' is not here: its spikes have learnable heights, its rates are weighted by " +
        "time, and the rate pass cannot express that; use 'rate'",
    )
  const list = `${methodNames.slice(0, -1).join(', ')} or ${methodNames.at(-1)}`
  if (!methodNames.includes(method)) fail(`method must be ${list}, got ${describe(method)}`)
  const modes = stepModesOf(method)
  const { stepMode = modes[0] } = given
  if (!stepModes.includes(stepMode)) fail(`stepMode must be 'm' or 's', got ${describe(stepMode)}`)
  if (!modes.includes(stepMode))
    fail(
      `stepMode must be '${modes}' with method ${method} (it learns step by step), ` +
        `got '${stepMode}'`,
    )
  const extras = extraOptions.map((name) => [name, optionOf(name, given, method, timeSteps)])
  if (training)
    checkSteps(
      method,
      `timeSteps with method ${method}`,
      timeSteps,
      'fewer, or a stream, which may go on for longer',
    )
  const complete = { method, stepMode, ...Object.fromEntries(extras) }
  return { ...complete, truncate: Math.min(complete.truncate, timeSteps) }
}
