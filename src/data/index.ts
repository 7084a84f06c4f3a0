/**
 * Data sets. What needs Node is imported when it is called, so that a page can import this file.
 */

import type { Split } from './dataset.js'

/**
 * Loaders. `digits()` comes with the package, the others take the folder or archive that was
 * downloaded.
 */
export const datasets = {
  /** See `digits` in digits.ts: 1,442 + 355 handwritten digits of 8×8. */
  digits: async (): Promise<Split> => (await import('./digits.js')).digits(),
  /**
   * MNIST from a folder with its four IDX files, plain or .gz.
   * @throws SpikewasmError naming the file that is missing or damaged
   */
  mnist: async (folder: string): Promise<Split> => (await import('./mnist.js')).mnist(folder),
  /** Fashion-MNIST, likewise. */
  fashionMnist: async (folder: string): Promise<Split> =>
    (await import('./mnist.js')).fashionMnist(folder),
  /**
   * CIFAR-10 from the folder or the .tar.gz of its binary distribution.
   * @throws SpikewasmError naming what is missing or damaged
   */
  cifar10: async (path: string): Promise<Split> => (await import('./cifar.js')).cifar10(path),
  /** CIFAR-100, likewise; the fine labels. */
  cifar100: async (path: string): Promise<Split> => (await import('./cifar.js')).cifar100(path),
}

export { permutation } from '../random.js'
export { type AugmentOptions, augment, cifarAugmentation } from './augment.js'
export { Batches, type BatchesOptions } from './batches.js'
export {
  type ArraysOptions,
  type BytesOptions,
  type Dataset,
  fromArrays,
  fromBytes,
  type Normalization,
  type PixelSource,
  type ReadContext,
  type Split,
  subset,
} from './dataset.js'
