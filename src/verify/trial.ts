/** Samples of a data set for an exported network, with the outputs that it must give. */

import type { Dataset } from '../data/dataset.js'
import type { NetInfo } from '../edge/abi.js'
import { checkData, sampleReader } from '../edge/accuracy.js'
import { type Call, callsOf, frameBytesOf, sampleBytesOf, shownAs } from '../edge/sizes.js'
import type { ApartNet } from './apart.js'
import type { JobNumbers } from './job.js'
import { type Likeness, likenessOf } from './likeness.js'
import { askModel, type Origin } from './origin.js'

/** Samples, and what one way to call the network must make of them. */
export interface Trial extends Omit<JobNumbers, 'seconds'> {
  /** The samples as they go into the input, one after the other. */
  readonly input: Uint8Array
  /** Expected outputs, [samples][classes]. */
  readonly expected: Float32Array
  /** With int8 weights: how far these are from the outputs of a model of such weights. */
  readonly likeness?: Likeness
}

export interface TrialSource extends Origin {
  readonly net: ApartNet
  /** Parts of a data set, in the order in which samples are taken. */
  readonly data: readonly Dataset[]
  /** The most samples. */
  readonly samples: number
}

/**
 * Trials for all that a file can do: `infer`, `step` or both. Outputs are those of `model.predict`,
 * compiled as the file says: for `step` in step mode s, with the same frame T times, or with the
 * frames of the data.
 *
 * A file of int8 weights adds whole numbers where a model adds floats. There the expected outputs
 * are those of the file itself in this process, and they are compared with those of a model whose
 * weights are the floats that the bytes stand for; see `Likeness`.
 *
 * The file must answer one sample of each trial in time.
 *
 * @throws SpikewasmError when shape or classes of the data do not match, for weights that do not
 *   fit the network or the file, and when the file takes too long
 */
export async function makeTrials(source: TrialSource): Promise<Trial[]> {
  const { net } = source
  const input = takeSamples(source)
  const trials: Trial[] = []
  const shown = shownAs(net.info, source.data[0])
  for (const call of callsOf(net.info)) {
    const numbers = numbersOf(shown, call, input)
    const { sampleBytes } = numbers
    await net.ask(call, input.slice(0, sampleBytes), { sampleBytes })
    const wanted = await askModel(source, shown, call, input)
    const isInt8 = net.info.weights === 'int8'
    const expected = isInt8 ? (await net.ask(call, input, { sampleBytes })).outputs : wanted
    const likeness = isInt8 && likenessOf(expected, wanted, net.info.classes)
    trials.push({ ...numbers, input, expected, ...(likeness && { likeness }) })
  }
  return trials
}

/**
 * The first samples as bytes, as they go into the input.
 * @throws SpikewasmError when shape or classes of the data do not match
 */
export function takeSamples({
  net,
  data,
  samples,
}: Pick<TrialSource, 'net' | 'data' | 'samples'>): Uint8Array {
  for (const part of data) checkData(net, part, 'or steps')
  const info = shownAs(net.info, data[0])
  let left = samples
  const taken = data.map((part) => {
    const count = Math.min(left, part.length)
    left -= count
    return sampleReader(info, part)(0, count).bytes
  })
  const all = new Uint8Array(taken.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const bytes of taken) {
    all.set(bytes, at)
    at += bytes.length
  }
  return all
}

/** What a job of these samples has in numbers. */
export function numbersOf(
  info: NetInfo,
  call: Call,
  input: Uint8Array,
): Omit<JobNumbers, 'seconds'> {
  const { inputType, timeSteps, classes } = info
  const sampleBytes = sampleBytesOf(info)
  const frameBytes = frameBytesOf(info, call)
  const steps = call === 'step' ? timeSteps : 1
  const samples = input.length / sampleBytes
  return { call, inputType, samples, sampleBytes, frameBytes, steps, classes }
}
