/** Networks to export, trained as far as their neurons fire as those of trained networks do. */

import { chooseModels, classes, input as colours, makeBatch } from '../../src/bench/networks.js'
import { fillNormal } from '../../src/bench/spikes.js'
import { fromArrays } from '../../src/data/arrays.js'
import type { Dataset } from '../../src/data/datasets/dataset.js'
import { digits } from '../../src/data/datasets/digits.js'
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
/** Seed of the noise to train on; images to test with are of a smaller one. */
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

/** Images of the small networks, to train and to test with; others see noise. */
async function imagesFor(name: string) {
  if (name === 'mlp') return digits()
  if (name !== 'cnn') return undefined
  const { train, test } = await digits()
  return { train: enlarge(train), test: enlarge(test) }
}

/** Trains with noise of its own in each step: running statistics must be those of unseen images. */
async function trainOnNoise(model: Model, input: Shape): Promise<void> {
  const { x, y } = makeBatch(NOISE_BATCH, imageShape(input))
  for (let i = 0; i < NOISE_STEPS; i++) {
    fillNormal(x, FIRST_SEED + i)
    await model.trainStep(x, y, { lr: 0.02 })
  }
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
  const split = await imagesFor(name)
  const input: Shape = imageShape(split?.train.shape ?? colours)
  const test = split?.test ?? noise(input)
  const network = (models as Record<string, ModelFactory>)[name](imageShape(input), classes)
  const start = (options: Partial<CompileOptions>): Promise<Model> =>
    compile(network, { input, timeSteps: T, seed: 0, ...options })
  const model = await start({ batchSize: split ? 32 : NOISE_BATCH, threads })
  let state: StateDict
  let rates: number[]
  try {
    const optimizer = sgd({ lr: 0.2 })
    if (split)
      await model.fit(split.train, { epochs: isQuick ? 1 : 8, optimizer, schedule: cosine() })
    else await trainOnNoise(model, input)
    rates = Object.values((await model.evaluate(test)).firingRates)
    state = model.stateDict()
  } finally {
    await model.dispose()
  }
  return {
    name,
    input,
    data: split?.train.name ?? 'noise',
    images: imagesOf(test),
    rates,
    large: split === undefined,
    async compile(options = {}) {
      const model = await start({ purpose: 'inference', batchSize: 1, ...options })
      model.loadStateDict(state)
      return model
    },
  }
}

function noise(shape: Shape): Dataset {
  const images = new Float32Array(NOISE_IMAGES * sizeOf(shape))
  fillNormal(images, 3)
  return fromArrays({ name: 'noise', images, labels: Array(NOISE_IMAGES).fill(0), shape, classes })
}

/** All images of a data set. */
export function imagesOf({ length, shape, read }: Dataset): Float32Array[] {
  return Array.from({ length }, (_, i) => {
    const image = new Float32Array(sizeOf(shape))
    read(i, image)
    return image
  })
}

/** Images of one channel, enlarged to the size of MNIST's: each pixel is the nearest one. */
function enlarge(data: Dataset): Dataset {
  const [, H, W] = imageShape(data.shape)
  const shape = [1, LARGE_SIDE, LARGE_SIDE] as const
  const small = imagesOf(data)
  const images = Float32Array.from({ length: data.length * sizeOf(shape) }, (_, i) => {
    const [y, x] = [Math.floor(i / LARGE_SIDE) % LARGE_SIDE, i % LARGE_SIDE]
    const [row, column] = [Math.floor((y * H) / LARGE_SIDE), Math.floor((x * W) / LARGE_SIDE)]
    return small[Math.floor(i / sizeOf(shape))][row * W + column]
  })
  const labels = small.map((image, i) => data.read(i, image))
  return fromArrays({ name: `${data.name}, enlarged`, images, labels, shape, classes })
}
