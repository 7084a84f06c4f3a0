import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Operation, operations } from '../../src/data/autoaugment.js'
import { planes } from '../../src/data/pictures/decode.js'

type Row = [Operation, input: number[], [number, number, number], amount: number, number[]]

const nine = [1, 2, 3, 4, 5, 6, 7, 8, 9]
const dot = [0, 0, 0, 0, 130, 0, 0, 0, 0]
const byHand: Row[] = [
  // Upper bits are kept.
  ['posterize', [15, 31, 255, 138], [2, 2, 1], 4, [0, 16, 240, 128]],
  // Luma of pure red is 255 · 0.299 = 76.
  ['color', [255, 0, 0], [1, 1, 3], 0, [76, 76, 76]],
  ['color', [255, 0, 0], [1, 1, 3], 0.5, [165, 38, 38]],
  // The mean is 50: 50 + 1.5 (v − 50).
  ['contrast', [0, 20, 60, 120], [2, 2, 1], 1.5, [0, 5, 65, 155]],
  // The smooth centre is (5 · 130 + 8 · 0) / 13 = 50.
  ['sharpness', dot, [3, 3, 1], 0, dot.with(4, 50)],
  ['sharpness', dot, [3, 3, 1], 1.5, dot.with(4, 170)],
  // Borders are kept.
  ['sharpness', [1, 2, 3, 4], [2, 2, 1], 0, [1, 2, 3, 4]],
  ['autocontrast', [50, 100, 150, 60], [2, 2, 1], 0, [0, 127, 255, 25]],
  // One value is kept.
  ['autocontrast', [7, 7, 7, 7], [2, 2, 1], 0, [7, 7, 7, 7]],
  // The right column becomes the top row.
  ['rotate', nine, [3, 3, 1], 90, [3, 6, 9, 2, 5, 8, 1, 4, 7]],
  // The cubic with a = −1, half a pixel: (−1 · 0 + 5 · 0 + 5 · 0 − 1 · 80) / 8 = −10, cut to 0, then 40, 90, outside.
  ['shearX', [0, 0, 80, 80], [1, 4, 1], 1, [0, 40, 90, 128]],
  ['shearY', [0, 0, 80, 80], [4, 1, 1], 1, [0, 40, 90, 128]],
]
for (const [name, input, [height, width, channels], amount, expected] of byHand)
  test(`by hand: ${name} of ${input} by ${amount}`, () => {
    const out = new Uint8Array(input.length).fill(77)
    operations[name][0](out, Uint8Array.from(input), { height, width, channels }, amount)
    assert.equal([...out], expected)
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
const pillow: Record<Operation, readonly string[]> = {
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

/** As Pillow has it, [H][W][C]: random, or smooth with a slope. */
function pillowImage(
  seed: number,
  [height, width, channels, smooth]: (typeof images)[number],
): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: height * width * channels }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const pixel = Math.floor(i / channels)
    const slope = 3 * Math.floor(pixel / width) + 2 * (pixel % width) + 5 * (i % channels)
    return smooth ? 40 + (state >>> 27) + slope : state >>> 24
  })
}

for (const [name, hashes] of Object.entries(pillow) as [Operation, string[]][]) {
  for (const [i, hash] of hashes.entries()) {
    const [height, width, channels] = images[i]
    test(`${name} ${height}×${width}×${channels}: the bytes are Pillow's at every level`, () => {
      const input = planes(pillowImage(i + 1, images[i]), channels, height * width)
      const before = input.slice()
      const out = new Uint8Array(input.length)
      const sum = createHash('sha256')
      const [change, amount] = operations[name]
      const size = { height, width, channels }
      for (let level = 0; level < 10; level++) {
        for (const sign of [-1, 1]) {
          change(out.fill(77), input, size, amount(level, sign, size))
          sum.update(planes(out, height * width, channels))
        }
      }
      assert.is(sum.digest('hex').slice(0, 12), hash)
      assert.equal(input, before)
    })
  }
}

test.run()
