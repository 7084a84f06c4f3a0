/** Networks to export, trained as far as their neurons fire as those of trained networks do. */

import { SpikewasmError } from '../../src/base/errors.js'
import { chooseModels, classes, input as colours, makeBatch } from '../../src/bench/networks.js'
import { fillNormal } from '../../src/bench/spikes.js'
import { fromArrays } from '../../src/data/arrays.js'
import type { Dataset, Split } from '../../src/data/datasets/dataset.js'
import { digits } from '../../src/data/datasets/digits.js'
import type { ExportOptions, NetTarget } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import type { StateDict } from '../../src/engine/memory/state.js'
import { cosine, sgd } from '../../src/index.js'
import { type CompileOptions, compile } from '../../src/model/compile.js'
import type { Model } from '../../src/model/model.js'
import { type ModelFactory, models } from '../../src/model/models/registry.js'
import { imageShape, type Shape, sizeOf } from '../../src/network/value.js'
import type { BenchOptions } from '../options.js'

export const T = 4
const NOISE_IMAGES = 32
const NOISE_BATCH = 16
/** After so many steps running statistics are those of the data, and no longer where they start. */
const NOISE_STEPS = 60
/** Of noise to train on; images to test with are of a smaller one. */
const FIRST_SEED = 100
/** Side of MNIST's images. */
const LARGE_SIDE = 28

export interface TrainedNetwork {
  readonly name: string
  /** [C, H, W] */
  readonly input: Shape
  /** What it was trained on. */
  readonly data: string
  /** Images that it was not trained on, [C][H][W] each. */
  readonly images: readonly Float32Array[]
  /** Spikes per neuron and step on these images, one number a layer. */
  readonly rates: readonly number[]
  /** Whether it is one of the paper's, which take seconds where others take milliseconds. */
  readonly large: boolean
  /** A model with the trained parameters; for inference of one image unless said otherwise. */
  compile(options?: Partial<CompileOptions>): Promise<Model>
}

/** Names of the networks, by what the options ask for. */
export function networkNames({ model, quick }: BenchOptions): readonly string[] {
  const small = ['mlp', 'cnn']
  const all = [...small, 'resnet18', 'vgg11', 'sewResnet34']
  return chooseModels(model, quick, quick ? small : all)
}

/**
 * Trains a network of the registry: mlp and cnn on digits, others for a few steps on noise.
 * @param threads to train on; what is measured afterwards has one
 */
export async function trainNetwork(
  name: string,
  isQuick: boolean,
  threads = 1,
): Promise<TrainedNetwork> {
  const large = name !== 'mlp' && name !== 'cnn'
  const input: Shape =
    name === 'mlp' ? [1, 8, 8] : name === 'cnn' ? [1, LARGE_SIDE, LARGE_SIDE] : [...colours]
  const network = (models as Record<string, ModelFactory>)[name](input, classes)
  const start = (options: Partial<CompileOptions>): Promise<Model> =>
    compile(network, { input, timeSteps: T, seed: 0, ...options })

  const split = name === 'mlp' ? await digits() : name === 'cnn' ? await largeDigits() : undefined
  const test = split?.test ?? noise(input)
  const model = await start({ batchSize: large ? NOISE_BATCH : 32, threads })
  let state: StateDict
  let rates: number[]
  try {
    if (split) {
      const optimizer = sgd({ lr: 0.2 })
      await model.fit(split.train, { epochs: isQuick ? 1 : 8, optimizer, schedule: cosine() })
    } else {
      // Other noise in each step: running statistics must be those of images never seen.
      const { x, y } = makeBatch(NOISE_BATCH, [...input])
      for (let i = 0; i < NOISE_STEPS; i++) {
        fillNormal(x, FIRST_SEED + i)
        await model.trainStep(x, y, { lr: 0.02 })
      }
    }
    rates = Object.values((await model.evaluate(test)).firingRates)
    state = model.stateDict()
  } finally {
    await model.dispose()
  }
  return {
    name,
    input,
    data: split ? split.train.name : 'noise',
    images: imagesOf(test),
    rates,
    large,
    async compile(options = {}) {
      const model = await start({ purpose: 'inference', batchSize: 1, ...options })
      model.loadStateDict(state)
      return model
    },
  }
}

function noise(shape: Shape): Dataset {
  const images = new Float32Array(NOISE_IMAGES * shape.reduce((a, b) => a * b))
  fillNormal(images, 3)
  return fromArrays({ name: 'noise', images, labels: Array(NOISE_IMAGES).fill(0), shape, classes })
}

/** All images of a data set. */
function imagesOf({ length, shape, read }: Dataset): Float32Array[] {
  return Array.from({ length }, (_, i) => {
    const image = new Float32Array(sizeOf(shape))
    read(i, image)
    return image
  })
}

/** The digits, enlarged to the size of MNIST's. */
async function largeDigits(): Promise<Split> {
  const { train, test } = await digits()
  return { train: enlarge(train), test: enlarge(test) }
}

/** Images of one channel, enlarged: each pixel is the nearest of the small one. */
function enlarge(data: Dataset): Dataset {
  const [, H, W] = imageShape(data.shape)
  const shape = [1, LARGE_SIDE, LARGE_SIDE] as const
  const images = new Float32Array(data.length * sizeOf(shape))
  const image = new Float32Array(H * W)
  const labels = Array.from({ length: data.length }, (_, n) => {
    const label = data.read(n, image)
    for (let y = 0, at = n * sizeOf(shape); y < LARGE_SIDE; y++)
      for (let x = 0; x < LARGE_SIDE; x++)
        images[at++] =
          image[Math.floor((y * H) / LARGE_SIDE) * W + Math.floor((x * W) / LARGE_SIDE)]
    return label
  })
  return fromArrays({ name: `${data.name}, enlarged`, images, labels, shape, classes })
}

/** Files by their labels. */
export type Builds = ReadonlyMap<string, Uint8Array>

/** Exports and disposes of the model. What cannot be exported leaves a note. */
export async function exportBuild(
  { name }: TrainedNetwork,
  model: Model,
  label: string,
  options: Omit<ExportOptions, 'target'> & { target?: NetTarget },
  notes: Set<string>,
  into: Map<string, Uint8Array>,
): Promise<void> {
  try {
    into.set(label, await exportWasm(model, { name, ...options }))
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    notes.add(`${name}, ${label}, was left out: ${error.message}`)
  } finally {
    await model.dispose()
  }
}

const inferring = {
  'simd f32': {},
  'scalar f32': { target: 'scalar' },
  'simd int8': { weights: 'int8' },
} as const

/** Files that infer; and of the small convolutional network alone, some that go on learning. */
export async function buildsOf(
  network: TrainedNetwork,
  isQuick: boolean,
  notes: Set<string>,
): Promise<{ readonly infer: Builds; readonly train: Builds }> {
  const [infer, train] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()]
  for (const [label, options] of Object.entries(inferring))
    await exportBuild(network, await network.compile(), label, options, notes, infer)
  for (const batchSize of network.name !== 'cnn' ? [] : isQuick ? [16] : [1, 16]) {
    const model = await network.compile({ purpose: 'train', batchSize })
    const options = { mode: 'train', batchSize } as const
    await exportBuild(network, model, `train, batch ${batchSize}`, options, notes, train)
  }
  return { infer, train }
}
