/** Samples of a data set for an exported network, with the outputs that it must give. */

import { fail } from '../../base/errors.js'
import type { Dataset } from '../../data/datasets/dataset.js'
import { loadEngine } from '../../engine/load.js'
import { compile } from '../../model/compile.js'
import type { Model } from '../../model/model.js'
import type { Module } from '../../network/module.js'
import { sizeOf } from '../../network/value.js'
import * as abi from '../abi.js'
import { checkData, sampleReader } from '../accuracy.js'
import { isRounded } from '../prepare.js'
import { dequantise, quantisedRows } from '../quantise.js'
import type { ApartNet } from './apart.js'
import type { JobNumbers } from './job.js'

// The model that an exported network came from: what it makes of the same samples.

export interface Origin {
  /** The network that was exported. */
  readonly network: Module
  /** Gives a model of it the weights that were exported. */
  readonly load: (model: Model) => Promise<void>
}

/** Samples of one call of `predict`: frames are copied T times. */
const BATCH = 16

/**
 * Outputs of a model that is compiled as the file says, [samples][classes]. Its weights
 * are of the file's type, and others rounded as there.
 *
 * @throws SpikewasmError for weights that do not fit the network or the file
 */
export async function askModel(
  { network, load }: Origin,
  info: abi.NetInfo,
  call: abi.Call,
  input: Uint8Array,
): Promise<Float32Array> {
  const frames = call === 'step' || info.frames
  const { classes } = info
  const samples = input.length / abi.sampleBytesOf(info)
  const model = await compile(network, {
    purpose: 'inference',
    input: info.inputs
      ? Object.fromEntries(info.inputs.map(({ name, shape }) => [name, shape]))
      : info.input,
    timeSteps: info.timeSteps,
    // `step` is one step at a time, whatever the method.
    method: call === 'step' ? undefined : info.method,
    stepMode: call === 'step' ? 's' : info.stepMode,
    batchSize: BATCH,
    frames,
    weights: info.weights,
  })
  try {
    if (model.parameterCount !== info.parameters)
      fail(
        `--model must be the network that was exported, with ${info.parameters} parameters, got ` +
          `one with ${model.parameterCount}; name its --run, or its --model and --weights`,
      )
    await load(model)
    if (info.otherWeights === 'int8') await roundOthers(model)
    const numbers = info.inputType === 'u8' ? normalised(info, input) : floats(input)
    const size = abi.sizeOf(info)
    const sizes = info.inputs?.map(({ shape }) => sizeOf(shape)) ?? [size]
    const own = abi.frameCount(info)
    const outputs = new Float32Array(samples * classes)
    for (let first = 0; first < samples; first += BATCH) {
      const count = Math.min(BATCH, samples - first)
      const part = numbers.subarray(first * own * size, (first + count) * own * size)
      const x = frames && own === 1 ? repeated(part, sizes, info.timeSteps) : part
      outputs.set((await model.predict(x)).logits, first * classes)
    }
    return outputs
  } finally {
    await model.dispose()
  }
}

/** Rounds weights that no spikes meet to what their bytes stand for. */
async function roundOthers(model: Model): Promise<void> {
  const { parameters, integers, options } = model.session.plan
  const engine = await loadEngine('engine')
  const state = model.stateDict()
  for (const of of parameters) {
    const { shape, data } = state[of.name]
    if (isRounded(options.graph, of) && !integers.some(({ name }) => name === of.name))
      state[of.name] = { shape, data: dequantise(quantisedRows(engine, data, shape[0])) }
  }
  model.loadStateDict(state)
}

const floats = (input: Uint8Array): Float32Array =>
  new Float32Array(input.buffer, input.byteOffset, input.byteLength / 4)

/** (byte / 255 − mean) / std in float64, rounded once, as the file does it. */
function normalised(info: abi.NetInfo, input: Uint8Array): Float32Array {
  const [channels, height, width] = info.input
  return Float32Array.from(input, (byte, i) => {
    const c = Math.floor(i / (height * width)) % channels
    const mean = Math.fround(info.mean?.[c] ?? 0)
    const std = Math.fround(info.std?.[c] ?? 1)
    return (byte / 255 - mean) / std
  })
}

/** Each input of each sample T times: its frames. @param sizes of the inputs */
function repeated(x: Float32Array, sizes: readonly number[], timeSteps: number): Float32Array {
  const out = new Float32Array(timeSteps * x.length)
  for (let from = 0, to = 0; from < x.length; )
    for (const size of sizes) {
      const part = x.subarray(from, from + size)
      for (let t = 0; t < timeSteps; t++, to += size) out.set(part, to)
      from += size
    }
  return out
}

/** Samples, and what one way to call the network must make of them. */
export interface Trial extends Omit<JobNumbers, 'seconds'> {
  /** The samples as they go into the input, one after the other. */
  readonly input: Uint8Array
  /** Expected outputs, [samples][classes]. */
  readonly expected: Float32Array
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
 * The file must answer one sample of each trial in time.
 *
 * @throws SpikewasmError when shape or classes of the data do not match, for weights that do not
 *   fit the network or the file, and when the file takes too long
 */
export async function makeTrials(source: TrialSource): Promise<Trial[]> {
  const { net } = source
  const input = takeSamples(source)
  const trials: Trial[] = []
  const shown = abi.shownAs(net.info, source.data[0])
  for (const call of abi.callsOf(net.info)) {
    const numbers = numbersOf(shown, call, input)
    const { sampleBytes } = numbers
    await net.ask(call, input.slice(0, sampleBytes), { sampleBytes })
    trials.push({ ...numbers, input, expected: await askModel(source, shown, call, input) })
  }
  return trials
}

/**
 * The first samples as bytes, as they go into the input.
 * @throws SpikewasmError when shape or classes of the data do not match
 */
export function takeSamples({ net, data, samples }: Omit<TrialSource, keyof Origin>): Uint8Array {
  for (const part of data) checkData(net, part, 'or steps')
  const info = abi.shownAs(net.info, data[0])
  let left = samples
  const taken = data.map((part) => {
    const count = Math.min(left, part.length)
    left -= count
    return sampleReader(info, part)(0, count).bytes
  })
  return new Uint8Array(Buffer.concat(taken))
}

/** What a job of these samples has in numbers. */
export function numbersOf(
  info: abi.NetInfo,
  call: abi.Call,
  input: Uint8Array,
): Omit<JobNumbers, 'seconds'> {
  const { inputType, timeSteps, classes } = info
  const sampleBytes = abi.sampleBytesOf(info)
  const frameBytes = abi.frameBytesOf(info, call)
  const steps = call === 'step' ? timeSteps : 1
  const samples = input.length / sampleBytes
  return { call, inputType, samples, sampleBytes, frameBytes, steps, classes }
}
