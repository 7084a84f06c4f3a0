/** A mistake of the user's: wrong option, shape or file. Its message is meant to be read as it stands, without a stack trace. */
export class SpikewasmError extends Error {
  override name = 'SpikewasmError'
}

/** Throws a `SpikewasmError` unless `condition` holds. */
export function expect(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new SpikewasmError(message())
}
