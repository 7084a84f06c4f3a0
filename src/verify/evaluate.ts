/** Accuracy of an exported network that can be stopped. */

import type { Dataset } from '../data/dataset.js'
import { checkData, type NetEvaluation, sampleReader } from '../edge/accuracy.js'
import { callsOf, sampleBytesOf, shownAs } from '../edge/sizes.js'
import type { ApartNet } from './apart.js'

/** Bytes of samples that are sent at once, at least one sample. */
const CHUNK_BYTES = 1 << 18

/**
 * The same as `evaluateNet`, of all samples.
 *
 * @param onProgress called with the share that is done, 0 … 1
 * @throws SpikewasmError when shape or classes do not match the file's, a number is not finite, or
 *   the file takes too long
 */
export async function evaluateApart(
  net: ApartNet,
  data: Dataset,
  onProgress: (done: number) => void = () => {},
): Promise<NetEvaluation> {
  const { info } = net
  checkData({ info }, data, 'or steps')
  const shown = shownAs(info, data)
  const sampleBytes = sampleBytesOf(shown)
  const take = sampleReader(shown, data)
  const [call] = callsOf(info)
  const count = data.length
  const chunk = Math.max(1, Math.floor(CHUNK_BYTES / sampleBytes))
  let correct = 0
  for (let first = 0; first < count; first += chunk) {
    onProgress(first / count)
    const samples = Math.min(chunk, count - first)
    const { bytes, labels } = take(first, samples)
    const { predicted } = await net.ask(call, bytes, {
      sampleBytes,
      onSamples: (done) => onProgress((first + done) / count),
    })
    correct += predicted.reduce((n, k, i) => n + Number(k === labels[i]), 0)
  }
  onProgress(1)
  return { accuracy: correct / count, correct, count }
}
