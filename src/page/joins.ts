/**
 * In a page this stands for `graph/joins.ts`: functions that make blocks of any wiring bring along
 * what their forward functions may do.
 */

import type * as joins from '../graph/joins.js'

let known: typeof joins | undefined

export function registerJoins(made: typeof joins): void {
  known = made
}

/** Chains need none of it. */
export const joinsOf = ((...of: Parameters<typeof joins.joinsOf>) =>
  known?.joinsOf(...of)) as typeof joins.joinsOf

export const exitsOf: typeof joins.exitsOf = (result) => known?.exitsOf(result)
