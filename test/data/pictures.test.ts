/** Pictures as Pillow and torchvision have them, and read by threads and processes at once. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { decodePicture, loadCodecs } from '../../src/data/pictures/decode.js'
import {
  adjust,
  type Bytes,
  type ColorJitter,
  resize,
  resizeTo,
  toChannels,
} from '../../src/data/pictures/transforms.js'
import * as api from '../../src/index.js'
import { mlp } from '../../src/model/models/vgg.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'

process.env.SPIKEWASM_ALL_THREADS = '1'

const fixtures = fileURLToPath(new URL('../../../test/fixtures/pictures/', import.meta.url))
const file = (name: string): Uint8Array => new Uint8Array(readFileSync(join(fixtures, name)))
const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as Record<
  string,
  string
>
const wanted = (name: string): number[] => [...Buffer.from(expected[name], 'base64')]
const decoded = (name: string): Bytes => toChannels(decodePicture(file(name), name), 3)
await loadCodecs()

/** Two classes, four training and two test pictures, of 23 × 19 pixels each. */
function makeFolder(folder: string): void {
  const kinds = ['rgb.jpg', 'rgb.png', 'grey.jpg', 'palette.png', 'grey.png', 'alpha.png']
  for (const [i, kind] of kinds.entries()) {
    const below = join(folder, i < 4 ? 'train' : 'val', i % 2 === 0 ? 'cat' : 'dog')
    mkdirSync(below, { recursive: true })
    // The name says another kind.
    cpSync(join(fixtures, kind), join(below, `${i}.${i === 1 ? 'jpg' : kind.slice(-3)}`))
  }
}

const sampleOf = (data: api.Dataset, index: number, context?: { seed: number; epoch: number }) => {
  const out = new Float32Array(data.shape.reduce((a, b) => a * b, 1))
  data.read(index, out, context)
  return out
}

test('pictures of all kinds are those of Pillow, byte for byte', () => {
  for (const name of Object.keys(expected).filter((key) => /[.](png|jpg)$/.test(key))) {
    const picture = decoded(name)
    assert.equal([picture.width, picture.height], [23, 19], name)
    const most = name === 'cmyk.jpg' ? 1 : 0
    const right = wanted(name)
    assert.ok(
      picture.data.every((byte, i) => Math.abs(byte - right[i]) <= most),
      name,
    )
  }
  const picture = decoded('rgb.png')
  assert.equal([...resizeTo(picture, [7, 10]).data], wanted('smaller'))
  assert.equal([...resizeTo(picture, [40, 31]).data], wanted('larger'))
  const box = { left: 3, top: 2, right: 20, bottom: 15 }
  assert.equal([...resize(picture, box, [8, 8], 3)], wanted('part'))
  assert.equal([...toChannels(decodePicture(file('rgb.png'), ''), 1).data], wanted('grey'))
})

test('colours change as by torchvision and Pillow, byte for byte', () => {
  for (const name of Object.keys(expected)) {
    const [kind, factor] = name.split(' ')
    if (factor === undefined) continue
    const data = Uint8Array.from(wanted('colours'))
    const picture = { data, width: 23, height: 19, channels: 3 }
    adjust(picture, kind as keyof ColorJitter, Number(factor))
    assert.equal([...data], wanted(name), name)
  }
})

test('training changes pictures by seed, epoch and index alone', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const all: api.PictureOptions[] = [
      { flip: true, verticalFlip: true },
      { randomResizedCrop: true, crop: 12, flip: true },
      { randomResizedCrop: { scale: [0.5, 1] }, size: [16, 16], crop: 12 },
      { colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 } },
    ]
    for (const options of all) {
      const { train } = await api.datasets.imageFolder(folder, options)
      const still = sampleOf(train, 3)
      const seen = new Set<string>()
      for (let epoch = 0; epoch < 8; epoch++) {
        const sample = sampleOf(train, 3, { seed: 1, epoch })
        assert.equal(sampleOf(train, 3, { seed: 1, epoch }), sample)
        seen.add(sample.join())
        sampleOf(train, 0, { seed: 1, epoch })
      }
      assert.ok(seen.size >= 3, JSON.stringify(options))
      assert.equal(sampleOf(train, 3), still)
    }
  }))

test('trained from files, with readers and a cache, a model is that of the pictures in memory', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const options = { mean: [0.5, 0.4, 0.3], std: [0.3, 0.2, 0.1] }
    const { train } = await api.datasets.imageFolder(folder, options)
    const images = new Uint8Array(4 * 3 * 19 * 23)
    const labels = [0, 1, 2, 3].map((n) =>
      train.pixels!.read(n, images.subarray(n * 1311, (n + 1) * 1311)),
    )
    const normalization = { scale: 255, ...options }
    const memory = api.fromBytes({ images, labels, shape: train.shape, classes: 2, normalization })
    const trained = async (data: api.Dataset, numWorkers: number) => {
      const model = await mlp([3, 19, 23], 2).compile({ input: [3, 19, 23], batchSize: 2 })
      await model.fit(api.augment(data, { crop: 2, flip: true }), { epochs: 3, numWorkers })
      const state = model.stateDict()
      await model.dispose()
      return state
    }
    const right = await trained(memory, 0)
    const cache = join(folder, 'cache')
    for (const numWorkers of [0, 2, 1]) {
      const { train: files } = await api.datasets.imageFolder(folder, { ...options, cache })
      expectSameBits(`${numWorkers} readers`, await trained(files, numWorkers), right)
    }
    assert.is(readdirSync(cache).length, 1)
  }))

test('two processes fill one cache at the same time', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const cache = join(folder, 'cache')
    const { train } = await api.datasets.imageFolder(folder)
    const right = [0, 1, 2, 3].map((index) => [...sampleOf(train, index)])
    // No more of the package than data needs.
    const [node, data] = ['model/node', 'data/index'].map((name) =>
      JSON.stringify(new URL(`../../src/${name}.js`, import.meta.url).href),
    )
    const script = `
      await import(${node})
      const { datasets } = await import(${data})
      const [folder, cache, order] = process.argv.slice(1)
      process.stdout.write('ready ')
      await new Promise((go) => process.stdin.once('data', go))
      process.stdin.destroy()
      const { train } = await datasets.imageFolder(folder, { cache })
      const samples = []
      for (const index of JSON.parse(order)) {
        const out = new Float32Array(3 * 19 * 23)
        train.read(index, out)
        samples[index] = [...out]
      }
      process.stdout.write(JSON.stringify(samples))`
    const children = ['[0,1,2,3]', '[3,2,1,0]'].map((order) => {
      const args = ['--input-type=module', '-e', script, folder, cache, order]
      const child = spawn(process.execPath, args)
      const said = { out: '', errors: '' }
      child.stdout.on('data', (part) => (said.out += part))
      child.stderr.on('data', (part) => (said.errors += part))
      const ready = once(child.stdout, 'data')
      return { child, said, ready, ended: once(child, 'close') }
    })
    await Promise.all(children.map(({ ready }) => ready))
    for (const { child } of children) child.stdin.write('go')
    await Promise.all(children.map(({ ended }) => ended))
    for (const { said } of children) {
      assert.is(said.errors, '')
      assert.equal(JSON.parse(said.out.replace('ready ', '')), right)
    }
    assert.is(readdirSync(cache).length, 1)
    // All of it is there: the pictures are not needed any more.
    const kept = (await api.datasets.imageFolder(folder, { cache })).train
    rmSync(join(folder, 'train'), { recursive: true })
    for (const [index, sample] of right.entries()) assert.equal([...sampleOf(kept, index)], sample)
  }))

test('evaluate and validation read ahead: the same numbers, errors and ends', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const { train } = await api.datasets.imageFolder(folder)
    const threads: unknown[] = []
    const count = (worker: unknown): void => void threads.push(worker)
    process.on('worker', count)
    // A last batch that is not full, and one larger than the data.
    for (const batchSize of [3, 8]) {
      const model = await mlp([3, 19, 23], 2).compile({ input: [3, 19, 23], batchSize, threads: 1 })
      const right = await model.evaluate(train, { numWorkers: 0 })
      assert.is(threads.length, 0)
      for (const numWorkers of [1, 3])
        assert.equal(await model.evaluate(train, { numWorkers }), right)
      assert.is(threads.splice(0).length, batchSize === 3 ? 3 : 2)
      await model.dispose()
    }
    const compiled = () => mlp([3, 19, 23], 2).compile({ input: [3, 19, 23], batchSize: 2 })
    const last = async (numWorkers: number) => {
      const model = await compiled()
      const own = { epochs: 1, numWorkers, validation: train }
      const { epochs } = await model.fit(train, own)
      await model.dispose()
      return epochs[0].testLoss
    }
    assert.is(await last(2), await last(0))
    const model = await compiled()
    const controller = new AbortController()
    controller.abort(new Error('enough'))
    const ending = () => model.evaluate(train, { numWorkers: 2, signal: controller.signal })
    await expectRefusal(ending, /enough/)
    await expectRefusal(
      () => model.evaluate(train, { numWorkers: -1 }),
      /^evaluate.numWorkers must be 0/,
    )
    rmSync(join(folder, 'train', 'dog', '3.png'))
    const missing = () => model.evaluate(train, { numWorkers: 2 })
    await expectRefusal(missing, /3\.png/)
    process.off('worker', count)
    await model.dispose()
  }))

test('a damaged picture is one error that names the file, with readers and without', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const damaged = join(folder, 'train', 'dog', '9.png')
    writeFileSync(damaged, file('rgb.png').subarray(0, 100))
    const { train } = await api.datasets.imageFolder(folder)
    const model = await mlp([3, 19, 23], 2).compile({ input: [3, 19, 23], batchSize: 2 })
    for (const numWorkers of [0, 2])
      await expectRefusal(
        () => model.fit(train, { epochs: 50, numWorkers }),
        /9\.png: must be a whole png picture, got .*damaged/,
      )
    await model.dispose()
  }))

test('what changes in training reaches augment and encoders, and two flips are drawn apart', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const plain = await api.datasets.imageFolder(folder)
    const flipped = await api.datasets.imageFolder(folder, { flip: true })
    const latencies = (data: api.Dataset, epoch: number): Float32Array => {
      const encoded = api.encoders.latency(data, { timeSteps: 3 })
      const out = new Float32Array(3 * 3 * 19 * 23)
      encoded.read(0, out, { seed: 5, epoch })
      return out
    }
    const differs = (a: Float32Array, b: Float32Array) => a.some((value, i) => value !== b[i])
    let [moved, both] = [0, 0]
    for (let epoch = 0; epoch < 12; epoch++) {
      const context = { seed: 5, epoch }
      const [a, b] = [plain, flipped].map(({ train }) => sampleOf(train, 0, context))
      const isMoved = differs(a, b)
      if (isMoved) moved++
      assert.not(differs(sampleOf(api.augment(flipped.train, {}), 0, context), b))
      assert.is(differs(latencies(flipped.train, epoch), latencies(plain.train, epoch)), isMoved)
      // Two flips are drawn apart: they do not always undo each other.
      if (differs(sampleOf(api.augment(flipped.train, { flip: true }), 0, context), a)) both++
      const mirrored = api.augment(plain.train, { flip: true })
      assert.is(
        differs(latencies(mirrored, epoch), latencies(plain.train, epoch)),
        differs(sampleOf(mirrored, 0, context), a),
      )
      const part = api.subset(mirrored, 3)
      assert.not(differs(latencies(part, epoch), latencies(mirrored, epoch)))
    }
    assert.ok(moved > 0 && moved < 12 && both > 0 && both < 12)
  }))

test('CIFAR-10 as png files keeps a cache where one is named', () =>
  withFolder(async (folder) => {
    const names = ['airplane', 'automobile']
    for (const part of ['train', 'test'])
      for (const name of names) {
        mkdirSync(join(folder, part, name), { recursive: true })
        cpSync(join(fixtures, 'rgb.png'), join(folder, part, name, '0.png'))
      }
    const cache = join(folder, 'cache')
    const kept = (await api.datasets.cifar10(folder, { cache })).train
    const plain = (await api.datasets.cifar10(folder)).train
    assert.equal(sampleOf(kept, 1), sampleOf(plain, 1))
    assert.is(readdirSync(cache).length, 1)
    const binary = () => api.datasets.cifar10(join(folder, 'none'), { cache })
    await expectRefusal(binary, 'cifar10.cache must be left out but for a folder of jpg or png')
    const unknown = () => api.datasets.cifar10(folder, { size: 3 } as never)
    await expectRefusal(unknown, 'cifar10.size is not an option')
  }))

test.run()
