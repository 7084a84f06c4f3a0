/** What exported networks answer. Anybody may have written them. */

import { SpikewasmError } from '../errors.js'

/** @throws SpikewasmError when an output is no number */
export function expectFinite(output: Float32Array): void {
  if (!output.every(Number.isFinite))
    throw new SpikewasmError(
      `the exported network must give finite outputs, got ${output.subarray(0, 10).join(', ')}; ` +
        'the file is damaged, or its weights were not finite: export it again',
    )
}
