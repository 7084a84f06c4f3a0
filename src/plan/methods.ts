/** Training methods as a table: what the planner, the runtime and the command line ask of each. */

import { describe, expect } from '../errors.js'

/**
 * How gradients are computed. `'rate'`: rate-based backpropagation. `'bptt'`: backpropagation
 * through time. `'ottt'`, `'sltt'`: online through space, step by step, with and without traces of
 * the inputs.
 */
export type Method = 'rate' | 'bptt' | 'ottt' | 'sltt'

/** Where the loop over time steps is: inside each layer (`'m'`) or around the network (`'s'`). */
export type StepMode = 'm' | 's'

/** Both step modes. */
export const stepModes: readonly StepMode[] = ['m', 's']

/** When online methods run the optimizer. */
export const updates: readonly ('afterwards' | 'everyStep')[] = ['afterwards', 'everyStep']

/** Options that choose a training method; each has a default. */
export interface MethodOptions {
  /**
   * rate: rate-based backpropagation (the paper's). bptt: the ordinary gradient through time. ottt,
   * sltt: online through space. Default 'rate'.
   */
  method?: Method
  /**
   * m: the loop over T is inside each layer. s: it is outside the network. Default 'm' ('s' for
   * ottt and sltt, which have no other).
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
}

/** Every option of a method; the compiler refuses a missing and a superfluous one. */
const optionKeys: Readonly<Record<keyof MethodOptions, true>> = {
  method: true,
  stepMode: true,
  update: true,
  mseWeight: true,
  backwardSteps: true,
}

/** Names of a method's options, for lists of known options. */
export const methodOptionKeys = Object.keys(optionKeys) as (keyof MethodOptions)[]

/** The options of a method among other options; those that are undefined are left out. */
export function pickMethodOptions(options: MethodOptions): MethodOptions {
  const given = methodOptionKeys.filter((key) => options[key] !== undefined)
  return Object.fromEntries(given.map((key) => [key, options[key]]))
}

/** What the planner asks of a method; nothing else in the planner knows a method's name. */
export interface MethodTraits {
  /** Where the loop over T is: inside each layer, or outside the network. */
  readonly loop: 'layers' | 'network'
  /** When the backward pass runs: once behind all steps, or at each step. */
  readonly backward: 'afterwards' | 'everyStep'
  /** Rows per pixel of a gradient: one (of the time mean, or of one step) or one for each step. */
  readonly rows: 'one' | 'steps'
  /**
   * What a weight's gradient multiplies with: time means, each step's input, this step's, or a
   * trace.
   */
  readonly presynaptic: 'mean' | 'steps' | 'now' | 'trace'
  /**
   * How a gradient passes neurons: times their eligibility, times this step's surrogate, or through
   * time.
   */
  readonly neuron: 'eligibility' | 'surrogate' | 'time'
  /** Rows of one BatchNorm statistic: all of a call, or each step's. */
  readonly statistics: 'call' | 'step'
  /** What the loss is divided by: images, or images and steps. */
  readonly lossOver: 'images' | 'imagesAndSteps'
  /** Whether τ can be a parameter (PLIF). */
  readonly learnsTau: boolean
  /** Most steps. */
  readonly maxSteps: number
}

const rate = {
  backward: 'afterwards',
  rows: 'one',
  presynaptic: 'mean',
  neuron: 'eligibility',
  statistics: 'call',
  lossOver: 'imagesAndSteps',
  learnsTau: false,
  maxSteps: 255,
} as const
const bptt = {
  loop: 'layers',
  backward: 'afterwards',
  rows: 'steps',
  presynaptic: 'steps',
  neuron: 'time',
  lossOver: 'images',
  learnsTau: true,
  maxSteps: 255,
} as const
const online = {
  loop: 'network',
  backward: 'everyStep',
  rows: 'one',
  neuron: 'surrogate',
  statistics: 'call',
  lossOver: 'imagesAndSteps',
  learnsTau: false,
  maxSteps: 32,
} as const

type OnlineOption = 'update' | 'mseWeight' | 'backwardSteps'

/**
 * Step modes with their traits, the first one being the default; and the options that a method
 * takes beside them.
 */
interface MethodRow {
  readonly modes: Partial<Record<StepMode, MethodTraits>>
  readonly options: readonly OnlineOption[]
}

/** The methods: a new one is a row here. */
export const methods: Readonly<Record<Method, MethodRow>> = {
  rate: { modes: { m: { ...rate, loop: 'layers' }, s: { ...rate, loop: 'network' } }, options: [] },
  bptt: {
    modes: { m: { ...bptt, statistics: 'call' }, s: { ...bptt, statistics: 'step' } },
    options: [],
  },
  ottt: { modes: { s: { ...online, presynaptic: 'trace' } }, options: ['update', 'mseWeight'] },
  sltt: {
    modes: { s: { ...online, presynaptic: 'now' } },
    options: ['update', 'mseWeight', 'backwardSteps'],
  },
}

/** Names of all methods. */
export const methodNames = Object.keys(methods) as Method[]

/** The step modes of a method, the default one first. */
export const stepModesOf = (method: Method): StepMode[] =>
  Object.keys(methods[method].modes) as StepMode[]

/** Methods that take an option. */
export const methodsTaking = (option: OnlineOption): Method[] =>
  methodNames.filter((name) => methods[name].options.includes(option))

/** Methods that have what is asked for in one of their step modes. */
export const methodsWith = (has: (traits: MethodTraits) => boolean): Method[] =>
  methodNames.filter((name) => Object.values(methods[name].modes).some(has))

/** What a method does in a step mode that it has. */
export function traitsOf({
  method,
  stepMode,
}: {
  readonly method: Method
  readonly stepMode: StepMode
}): MethodTraits {
  return methods[method].modes[stepMode] as MethodTraits
}

/**
 * Checks and completes a method's options.
 * @param timeSteps T of the model
 * @throws SpikewasmError for an option out of range or one that the method does not take
 */
export function methodOptions(given: MethodOptions, timeSteps: number): Required<MethodOptions> {
  const { method = 'rate' } = given
  const list = `${methodNames.slice(0, -1).join(', ')} or ${methodNames.at(-1)}`
  expect(methodNames.includes(method), () => `method must be ${list}, got ${describe(method)}`)
  const modes = stepModesOf(method)
  const {
    stepMode = modes[0],
    update = 'afterwards',
    mseWeight = 0.05,
    backwardSteps = timeSteps,
  } = given
  expect(
    stepModes.includes(stepMode),
    () => `stepMode must be 'm' or 's', got ${describe(stepMode)}`,
  )
  expect(
    modes.includes(stepMode),
    () =>
      `stepMode must be '${modes}' with method ${method} (it learns step by step), ` +
      `got '${stepMode}'`,
  )
  expect(
    updates.includes(update),
    () => `update must be 'afterwards' or 'everyStep', got ${describe(update)}`,
  )
  expect(
    Number.isFinite(mseWeight) && mseWeight >= 0 && mseWeight <= 1,
    () => `mseWeight must lie in 0…1, got ${describe(mseWeight)}`,
  )
  expect(
    Number.isInteger(backwardSteps) && backwardSteps >= 1 && backwardSteps <= timeSteps,
    () =>
      `backwardSteps must be an integer from 1 to timeSteps (${timeSteps}), ` +
      `got ${describe(backwardSteps)}`,
  )
  const takers = methodsTaking('backwardSteps')
  expect(
    backwardSteps === timeSteps || takers.includes(method),
    () => `backwardSteps is an option of method ${takers.join(', ')}, got it with ${method}`,
  )
  const { maxSteps } = traitsOf({ method, stepMode })
  expect(
    timeSteps <= maxSteps,
    () => `timeSteps must be at most ${maxSteps} with method ${method}, got ${timeSteps}`,
  )
  return { method, stepMode, update, mseWeight, backwardSteps }
}
