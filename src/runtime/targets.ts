/** What a loss compares outputs with, and what penalties add to it. */
import type { Plan, Program } from '../plan/plan.js'
import type { Arena } from './arena.js'
import { floatsAt } from './arena.js'

/** What the loss is of: labels, or a number for each output. */
export const targetKind = ({ named }: Plan): 'labels' | 'values' =>
  named.targets.length > 0 ? 'values' : 'labels'

/** Address of a slot's labels or wanted outputs. */
export function targetAddress({ named }: Plan, slot: 0 | 1): number {
  const buffers = named.targets.length > 0 ? named.targets : named.labels
  return buffers[slot % buffers.length].address
}

/** A slot's wanted outputs, as part of it; nothing where the loss is of labels. */
export function slotTargets(arena: Arena, slot: 0 | 1, floats: number): { targets?: Float32Array } {
  const { plan } = arena
  if (targetKind(plan) === 'labels') return {}
  return { targets: floatsAt(arena, targetAddress(plan, slot), floats) }
}

/** Penalties that a program has found on so many images. */
export function penaltyOf(
  { memory }: Pick<Arena, 'memory'>,
  { penalties = [] }: Pick<Program, 'penalties'>,
  valid: number,
): number {
  let penalty = 0
  for (const { partials, units, factor } of penalties) {
    let sum = 0
    for (const part of new Float64Array(memory.buffer, partials.address, units)) sum += part
    penalty += (sum * factor) / valid
  }
  return penalty
}
