/** Training methods. */

import { describe, expect } from '../errors.js'

export type Method = 'rate' | 'bptt' | 'ottt' | 'sltt'
export type StepMode = 'm' | 's'

export interface MethodOptions {
  /**
   * rate: rate-based backpropagation (the paper's). bptt: the ordinary gradient through time. ottt,
   * sltt: online through space. Default 'rate'.
   */
  method?: Method
  /**
   * m: the loop over T is inside each layer. s: it is outside the network. Default 'm' ('s' for
   * ottt and sltt, which know no other).
   */
  stepMode?: StepMode
  /**
   * Online methods: one optimizer step after all T steps, or one at each step. Default
   * 'afterwards'.
   */
  update?: 'afterwards' | 'everyStep'
  /**
   * Online methods: weight m of the loss (1 − m)·cross entropy + m·mean squared error. Default
   * 0.05.
   */
  mseWeight?: number
  /** sltt: backpropagate at this many random steps only (SLTT-K). Default: all. */
  backwardSteps?: number
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

export const methodOptionKeys = [
  'method',
  'stepMode',
  'update',
  'mseWeight',
  'backwardSteps',
] as const

export function traitsOf({
  method,
  stepMode,
}: {
  readonly method: Method
  readonly stepMode: StepMode
}): MethodTraits {
  return methods[method].modes[stepMode] as MethodTraits
}

/** Checks and completes a method's options. */
export function methodOptions(given: MethodOptions, timeSteps: number): Required<MethodOptions> {
  const { method = 'rate' } = given
  const names = Object.keys(methods)
  const list = `${names.slice(0, -1).join(', ')} or ${names[names.length - 1]}`
  expect(names.includes(method), () => `method must be ${list}, got ${describe(method)}`)
  const { modes, options } = methods[method]
  const {
    stepMode = Object.keys(modes)[0] as StepMode,
    update = 'afterwards',
    mseWeight = 0.05,
    backwardSteps = timeSteps,
  } = given
  expect(
    stepMode === 'm' || stepMode === 's',
    () => `stepMode must be 'm' or 's', got ${describe(stepMode)}`,
  )
  expect(
    stepMode in modes,
    () =>
      `stepMode must be '${Object.keys(modes)}' with method ${method} (it learns step by step), got '${stepMode}'`,
  )
  expect(
    update === 'afterwards' || update === 'everyStep',
    () => `update must be 'afterwards' or 'everyStep', got ${describe(update)}`,
  )
  expect(
    Number.isFinite(mseWeight) && mseWeight >= 0 && mseWeight <= 1,
    () => `mseWeight must lie in 0…1, got ${describe(mseWeight)}`,
  )
  expect(
    Number.isInteger(backwardSteps) && backwardSteps >= 1 && backwardSteps <= timeSteps,
    () =>
      `backwardSteps must be an integer from 1 to timeSteps (${timeSteps}), got ${describe(backwardSteps)}`,
  )
  const takers = names.filter((name) => methods[name as Method].options.includes('backwardSteps'))
  expect(
    backwardSteps === timeSteps || options.includes('backwardSteps'),
    () => `backwardSteps is an option of method ${takers.join(', ')}, got it with ${method}`,
  )
  const { maxSteps } = traitsOf({ method, stepMode })
  expect(
    timeSteps <= maxSteps,
    () => `timeSteps must be at most ${maxSteps} with method ${method}, got ${timeSteps}`,
  )
  return { method, stepMode, update, mseWeight, backwardSteps }
}
