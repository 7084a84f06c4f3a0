import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Purpose, RandomStream } from '../../src/base/random.js'
import {
  autoAugment,
  autocontrast,
  brightness,
  color,
  contrast,
  equalize,
  type ImageSize,
  invert,
  type Operation,
  operations,
  posterize,
  rotate,
  sharpness,
  shearX,
  shearY,
  solarize,
  translate,
} from '../../src/data/autoaugment.js'
import { planes } from '../../src/data/pictures/decode.js'

type Kernel = (out: Uint8Array, input: Uint8Array, size: ImageSize, amount: number) => void

/** The result of an operation on an image [C][H][W]. */
function apply(
  kernel: Kernel,
  pixels: readonly number[],
  [height, width, channels]: readonly number[],
  amount = 0,
): number[] {
  const out = new Uint8Array(pixels.length).fill(77)
  kernel(out, Uint8Array.from(pixels), { height, width, channels }, amount)
  return [...out]
}

// By hand.

test('invert, solarize, posterize: known values', () => {
  assert.equal(apply(invert, [0, 1, 128, 255], [2, 2, 1]), [255, 254, 127, 0])
  assert.equal(apply(solarize, [0, 99, 100, 255], [2, 2, 1], 100), [0, 99, 155, 0])
  assert.equal(apply(solarize, [0, 254, 255, 7], [2, 2, 1], 256), [0, 254, 255, 7])
  assert.equal(apply(posterize, [0x0f, 0x1f, 0xff, 0x8a], [2, 2, 1], 4), [0, 0x10, 0xf0, 0x80])
  assert.equal(apply(posterize, [1, 2, 3, 255], [2, 2, 1], 8), [1, 2, 3, 255])
})

test('brightness, color, contrast: known values, cut at 0 and 255', () => {
  assert.equal(apply(brightness, [0, 10, 101, 200], [2, 2, 1], 1.5), [0, 15, 151, 255])
  assert.equal(apply(brightness, [0, 10, 101, 200], [2, 2, 1], 0.5), [0, 5, 50, 100])
  // Luma of pure red is 255 · 0.299 = 76.
  assert.equal(apply(color, [255, 0, 0], [1, 1, 3], 0), [76, 76, 76])
  assert.equal(apply(color, [255, 0, 0], [1, 1, 3], 0.5), [165, 38, 38])
  assert.equal(apply(color, [255, 0, 0], [1, 1, 3], 2), [255, 0, 0])
  // The mean is 50: 50 + 1.5 (v − 50).
  assert.equal(apply(contrast, [0, 20, 60, 120], [2, 2, 1], 1.5), [0, 5, 65, 155])
  assert.equal(apply(contrast, [0, 20, 60, 120], [2, 2, 1], 0), [50, 50, 50, 50])
})

test('sharpness: known values, border kept', () => {
  // The smooth centre is (5 · 130 + 8 · 0) / 13 = 50.
  const dot = [0, 0, 0, 0, 130, 0, 0, 0, 0]
  assert.equal(apply(sharpness, dot, [3, 3, 1], 0), [0, 0, 0, 0, 50, 0, 0, 0, 0])
  assert.equal(apply(sharpness, dot, [3, 3, 1], 0.5)[4], 90)
  assert.equal(apply(sharpness, dot, [3, 3, 1], 1.5)[4], 170)
  assert.equal(apply(sharpness, [1, 2, 3, 4], [2, 2, 1], 0), [1, 2, 3, 4])
})

test('autocontrast: each channel is stretched, a constant one kept', () => {
  assert.equal(
    apply(autocontrast, [50, 100, 150, 60, 7, 7, 7, 7], [2, 2, 2]),
    [0, 127, 255, 25, 7, 7, 7, 7],
  )
})

test('equalize: known values', () => {
  // 765 pixels of values 3 (510 times) and 200 (255 times): step = 510 / 255 = 2, table[3] = 1 / 2
  // = 0, table[200] = 511 / 2 = 255.
  const pixels = Array.from({ length: 765 }, (_, i) => (i % 3 === 0 ? 200 : 3))
  assert.equal(
    apply(equalize, pixels, [15, 51, 1]),
    pixels.map((value) => (value === 200 ? 255 : 0)),
  )
  // Too few pixels for a step: kept.
  assert.equal(apply(equalize, [9, 8, 7, 6], [2, 2, 1]), [9, 8, 7, 6])
})

test('translate: known values', () => {
  assert.equal(
    apply((out, input, size) => translate(out, input, size, 1, 0), [1, 2, 3, 4, 5, 6], [2, 3, 1]),
    [2, 3, 128, 5, 6, 128],
  )
  assert.equal(
    apply((out, input, size) => translate(out, input, size, 0, -1), [1, 2, 3, 4, 5, 6], [2, 3, 1]),
    [128, 128, 128, 1, 2, 3],
  )
})

test('rotate: by 0 nothing moves, by 90 degrees counter-clockwise the right column becomes the top row', () => {
  const pixels = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  assert.equal(apply(rotate, pixels, [3, 3, 1], 0), pixels)
  assert.equal(apply(rotate, pixels, [3, 3, 1], 90), [3, 6, 9, 2, 5, 8, 1, 4, 7])
})

test('shear: rows and columns are interpolated by the cubic with a = −1', () => {
  // The amount 1 shifts the first row by half a pixel: (−1 · 0 + 5 · 0 + 5 · 0 − 1 · 80) / 8 = −10,
  // cut to 0, then 40, 90. The last is outside.
  assert.equal(apply(shearX, [0, 0, 80, 80], [1, 4, 1], 1), [0, 40, 90, 128])
  assert.equal(
    apply(shearY, [0, 0, 80, 80], [4, 1, 1], 1),
    apply(shearX, [0, 0, 80, 80], [1, 4, 1], 1),
  )
  assert.equal(apply(shearX, [1, 2, 3, 4], [2, 2, 1], 0), [1, 2, 3, 4])
})

// Against Pillow.

const images: [height: number, width: number, channels: number, smooth: boolean][] = [
  [32, 32, 3, false],
  [32, 32, 3, true],
  [13, 9, 3, false],
  [28, 28, 1, true],
]

/**
 * The start of the SHA-256 of what Pillow 11.1 makes of each of the images, [H][W][C], at the levels
 * 0 … 9 and for each the signs −1 and +1.
 */
const pillow: Record<Operation, readonly [string, string, string, string]> = {
  shearX: ['27604b513370', '1bde8b0611a6', '6b293cb1fb42', 'bab651062436'],
  shearY: ['73d2a54c5784', '7f4823cf374a', 'cb3574106ba8', '8c3b7aaf11c0'],
  translateX: ['cfdf92f26ca4', '99ab1452f79e', '61f36204b4f7', '1523c0e7ed34'],
  translateY: ['c722ab848944', 'f60c357f18d1', 'e9b73472b989', '0537a894822e'],
  rotate: ['68096e233717', '1d6ed70b6ab1', 'e2a00f9d8d08', '9340fe9e7070'],
  color: ['bd076a677735', 'de683f5a6062', 'd0bb6286829b', 'e806451cc3bc'],
  contrast: ['26a27cc985e6', '62387727d58d', 'ebdb86b31498', '4cb816479dca'],
  brightness: ['ada2c2d4c29d', '26a8fcaea918', '0201b19ccb5c', 'f70070d703f2'],
  sharpness: ['9103c7e70a15', 'bd625764d392', 'de00c49cae17', 'ce63c32d129d'],
  posterize: ['4ab1c6adec18', '68cea659300f', '90e8a6ac2544', '2a2d2f58f457'],
  solarize: ['97876c39a9a9', '72934bc96ce4', '2aa5112b52c5', '49a732e63d7a'],
  autocontrast: ['bb533c3a8b91', 'c7078ab5e76d', 'e281e70a21d9', '94576fe7dd85'],
  equalize: ['7cd2dfb03c81', '2fe183aec351', '82bbccf43cee', '76909965a68b'],
  invert: ['2a0452980aa6', 'c88966c01cb6', '06f8d68a1794', '990022b2387e'],
}

/** As Pillow has it: [H][W][C]. */
function pillowImage(
  seed: number,
  [height, width, channels, smooth]: (typeof images)[number],
): Uint8Array {
  const out = new Uint8Array(height * width * channels)
  let state = seed
  for (let i = 0; i < out.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const pixel = Math.floor(i / channels)
    out[i] = smooth
      ? 40 +
        (state >>> 27) +
        3 * Math.floor(pixel / width) +
        2 * (pixel % width) +
        5 * (i % channels)
      : state >>> 24
  }
  return out
}

/** The same, [C][H][W]. */
function makeImage(seed: number, of: (typeof images)[number]): Uint8Array {
  const [height, width, channels] = of
  return planes(pillowImage(seed, of), channels, height * width)
}

for (const [name, hashes] of Object.entries(pillow) as [Operation, readonly string[]][]) {
  for (const [i, hash] of hashes.entries()) {
    const [height, width, channels] = images[i]
    test(`${name} ${height}×${width}×${channels}: the bytes are Pillow's at every level`, () => {
      const input = makeImage(i + 1, images[i])
      const before = input.slice()
      const out = new Uint8Array(input.length)
      const sum = createHash('sha256')
      for (let level = 0; level < 10; level++) {
        for (const sign of [-1, 1]) {
          operations[name](out.fill(77), input, { height, width, channels }, level, sign)
          sum.update(planes(out, height * width, channels))
        }
      }
      assert.is(sum.digest('hex').slice(0, 12), hash)
      assert.equal(input, before)
    })
  }
}

// The policy.

test('autoAugment: the same stream gives the same image, in one of the two arrays', () => {
  const random = new RandomStream(Purpose.Augment)
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(1, 3),
      fc.nat(5000),
      (height, width, channels, index) => {
        const size = { height, width, channels }
        const image = makeImage(index, [height, width, channels, false])
        const run = (scratchValue: number): Uint8Array => {
          const first = image.slice()
          const second = new Uint8Array(image.length).fill(scratchValue)
          random.start(3, 1, index)
          const result = autoAugment(first, second, size, random)
          assert.ok(result === first || result === second)
          return result
        }
        assert.equal(run(0), run(255))
      },
    ),
    { numRuns: 500 },
  )
})

test('autoAugment: most images change, some stay, and results differ', () => {
  const random = new RandomStream(Purpose.Augment)
  const image = makeImage(5, images[1])
  const seen = new Set<string>()
  let kept = 0
  for (let index = 0; index < 1000; index++) {
    const copy = image.slice()
    random.start(0, 0, index)
    const result = autoAugment(
      copy,
      new Uint8Array(image.length),
      { height: 32, width: 32, channels: 3 },
      random,
    )
    if (Buffer.compare(result, image) === 0) kept++
    seen.add(createHash('sha256').update(result).digest('hex'))
  }
  // The expectation, by the probabilities of the policy, is 24 % kept.
  assert.ok(kept > 100 && kept < 300, `${kept} of 1000 kept`)
  assert.ok(seen.size > 40, `${seen.size} different`)
})

test.run()
