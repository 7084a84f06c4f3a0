/** What `predict` asks: a model, or an exported network. */

import type { NetInfo } from '../edge/abi.js'
import { byteOf } from '../edge/accuracy.js'
import type { ModelData } from '../io/model-json.js'
import type { Model } from '../model.js'
import type { ApartNet } from '../verify/apart.js'
import { callsOf, sampleBytesOf, shownAs, sizeOf } from '../verify/sizes.js'
import { expectLeftOut } from './spec.js'

/** Options that rebuild a network, or say what a file says itself. */
const superfluous = [
  ...['run', 'best', 'pretrained', 'model', 'tau', 'timeSteps', 'nir', 'dt', 'reset'],
  'discretisation',
]

/** A network as samples meet it. */
export interface Predictor extends Pick<Model, 'input' | 'frames' | 'timeSteps' | 'classes'> {
  /** Samples at a time. */
  readonly batchSize: number
  /** @param x samples, one after the other */
  logits(x: Float32Array, file: string): Promise<Float32Array>
  close(): Promise<void>
}

/** @throws SpikewasmError for options that a file leaves nothing to say */
export function expectFileAlone(args: object, { inputType }: NetInfo): void {
  const scaled = inputType === 'u8' ? ['mean', 'std'] : []
  expectLeftOut(args, [...superfluous, ...scaled], 'with an exported network', '; the file says it')
}

/** How bytes become what the file takes; undefined: it does not say. */
export function scalingOf({ inputType, input, mean, std }: NetInfo): ModelData['normalization'] {
  if (inputType !== 'u8') return undefined
  const each = (value: number): number[] => new Array<number>(input[0]).fill(value)
  return { scale: 255, mean: mean ?? each(0), std: std ?? each(1) }
}

/**
 * An exported network as a predictor.
 *
 * @param inFrames whether samples are T frames: one of mode `step` takes them one by one
 */
export function netPredictor(net: ApartNet, inFrames: boolean): Predictor {
  const { info } = net
  const shown = inFrames ? shownAs(info, { timeSteps: info.timeSteps }) : info
  const sampleBytes = sampleBytesOf(shown)
  const [call] = callsOf(info)
  const { input, timeSteps, classes } = info
  const pixels = sizeOf(info) / input[0]
  const toByte = byteOf(info.mean, info.std, input[0])
  return {
    ...{ input, timeSteps, classes },
    frames: shown.frames,
    batchSize: 16,
    async logits(x, file) {
      const channelOf = (i: number): number => Math.floor(i / pixels) % input[0]
      const bytes =
        info.inputType === 'u8'
          ? Uint8Array.from(x, (value, i) => toByte(value, channelOf(i), file))
          : new Uint8Array(x.slice().buffer)
      return (await net.ask(call, bytes, { sampleBytes })).outputs
    },
    close: () => net.close(),
  }
}

/** A model as a predictor. */
export function modelPredictor(model: Model): Predictor {
  const { input, frames, timeSteps, classes, batchSize } = model
  return {
    ...{ input, frames, timeSteps, classes, batchSize },
    logits: async (x) => (await model.predict(x)).logits,
    close: () => model.dispose(),
  }
}
