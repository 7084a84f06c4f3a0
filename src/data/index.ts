/**
 * Data sets in Node. What needs its modules is imported when it is called.
 */

import { describe, fail } from '../base/errors.js'
import type * as host from '../base/host.js'
import { copyOf } from '../base/objects.js'
import type { LabelledData, Split } from './datasets/dataset.js'
import type { ImageFolderOptions } from './pictures/options.js'

export type { SpeechOptions, SpeechSplit } from './speech/speech.js'

/**
 * Loaders of data sets. `digits()` comes with the package; the others read a folder or archive that
 * was downloaded before, by its path or `file:` URL. Images are [C, H, W] and normalised by mean
 * and deviation of the training part.
 */
export const datasets = {
  /**
   * Handwritten digits, [1, 8, 8], 10 classes: 1,442 to train and 355 to test with (UCI, Optical
   * Recognition of Handwritten Digits, CC BY 4.0). They come with the package.
   * @param from where `data/digits.csv.gz` of the package is, or its bytes; default: in the package
   */
  digits: async (
    from?: string | host.URL | Uint8Array,
    ...more: []
  ): Promise<Split<LabelledData>> => {
    const own = copyOf(from)
    refuseMore('digits', 0, more)
    return (await import('./datasets/digits.js')).digits(own)
  },
  /**
   * MNIST, [1, 28, 28], 10 classes: 60,000 to train and 10,000 to test with.
   * @param path the folder where its four IDX files are, plain or .gz, or these files
   * @throws SpikewasmError naming the file that is missing or damaged
   */
  mnist: loader('mnist', 1, async () => (await import('./datasets/mnist.js')).mnist),
  /**
   * Fashion-MNIST: sizes and files as those of MNIST.
   * @param path the folder where its four IDX files are, plain or .gz, or these files
   * @throws SpikewasmError naming the file that is missing or damaged
   */
  fashionMnist: loader(
    'fashionMnist',
    1,
    async () => (await import('./datasets/mnist.js')).fashionMnist,
  ),
  /**
   * CIFAR-10, [3, 32, 32], 10 classes: 50,000 to train and 10,000 to test with.
   * @param path the .tar.gz of its binary distribution, or the folder that it unpacks to; also a
   *   folder of jpg or png files, `train/airplane/…` and so on, with `test/` or `val/` likewise
   * @param options for such a folder, where converted pictures are kept
   * @throws SpikewasmError naming what is missing or damaged
   */
  cifar10: loader('cifar10', 2, async () => (await import('./datasets/cifar.js')).cifar10),
  /**
   * CIFAR-100, [3, 32, 32], 100 classes (the fine labels): 50,000 to train and 10,000 to test with.
   * @param path the .tar.gz of its binary distribution, or the folder that it unpacks to
   * @throws SpikewasmError naming what is missing or damaged
   */
  cifar100: loader('cifar100', 1, async () => (await import('./datasets/cifar.js')).cifar100),
  /**
   * Pictures in a folder for each class, `train/<class>/…` and `val/<class>/…` or `test/<class>/…`:
   * jpg or png, told apart by content. Labels follow the order of the classes' names. Pictures are
   * read, decoded and resized when they are asked for, ahead of the steps of `fit`, and kept in
   * `cache`. Needs the decoders `@jsquash/jpeg` and `@jsquash/png`.
   *
   * From `<class>/…` alone `train` has all pictures, as torchvision's `ImageFolder`, and asking for
   * `test` is an error; with `trainShare` they are divided.
   * @param path the folder of the parts, or of the classes
   * @throws SpikewasmError naming the folder, file or option that is not as it must be
   */
  imageFolder: loader<string, [options?: ImageFolderOptions]>(
    'imageFolder',
    2,
    async () => (await import('./pictures/folder.js')).imageFolder,
  ),
  /**
   * ImageNet (ILSVRC 2012), [3, 224, 224]: `train/<synset>/*.JPEG`, and `val/` likewise or flat
   * with a list beside it. Classes are synsets in the order of their names. Shorter sides become
   * 256 and the middle 224 × 224; training takes random parts, resized, and mirrors them.
   * @param path the folder of both parts, or Kaggle's `ILSVRC` folder
   * @param options in place of those
   * @throws SpikewasmError naming the folder, file or option that is not as it must be
   */
  imageNet: loader('imageNet', 2, async () => (await import('./pictures/imagenet.js')).imageNet),
  /**
   * N-MNIST, frames of [2, 34, 34], 10 classes (Orchard et al. 2015).
   * @param path the folder with `Train/<label>/*.bin` and `Test/<label>/*.bin`
   * @param options how recordings become frames; default: 10 by number of events
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  nmnist: loader('nmnist', 2, async () => (await import('./events/sets.js')).nmnist),
  /**
   * CIFAR10-DVS, frames of [2, 128, 128], 10 classes (Li et al. 2017); the first nine tenths of
   * each class are for training. `cifar10DvsOfficial` has the official code's options.
   * @param path the folder with `<class>/*.aedat`
   * @param options how recordings become frames; default: 10 by number of events
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  cifar10Dvs: loader('cifar10Dvs', 2, async () => (await import('./events/sets.js')).cifar10Dvs),
  /**
   * DVS128 Gesture, frames of [2, 128, 128], 11 classes (Amir et al. 2017).
   * @param path the folder with `trials_to_train.txt`, `trials_to_test.txt`, recordings and
   *   `_labels.csv`
   * @param options how recordings become frames; default: 10 by number of events
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  dvsGesture: loader('dvsGesture', 2, async () => (await import('./events/sets.js')).dvsGesture),
  /**
   * Spiking Heidelberg Digits, frames of [140], 20 classes (Cramer et al., 2020). Needs `h5wasm`.
   * Files of any size are read in pieces. `speakers` says who speaks in each recording.
   * @param path the folder with `shd_train.h5` and `shd_test.h5`, unpacked
   * @param options frames: how many, how long, and units that are added up
   * @throws SpikewasmError naming the file that is missing or damaged
   */
  shd: loader('shd', 2, async () => (await import('./speech/speech.js')).shd),
  /**
   * Spiking Speech Commands, frames of [140], 35 classes: as SHD.
   * @param path the folder with `ssc_train.h5` and `ssc_test.h5`, unpacked
   * @param options frames: how many, how long, and units that are added up
   * @throws SpikewasmError naming the file that is missing or damaged
   */
  ssc: loader('ssc', 2, async () => (await import('./speech/speech.js')).ssc),
  /**
   * Recordings of any format in `train/<class>/` and `test/<class>/`, or in `<class>/` alone.
   * @param path the folder of the parts, or of the classes
   * @param options how recordings become frames, a name, and the share that is for training
   * @throws SpikewasmError naming what is missing; `read` throws one for a damaged file
   */
  eventFolder: loader('eventFolder', 2, async () => (await import('./events/sets.js')).eventFolder),
}

/** A loader of `datasets`: it takes a path, or the URL of a file, and perhaps options. */
export type DatasetLoader<
  Path,
  Options extends readonly unknown[],
  S extends Split = Split<LabelledData>,
> = (path: Path | host.URL, ...options: [...Options, ...more: []]) => Promise<S>

/**
 * What a loader is given, as it is now. Paths may be URLs of files.
 *
 * @param most how many arguments it takes
 */
function loader<Path, Options extends readonly unknown[], S extends Split = Split<LabelledData>>(
  name: string,
  most: 1 | 2,
  load: () => Promise<(path: Path, ...options: Options) => Promise<S>>,
): DatasetLoader<Path, Options, S> {
  return async (path, ...options) => {
    const [where, ...own] = copyOf([path, ...options.slice(0, most - 1)] as [Path, ...Options])
    refuseMore(name, most, options.slice(most - 1))
    const run = await load()
    if (!(where instanceof URL)) return run(where, ...own)
    const { pathOfUrl } = await import('../files/files.js')
    return run(pathOfUrl(`datasets.${name}`, where) as Path, ...own)
  }
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
