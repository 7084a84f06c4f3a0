/**
 * A plan and the memory that it describes: enough to read and write a model's numbers.
 */

import { SpikewasmError } from '../errors.js'
import type { Plan, Program, ProgramName } from '../plan/plan.js'
import type { TrainingBuffers } from '../plan/programs.js'

export interface Arena {
  readonly plan: Plan
  readonly memory: WebAssembly.Memory
}

/** @throws SpikewasmError when the model was not compiled for that */
export function programOf({ plan }: Arena, name: ProgramName): Program {
  return plan.programs[name] ?? notForTraining()
}

/** Gradients and velocities. @throws SpikewasmError when the model has none */
export function trainingOf({ plan }: Arena): TrainingBuffers {
  return plan.named.training ?? notForTraining()
}

function notForTraining(): never {
  throw new SpikewasmError(
    "the model was compiled for inference; compile it without purpose: 'inference' to train it",
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
