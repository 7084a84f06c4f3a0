// The pictures of CIFAR-10, parts of them, windows in them, and their mirror images.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as sw from 'spikewasm'

/**
 * CIFAR-10 from jpg files (train/<class>/*.jpg and test/…), or in its binary form. With `--hold-out
 * n` so many training pictures are kept back, and stand in for the test pictures: recipes are
 * compared so. Limits and what is kept back are drawn at random, always alike.
 */
export async function readData({ data, 'hold-out': kept, ...limits }) {
  // Files of jpg are decoded in the first epoch; later ones read the bytes from a file.
  const isFolderOfPictures = existsSync(join(data, 'train'))
  const cache = isFolderOfPictures ? { cache: join(data, '.cache') } : {}
  let { train, test } = await sw.datasets.cifar10(data, cache)
  if (kept) [test, train] = [some(train, 0, kept), some(train, kept)]
  return { train: some(train, 0, limits['limit-train']), test: some(test, 0, limits['limit-test']) }
}

/** Those pictures that are from place `from` to `to` in an order drawn at random. */
function some(data, from, to = data.length) {
  if (from === 0 && to >= data.length) return data
  return sw.subset(data, sw.permutation(data.length, 0, 0).slice(from, to))
}

/** The same pictures, of each the window of size×size pixels in the middle. */
export function windows(data, size) {
  const [channels, height, width] = data.shape
  if (size === height) return data
  const sample = new Float32Array(channels * height * width)
  const [top, left] = [(height - size) / 2, (width - size) / 2]
  return changed(data, [channels, size, size], (index, out, context) => {
    const label = data.read(index, sample, context)
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < size; y++) {
        const from = (c * height + top + y) * width + left
        out.set(sample.subarray(from, from + size), (c * size + y) * size)
      }
    return label
  })
}

/** The same pictures, left and right exchanged; of all, or of those that `which` says. */
export function mirrored(data, which = () => true) {
  const [channels, height, width] = data.shape
  return changed(data, data.shape, (index, out, context) => {
    const label = data.read(index, out, context)
    const rows = which(index, context) ? channels * height : 0
    for (let row = 0; row < rows; row++) out.subarray(row * width, (row + 1) * width).reverse()
    return label
  })
}

/** In training each picture is mirrored in every other epoch, half of them in the first (Jordan). */
export const alternating = (data) =>
  mirrored(data, (index, context) => {
    const first = Math.imul(index, 0x9e3779b1) >>> 31
    return context !== undefined && (context.epoch + first) % 2 === 1
  })

/** The pictures of a part as training sees them. */
export function changedFor(train, { change, alternate, size }) {
  const data = sw.augment(train, change)
  return windows(alternate ? alternating(data) : data, size)
}

const changed = (data, shape, read) => {
  const { name, length, classes, classNames } = data
  return { name, length, shape, classes, classNames, prepare: data.prepare?.bind(data), read }
}
