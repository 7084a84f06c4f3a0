/** Augmentation of byte images on the fly: crop, flip, AutoAugment, Cutout, then normalisation. */

import { fail } from '../base/errors.js'
import { Purpose, RandomStream } from '../base/random.js'
import { complete, integer, oneOf, type Rules, truth } from '../base/rules.js'
import { imageShape } from '../network/value.js'
import { autoAugment, type ImageSize, move } from './autoaugment.js'
import { normalizationTable, normalize } from './bytes.js'
import {
  checkRoom,
  type Dataset,
  expectDataset,
  type LikeData,
  likeThat,
  madeFrom,
  noteBytes,
  type ReadContext,
  sampleFloats,
} from './datasets/dataset.js'
import { changesOf, hashOf, type Plain } from './plain.js'

const paddingModes = ['constant', 'reflect'] as const

/** What lies beyond the edges of a picture that is cropped. */
export type PaddingMode = (typeof paddingModes)[number]

/** Steps of an augmentation, applied in this order. Each is off unless it is asked for. */
export interface AugmentOptions {
  /** Adds this many pixels on each side and crops the original size at a random place. */
  readonly crop?: number
  /**
   * What the pixels that `crop` adds show: black (`'constant'`), or the picture mirrored at its
   * edge, the edge itself not twice (`'reflect'`), as in torchvision. Default `'constant'`.
   */
  readonly paddingMode?: PaddingMode
  /** Mirrors left and right with probability 1/2. */
  readonly flip?: boolean
  /**
   * AutoAugment with the policy for CIFAR-10 (Cubuk et al., CVPR 2019), its operations as in
   * Pillow. Images must have 1 or 3 channels and bytes that span 0 … 255.
   */
  readonly autoAugment?: boolean
  /**
   * Cutout (DeVries and Taylor 2017): blackens a square with this side, in pixels, around a random
   * pixel; it may hang over the edge. An odd side counts as one less.
   */
  readonly cutout?: number
}

/**
 * Augmentation that the paper on rate-based backpropagation uses for CIFAR-10 and CIFAR-100 (Yu et
 * al., NeurIPS 2024).
 */
export const cifarAugmentation: AugmentOptions = {
  crop: 4,
  flip: true,
  autoAugment: true,
  cutout: 16,
}

const rules: Rules<Required<AugmentOptions>> = {
  crop: integer(0, undefined, 0),
  paddingMode: oneOf(paddingModes, 'constant'),
  flip: truth(false),
  autoAugment: truth(false),
  cutout: integer(0, undefined, 0),
}

/**
 * A data set that augments in training, that is, when `read` gets a context; otherwise it reads as
 * `dataset` does. The random numbers depend on seed, epoch and index alone, so epochs repeat
 * exactly for any number of threads and any order.
 *
 * @throws SpikewasmError if `dataset` is none or has no bytes to augment, or an option is wrong
 */
export function augment<D extends Dataset>(
  dataset: D,
  options: AugmentOptions,
  ...more: []
): LikeData<D>
export function augment(dataset: Dataset, options: AugmentOptions, ...more: []): Dataset {
  expectDataset('augment: dataset', dataset)
  const all = complete('augment', rules, options, more)
  const pixels = checked(dataset, all)
  const { name, shape } = dataset
  const table = normalizationTable(pixels.normalization, shape)
  // A data set that changes by itself has its own draws; equal ones would undo each other.
  const own = changesOf(dataset)
  const change = changing(pixels, shape, sampleFloats(dataset), all, own === undefined ? 0 : SALT)
  const augmented: Dataset = {
    ...likeThat(dataset),
    read(index, out, context) {
      if (!context) return dataset.read(index, out)
      checkRoom(name, out.length, sampleFloats(dataset))
      const [label, image] = change(index, context)
      normalize(out, image, table)
      return label
    },
  }
  noteBytes(augmented, {
    normalization: pixels.normalization,
    read(index, out, context) {
      if (!context) return pixels.read(index, out)
      const [label, image] = change(index, context)
      out.set(image)
      return label
    },
  })
  const { crop, paddingMode, flip, autoAugment, cutout } = all
  const sent: AugmentOptions = {
    crop,
    flip,
    cutout,
    autoAugment,
    // Left out where it changes nothing: the same samples are the same data.
    ...(paddingMode === 'reflect' && crop > 0 && { paddingMode }),
  }
  const plain = (of: Plain) => ({ kind: 'augmented', of, options: sent })
  const changes = own === undefined ? sent : { ...sent, of: own }
  return madeFrom(dataset, augmented, plain, changes, hashOf(dataset))
}

const SALT = 0x9e3779b9

type Checked = Required<AugmentOptions>
type Pixels = NonNullable<Dataset['pixels']>

/** @throws SpikewasmError for a data set that cannot be changed so */
function checked(
  { pixels, name, shape, timeSteps }: Dataset,
  { crop, paddingMode, autoAugment: auto }: Checked,
): Pixels {
  const [channels, height, width] = imageShape(shape)
  if (!pixels)
    fail(
      `augment: dataset must hold byte images, got "${name}" without any; make it with ` +
        'fromBytes and augment it once',
    )
  if (paddingMode === 'reflect' && !(crop < Math.min(height, width)))
    fail(
      `augment.crop must be less than the sides of a picture where paddingMode is "reflect", ` +
        `got ${crop} for ${height}×${width}`,
    )
  if (auto && timeSteps !== undefined)
    fail(`augment.autoAugment must be false for frames, got true for "${name}"; leave it out`)
  if (auto && (pixels.normalization.scale !== 255 || (channels !== 1 && channels !== 3))) {
    const got = `"${name}" with ${channels} channels of 0 … ${pixels.normalization.scale}`
    fail(
      'augment.autoAugment must be false unless images have 1 or 3 channels of 0 … 255, ' +
        `got true for ${got}; leave it out`,
    )
  }
  return pixels
}

/**
 * Gives the bytes of a sample in training: one of two buffers, until the next call. All frames of a
 * sample change alike.
 */
function changing(
  pixels: Pixels,
  shape: Dataset['shape'],
  bytes: number,
  { crop, paddingMode, flip, autoAugment: auto, cutout }: Checked,
  salt: number,
): (index: number, context: ReadContext) => [label: number, image: Uint8Array] {
  const [channels, height, width] = imageShape(shape)
  const size: ImageSize = { height, width, channels }
  const beyond = paddingMode === 'reflect' ? 'reflected' : 0
  const random = new RandomStream(Purpose.Augment)
  const buffers: Uint8Array[] = [new Uint8Array(bytes), new Uint8Array(bytes)]
  return (index, context) => {
    let [image, other] = buffers
    const label = pixels.read(index, image, context)
    random.start((context.seed ^ salt) >>> 0, context.epoch, index)
    if (crop > 0 || flip) {
      const dx = crop > 0 ? random.below(2 * crop + 1) - crop : 0
      const dy = crop > 0 ? random.below(2 * crop + 1) - crop : 0
      const mirror = flip && random.below(2) === 1
      move(other, image, size, { dx, dy, mirror, beyond })
      ;[image, other] = [other, image]
    }
    if (auto) image = autoAugment(image, other, size, random)
    if (cutout > 0) blacken(image, size, random.below(width), random.below(height), cutout)
    return [label, image]
  }
}

/**
 * Sets the pixels of x − ⌊side/2⌋ … x + ⌊side/2⌋ − 1, and of y alike, to 0, as far as they are in
 * the image; in all planes.
 */
export function blacken(
  image: Uint8Array,
  { height, width }: ImageSize,
  x: number,
  y: number,
  side: number,
): void {
  const half = side >> 1
  const left = Math.max(x - half, 0)
  const right = Math.min(x + half, width)
  const bottom = Math.min(y + half, height)
  for (let plane = 0; plane < image.length; plane += height * width)
    for (let row = Math.max(y - half, 0); row < bottom; row++)
      image.fill(0, plane + row * width + left, plane + row * width + right)
}
