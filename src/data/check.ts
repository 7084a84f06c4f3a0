/** Checks of options that the files of this folder share. */
import { SpikewasmError } from '../errors.js'

/**
 * @param option full name, for example `batches.batchSize`
 * @throws SpikewasmError if `value` is not an integer in `min … max`
 */
export function checkInteger(
  option: string,
  value: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  const range =
    max === Number.MAX_SAFE_INTEGER ? `an integer >= ${min}` : `an integer from ${min} to ${max}`
  throw new SpikewasmError(`${option} must be ${range}, got ${String(value)}`)
}
