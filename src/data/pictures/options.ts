/** Options of data sets of pictures: checked by name. */

import { checkBoolean, checkInteger, checkOptions, describe, expect } from '../../errors.js'
import { checkNormalization } from '../bytes.js'
import type { Normalization } from '../dataset.js'
import type { TrainingTransforms } from './dataset.js'
import type { ColorJitter, ResizedCrop } from './transforms.js'

/** Options of `datasets.imageFolder` and `datasets.imageNet`. */
export interface PictureOptions {
  /**
   * Resizes each picture, bilinear and antialiased, as torchvision's Resize does: a number is the
   * length of the shorter side, a pair [H, W] the size. Default: pictures stay as they are.
   */
  readonly size?: number | readonly [number, number]
  /**
   * Cuts the middle out, [H, W] or one number for both; what is missing is black. Needed where
   * pictures have different sizes and `size` is no pair.
   */
  readonly crop?: number | readonly [number, number]
  /** 3 (default): red, green, blue. 1: grey. */
  readonly channels?: 1 | 3
  /** Of bytes divided by 255, for each channel; default: 0.5. */
  readonly mean?: readonly number[]
  /** Likewise; default: 0.5. */
  readonly std?: readonly number[]
  /**
   * A folder for converted pictures. They are kept there as they are decoded, and the next epochs,
   * runs and processes read them. Default: pictures are decoded each time.
   */
  readonly cache?: string
  /**
   * In training: a random part, 8 to 100 % of the area, resized to the sample's size. It is cut
   * from the picture of `size` where that is a pair, else from the picture of the file, which is
   * then decoded each time. Default false.
   */
  readonly randomResizedCrop?: boolean | ResizedCrop
  /** In training: mirrors left and right, half of the time. Default false. */
  readonly flip?: boolean
  /** In training: mirrors top and bottom, half of the time. Default false. */
  readonly verticalFlip?: boolean
  /** In training: changes colours at random, as torchvision's ColorJitter. */
  readonly colorJitter?: ColorJitter
}

/** What `datasets.imageFolder` takes. */
export interface ImageFolderOptions extends PictureOptions {
  /**
   * Of a folder of classes alone: the share of each class that is for training, above 0, at most 1;
   * the rest is the test part. Default 1: all pictures are in `train`, and there is no test part.
   */
  readonly trainShare?: number
  /** Which of them are for training: an integer from 0 to 2³² − 1; default 0. */
  readonly seed?: number
}

const MOST_SIDE = 1 << 13

/** The same, checked and complete. */
export interface CheckedPictures {
  readonly size: number | readonly [number, number] | undefined
  readonly crop: readonly [number, number] | undefined
  readonly channels: 1 | 3
  readonly normalization: Normalization
  readonly cache: string | undefined
  readonly training: TrainingTransforms
}

const known = [
  ...['size', 'crop', 'channels', 'mean', 'std', 'cache'],
  ...['randomResizedCrop', 'flip', 'verticalFlip', 'colorJitter'],
]

/** @throws SpikewasmError for an option that is unknown or out of range */
export function checkPictureOptions(maker: string, options: PictureOptions): CheckedPictures {
  checkOptions(maker, options, known)
  const { size, crop, channels = 3, cache, mean, std } = options
  const sides = (name: string, value: unknown): readonly [number, number] => {
    const pair = Array.isArray(value) ? value : [value, value]
    expect(
      pair.length === 2 &&
        pair.every((n) => Number.isInteger(n) && n >= 1 && (n as number) <= MOST_SIDE),
      () =>
        `${maker}.${name} must be an integer from 1 to ${MOST_SIDE}, or [height, width], got ` +
        describe(value),
    )
    return [pair[0] as number, pair[1] as number]
  }
  const checkedSize = size === undefined ? undefined : sides('size', size)
  expect(
    channels === 1 || channels === 3,
    () => `${maker}.channels must be 1 or 3, got ${describe(channels)}`,
  )
  expect(
    cache === undefined || (typeof cache === 'string' && cache !== ''),
    () => `${maker}.cache must be the path of a folder, got ${describe(cache)}`,
  )
  const halves = new Array<number>(channels).fill(0.5)
  const normalization = checkNormalization(
    { scale: 255, mean: mean ?? halves, std: std ?? halves },
    channels,
  )
  const byNumber = typeof size === 'number' ? size : checkedSize
  return {
    size: byNumber,
    crop: crop === undefined ? undefined : sides('crop', crop),
    channels,
    normalization,
    cache,
    training: checkTraining(maker, options),
  }
}

/** @throws SpikewasmError for an option that is unknown or out of range */
export function checkFolderOptions(
  maker: string,
  options: ImageFolderOptions,
): { checked: CheckedPictures; trainShare: number | undefined; seed: number } {
  checkOptions(maker, options, [...known, 'trainShare', 'seed'])
  const { trainShare, seed = 0, ...pictures } = options
  expect(
    trainShare === undefined ||
      (typeof trainShare === 'number' && trainShare > 0 && trainShare <= 1),
    () => `${maker}.trainShare must be above 0 and at most 1, got ${describe(trainShare)}`,
  )
  checkInteger(`${maker}.seed`, seed, 0, 2 ** 32 - 1)
  expect(
    options.seed === undefined || trainShare !== undefined,
    () => `${maker}.seed must come with trainShare, got ${describe(seed)} without it`,
  )
  return { checked: checkPictureOptions(maker, pictures), trainShare, seed }
}

function checkTraining(maker: string, options: PictureOptions): TrainingTransforms {
  const { randomResizedCrop: part = false, colorJitter } = options
  const flips = {
    flip: checkBoolean(`${maker}.flip`, options.flip, false),
    verticalFlip: checkBoolean(`${maker}.verticalFlip`, options.verticalFlip, false),
  }
  if (typeof part !== 'boolean') {
    const name = `${maker}.randomResizedCrop`
    checkOptions(name, part, ['scale', 'ratio'])
    checkRange(`${name}.scale`, part.scale, 1)
    checkRange(`${name}.ratio`, part.ratio, 1000)
  }
  if (colorJitter !== undefined) {
    const name = `${maker}.colorJitter`
    checkOptions(name, colorJitter, ['brightness', 'contrast', 'saturation', 'hue'])
    for (const [key, value] of Object.entries(colorJitter) as [string, unknown][]) {
      const most = key === 'hue' ? 0.5 : 10
      expect(
        value === undefined ||
          (typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= most),
        () => `${name}.${key} must lie in 0…${most}, got ${describe(value)}`,
      )
    }
  }
  return {
    ...(part === false ? {} : { resizedCrop: part === true ? {} : { ...part } }),
    ...(flips.flip ? { flip: true } : {}),
    ...(flips.verticalFlip ? { verticalFlip: true } : {}),
    ...(colorJitter === undefined ? {} : { colorJitter: { ...colorJitter } }),
  }
}

function checkRange(name: string, value: unknown, most: number): void {
  expect(
    value === undefined ||
      (Array.isArray(value) &&
        value.length === 2 &&
        value.every((n) => typeof n === 'number' && n > 0 && n <= most) &&
        value[0] <= value[1]),
    () => `${name} must be [from, to] with 0 < from ≤ to ≤ ${most}, got ${describe(value)}`,
  )
}
