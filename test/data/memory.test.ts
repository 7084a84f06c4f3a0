/** Data in memory, encoders, augmentation and batches: hashes of what they give and refuse. */
import { test } from 'uvu'
import { Purpose, RandomStream } from '../../src/base/random.js'
import { fromArrays } from '../../src/data/arrays.js'
import { type AugmentOptions, augment, blacken } from '../../src/data/augment.js'
import { autoAugment } from '../../src/data/autoaugment.js'
import { Batches, type BatchesOptions } from '../../src/data/batches.js'
import { fromBytes } from '../../src/data/bytes.js'
import { parseCifar, parseClassNames } from '../../src/data/datasets/cifar.js'
import {
  checkIndex,
  checkLabels,
  checkRead,
  type Dataset,
  mapSplit,
  subset,
  wholeSplit,
} from '../../src/data/datasets/dataset.js'
import { digits } from '../../src/data/datasets/digits.js'
import { idxBytes, parseIdx } from '../../src/data/datasets/mnist-files.js'
import { encoders } from '../../src/data/encoders.js'
import { datasets } from '../../src/data/index.js'
import { isOfFiles, openPlain, readingNs } from '../../src/data/open.js'
import { changesOf, hashOf, plainOf } from '../../src/data/plain.js'
import { testRandom } from '../support/engine.js'
import {
  each,
  expectOutcomes,
  lists,
  optionsWithOdd,
  outcomeOf,
  withOdd,
} from '../support/hashed-tables.js'
import { Hashes } from '../support/hashes.js'

const hashes = new Hashes('data/memory.json')

const normalization = { scale: 255, mean: [0.3, 0.4, 0.5], std: [0.2, 0.3, 0.4] }
/** Bytes that tell pixels, channels and samples apart. */
const bytes = (length: number, seed = 1): Uint8Array => {
  const random = testRandom(seed)
  return Uint8Array.from({ length }, () => Math.floor(256 * random()))
}
const colours = fromBytes({
  images: bytes(5 * 3 * 30),
  labels: [0, 1, 2, 0, 1],
  shape: [3, 5, 6],
  classes: 3,
  normalization,
})
const grey = fromBytes({
  images: bytes(5 * 30, 2),
  labels: [0, 1, 2, 0, 1],
  shape: [1, 5, 6],
  classes: 3,
  name: 'grey',
  normalization: { scale: 255, mean: [0.5], std: [0.5] },
  classNames: ['a', 'b', 'c'],
})
const shares = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => ((7 * i) % 101) / 100)
const frames = fromArrays({
  inputs: shares(4 * 3 * 12),
  labels: [0, 1, 0, 1],
  shape: [2, 2, 3],
  timeSteps: 3,
  classes: 2,
})
const series = fromArrays({
  inputs: shares(4 * 12),
  targets: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  shape: [3, 4],
})
const vectors = fromArrays({ inputs: shares(9), labels: [0, 1, 0], shape: [3], classes: 2 })
const small = fromBytes({
  images: bytes(2 * 12),
  labels: [1, 0],
  shape: [2, 2, 3],
  classes: 2,
  normalization: { scale: 200, mean: [0, 0], std: [1, 1] },
})
const overTime = fromBytes({
  images: bytes(2 * 3 * 24),
  labels: [1, 0],
  shape: [2, 3, 4],
  timeSteps: 3,
  classes: 2,
  normalization: { scale: 255, mean: [0, 0], std: [1, 1] },
})

const contexts = [undefined, { seed: 1, epoch: 0 }, { seed: 1, epoch: 3 }, { seed: 9, epoch: 0 }]

/** All that a data set says and reads, with room to spare, with too little, and out of range. */
async function allOf(data: Dataset): Promise<unknown[]> {
  const { name, length, shape, timeSteps, classes, classNames, pixels, targets } = data
  const size = shape.reduce((a, b) => a * b, timeSteps ?? 1)
  const found: unknown[] = [name, length, shape, timeSteps, classes, classNames]
  const read = async (index: number, room: number, context = contexts[0]): Promise<void> => {
    const out = new Float32Array(room).fill(7)
    found.push(await outcomeOf(() => [data.read(index, out, context), out]))
    const raw = new Uint8Array(room).fill(7)
    if (pixels) found.push(await outcomeOf(() => [pixels.read(index, raw, context), raw]))
    const wanted = new Float32Array(room).fill(7)
    if (targets) found.push(await outcomeOf(() => [targets.read(index, wanted), wanted]))
  }
  for (let index = 0; index < length; index++)
    for (const context of contexts) await read(index, size, context)
  for (const index of [-1, length, Number.NaN]) await read(index, size)
  for (const room of [size - 1, size + 1])
    for (const context of contexts.slice(0, 2)) await read(0, room, context)
  if (targets) found.push(targets.size)
  const plain = plainOf(data)
  if (plain) found.push(readingNs(plain), isOfFiles(plain), plain)
  return [...found, changesOf(data), hashOf(data)?.()]
}

/** A data set and the same made again of its plain data. */
const twice = (make: () => Dataset) => async (): Promise<unknown[]> => {
  const data = make()
  const again = openPlain(plainOf(data)!)
  return [await allOf(data), await allOf(again)]
}

test('encoders give the same spikes', async () => {
  const ways: [keyof typeof encoders, Dataset, object][] = [
    ['constant', colours, { timeSteps: 3 }],
    ['rate', colours, { timeSteps: 5 }],
    ['rate', grey, { timeSteps: 4, seed: 2 ** 32 - 1, gain: 1.5, offset: -0.1 }],
    ['rate', vectors, { timeSteps: 4, gain: 2, firstSpikeTime: 3 }],
    ['poisson', augment(colours, { flip: true, crop: 1 }), { timeSteps: 2 }],
    ['latency', colours, { timeSteps: 6 }],
    ['latency', grey, { timeSteps: 1, function: 'log' }],
    ['latency', grey, { timeSteps: 9, function: 'log' }],
    ['latency', vectors, { timeSteps: 9, function: 'rc', tau: 3, threshold: 0.07 }],
    ['latency', grey, { timeSteps: 7, function: 'rc', normalize: true }],
    ['latency', grey, { timeSteps: 7, function: 'rc', clip: true, threshold: 0.5 }],
    ['delta', frames, {}],
    ['delta', frames, { threshold: 0.07, padding: true, offSpike: true }],
    ['delta', frames, { threshold: 0, offSpike: true }],
    ['delta', series, { threshold: 0.05, offSpike: true }],
    ['phase', colours, { timeSteps: 5 }],
    ['phase', grey, { timeSteps: 30 }],
    ['phase', vectors, { timeSteps: 7, phases: 3 }],
  ]
  const calls = ways.map(([name, data, options]): [string, () => unknown] => [
    `${name} of [${data.shape}] ${JSON.stringify(options)}`,
    twice(() => (encoders[name] as (of: Dataset, options: object) => Dataset)(data, options)),
  ])
  await expectOutcomes(hashes, 'encoders', Object.fromEntries(calls))
})

test('encoders refuse the same', async () => {
  const read = (name: keyof typeof encoders, ...given: unknown[]): number =>
    (encoders[name] as (...all: unknown[]) => Dataset)(...given).read(0, new Float32Array(4000))
  const rows: [keyof typeof encoders, Dataset, object, string[]][] = [
    ['rate', grey, { timeSteps: 3 }, ['timeSteps', 'seed', 'gain', 'offset', 'firstSpikeTime']],
    ['latency', grey, { timeSteps: 3 }, ['function', 'tau', 'threshold', 'normalize', 'clip']],
    ['latency', grey, { timeSteps: 3, function: 'rc' }, ['tau', 'threshold', 'normalize', 'clip']],
    ['delta', frames, {}, ['threshold', 'padding', 'offSpike', 'timeSteps']],
    ['phase', grey, { timeSteps: 3 }, ['phases']],
  ]
  const limits = [3, 24, 25, 4096, 4097, 2 ** 32 - 1, 2 ** 32, -1e300, 1e-300, 0.999, 'log', 'rc']
  const sets = [colours, grey, frames, series, vectors, { ...grey, shape: null }]
  for (const [name, data, base, keys] of rows)
    await expectOutcomes(hashes, `${name} ${JSON.stringify(base)} refuses`, {
      ...optionsWithOdd(keys, (given) => read(name, data, { ...base, ...given }), limits),
      data: withOdd((of) => read(name, of, base), ...sets),
      more: withOdd((more) => read(name, data, base, more)),
    })
  const inputs = Float32Array.of(0, 1, 1.01)
  const beyond = fromArrays({ inputs, labels: [0, 0, 0], shape: [1], classes: 1 })
  const readings = (['rate', 'phase'] as const).flatMap((name) =>
    [0, 1, 2].map(
      (i) => () => encoders[name](beyond, { timeSteps: 1 }).read(i, new Float32Array(1)),
    ),
  )
  await expectOutcomes(hashes, 'encoders', { 'numbers beyond 1': each(readings) })
})

test('augmentation gives the same bytes', async () => {
  const ways: [Dataset, AugmentOptions][] = [
    [colours, {}],
    [colours, { crop: 2 }],
    [colours, { crop: 7, cutout: 3 }],
    [grey, { crop: 4, paddingMode: 'reflect' }],
    [colours, { crop: 1, paddingMode: 'reflect', flip: true }],
    [colours, { flip: true, cutout: 2, autoAugment: true }],
    [grey, { autoAugment: true }],
    [overTime, { flip: true, crop: 1, cutout: 4 }],
    [subset(small, 1), { crop: 1 }],
  ]
  const calls = ways.map(([data, options], i): [string, () => unknown] => [
    `${i} ${JSON.stringify(options)}`,
    twice(() => augment(data, options)),
  ])
  await expectOutcomes(hashes, 'augment', Object.fromEntries(calls))
})

test('the policy of AutoAugment: each sub-policy, many draws', async () => {
  const random = new RandomStream(Purpose.Augment)
  const images = (channels: number) => () =>
    Array.from({ length: 600 }, (_, seed) => {
      random.start(seed, 2, seed)
      const size = { height: 19, width: 23, channels }
      const image = bytes(437 * channels, seed)
      return autoAugment(image, new Uint8Array(image.length), size, random)
    })
  await expectOutcomes(hashes, 'AutoAugment', { grey: images(1), colours: images(3) })
})

test('augmentation refuses the same', async () => {
  const read = (data: Dataset, options: object): number =>
    augment(data, options).read(0, new Float32Array(500), { seed: 1, epoch: 1 })
  const keys = ['crop', 'paddingMode', 'flip', 'cutout', 'autoAugment', 'other']
  const own = [4, 5, 6, 'reflect', 'constant']
  await expectOutcomes(hashes, 'augment refuses', {
    ...optionsWithOdd(keys, (given) => read(colours, given), own),
    'crop with reflect': withOdd((crop) => read(colours, { crop, paddingMode: 'reflect' }), ...own),
    'autoAugment of others': each(
      [overTime, small, vectors].map((data) => () => read(data, { autoAugment: true })),
    ),
    data: withOdd((value) => augment(value as Dataset, {})),
    more: withOdd((value) => (augment as (...all: unknown[]) => unknown)(grey, {}, value)),
    'a square that hangs over': () =>
      [0, 1, 2, 5].map((at) => {
        const image = new Uint8Array(60).fill(9)
        blacken(image, { height: 5, width: 6, channels: 2 }, at, 4 - (at % 5), 4)
        return image
      }),
  })
})

test('batches come in the same order', async () => {
  const run = (data: Dataset, options: BatchesOptions, layout: 'samples' | 'slots') => {
    const batches = new Batches(data, options, layout)
    const size = data.shape.reduce((a, b) => a * b, data.timeSteps ?? 1)
    const { batchSize, length } = batches
    const found: unknown[] = [length, batchSize]
    for (const epoch of [0, 1, 1, 5]) {
      batches.startEpoch(epoch)
      for (let batch = length - 1; batch >= 0; batch--) {
        const images = new Float32Array(batchSize * size).fill(7)
        const labels = new Int32Array(batchSize).fill(7)
        const targets = data.targets && new Float32Array(batchSize * data.targets.size).fill(7)
        found.push([batches.fill(batch, images, labels, targets), images, labels, targets])
      }
    }
    return found
  }
  const sets = { colours, frames, series, vectors, augmented: augment(colours, { flip: true }) }
  const ways: BatchesOptions[] = [
    { batchSize: 2 },
    { batchSize: 3, training: true },
    { batchSize: 2, training: true, seed: 5, dropLast: true },
  ]
  for (const layout of ['samples', 'slots'] as const)
    for (const [name, data] of Object.entries(sets))
      await expectOutcomes(hashes, `batches, ${layout}`, {
        [name]: () => ways.map((options) => run(data, options, layout)),
      })
})

test('batches refuse the same', async () => {
  const labelled = (label: unknown): Dataset => ({ ...vectors, read: () => label as number })
  const filled = (data: Dataset, [images, labels, targets]: readonly (number | undefined)[]) =>
    new Batches(data, { batchSize: 2 }).fill(
      ...([0, new Float32Array(images!), new Int32Array(labels!)] as const),
      targets === undefined ? undefined : new Float32Array(targets),
    )
  const rooms = (data: Dataset, text: string) =>
    each(lists(text).map((room) => () => filled(data, room)))
  await expectOutcomes(hashes, 'batches refuse', {
    ...optionsWithOdd(
      ['batchSize', 'training', 'seed', 'dropLast', 'more'],
      (given) => new Batches(colours, { batchSize: 2, ...given }).length,
      [5, 6, 2 ** 32],
    ),
    'none is left': withOdd(
      (batchSize) => new Batches(colours, { batchSize, dropLast: true } as BatchesOptions).length,
      ...[5, 6],
    ),
    label: withOdd((label) => filled(labelled(label), [6, 2]), Promise.resolve(1), 'a'),
    'label without classes': withOdd((label) =>
      filled({ ...series, read: () => label as number }, [24, 2]),
    ),
    classes: withOdd((classes) => filled({ ...vectors, classes } as Dataset, [6, 2]), 65536, 65537),
    'classes beside targets': withOdd((classes) =>
      filled({ ...series, classes } as Dataset, [24, 2]),
    ),
    data: withOdd((data) => filled(data as Dataset, [6, 2])),
    rooms: rooms(vectors, '6x2 5x2 6x1 7x3 6x2x2'),
    'room for targets': rooms(series, '24x2x4 24x2x3 24x2x5 24x2'),
    epoch: withOdd((epoch) => new Batches(vectors, { batchSize: 1 }).startEpoch(epoch as number)),
    batch: withOdd((batch) =>
      new Batches(vectors, { batchSize: 2 }).fill(
        ...([batch as number, new Float32Array(9), new Int32Array(9)] as const),
      ),
    ),
    prepare: withOdd(async (batch) => {
      const asked: unknown[] = []
      const prepare = async (...all: unknown[]): Promise<void> => void asked.push(all)
      for (const training of [false, true]) {
        const batches = new Batches({ ...colours, prepare }, { batchSize: 3, training })
        await batches.prepare(batch as number)
      }
      return asked
    }),
  })
})

test('data in memory: what is read and refused', async () => {
  const arrays = { inputs: shares(6), labels: [0, 1], shape: [3], classes: 2 }
  const free = { inputs: shares(6), targets: shares(4), shape: [3] }
  const raw = { images: bytes(12), labels: [0, 1], shape: [2, 3] as const, classes: 2 }
  const own = { scale: 200, mean: [0.1, 0.2], std: [0.5, 0.4] }
  const floats = [
    new Float32Array(6),
    new Float64Array([1, 2, 3, 4, 5, 1e39]),
    new Float64Array(7),
    new Float32Array(0),
    new Float32Array([0, 0, 0, 0, Number.NaN, 0]),
  ]
  const integers = [
    new Uint8Array(12),
    new Uint8ClampedArray(12),
    new Uint8Array(13),
    new Int8Array(12),
  ]
  const values = [
    ...lists('0x2 0x1.5 3 6 2x3x1 1x1x1x1'),
    ...[65_536, 65_537, 4096, 4097],
    ...floats,
    ...integers,
    ...[
      [0, 1n],
      ['a', 'b'],
      ['a', 1],
    ],
    ...[own, { ...own, scale: 0 }, { ...own, more: 1 }],
  ]
  const bytesOf = { ...raw, normalization: own }
  const described = 'name,shape,timeSteps,labels,classes,classNames,other'
  const tables: [string, (options: never) => Dataset, object, string][] = [
    ['arrays with labels', fromArrays, arrays, `images,inputs,targets,${described}`],
    ['arrays with targets', fromArrays, free, `targets,${described}`],
    ['bytes', fromBytes, bytesOf, `images,normalization,${described}`],
  ]
  for (const [name, make, base, keys] of tables) {
    const read = (given: object): unknown[] => {
      const { length, ...data } = make({ ...base, ...given } as never)
      return [length, JSON.stringify(data), data.read(length - 1, new Float32Array(100))]
    }
    await expectOutcomes(hashes, name, optionsWithOdd(keys.split(','), read, values))
  }
  const normalized = (given: object): unknown[] => {
    const out = new Float32Array(6)
    return [fromBytes({ ...raw, normalization: { ...own, ...given } }).read(1, out), out]
  }
  const numbers = [...lists('0xNaN 1x0 1x-1 1x1e-40'), new Float32Array([1, 2]), 1e-300, 255]
  const checked = optionsWithOdd(['scale', 'mean', 'std'], normalized, numbers)
  await expectOutcomes(hashes, 'normalization', checked)
  const sets = { colours, grey, frames, series, vectors, small, overTime }
  const cut = Object.entries(sets).flatMap(([name, data]): [string, () => unknown][] => [
    [name, twice(() => data)],
    [`two of ${name}`, twice(() => subset(data, 2))],
  ])
  await expectOutcomes(hashes, 'in memory', {
    ...Object.fromEntries(cut),
    'one of two of what changes': twice(() =>
      subset(subset(augment(colours, { flip: true }), 2), 1),
    ),
    limit: withOdd((limit) => subset(vectors, limit as number).length, 3, 4),
    'no data': withOdd((data) => subset(data as Dataset, 1)),
  })
})

test('checks of labels, indices and room; splits', async () => {
  const whole = () => wholeSplit(grey, () => small)
  await expectOutcomes(hashes, 'checks', {
    label: withOdd((label) => checkLabels('it', [0, label as number], 3), 3),
    index: withOdd((index) => checkIndex('it', index as number, 2)),
    room: withOdd((room) => checkRead('it', 0, 1, room as number, 2)),
    'a split': () => {
      const test = (of: Dataset) => subset(of, 1)
      const both = mapSplit({ train: grey, test: small }, { train: vectors, test })
      const one = mapSplit(whole(), { train: vectors, test })
      return [both, one, whole()].map((of) => [Object.keys(of), of.train.name, of.test.length])
    },
  })
})

test('files of digits, CIFAR and MNIST: sizes and lines', async () => {
  const line = (value: number, digit: number | string): string =>
    `${new Array(64).fill(value).join(',')},${digit}`
  const file = (...lines: string[]): Uint8Array => new TextEncoder().encode(lines.join('\n'))
  const idx = (shape: readonly number[], count: number, ...head: number[]): Uint8Array =>
    new Uint8Array([...head, ...shape.flatMap((size) => [0, 0, 0, size]), ...bytes(count)])
  const seven = Array.from({ length: 7 }, (_, i) => line(i, 3))
  const digitFiles = [
    file(...seven),
    file(line(16, 9)),
    file(line(17, 9)),
    file(line(-1, 0)),
    file(line(0, 10)),
    file(line(0, -1)),
    file(line(0.5, 1)),
    file(`1,${line(1, 1)}`),
    file(line(1, 'x')),
    file(...seven, '1,2'),
  ]
  const right = [0, 0, 8, 2]
  const heads = [
    ...[6, 5, 7].map((count) => idx([2, 3], count, ...right)),
    idx([0, 3], 0, ...right),
    idx([2], 0, ...right),
    ...[right.with(0, 1), right.with(1, 1), right.with(2, 9), right.with(3, 3)].map((head) =>
      idx([2, 3], 6, ...head),
    ),
    ...[[0, 0, 8], [0, 0, 0, 0], right].map((list) => new Uint8Array(list)),
  ]
  const record = (label: number): number[] => [label, 5, ...bytes(3072, label)]
  const two = [...record(1), ...record(2)]
  const records = [[], record(3), record(9), record(10), two, record(1).slice(1)]
  const names = ['a\nb\nc', 'a\nb', 'a\n b \r\nc\n\n', '']
  await expectOutcomes(
    hashes,
    'files',
    {
      digits: each(
        digitFiles.map((bytes) => async () => {
          const { train, test } = await digits(bytes)
          return [await allOf(train), await outcomeOf(() => allOf(test))]
        }),
      ),
      'digits of the package': async () => {
        const { train, test } = await datasets.digits()
        return Promise.all([train, test].map((part) => allOf(subset(part, 200))))
      },
      'digits from': withOdd((from) => digits(from as string)),
      idx: each(heads.map((bytes) => () => parseIdx(bytes, 2, 'it'))),
      'bytes of idx': each(heads.map((bytes) => () => idxBytes(bytes, 2, 'it'))),
      cifar: each(
        records.flatMap((list) =>
          ([1, 2] as const).map((n) => () => parseCifar(new Uint8Array(list), n, 10, 'it')),
        ),
      ),
      'names of classes': each(names.map((text) => () => parseClassNames(file(text), 3, 'it'))),
    },
    process.cwd(),
  )
  const four = (count: number, side: number, labels: number[]) => ({
    'train-images-idx3-ubyte': idx([count, side, 2], count * side * 2, 0, 0, 8, 3),
    't10k-images-idx3-ubyte': idx([count, 3, 2], count * 6, 0, 0, 8, 3),
    'train-labels-idx1-ubyte': new Uint8Array([0, 0, 8, 1, 0, 0, 0, labels.length, ...labels]),
    't10k-labels-idx1-ubyte': new Uint8Array([0, 0, 8, 1, 0, 0, 0, 2, 0, 9]),
  })
  const all = four(2, 3, [9, 0])
  const { 't10k-labels-idx1-ubyte': _, ...three } = all
  const blobs = Object.entries(all).map(([name, content]) => [name, new Blob([content as never])])
  const given: Record<string, unknown> = {
    right: all,
    'three files': three,
    none: {},
    'no names': [all],
    'a number': { a: 1 },
    'two sizes': four(2, 4, [1, 2]),
    'three labels': four(2, 3, [1, 2, 3]),
    'a label of 10': four(2, 3, [1, 10]),
    blobs: Object.fromEntries(blobs),
  }
  for (const loader of ['mnist', 'fashionMnist'] as const)
    await expectOutcomes(
      hashes,
      loader,
      Object.fromEntries(
        Object.entries(given).map(([name, files]) => [
          name,
          async () => {
            const { train, test } = await datasets[loader](files as never)
            return [await allOf(train), await allOf(test)]
          },
        ]),
      ),
    )
})

test('loaders take a path or the URL of a file, and options where they have some', async () => {
  const { digits, ...loaders } = datasets as unknown as Record<
    string,
    (...given: unknown[]) => Promise<unknown>
  >
  const given = [[new URL('https://example.org/a')], ['none', {}, {}], ['none', {}], ['none', 5]]
  const outcomes = Object.entries(loaders).map(([name, load]) => [
    name,
    each(given.map((some) => () => load(...some))),
  ])
  await expectOutcomes(hashes, 'loaders', {
    ...Object.fromEntries(outcomes),
    digits: () => digits(undefined, 1),
  })
})

test('memory.json holds these alone', () => hashes.finish())

test.run()
