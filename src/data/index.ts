/**
 * Data sets. What needs Node is imported when it is called, so that a page can import this file.
 */

import type { Split } from './dataset.js'
import type { EventDatasetOptions } from './events/options.js'
import type { EventFolderOptions } from './events/sets.js'

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
  /**
   * N-MNIST, frames of [2, 34, 34], 10 classes (Orchard et al. 2015).
   * @param folder with `Train/<label>/*.bin` and `Test/<label>/*.bin`
   * @param options how recordings become frames; default: 10 by number of events
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  nmnist: async (folder: string, options: EventDatasetOptions = {}): Promise<Split> =>
    (await import('./events/sets.js')).nmnist(folder, options),
  /**
   * CIFAR10-DVS, frames of [2, 128, 128], 10 classes (Li et al. 2017); the first nine tenths of
   * each class are for training. `cifar10DvsOfficial` has the official code's options.
   * @param folder with `<class>/*.aedat`
   * @param options how recordings become frames; default: 10 by number of events
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  cifar10Dvs: async (folder: string, options: EventDatasetOptions = {}): Promise<Split> =>
    (await import('./events/sets.js')).cifar10Dvs(folder, options),
  /**
   * DVS128 Gesture, frames of [2, 128, 128], 11 classes (Amir et al. 2017).
   * @param folder with `trials_to_train.txt`, `trials_to_test.txt`, recordings and `_labels.csv`
   * @param options how recordings become frames; default: 10 by number of events
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  dvsGesture: async (folder: string, options: EventDatasetOptions = {}): Promise<Split> =>
    (await import('./events/sets.js')).dvsGesture(folder, options),
  /**
   * Recordings of any format in `train/<class>/` and `test/<class>/`, or in `<class>/` alone.
   * @param options how recordings become frames, a name, and the share that is for training
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  eventFolder: async (folder: string, options: EventFolderOptions = {}): Promise<Split> =>
    (await import('./events/sets.js')).eventFolder(folder, options),
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
export {
  type ConstantOptions,
  type DeltaOptions,
  encoders,
  type LatencyOptions,
  type PhaseOptions,
  type RateOptions,
} from './encoders.js'
export { events } from './events/events.js'
export { cifar10DvsOfficial } from './events/official-options.js'
export type { EventAugmentOptions, EventDatasetOptions, EventSplit } from './events/options.js'
export type { ReadEventsOptions } from './events/read.js'
export type { EventFolderOptions } from './events/sets.js'
