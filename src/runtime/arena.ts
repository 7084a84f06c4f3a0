/**
 * A plan and the memory that it describes: enough to read and write a model's numbers.
 */

import { SpikewasmError } from '../errors.js'
import type { Plan, Program, ProgramName } from '../plan/plan.js'
import type { TrainingBuffers } from '../plan/training.js'
import type { Buffer } from '../plan/words.js'

export interface Arena {
  readonly plan: Plan
  /** Only its bytes: those of a model that was disposed of may be a copy. */
  readonly memory: Pick<WebAssembly.Memory, 'buffer'>
  /** A copy of the parameters, while moving averages lie in their place. */
  aside?: Float32Array | undefined
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
  const ofOne = name === 'single' && passImages === 1 ? programs.evaluate : undefined
  return programs[name] ?? ofOne ?? refuse(plan, name)
}

/** Gradients and the optimizer's state. @throws SpikewasmError when the model has none */
export function trainingOf({ plan }: Arena): TrainingBuffers {
  return plan.named.training ?? refuse(plan, 'train')
}

const needed = {
  train: 'training, and what reads its results, needs',
  gradients: 'training, and what reads its results, needs',
  accumulate: 'fit with accumulate needs',
  update: 'fit with accumulate needs',
  evaluate: 'predict and evaluate need',
  single: 'predict needs',
  stream: 'step and reset need',
  prepare: 'fixed parameters need',
} as const satisfies Record<ProgramName, string>
const has = {
  train: "purpose 'train' (the default)",
  gradients: "purpose 'train' (the default)",
  accumulate: "purpose 'train' (the default)",
  update: "purpose 'train' (the default)",
  evaluate: "purpose 'inference' or 'train'",
  single: "purpose 'inference' or 'train'",
  stream: "purpose 'stream'",
  prepare: 'fixed parameters',
} as const satisfies Record<ProgramName, string>

/** For a model that comes from a file. */
const loading = Object.fromEntries(
  Object.entries(has).map(([name, what]) => {
    const purpose = /'\w+'/.exec(what)?.[0]
    return [name, purpose ? `, or load it with loadModel(path, { purpose: ${purpose} })` : '']
  }),
) as Readonly<Record<ProgramName, string>>

function refuse({ options }: Plan, name: ProgramName): never {
  throw new SpikewasmError(
    `${needed[name]} a model compiled with ${has[name]}, this one was compiled with ` +
      `purpose '${options.purpose ?? 'train'}'; compile the network again${loading[name]}`,
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
