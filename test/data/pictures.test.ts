/** Folders of pictures: what is decoded, resized, cached, augmented and refused. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Purpose, RandomStream } from '../../src/base/random.js'
import { openPlain } from '../../src/data/open.js'
import { type PlainPictures, pathOf } from '../../src/data/pictures/dataset.js'
import { decodePicture, loadCodecs, planes } from '../../src/data/pictures/decode.js'
import {
  adjust,
  type Bytes,
  centreCrop,
  colorJitter,
  resize,
  resizeTo,
  toChannels,
} from '../../src/data/pictures/transforms.js'
import { plainOf } from '../../src/data/plain.js'
import * as api from '../../src/index.js'
import { mlp } from '../../src/model/models/vgg.js'
import { expectRefusal, expectRefusals, messageOf, withFolder } from '../files/temporary.js'
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
  writeFileSync(join(folder, 'train', 'cat', 'notes.txt'), 'no picture')
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

test('sizes are those of torchvision', () => {
  const picture = decoded('rgb.png')
  const { width, height } = resizeTo(picture, 10)
  assert.equal([width, height], [12, 10])
  const middle = centreCrop(picture, [5, 30])
  assert.equal([middle.width, middle.height], [30, 5])
  // (30 − 23) / 2 black columns, then row (19 − 5) / 2.
  assert.equal([...middle.data.slice(0, 12)], [...new Array(9).fill(0), 0, 91, 0])
  const grey = { ...picture, data: picture.data.slice() }
  colorJitter(grey, {}, new RandomStream(Purpose.Augment))
  assert.equal(grey.data, picture.data)
  colorJitter(grey, { brightness: 0.4, contrast: 0.4, hue: 0.5 }, new RandomStream(Purpose.Augment))
  assert.not.equal(grey.data, picture.data)
})

test('colours change as by torchvision and Pillow, byte for byte', () => {
  const kinds = ['brightness', 'contrast', 'saturation', 'hue'] as const
  for (const name of Object.keys(expected)) {
    const [kind, factor] = name.split(' ')
    if (factor === undefined) continue
    const data = Uint8Array.from(wanted('colours'))
    const picture = { data, width: 23, height: 19, channels: 3 }
    adjust(picture, kind as (typeof kinds)[number], Number(factor))
    assert.equal([...data], wanted(name), name)
  }
  // Factors above 1 have as many numbers below 1 as torchvision gives: even from 0 on.
  const black = Array.from({ length: 200 }, (_, seed) => {
    const picture = { data: Uint8Array.of(50, 50, 50), width: 1, height: 1, channels: 3 }
    const random = new RandomStream(Purpose.Augment)
    random.start(seed, 0, 0)
    colorJitter(picture, { brightness: 3 }, random)
    return picture.data[0]
  }).filter((byte) => byte === 0)
  assert.ok(black.length < 10)
})

test('a folder: classes by name, the kind by content, samples in any thread', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const { train, test: tests } = await api.datasets.imageFolder(folder)
    assert.equal(train.classNames, ['cat', 'dog'])
    assert.equal([train.length, tests.length, train.shape], [4, 2, [3, 19, 23]])
    const out = new Uint8Array(3 * 19 * 23)
    const labels = [0, 1, 2, 3].map((index) => train.pixels!.read(index, out))
    assert.equal(labels, [0, 1, 0, 1])
    assert.equal(out, planes(wanted('palette.png'), 3, 19 * 23))
    const plain = plainOf(train)!
    assert.equal(sampleOf(openPlain(structuredClone(plain)), 3), sampleOf(train, 3))
    const grey = await api.datasets.imageFolder(folder, { channels: 1, size: 8, crop: [8, 9] })
    assert.equal(grey.train.shape, [1, 8, 9])
  }))

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
    const { name, shape } = train
    const memory = api.fromBytes({
      name,
      images,
      labels,
      shape: [...shape],
      classes: 2,
      normalization,
    } as never)
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

test('a cache is filled once, checked, and repaired', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const cache = join(folder, 'cache')
    const open = async () => (await api.datasets.imageFolder(folder, { cache })).train
    const first = await open()
    const samples = [0, 1, 2, 3].map((index) => sampleOf(first, index))
    const [name] = readdirSync(cache)
    const path = join(cache, name)
    // The pictures are not read again.
    const train = join(folder, 'train')
    const away = join(folder, 'away')
    const other = await open()
    renameSync(train, away)
    assert.equal(sampleOf(other, 3), samples[3])
    renameSync(away, train)
    // A damaged sample is decoded again, with one warning.
    const warnings: string[] = []
    const listen = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', listen)
    const descriptor = openSync(path, 'r+')
    writeSync(descriptor, Uint8Array.of(1, 2, 3, 4), 0, 4, 128 + 1319 + 50)
    closeSync(descriptor)
    const again = await open()
    assert.equal(sampleOf(again, 1), samples[1])
    assert.equal(sampleOf(await open(), 1), samples[1])
    // A file that is cut off, or of another layout, is made anew.
    for (const bytes of [readFileSync(path).subarray(0, 2000), Buffer.from('something else')]) {
      writeFileSync(path, bytes)
      for (const index of [0, 3]) assert.equal(sampleOf(await open(), index), samples[index])
    }
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    assert.is(warnings.filter((text) => /sample 1 is damaged there/.test(text)).length, 1)
    assert.is(warnings.filter((text) => /no cache of these samples/.test(text)).length, 1)
    // Other pictures are another cache.
    cpSync(join(fixtures, 'bit.png'), join(train, 'cat', '0.jpg'))
    assert.not.equal(sampleOf(await open(), 0), samples[0])
    assert.is(readdirSync(cache).length, 2)
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
      const child = spawn(process.execPath, [
        '--input-type=module',
        '-e',
        script,
        folder,
        cache,
        order,
      ])
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

test('what is wrong is one error that names the file or option', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const damaged = join(folder, 'train', 'dog', '9.png')
    writeFileSync(damaged, file('rgb.png').subarray(0, 100))
    for (const numWorkers of [0, 2]) {
      const { train } = await api.datasets.imageFolder(folder)
      const model = await mlp([3, 19, 23], 2).compile({ input: [3, 19, 23], batchSize: 2 })
      const fit = model.fit(train, { epochs: 50, numWorkers })
      await expectRefusal(() => fit, /9\.png: must be a whole png picture, got .*damaged/)
      await model.dispose()
    }
    const bomb = file('rgb.png')
    new DataView(bomb.buffer).setUint32(16, 60_000)
    new DataView(bomb.buffer).setUint32(20, 60_000)
    writeFileSync(damaged, bomb)
    const { train } = await api.datasets.imageFolder(folder)
    await expectRefusal(() => sampleOf(train, 4), /pixels, got 60000 × 60000; make it/)
    rmSync(damaged)
    const open = (options: object) => () => api.datasets.imageFolder(folder, options)
    const read = async () => sampleOf((await open({ cache: '/proc/no/way' })()).train, 0)
    await expectRefusals([
      [() => api.datasets.imageFolder(`${folder}/none`), 'must be a folder with train/'],
      [
        () => api.datasets.imageFolder(join(folder, 'train', 'cat')),
        'hold a folder for each class',
      ],
      [open({ size: 8 }), 'become 8 × 9; give crop too'],
      [open({ crops: 1 }), 'imageFolder.crops is not an option'],
      [read, 'cache must be a folder that can be written, got "/proc/no/way"'],
      [
        () => (api.datasets.cifar100 as (...all: unknown[]) => unknown)('x', { a: 1 }),
        'cifar100 takes a path alone',
      ],
    ])
    mkdirSync(join(folder, 'val', 'bird'))
    await expectRefusal(() => api.datasets.imageFolder(folder), /bird: must be a class/)
  }))

test('what changes in training reaches augment and encoders; other pictures are named', () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    writeFileSync(join(folder, 'train', 'cat', 'x.webp'), 'other')
    // With both folders val is taken: test may have no labels.
    mkdirSync(join(folder, 'test'))
    const warned: string[] = []
    const listen = (warning: Error) => warned.push(warning.message)
    process.on('warning', listen)
    const [plain, flipped] = await Promise.all([
      api.datasets.imageFolder(folder),
      api.datasets.imageFolder(folder, { flip: true }),
    ])
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    assert.match(warned[0], /1 pictures are left out, such as cat\/x\.webp: only jpg and png/)
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

test('a folder of classes alone is whole, or divided by class and seed', () =>
  withFolder(async (folder) => {
    for (const [name, count] of Object.entries({ cat: 5, dog: 10 }))
      for (let i = 0; i < count; i++) {
        mkdirSync(join(folder, name), { recursive: true })
        cpSync(join(fixtures, 'rgb.png'), join(folder, name, `${i}.png`))
      }
    const labelsOf = (data: api.Dataset): number[] =>
      Array.from({ length: data.length }, (_, i) => data.read(i, new Float32Array(3 * 23 * 19)))
    // By the URL of the folder.
    const whole = await api.datasets.imageFolder(pathToFileURL(`${folder}/`))
    assert.equal(labelsOf(whole.train).filter((label) => label === 1).length, 10)
    assert.is(whole.train.length, 15)
    assert.equal(Object.keys({ ...whole }), ['train'])
    assert.throws(() => whole.test, /has a folder for each class, all for training, and no test/)
    const pathsOf = ({ train, test }: api.Split): string[][] =>
      [train, test].map((part) => {
        const { files } = plainOf(part) as PlainPictures
        return Array.from({ length: part.length }, (_, i) => pathOf(files, i))
      })
    const split = await api.datasets.imageFolder(folder, { trainShare: 0.75 })
    // The median of 5 and 10.
    assert.equal([split.train.length, split.test.length], [4 + 8, 1 + 2])
    assert.equal([...new Set(labelsOf(split.test))].sort(), [0, 1])
    const [first, second] = pathsOf(split)
    assert.is(new Set([...first, ...second]).size, 15)
    const again = await api.datasets.imageFolder(folder, { trainShare: 0.75, seed: 0 })
    assert.equal(pathsOf(again), [first, second])
    const other = await api.datasets.imageFolder(folder, { trainShare: 0.75, seed: 1 })
    assert.not.equal(pathsOf(other)[1], second)

    // A part alone is not taken for a class, unless a share is asked for.
    mkdirSync(join(folder, 'train'))
    cpSync(join(fixtures, 'rgb.png'), join(folder, 'train', 'a.png'))
    await expectRefusal(
      () => api.datasets.imageFolder(folder),
      /must hold the folders train and val \(or test\).*got train; with trainShare/,
    )
    const three = await api.datasets.imageFolder(folder, { trainShare: 1 })
    assert.equal([three.train.classes, three.train.length], [3, 16])
    mkdirSync(join(folder, 'val'))
    await expectRefusal(
      () => api.datasets.imageFolder(folder, { trainShare: 1 }),
      /trainShare must be left out for .*which has folders for both parts/,
    )
    await expectRefusal(
      () => api.datasets.imageFolder(new URL('https://example.org/a')),
      /datasets\.imageFolder must be a path or a file: URL, got "https:/,
    )
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
    const binary = await messageOf(() => api.datasets.cifar10(join(folder, 'none'), { cache }))
    assert.match(binary, /cifar10\.cache must be left out but for a folder of jpg or png/)
    const unknown = await messageOf(() => api.datasets.cifar10(folder, { size: 3 } as never))
    assert.match(unknown, /cifar10\.size is not an option/)
  }))

test("ImageNet's layouts", () =>
  withFolder(async (folder) => {
    makeFolder(folder)
    const at = (...path: string[]): string => join(folder, ...path)
    renameSync(at('train', 'cat'), at('train', 'n02'))
    renameSync(at('train', 'dog'), at('train', 'n01'))
    rmSync(at('val'), { recursive: true })
    mkdirSync(at('val'))
    for (const i of [1, 2]) cpSync(join(fixtures, 'rgb.jpg'), at('val', `v_${i}.JPEG`))
    const options = { size: 16, crop: 12 }
    const open = () => api.datasets.imageNet(folder, options)
    await expectRefusal(open, /a list must say their synsets: LOC_val_solution\.csv/)
    const lists: [string, string][] = [
      ['LOC_val_solution.csv', 'ImageId,PredictionString\nv_2,n01 1 2 3 4\nv_1,n02 5 6 7 8 \n'],
      ['val.txt', 'v_1.JPEG 1\nv_2.JPEG 0\n'],
      ['val_labels.txt', 'n02\nn01\n'],
    ]
    writeFileSync(at('LOC_synset_mapping.txt'), 'n01 a dog\nn02 a cat, house cat\n')
    for (const [name, text] of lists) {
      writeFileSync(at(name), text)
      const { train, test: tests } = await open()
      assert.equal(train.classNames, ['a dog', 'a cat, house cat'])
      const out = new Float32Array(3 * 12 * 12)
      assert.equal([tests.read(0, out), tests.read(1, out)], [1, 0], name)
      rmSync(at(name))
    }
    writeFileSync(at('val.txt'), 'v_1.JPEG n07\n')
    await expectRefusal(open, /line 1 must name a class of the training pictures/)
  }))

test.run()
