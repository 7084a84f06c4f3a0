/**
 * A plan and the memory that it describes: enough to read and write a model's numbers.
 */

import { fail } from '../errors.js'
import type * as host from '../host.js'
import type { Plan, Program, ProgramName } from '../plan/plan.js'
import type { TrainingBuffers } from '../plan/training.js'
import type { Buffer } from '../plan/words.js'

export interface Arena {
  readonly plan: Plan
  /** Only its bytes: those of a model that was disposed of may be a copy. */
  readonly memory: Pick<host.WasmMemory, 'buffer'>
  /** A copy of the parameters, while moving averages lie in their place. */
  aside?: Float32Array | undefined
  /** To be called before all parameters and statistics are written: none need begin with values. */
  overwritten?(): void
  /**
   * Where programs run in a memory of their own: to be called for what the host has written, but
   * for the control block and a batch.
   */
  wrote?(address: number, bytes: number): void
  /**
   * There too: waits until what programs wrote can be read here. 'seen' is all that a model's
   * methods show, 'all' is what a snapshot holds besides.
   */
  refresh?(what: 'all' | 'seen' | readonly Buffer[]): Promise<void> | undefined
}

/**
 * For one image: where each run of `evaluate` has one, that program.
 *
 * @throws SpikewasmError when the model was not compiled for that
 */
export function programOf({ plan }: Arena, name: ProgramName): Program {
  const { programs, passImages } = plan
  const trains = name === 'train' || name === 'gradients' || name === 'accumulate'
  if (trains) expectSeveral(plan, plan.options.batchSize)
  const ofOne = name === 'single' && passImages === 1 ? programs.evaluate : undefined
  return programs[name] ?? ofOne ?? refuse(plan, name)
}

/** @throws SpikewasmError where a batch has one sample, and the network trains on several alone */
export function expectSeveral({ lone, options }: Plan, samples: number): void {
  if (lone === undefined || samples > 1) return
  const [got, mend] =
    options.batchSize === 1
      ? ['batchSize 1 with one value of each channel', 'take a larger batchSize']
      : ['a batch of one sample', 'leave dropLast true, or give more samples']
  fail(`${lone}got ${got}; ${mend}`)
}

/** Gradients and the optimizer's state. @throws SpikewasmError when the model has none */
export function trainingOf({ plan }: Arena): TrainingBuffers {
  return plan.named.training ?? refuse(plan, 'train')
}

const training = 'training, and what reads its results, needs'
const train = "purpose 'train' (the default)"
const forward = "purpose 'inference' or 'train'"

/** What asks for a program, the models that have it, and the purpose to load one with. */
const asking: Readonly<Record<ProgramName, readonly string[]>> = {
  train: [training, train, 'train'],
  gradients: [training, train, 'train'],
  accumulate: ['fit with accumulate needs', train, 'train'],
  update: ['fit with accumulate needs', train, 'train'],
  evaluate: ['predict and evaluate need', forward, 'inference'],
  single: ['predict needs', forward, 'inference'],
  stream: ['step and reset need', "purpose 'stream'", 'stream'],
  prepare: ['fixed parameters need', 'fixed parameters'],
}

function refuse({ options }: Plan, name: ProgramName): never {
  const [needs, has, purpose] = asking[name]
  fail(
    `${needs} a model compiled with ${has}, this one was compiled with purpose ` +
      `'${options.purpose ?? 'train'}'; compile the network again` +
      (purpose ? `, or load it with loadModel(path, { purpose: '${purpose}' })` : ''),
  )
}

export function floatsAt({ memory }: Arena, address: number, count: number): Float32Array {
  return new Float32Array(memory.buffer, address, count)
}

/** A parameter or statistic as it is stored in the buffer at `base`. */
export function storedAt(
  arena: Arena,
  base: number,
  { offset, layout }: { offset: number; layout: { stored: number } },
): Float32Array {
  return floatsAt(arena, base + offset, layout.stored)
}

/** A parameter as it is stored, whatever lies in its place at present. */
export function parameterOf(
  arena: Arena,
  parameter: { offset: number; layout: { stored: number } },
): Float32Array {
  const { aside, plan } = arena
  const { offset, layout } = parameter
  if (!aside) return storedAt(arena, plan.named.parameters.address, parameter)
  return aside.subarray(offset / 4, offset / 4 + layout.stored)
}
