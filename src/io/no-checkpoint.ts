/** Files of weights, told from checkpoints. */

import { fail } from '../errors.js'

/** @throws SpikewasmError where the metadata of a file of weights says that it is a checkpoint */
export function expectNoCheckpoint(metadata: Readonly<Record<string, string>>, name: string): void {
  if (metadata['spikewasm.checkpoint'] !== undefined)
    fail(
      `${name}: must be a file of weights, got a checkpoint; the weights are in ` +
        'weights.safetensors of its folder, which commands take as --run FOLDER. ' +
        'model.loadCheckpoint and fit with resume go on from a checkpoint',
    )
}
