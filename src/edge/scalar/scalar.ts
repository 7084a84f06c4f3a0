/** A module without SIMD: functions whose vectors are taken apart, then tidied. */

import type { Func } from '../../wasm/ir.js'
import { tidy } from '../specialise/tidy.js'
import { Helpers } from './bytes.js'
import { shareConstants } from './constants.js'
import { Lowering } from './lower.js'

/**
 * Takes the vectors out of functions that call only each other. The same bits come out, but for the
 * bits of what is not a number.
 * @param kept keep their parameters
 * @param usersOf which layers use a function, for messages
 * @returns the functions, and those that they call besides
 * @throws SpikewasmError for an instruction that is not known, by its name, and by the layers that
 *   use it
 */
export function lowerToScalar(
  functions: readonly Func[],
  kept: ReadonlySet<Func>,
  usersOf?: (func: string) => readonly string[],
): Func[] {
  const helpers = new Helpers()
  for (const func of functions) new Lowering(func, helpers, usersOf).run()
  const all = [...functions, ...helpers.all]
  tidy(all, kept)
  for (const func of all) shareConstants(func)
  tidy(all, kept)
  return all
}
