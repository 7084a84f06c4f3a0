/** Options of data sets of pictures: checked by name. */

import { describe, fail } from '../../base/errors.js'
import {
  by,
  checkedElsewhere,
  complete,
  integer,
  oneOf,
  optional,
  type Rule,
  type Rules,
  range,
  such,
  truth,
} from '../../base/rules.js'
import { checkNormalization } from '../bytes.js'
import type { ColorJitter, ResizedCrop } from './transforms.js'

/** Options of `datasets.imageFolder` and `datasets.imageNet`. */
export interface PictureOptions {
  /**
   * Resizes each picture, bilinear and antialiased, as torchvision's Resize does: a number is the
   * length of the shorter side, a pair [H, W] the size. Default: pictures stay as they are.
   */
  readonly size?: number | readonly number[]
  /**
   * Cuts the middle out, [H, W] or one number for both; what is missing is black. Needed where
   * pictures have different sizes and `size` is no pair.
   */
  readonly crop?: number | readonly number[]
  /** 3 (default): red, green, blue. 1: grey. */
  readonly channels?: number
  /** Statistics of bytes divided by 255, for each channel; default: 0.5. */
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
   * In a folder of classes alone, the share of each class that is for training, above 0, at most 1;
   * the rest is the test part. Default 1: all pictures are in `train`, and there is no test part.
   */
  readonly trainShare?: number
  /** Which of them are for training: an integer from 0 to 2³² − 1; default 0. */
  readonly seed?: number
}

const MOST_SIDE = 1 << 13

const isPair = (list: unknown, fits: (of: number) => boolean): boolean =>
  Array.isArray(list) && list.length === 2 && list.every(fits)

const sides = optional(
  such<number | readonly [number, number]>(
    `an integer from 1 to ${MOST_SIDE}, or [height, width]`,
    (value) => isPair(Array.isArray(value) ? value : [value, value], integer(1, MOST_SIDE).fits),
  ),
)

/** [from, to] with 0 < from ≤ to. */
const ends = (most: number): Rule<readonly [number, number] | undefined> =>
  optional(
    such<readonly [number, number]>(
      `[from, to] with 0 < from ≤ to ≤ ${most}`,
      (value) => isPair(value, (n) => n > 0 && n <= most) && value[0] <= value[1],
    ),
  )

const partRules: Rules<ResizedCrop> = { scale: ends(1), ratio: ends(1000) }
const jitterRules: Rules<ColorJitter> = {
  brightness: optional(range('0…10')),
  contrast: optional(range('0…10')),
  saturation: optional(range('0…10')),
  hue: optional(range('0…0.5')),
}

const rules: Rules<ImageFolderOptions> = {
  size: sides,
  crop: sides,
  channels: { ...oneOf([1, 3], 3), words: '1 or 3' },
  ...checkedElsewhere<Pick<PictureOptions, 'mean' | 'std'>>(['mean', 'std']),
  cache: optional(such('the path of a folder', (path) => typeof path === 'string' && path !== '')),
  randomResizedCrop: by((name, part) => {
    if (typeof part !== 'boolean') complete(name, partRules, part)
  }, false),
  flip: truth(false),
  verticalFlip: truth(false),
  colorJitter: optional(by((name, jitter) => complete(name, jitterRules, jitter))),
  trainShare: optional(range('0…1 (0 excluded)')),
  seed: optional(integer(0, 2 ** 32 - 1)),
}

const { trainShare: _, seed: __, ...pictureRules } = rules

/** @throws SpikewasmError for an option that is unknown or out of range */
export const checkPictureOptions = (maker: string, options: PictureOptions) =>
  checkedOf(complete(maker, pictureRules, options))

function checkedOf(options: PictureOptions) {
  const { size, crop, channels = 3, cache, mean, std, flip, verticalFlip, colorJitter } = options
  const { randomResizedCrop: part = false } = options
  const halves = new Array<number>(channels).fill(0.5)
  const all = { scale: 255, mean: mean ?? halves, std: std ?? halves }
  return {
    size: typeof size === 'object' ? pair(size[0], size[1]) : size,
    crop: typeof crop === 'number' ? pair(crop, crop) : crop && pair(crop[0], crop[1]),
    channels: channels === 1 ? (1 as const) : (3 as const),
    normalization: checkNormalization(all, channels),
    cache,
    training: {
      ...(part !== false && { resizedCrop: part === true ? {} : { ...part } }),
      ...(flip && { flip }),
      ...(verticalFlip && { verticalFlip }),
      ...(colorJitter && { colorJitter: { ...colorJitter } }),
    } as Training,
  }
}

/** What is done to pictures in training alone, by seed, epoch and index. */
type Training = Pick<PictureOptions, 'flip' | 'verticalFlip' | 'colorJitter'> & {
  readonly resizedCrop?: ResizedCrop
}

/** Options that are checked and complete. */
export type CheckedPictures = Readonly<ReturnType<typeof checkedOf>>

const pair = (height: number, width: number): readonly [number, number] => [height, width]

/** @throws SpikewasmError for an option that is unknown or out of range */
export function checkFolderOptions(maker: string, options: ImageFolderOptions) {
  const { trainShare, seed, ...pictures } = complete(maker, rules, options)
  if (seed !== undefined && trainShare === undefined)
    fail(`${maker}.seed must come with trainShare, got ${describe(seed)} without it`)
  return { checked: checkedOf(pictures), trainShare, seed: seed ?? 0 }
}
