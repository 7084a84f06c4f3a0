/** Samples of a data set for an exported network, with the outputs that it must give. */

import type { Dataset } from '../data/dataset.js'
import type { NetInfo } from '../edge/abi.js'
import { checkData, sampleFiller } from '../edge/accuracy.js'
import type { Net } from '../edge/net.js'
import type { Model } from '../model.js'
import { compile } from '../network.js'
import type { Module } from '../nn/module.js'
import type { Call, JobNumbers } from './job.js'

/** Samples, and what one way to call the network must make of them. */
export interface Trial extends Omit<JobNumbers, 'seconds'> {
  /** The samples as they go into the input, one after the other. */
  readonly input: Uint8Array
  /** Expected outputs, [samples][classes]. */
  readonly expected: Float32Array
}

export interface TrialSource {
  readonly net: Net
  /** Parts of a data set, in the order in which samples are taken. */
  readonly data: readonly Dataset[]
  /** The most samples. */
  readonly samples: number
  /** The network that was exported. */
  readonly network: Module
  /** Gives a model of it the weights that were exported. */
  readonly load: (model: Model) => Promise<void>
}

/** Samples of one call of `predict`: frames are copied T times. */
const BATCH = 16

/**
 * Trials for all that a file can do: `infer`, `step` or both. Outputs are those of `model.predict`,
 * compiled as the file says: for `step` in step mode s, with the same frame T times.
 *
 * Weights of whole numbers are other weights than the model's. There the outputs are those of the
 * file itself in this process: all hosts must agree.
 *
 * @throws SpikewasmError when shape or classes of the data do not match, and for weights that do
 *   not fit the network
 */
export async function makeTrials(source: TrialSource): Promise<Trial[]> {
  const { info } = source.net
  const input = takeSamples(source)
  const trials: Trial[] = []
  for (const call of callsOf(info)) {
    const numbers = numbersOf(info, call, input)
    const expected =
      info.weights === 'int8'
        ? askNet(source.net, numbers, input)
        : await askModel(source, numbers, input)
    trials.push({ ...numbers, input, expected })
  }
  return trials
}

function callsOf({ mode }: NetInfo): Call[] {
  if (mode === 'both') return ['infer', 'step']
  return mode === 'step' ? ['step'] : ['infer']
}

const sizeOf = ({ input }: NetInfo): number => input.reduce((a, b) => a * b, 1)
const frameCount = ({ frames, mode, timeSteps }: NetInfo): number =>
  frames && mode !== 'step' ? timeSteps : 1

/** Bytes of one sample: [C][H][W], or [T][C][H][W]. */
function sampleBytesOf(info: NetInfo): number {
  return sizeOf(info) * frameCount(info) * (info.inputType === 'u8' ? 1 : 4)
}

/** The first samples as bytes. */
function takeSamples({ net, data, samples }: TrialSource): Uint8Array {
  for (const part of data) checkData(net, part)
  const count = Math.min(
    samples,
    data.reduce((sum, { length }) => sum + length, 0),
  )
  const bytes = sampleBytesOf(net.info)
  const all = new Uint8Array(count * bytes)
  const view = new Uint8Array(net.input.buffer, net.input.byteOffset, bytes)
  let next = 0
  for (const part of data) {
    const fill = sampleFiller(net, part)
    for (let i = 0; i < part.length && next < count; i++) {
      fill(i)
      all.set(view, next++ * bytes)
    }
  }
  return all
}

function numbersOf(info: NetInfo, call: Call, input: Uint8Array): Omit<JobNumbers, 'seconds'> {
  const { inputType, timeSteps, classes } = info
  const sampleBytes = sampleBytesOf(info)
  const frameBytes = call === 'step' ? sampleBytes / frameCount(info) : sampleBytes
  const steps = call === 'step' ? timeSteps : 1
  const samples = input.length / sampleBytes
  return { call, inputType, samples, sampleBytes, frameBytes, steps, classes }
}

/** Outputs of the file in this process. */
function askNet(net: Net, numbers: Omit<JobNumbers, 'seconds'>, input: Uint8Array): Float32Array {
  const { call, samples, sampleBytes, frameBytes, steps, classes } = numbers
  const expected = new Float32Array(samples * classes)
  const view = new Uint8Array(net.input.buffer, net.input.byteOffset, frameBytes)
  for (let i = 0; i < samples; i++) {
    const frame = (t: number): void => {
      const begin = i * sampleBytes + ((t * frameBytes) % sampleBytes)
      view.set(input.subarray(begin, begin + frameBytes))
    }
    if (call === 'step') net.reset()
    for (let t = 0; t < steps; t++) {
      frame(t)
      if (call === 'step') net.step()
      else net.infer()
    }
    expected.set(net.output, i * classes)
  }
  return expected
}

/** Outputs of a model that is compiled as the file says. */
async function askModel(
  { net: { info }, network, load }: TrialSource,
  { call, samples, classes }: Omit<JobNumbers, 'seconds'>,
  input: Uint8Array,
): Promise<Float32Array> {
  const frames = call === 'step' || info.frames
  const model = await compile(network, {
    purpose: 'inference',
    input: info.input,
    timeSteps: info.timeSteps,
    method: info.method,
    stepMode: call === 'step' ? 's' : info.stepMode,
    batchSize: BATCH,
    frames,
  })
  try {
    await load(model)
    const numbers = info.inputType === 'u8' ? normalised(info, input) : floats(input)
    const size = sizeOf(info)
    const own = frameCount(info)
    const expected = new Float32Array(samples * classes)
    for (let first = 0; first < samples; first += BATCH) {
      const count = Math.min(BATCH, samples - first)
      const part = numbers.subarray(first * own * size, (first + count) * own * size)
      const x = frames ? byTime(part, count, own, info.timeSteps, size) : part
      expected.set((await model.predict(x)).logits, first * classes)
    }
    return expected
  } finally {
    await model.dispose()
  }
}

function floats(input: Uint8Array): Float32Array {
  return new Float32Array(input.buffer, input.byteOffset, input.byteLength / 4)
}

/** (byte / 255 − mean) / std in float32, as the file does it. */
function normalised(info: NetInfo, input: Uint8Array): Float32Array {
  const [channels, height, width] = info.input
  const round = Math.fround
  return Float32Array.from(input, (byte, i) => {
    const c = Math.floor(i / (height * width)) % channels
    const mean = round(info.mean?.[c] ?? 0)
    const std = round(info.std?.[c] ?? 1)
    return round(round(round(byte / 255) - mean) / std)
  })
}

/** [n][frames][…] → [T][n][…], frames repeated until there are T. */
function byTime(
  x: Float32Array,
  count: number,
  frames: number,
  timeSteps: number,
  size: number,
): Float32Array {
  const out = new Float32Array(timeSteps * count * size)
  for (let t = 0; t < timeSteps; t++)
    for (let i = 0; i < count; i++) {
      const begin = (i * frames + (t % frames)) * size
      out.set(x.subarray(begin, begin + size), (t * count + i) * size)
    }
  return out
}
