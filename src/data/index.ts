/** Data sets. This file imports Node modules; a browser imports the pure files beside it one by one. */
import { cifar10, cifar100 } from './cifar.js'
import { digits } from './digits.js'
import { fashionMnist, mnist } from './mnist.js'

/** Loaders: `digits()` comes with the package, the others take the folder or archive that was downloaded and return a promise. */
export const datasets = { digits, mnist, fashionMnist, cifar10, cifar100 }

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
export { permutation } from './random.js'
