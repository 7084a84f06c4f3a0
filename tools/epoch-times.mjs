/**
 * Epochs from picture files beside epochs from the same pictures in memory, as ratios: the first
 * one, which decodes files and fills a cache, and the second, which reads the cache. Rounds take
 * turns, and medians count. After `npm run build`:
 *
 *     node tools/epoch-times.mjs <folder of CIFAR-10 as jpg files> [pictures] [rounds] [workers]
 *
 * Caches are made in a temporary folder, and removed.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from '../build/src/base/numbers.js'
import { cnn, datasets, fromBytes, subset } from '../build/src/index.js'

const [folder, ...numbers] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node tools/epoch-times.mjs <folder> …')
const [count = 12_800, rounds = 3, numWorkers] = numbers.map(Number)
const threads = availableParallelism()
const batchSize = 128

const filesWith = async (cache) =>
  subset((await datasets.cifar10(folder, cache === undefined ? {} : { cache })).train, count)

/** The pictures of the files as bytes in memory. */
async function inMemory() {
  const { shape, classes, length, pixels } = await filesWith()
  const size = shape.reduce((product, n) => product * n, 1)
  const images = new Uint8Array(new SharedArrayBuffer(length * size))
  const labels = new Int32Array(length)
  const one = new Uint8Array(size)
  for (let i = 0; i < length; i++) {
    labels[i] = pixels.read(i, one)
    images.set(one, i * size)
  }
  const { normalization } = pixels
  return fromBytes({ name: 'memory', images, labels, shape, classes, normalization })
}

/** Seconds of two epochs, and the share of each that steps waited for their data. */
async function epochsOf(data) {
  const options = { input: data.shape, batchSize, threads, seed: 1 }
  const model = await cnn(data.shape, data.classes).compile(options)
  try {
    const { epochs } = await model.fit(data, { epochs: 2, numWorkers })
    const steps = Math.floor(data.length / batchSize)
    return epochs.map(({ samplesPerSecond, dataWaitMs, stepMs, trainLoss }) => {
      const seconds = (steps * batchSize) / samplesPerSecond
      return { seconds, stepMs, waitMs: dataWaitMs / steps, trainLoss }
    })
  } finally {
    await model.dispose()
  }
}

const memory = await inMemory()
const kinds = { memory: [[], []], files: [[], []] }
const caches = await mkdtemp(join(tmpdir(), 'spikewasm-epochs-'))
try {
  // The first model of a process takes longer.
  await epochsOf(subset(memory, 8 * batchSize))
  for (let round = 0; round < rounds; round++)
    for (const kind of round % 2 === 0 ? ['memory', 'files'] : ['files', 'memory']) {
      const data = kind === 'memory' ? memory : await filesWith(join(caches, `${round}`))
      const epochs = await epochsOf(data)
      for (const [i, epoch] of epochs.entries()) {
        kinds[kind][i].push(epoch)
        const { seconds, waitMs, stepMs, trainLoss } = epoch
        console.log(
          `${kind.padEnd(6)} epoch ${i + 1}: ${seconds.toFixed(2)} s, step ${stepMs.toFixed(1)} ms, ` +
            `waited ${waitMs.toFixed(2)} ms a step, loss ${trainLoss}`,
        )
      }
    }
} finally {
  await rm(caches, { recursive: true, force: true })
}
const of = (kind, i, key) => median(kinds[kind][i].map((epoch) => epoch[key]))
for (const [i, name] of ['first epoch', 'later epoch'].entries()) {
  const ratio = of('files', i, 'seconds') / of('memory', i, 'seconds')
  const wait = of('files', i, 'waitMs') / of('files', i, 'stepMs')
  console.log(
    `${name}: files / memory ${ratio.toFixed(3)}, waiting / step ${wait.toFixed(3)} ` +
      `(${count} pictures, batches of ${batchSize}, ${threads} threads)`,
  )
}
