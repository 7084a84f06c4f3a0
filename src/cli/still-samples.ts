/** Still samples of `predict` as frames of spikes, for networks trained with an encoder. */

import { fromArrays } from '../data/arrays.js'
import { encoders } from '../data/encoders.js'
import { expect } from '../errors.js'
import type { ModelData } from '../io/model-json.js'
import { readSamples } from '../io/samples/read.js'
import { imageShape, sizeOf } from '../nn/value.js'
import { type DatasetName, scaleOf } from './datasets.js'
import type { EventArguments } from './event-options.js'
import { withFiles } from './mistakes.js'
import type { Predictor } from './predict-net.js'

/** What says which numbers an encoder reads. */
interface Reading {
  readonly encoder: NonNullable<EventArguments['encoder']>
  /** That the network was trained on, as far as it is known. */
  readonly dataset: DatasetName | undefined
  /** What the flags say, else the file; only `constant` reads normalised numbers. */
  readonly normalization: ModelData['normalization']
}

/**
 * Reads still inputs as an encoder's data sets have them: bytes become byte / scale, from 0 to 1,
 * or with `constant` the normalised number.
 *
 * @returns samples [T][C][H][W], one after the other
 * @throws SpikewasmError that names the file
 */
export async function readEncoded(
  path: string,
  model: Predictor,
  { encoder, dataset, normalization }: Reading,
): Promise<Float32Array> {
  const { input: shape, timeSteps, frames } = model
  expect(
    frames,
    () =>
      `--encoder must be left out, since the model takes one input for all steps, not frames, ` +
      `got ${encoder}`,
  )
  const [channels] = imageShape(shape)
  const each = (value: number): number[] => Array.from({ length: channels }, () => value)
  const scale = normalization?.scale ?? scaleOf(dataset)
  const shares = { scale, mean: each(0), std: each(1) }
  const how = encoder === 'constant' ? normalization : shares
  const inputs = await readSamples(path, { shape, normalization: how })
  const length = inputs.length / sizeOf(shape)
  const labels = new Int32Array(length)
  const still = fromArrays({ name: path, inputs, shape, labels, classes: 1 })
  return withFiles(async () => {
    const encoded = encoders[encoder](still, { timeSteps })
    const size = timeSteps * sizeOf(shape)
    const out = new Float32Array(length * size)
    for (let n = 0; n < length; n++) encoded.read(n, out.subarray(n * size, (n + 1) * size))
    return out
  })
}
