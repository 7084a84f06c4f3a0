/** A mistake of the user's: wrong option, shape or file. Its message is meant to be read as it stands, without a stack trace. */
export class SpikewasmError extends Error {
  override name = 'SpikewasmError'
}

/** Throws a `SpikewasmError` unless `condition` holds. */
export function expect(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new SpikewasmError(message())
}

/**
 * Throws a `SpikewasmError` when one of the first `count` images of `size` numbers each holds a number that is not finite. A neuron whose potential is NaN merely
 * never spikes, so that the loss would not show it while the gradients ruin the weights.
 */
export function expectFinite(what: string, images: Float32Array, size: number, count: number): void {
  for (let i = 0; i < size * count; i++) {
    if (!Number.isFinite(images[i]))
      throw new SpikewasmError(
        `${what} must hold finite numbers, got ${images[i]} in image ${Math.floor(i / size)} of the batch; repair or leave out that image`,
      )
  }
}
