/** Accuracy of an exported network that can be stopped. */

import type { Dataset } from '../data/dataset.js'
import { checkData, type NetEvaluation, sampleFiller } from '../edge/accuracy.js'
import type { ApartNet } from './apart.js'
import { inputArray, sampleBytesOf, shownAs } from './sizes.js'

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
  const bytes = sampleBytesOf(shown)
  const input = inputArray(shown)
  const sample = new Uint8Array(input.buffer, 0, bytes)
  const fill = sampleFiller({ info: shown, input }, data)
  const call = info.mode === 'step' ? 'step' : 'infer'
  const count = data.length
  const chunk = Math.max(1, Math.floor(CHUNK_BYTES / bytes))
  let correct = 0
  for (let first = 0; first < count; first += chunk) {
    onProgress(first / count)
    const samples = Math.min(chunk, count - first)
    const all = new Uint8Array(samples * bytes)
    const labels: number[] = []
    for (let i = 0; i < samples; i++) {
      labels.push(fill(first + i))
      all.set(sample, i * bytes)
    }
    const { predicted } = await net.ask(call, all, {
      sampleBytes: bytes,
      onSamples: (done) => onProgress((first + done) / count),
    })
    correct += predicted.reduce((n, k, i) => n + Number(k === labels[i]), 0)
  }
  onProgress(1)
  return { accuracy: correct / count, correct, count }
}
