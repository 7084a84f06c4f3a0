/**
 * Data sets. What needs Node is imported when it is called, so that a page can import this file.
 */

import type { Split } from './dataset.js'

/**
 * Loaders of data sets. `digits()` comes with the package; the others read a folder or archive that
 * was downloaded before. Images are [C, H, W] and normalised by mean and deviation of the training
 * part.
 */
export const datasets = {
  /**
   * Handwritten digits, [1, 8, 8], 10 classes: 1,442 to train and 355 to test with (UCI *Optical
   * Recognition of Handwritten Digits*, CC BY 4.0). They come with the package.
   */
  digits: async (): Promise<Split> => (await import('./digits.js')).digits(),
  /**
   * MNIST, [1, 28, 28], 10 classes: 60,000 to train and 10,000 to test with.
   * @param folder where its four IDX files are, plain or .gz
   * @throws SpikewasmError naming the file that is missing or damaged
   */
  mnist: async (folder: string): Promise<Split> => (await import('./mnist.js')).mnist(folder),
  /**
   * Fashion-MNIST: sizes and files as those of MNIST.
   * @param folder where its four IDX files are, plain or .gz
   * @throws SpikewasmError naming the file that is missing or damaged
   */
  fashionMnist: async (folder: string): Promise<Split> =>
    (await import('./mnist.js')).fashionMnist(folder),
  /**
   * CIFAR-10, [3, 32, 32], 10 classes: 50,000 to train and 10,000 to test with.
   * @param path the .tar.gz of its binary distribution, or the folder that it unpacks to
   * @throws SpikewasmError naming what is missing or damaged
   */
  cifar10: async (path: string): Promise<Split> => (await import('./cifar.js')).cifar10(path),
  /**
   * CIFAR-100, [3, 32, 32], 100 classes (the fine labels): 50,000 to train and 10,000 to test with.
   * @param path the .tar.gz of its binary distribution, or the folder that it unpacks to
   * @throws SpikewasmError naming what is missing or damaged
   */
  cifar100: async (path: string): Promise<Split> => (await import('./cifar.js')).cifar100(path),
}

export type { EventFrames, FramesOptions } from '../events/frames.js'
export type { EventFormat } from '../events/parse.js'
export type { EventArrays, EventRecording, Sensor } from '../events/recording.js'
export type { SliceOptions, SplitBy } from '../events/slices.js'
export type {
  DropEventOptions,
  DropPartOptions,
  EventDraw,
  TimeJitterOptions,
} from '../events/transforms.js'
export { permutation } from '../random.js'
export { type ArraysOptions, fromArrays } from './arrays.js'
export { type AugmentOptions, augment, cifarAugmentation } from './augment.js'
export { Batches, type BatchesOptions } from './batches.js'
export { type BytesOptions, fromBytes } from './bytes.js'
export {
  type Dataset,
  type Normalization,
  type PixelSource,
  type ReadContext,
  type Split,
  subset,
  type TargetSource,
} from './dataset.js'
export { events } from './events/events.js'
export type { ReadEventsOptions } from './events/read.js'
