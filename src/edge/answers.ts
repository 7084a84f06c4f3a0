/** What exported networks answer. Anybody may have written them. */

import { fail } from '../errors.js'

/** The first of equals. */
export const indexOfLargest = (values: Float32Array): number =>
  values.reduce((best, value, i) => (value > values[best] ? i : best), 0)

/**
 * @param predicted what `predicted_class` gives
 * @throws SpikewasmError when an output is no number, or `predicted` not the largest one's index
 */
export function expectAnswer(output: Float32Array, predicted: number): void {
  if (!output.every(Number.isFinite))
    fail(
      `the exported network must give finite outputs, got ${output.subarray(0, 10).join(', ')}; ` +
        'the file is damaged, or its weights were not finite: export it again',
    )
  const largest = indexOfLargest(output)
  if (predicted !== largest)
    fail(
      `the exported network must predict the class of its largest output, ${largest}, got ` +
        `${predicted}; the file is damaged: export it again`,
    )
}
