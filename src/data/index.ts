/**
 * Data sets in Node. What needs its modules is imported when it is called.
 */

import { copyOf } from '../copy.js'
import { describe, fail } from '../errors.js'
import type * as host from '../host.js'
import type { CifarOptions } from './cifar.js'
import type { Split } from './dataset.js'
import type { EventDatasetOptions } from './events/options.js'
import type { EventFolderOptions } from './events/sets.js'
import type { NamedFiles } from './mnist-files.js'
import type { ImageFolderOptions, PictureOptions } from './pictures/options.js'

/**
 * Loaders of data sets. `digits()` comes with the package; the others read a folder or archive that
 * was downloaded before, by its path or `file:` URL. Images are [C, H, W] and normalised by mean
 * and deviation of the training part.
 */
export const datasets = {
  /**
   * Handwritten digits, [1, 8, 8], 10 classes: 1,442 to train and 355 to test with (UCI *Optical
   * Recognition of Handwritten Digits*, CC BY 4.0). They come with the package.
   * @param from where `data/digits.csv.gz` of the package is, or its bytes; default: in the package
   */
  digits: async (from?: string | host.URL | Uint8Array, ...more: []): Promise<Split> => {
    const own = copyOf(from)
    refuseMore('digits', 0, more)
    return (await import('./digits.js')).digits(own)
  },
  /**
   * MNIST, [1, 28, 28], 10 classes: 60,000 to train and 10,000 to test with.
   * @param from the folder where its four IDX files are, plain or .gz, or these files
   * @throws SpikewasmError naming the file that is missing or damaged
   */
  mnist: async (from: string | host.URL | NamedFiles, ...more: []): Promise<Split> => {
    const [own] = await taken('mnist', more, from)
    return (await import('./mnist.js')).mnist(own)
  },
  /**
   * Fashion-MNIST: sizes and files as those of MNIST.
   * @param from the folder where its four IDX files are, plain or .gz, or these files
   * @throws SpikewasmError naming the file that is missing or damaged
   */
  fashionMnist: async (from: string | host.URL | NamedFiles, ...more: []): Promise<Split> => {
    const [own] = await taken('fashionMnist', more, from)
    return (await import('./mnist.js')).fashionMnist(own)
  },
  /**
   * CIFAR-10, [3, 32, 32], 10 classes: 50,000 to train and 10,000 to test with.
   * @param path the .tar.gz of its binary distribution, or the folder that it unpacks to; also a
   *   folder of jpg or png files, `train/airplane/…` and so on, with `test/` or `val/` likewise
   * @param options for such a folder, where converted pictures are kept
   * @throws SpikewasmError naming what is missing or damaged
   */
  cifar10: async (path: string | host.URL, options?: CifarOptions, ...more: []): Promise<Split> => {
    const [where, own] = await taken('cifar10', more, path, options)
    return (await import('./cifar.js')).cifar10(where, own)
  },
  /**
   * CIFAR-100, [3, 32, 32], 100 classes (the fine labels): 50,000 to train and 10,000 to test with.
   * @param path the .tar.gz of its binary distribution, or the folder that it unpacks to
   * @throws SpikewasmError naming what is missing or damaged
   */
  cifar100: async (path: string | host.URL, ...more: []): Promise<Split> => {
    const [where] = await taken('cifar100', more, path)
    return (await import('./cifar.js')).cifar100(where)
  },
  /**
   * Pictures in a folder for each class, `train/<class>/…` and `val/<class>/…` or `test/<class>/…`:
   * jpg or png, told apart by content. Labels follow the order of the classes' names. Pictures are
   * read, decoded and resized when they are asked for, ahead of the steps of `fit`, and kept in
   * `cache`. Needs the decoders `@jsquash/jpeg` and `@jsquash/png`.
   *
   * Of `<class>/…` alone `train` has all pictures, as torchvision's `ImageFolder`, and asking for
   * `test` is an error; with `trainShare` they are divided.
   * @param folder that holds the parts, or the classes
   * @throws SpikewasmError naming the folder, file or option that is not as it must be
   */
  imageFolder: async (
    folder: string | host.URL,
    options?: ImageFolderOptions,
    ...more: []
  ): Promise<Split> => {
    const [path, own] = await taken('imageFolder', more, folder, options)
    return (await import('./pictures/folder.js')).imageFolder(path, own)
  },
  /**
   * ImageNet (ILSVRC 2012), [3, 224, 224]: `train/<synset>/*.JPEG`, and `val/` likewise or flat
   * with a list beside it. Classes are synsets in the order of their names. Shorter sides become
   * 256 and the middle 224 × 224; training takes random parts, resized, and mirrors them.
   * @param folder that holds both parts, or Kaggle's `ILSVRC` folder
   * @param options in place of those
   * @throws SpikewasmError naming the folder, file or option that is not as it must be
   */
  imageNet: async (
    folder: string | host.URL,
    options?: PictureOptions,
    ...more: []
  ): Promise<Split> => {
    const [path, own] = await taken('imageNet', more, folder, options)
    return (await import('./pictures/imagenet.js')).imageNet(path, own)
  },
  /**
   * N-MNIST, frames of [2, 34, 34], 10 classes (Orchard et al. 2015).
   * @param folder with `Train/<label>/*.bin` and `Test/<label>/*.bin`
   * @param options how recordings become frames; default: 10 by number of events
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  nmnist: async (
    folder: string | host.URL,
    options?: EventDatasetOptions,
    ...more: []
  ): Promise<Split> => {
    const [path, own] = await taken('nmnist', more, folder, options)
    return (await import('./events/sets.js')).nmnist(path, own)
  },
  /**
   * CIFAR10-DVS, frames of [2, 128, 128], 10 classes (Li et al. 2017); the first nine tenths of
   * each class are for training. `cifar10DvsOfficial` has the official code's options.
   * @param folder with `<class>/*.aedat`
   * @param options how recordings become frames; default: 10 by number of events
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  cifar10Dvs: async (
    folder: string | host.URL,
    options?: EventDatasetOptions,
    ...more: []
  ): Promise<Split> => {
    const [path, own] = await taken('cifar10Dvs', more, folder, options)
    return (await import('./events/sets.js')).cifar10Dvs(path, own)
  },
  /**
   * DVS128 Gesture, frames of [2, 128, 128], 11 classes (Amir et al. 2017).
   * @param folder with `trials_to_train.txt`, `trials_to_test.txt`, recordings and `_labels.csv`
   * @param options how recordings become frames; default: 10 by number of events
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  dvsGesture: async (
    folder: string | host.URL,
    options?: EventDatasetOptions,
    ...more: []
  ): Promise<Split> => {
    const [path, own] = await taken('dvsGesture', more, folder, options)
    return (await import('./events/sets.js')).dvsGesture(path, own)
  },
  /**
   * Recordings of any format in `train/<class>/` and `test/<class>/`, or in `<class>/` alone.
   * @param options how recordings become frames, a name, and the share that is for training
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  eventFolder: async (
    folder: string | host.URL,
    options?: EventFolderOptions,
    ...more: []
  ): Promise<Split> => {
    const [path, own] = await taken('eventFolder', more, folder, options)
    return (await import('./events/sets.js')).eventFolder(path, own)
  },
}

/** What a loader is given, as it is now. Paths may be URLs of files. */
async function taken<Path, Options extends readonly unknown[]>(
  name: string,
  more: readonly unknown[],
  ...given: [Path | host.URL, ...Options]
): Promise<[Path | string, ...Options]> {
  const [path, ...options] = copyOf(given)
  refuseMore(name, given.length, more)
  if (!(path instanceof URL)) return [path, ...options]
  return [(await import('../io/files.js')).pathOfUrl(`datasets.${name}`, path), ...options]
}

const takes = ['an address or bytes alone', 'a path alone', 'a path and options']

/** @throws SpikewasmError for arguments that a loader does not take, such as options */
function refuseMore(name: string, most: number, more: readonly unknown[]): void {
  const [first] = more
  if (first !== undefined)
    fail(
      `datasets.${name} takes ${takes[most]}, ` +
        `got ${describe(first)} as well; options of training belong to augment and fit`,
    )
}

export * from './common.js'
export { events } from './events/events.js'
