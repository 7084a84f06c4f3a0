/** Samples in files: arrays and images, before it is known what a network takes. */

import { fail } from '../../errors.js'

/** @throws SpikewasmError always */
export function refuse(name: string, rule: string, got: string): never {
  fail(`${name}: must ${rule}, got ${got}`)
}

/** What a file holds. */
export interface SampleArray {
  /** Outermost first. Of an image [C, H, W]. */
  readonly shape: readonly number[]
  /** Row by row. Bytes are not yet normalised; floats are what `predict` takes. */
  readonly data: Float32Array | Uint8Array
  /** Of an image: the byte that stands for 1. */
  readonly most?: number
}
