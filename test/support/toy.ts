/**
 * A data set that a small network learns within seconds: each class has a pattern, samples add
 * noise to it.
 */
import {
  type Block,
  batchNorm2d,
  type CompileOptions,
  conv2d,
  type Dataset,
  dropout,
  flatten,
  fromArrays,
  lif,
  linear,
  type Model,
  sequential,
} from '../../src/index.js'
import { testRandom } from './engine.js'

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

/** A network with all that a training must not lose: statistics, random numbers, two layers. */
export const toyNet = (): Block =>
  sequential(
    conv2d(2, 9, 3, { padding: 1 }),
    batchNorm2d(9),
    lif(),
    dropout(0.2),
    flatten(),
    linear(270, 17),
    // Low enough that these fire from the first step on.
    lif({ vThreshold: 0.3 }),
    linear(17, toyClasses),
  )

export const compileToy = (
  options: Partial<CompileOptions> = {},
  net: Block = toyNet(),
): Promise<Model> => net.compile({ input: toyShape, batchSize: 8, timeSteps: 3, ...options })
