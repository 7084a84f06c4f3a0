/**
 * A data set that a small network learns within seconds: each class has a pattern, samples add
 * noise to it.
 */
import {
  type Block,
  type CompileOptions,
  type Dataset,
  fromArrays,
  type Model,
} from '../../src/index.js'
import { testRandom } from './engine.js'
import { modelOf } from './models.js'
import { netOf } from './net.js'

export const toyShape = [2, 6, 5] as const
export const toyClasses = 4

export interface Toy {
  readonly data: Dataset
  /** [n, C, H, W] */
  readonly images: Float32Array
  readonly labels: readonly number[]
}

export function toy(count: number, seed: number): Toy {
  const size = toyShape.reduce((a, b) => a * b, 1)
  // The patterns are the same for every seed: training and test data must match.
  const patterns = testRandom(77)
  const pattern = Float32Array.from({ length: toyClasses * size }, () => 2 * patterns() - 1)
  const random = testRandom(seed)
  const labels = Array.from({ length: count }, () => Math.floor(random() * toyClasses))
  const images = new Float32Array(count * size)
  labels.forEach((label, n) => {
    for (let i = 0; i < size; i++)
      images[n * size + i] = pattern[label * size + i] + (random() - 0.5)
  })
  return {
    data: fromArrays({ name: 'toy', images, labels, shape: toyShape, classes: toyClasses }),
    images,
    labels,
  }
}

/** With all that a training must not lose: statistics, random numbers, two layers that fire. */
const TOY =
  'conv 9 3 padding=1, norm, lif, dropout 0.2, flatten, linear 17, lif vThreshold=0.3, linear 4'
export const toyNet = (text = TOY): Block => netOf(toyShape, text)

export const compileToy = (
  options: Partial<CompileOptions> = {},
  net: string | Block = TOY,
): Promise<Model> =>
  modelOf(typeof net === 'string' ? toyNet(net) : net, {
    input: toyShape,
    batchSize: 8,
    timeSteps: 3,
    ...options,
  })

/** One layer of neurons, where only the training matters. */
export const compileSmall = (options: Partial<CompileOptions> = {}): Promise<Model> =>
  compileToy({ timeSteps: 2, ...options }, 'flatten, linear 12, lif, linear 4')
