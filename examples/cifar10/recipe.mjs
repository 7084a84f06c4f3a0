// The network and the recipe that train.mjs and batches.mjs share.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as sw from 'spikewasm'

export const BATCH = 128
export const TIME_STEPS = 4

/**
 * Six convolutions; each is followed by batch normalisation and LIF neurons. Width 48 gives 48, 96,
 * 128, 192, 256 and 384 channels; a width must be a multiple of 3.
 */
export function network(width) {
  const stage = (from, to) => [
    sw.conv2d(from, to, 3, { padding: 1, bias: false }),
    sw.batchNorm2d(to),
    sw.lif(),
  ]
  const [a, b, c, d, e, f] = [3, 6, 8, 12, 16, 24].map((part) => (part * width) / 3)
  return sw.sequential(
    ...[...stage(3, a), sw.avgPool2d(2)], // 16×16
    ...[...stage(a, b), ...stage(b, c), sw.avgPool2d(2)], // 8×8
    ...[...stage(c, d), ...stage(d, e), sw.avgPool2d(2)], // 4×4
    ...[...stage(e, f), sw.adaptiveAvgPool2d(1), sw.flatten(), sw.linear(f, 10)],
  )
}

/** The options of both programs. */
export function readOptions(more = {}) {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      epochs: { type: 'string', default: '17' },
      seed: { type: 'string', default: '0' },
      lr: { type: 'string', default: '0.1' },
      width: { type: 'string', default: '48' },
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
  return {
    train: sw.augment(limit ? sw.subset(train, limit) : train, { crop: 4, flip: true }),
    test,
  }
}

export const optimizer = ({ lr }) =>
  sw.sgd({ lr, momentum: 0.9, nesterov: true, weightDecay: 5e-4 })
export const loss = sw.crossEntropy({ labelSmoothing: 0.1 })
export const schedule = sw.oneCycle({ warmup: 0.2 })

export const compile = ({ width, seed, threads }) =>
  network(width).compile({
    input: [3, 32, 32],
    timeSteps: TIME_STEPS,
    batchSize: BATCH,
    seed,
    threads,
  })
