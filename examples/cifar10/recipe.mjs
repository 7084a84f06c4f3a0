// The network and the recipe that train.mjs and batches.mjs share.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as sw from 'spikewasm'

export const BATCH = 128

/** Six convolutions; each is followed by batch normalisation and LIF neurons. */
export function network(width) {
  const stage = (from, to) => [
    sw.conv2d(from, to, 3, { padding: 1, bias: false }),
    sw.batchNorm2d(to),
    sw.lif(),
  ]
  const [a, b, c, d] = [3, 8, 16, 32].map((part) => (part * width) / 4)
  return sw.sequential(
    ...[...stage(3, a), sw.avgPool2d(2)], // 16×16
    ...[...stage(a, b), ...stage(b, b), sw.avgPool2d(2)], // 8×8
    ...[...stage(b, c), ...stage(c, c), sw.avgPool2d(2)], // 4×4
    ...[...stage(c, d), sw.adaptiveAvgPool2d(1), sw.flatten(), sw.linear(d, 10)],
  )
}

/** Half a cosine over several parts: this one begins after `before` of `all` epochs. */
const cosinePart = (before, all) =>
  sw.perStep(({ step, steps, epochs }) => {
    const place = (before + (step * epochs) / steps) / all
    return (1 + Math.cos(Math.PI * place)) / 2
  })

/**
 * The training has three parts. The first sees windows of 24×24 pixels, which takes 0.65 of the
 * time; the network has no size of its own. The second sees whole pictures. The third takes twice
 * as many time steps, so that rates have finer values while the learning rate falls to 0.
 */
export const parts = ({ epochs }) => {
  const [first, last] = [Math.round(0.42 * epochs), Math.round(0.26 * epochs)]
  const [middle, whole] = [epochs - first - last, epochs - first]
  const mirrored = { crop: 4, paddingMode: 'reflect', flip: true }
  const change = { ...mirrored, cutout: 8 }
  return [
    {
      ...{ name: 'windows', size: 24, timeSteps: 2, epochs: first, change: mirrored },
      schedule: sw.linearWarmup(3),
    },
    {
      ...{ name: 'pictures', size: 32, timeSteps: 2, epochs: middle, change },
      schedule: cosinePart(0, whole),
    },
    {
      ...{ name: 'steps', size: 32, timeSteps: 4, epochs: last, change },
      schedule: cosinePart(middle, whole),
    },
  ]
}

/** The options of both programs. */
export function readOptions(more = {}) {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      epochs: { type: 'string', default: '19' },
      seed: { type: 'string', default: '0' },
      lr: { type: 'string', default: '0.1' },
      width: { type: 'string', default: '64' },
      'limit-train': { type: 'string' },
      ...more,
    },
  })
  if (values.data === undefined) throw new Error('--data must name the folder of CIFAR-10')
  const counts = Object.entries(values).filter(
    ([name]) => !['data', 'out', 'weights'].includes(name),
  )
  for (const [name, text] of counts)
    if (!(Number(text) >= 0)) throw new Error(`--${name} must be a number ≥ 0, got ${text}`)
  return { ...values, ...Object.fromEntries(counts.map(([name, text]) => [name, Number(text)])) }
}

/** The same pictures, of each the window of size×size pixels in the middle. */
export function windows(data, size) {
  const [channels, height, width] = data.shape
  if (size === height) return data
  const sample = new Float32Array(channels * height * width)
  const [top, left] = [(height - size) / 2, (width - size) / 2]
  return {
    name: data.name,
    length: data.length,
    shape: [channels, size, size],
    classes: data.classes,
    classNames: data.classNames,
    prepare: data.prepare?.bind(data),
    read(index, out, context) {
      const label = data.read(index, sample, context)
      for (let c = 0; c < channels; c++)
        for (let y = 0; y < size; y++) {
          const from = (c * height + top + y) * width + left
          out.set(sample.subarray(from, from + size), (c * size + y) * size)
        }
      return label
    },
  }
}

/** CIFAR-10 from jpg files (train/<class>/*.jpg and test/…), or in its binary form. */
export async function readData({ data, 'limit-train': limit }) {
  const isFolderOfPictures = existsSync(join(data, 'train'))
  const { train, test } = isFolderOfPictures
    ? await sw.datasets.imageFolder(data, {
        mean: [0.4914, 0.4822, 0.4465],
        std: [0.2023, 0.1994, 0.201],
        // Decoded in the first epoch; later ones read the bytes from a file.
        cache: join(data, '.cache'),
      })
    : await sw.datasets.cifar10(data)
  return { train: limit ? sw.subset(train, limit) : train, test }
}

export const optimizer = ({ lr }) =>
  sw.sgd({ lr, momentum: 0.9, nesterov: true, weightDecay: 5e-4 })
export const loss = sw.crossEntropy({ labelSmoothing: 0.1 })

/** The model of a part. */
export const compile = ({ width, seed, threads }, { size, timeSteps }) =>
  network(width).compile({ input: [3, size, size], timeSteps, batchSize: BATCH, seed, threads })
