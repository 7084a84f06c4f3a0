/** The model that an exported network came from: what it makes of the same samples. */

import type { NetInfo } from '../edge/abi.js'
import { type Call, frameCount, sampleBytesOf, sizeOf } from '../edge/sizes.js'
import { fail } from '../errors.js'
import type { Model } from '../model.js'
import { compile } from '../network.js'
import type { Module } from '../nn/module.js'
import { dequantise, quantise } from '../plan/quantise.js'

export interface Origin {
  /** The network that was exported. */
  readonly network: Module
  /** Gives a model of it the weights that were exported. */
  readonly load: (model: Model) => Promise<void>
}

/** Samples of one call of `predict`: frames are copied T times. */
const BATCH = 16

/**
 * Outputs of a model that is compiled as the file says, [samples][classes]. Of a file with int8
 * weights it has the floats that the bytes stand for.
 *
 * @throws SpikewasmError for weights that do not fit the network or the file
 */
export async function askModel(
  { network, load }: Origin,
  info: NetInfo,
  call: Call,
  input: Uint8Array,
): Promise<Float32Array> {
  const frames = call === 'step' || info.frames
  const { classes } = info
  const samples = input.length / sampleBytesOf(info)
  const model = await compile(network, {
    purpose: 'inference',
    input: info.input,
    timeSteps: info.timeSteps,
    // `step` is one step at a time, whatever the method.
    method: call === 'step' ? undefined : info.method,
    stepMode: call === 'step' ? 's' : info.stepMode,
    batchSize: BATCH,
    frames,
  })
  try {
    if (model.parameterCount !== info.parameters)
      fail(
        `--model must be the network that was exported, with ${info.parameters} parameters, got ` +
          `one with ${model.parameterCount}; name its --run, or its --model and --weights`,
      )
    await load(model)
    if (info.weights === 'int8') throughBytes(model)
    const numbers = info.inputType === 'u8' ? normalised(info, input) : floats(input)
    const size = sizeOf(info)
    const own = frameCount(info)
    const outputs = new Float32Array(samples * classes)
    for (let first = 0; first < samples; first += BATCH) {
      const count = Math.min(BATCH, samples - first)
      const part = numbers.subarray(first * own * size, (first + count) * own * size)
      const x = frames && own === 1 ? repeated(part, size, info.timeSteps) : part
      outputs.set((await model.predict(x)).logits, first * classes)
    }
    return outputs
  } finally {
    await model.dispose()
  }
}

/**
 * Gives each weight the values that its bytes stand for. (No network that comes with the package
 * standardises weights: there the bytes would be those of the standardised weight.)
 */
function throughBytes(model: Model): void {
  const { parameters } = model.session.plan
  const state = model.stateDict()
  for (const { name, layout } of parameters) {
    const { shape, data } = state[name]
    if (layout.blocks) state[name] = { shape, data: dequantise(quantise(data, shape[0])) }
  }
  model.loadStateDict(state)
}

function floats(input: Uint8Array): Float32Array {
  return new Float32Array(input.buffer, input.byteOffset, input.byteLength / 4)
}

/** (byte / 255 − mean) / std in float64, rounded once, as the file does it. */
function normalised(info: NetInfo, input: Uint8Array): Float32Array {
  const [channels, height, width] = info.input
  return Float32Array.from(input, (byte, i) => {
    const c = Math.floor(i / (height * width)) % channels
    const mean = Math.fround(info.mean?.[c] ?? 0)
    const std = Math.fround(info.std?.[c] ?? 1)
    return (byte / 255 - mean) / std
  })
}

/** Each image T times: its frames. */
function repeated(x: Float32Array, size: number, timeSteps: number): Float32Array {
  const out = new Float32Array(timeSteps * x.length)
  for (let i = 0; i < timeSteps * (x.length / size); i++) {
    const begin = Math.floor(i / timeSteps) * size
    out.set(x.subarray(begin, begin + size), i * size)
  }
  return out
}
