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
import { each, expectOutcomes, outcomeOf, withOdd } from '../support/hashed-tables.js'
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
  const of = (name: keyof typeof encoders, data: Dataset, base: object) => {
    const make = encoders[name] as (of: unknown, options: unknown, more?: unknown) => Dataset
    return (key: string, ...more: readonly unknown[]): [string, () => unknown] => [
      `${name}.${key} ${JSON.stringify(base)}`,
      withOdd(
        (value) => {
          const given: object = { ...base, [key]: value }
          const encoded =
            key === 'data'
              ? make(value, base)
              : key === 'more'
                ? make(data, base, value)
                : make(data, given)
          return encoded.read(0, new Float32Array(4000))
        },
        ...more,
      ),
    ]
  }
  const rate = of('rate', grey, { timeSteps: 3 })
  const rc = of('latency', grey, { timeSteps: 3, function: 'rc' })
  const linear = of('latency', grey, { timeSteps: 3 })
  const delta = of('delta', frames, {})
  const negative = fromArrays({
    inputs: Float32Array.of(0, 1, 1.01),
    labels: [0, 0, 0],
    shape: [1],
    classes: 1,
  })
  const large = (name: 'rate' | 'phase') => () =>
    [0, 1, 2].map((i) =>
      outcomeOf(() => encoders[name](negative, { timeSteps: 1 }).read(i, new Float32Array(1))),
    )
  await expectOutcomes(
    hashes,
    'encoders refuse',
    Object.fromEntries([
      rate('timeSteps', 4096, 4097),
      rate('seed', 2 ** 32 - 1, 2 ** 32),
      rate('gain', -1e300),
      rate('offset'),
      rate('bias'),
      rate('firstSpikeTime', 3),
      rate('data', frames, series, { ...grey, shape: null }),
      rate('more'),
      linear('function', 'log', 'rc'),
      linear('tau'),
      linear('threshold'),
      linear('normalize'),
      linear('clip'),
      rc('tau', 1e-300),
      rc('threshold', 0.999),
      rc('normalize'),
      rc('clip'),
      delta('threshold'),
      delta('padding'),
      delta('offSpike'),
      delta('data', grey, colours, vectors, series),
      delta('timeSteps'),
      of('phase', grey, { timeSteps: 3 })('phases', 24, 25),
      ['numbers beyond 1 for rate', async () => Promise.all(large('rate')())],
      ['numbers beyond 1 for phase', async () => Promise.all(large('phase')())],
    ]),
  )
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
  const option = (key: string, data: Dataset = colours, base: object = {}) =>
    withOdd(
      (value) => {
        const augmented = augment(data, { ...base, [key]: value } as AugmentOptions)
        return augmented.read(0, new Float32Array(500), { seed: 1, epoch: 1 })
      },
      ...[4, 5, 6, 'reflect', 'constant'],
    )
  await expectOutcomes(hashes, 'augment refuses', {
    crop: option('crop'),
    'crop with reflect': option('crop', colours, { paddingMode: 'reflect' }),
    paddingMode: option('paddingMode'),
    flip: option('flip'),
    cutout: option('cutout'),
    autoAugment: option('autoAugment'),
    'autoAugment of frames': option('autoAugment', overTime),
    'autoAugment of 0 … 200': option('autoAugment', small),
    'floats without bytes': option('flip', vectors),
    other: option('other'),
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
  const option = (key: string) =>
    withOdd((value) => new Batches(colours, { batchSize: 2, [key]: value }).length, 5, 6, 2 ** 32)
  const rooms =
    (data: Dataset, ...all: (readonly (number | undefined)[])[]) =>
    () =>
      Promise.all(all.map((room) => outcomeOf(() => filled(data, room))))
  await expectOutcomes(hashes, 'batches refuse', {
    ...Object.fromEntries(
      ['batchSize', 'training', 'seed', 'dropLast', 'more'].map((key) => [key, option(key)]),
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
    rooms: rooms(vectors, [6, 2], [5, 2], [6, 1], [7, 3], [6, 2, 2]),
    'room for targets': rooms(series, [24, 2, 4], [24, 2, 3], [24, 2, 5], [24, 2]),
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
  const raw = { images: bytes(12), labels: [0, 1], shape: [2, 3], classes: 2 }
  const own = { scale: 200, mean: [0.1, 0.2], std: [0.5, 0.4] }
  const of = (make: (options: never, ...more: never[]) => Dataset, base: object) => (key: string) =>
    withOdd(
      (value) => {
        const { length, ...data } = make({ ...base, [key]: value } as never)
        return [length, JSON.stringify(data), data.read(length - 1, new Float32Array(100))]
      },
      ...[[0, 2], [0, 1.5], [0, 1n], ['a', 'b'], ['a', 1], [3], [6], [2, 3, 1], [1, 1, 1, 1]],
      ...[65_536, 65_537, 4096, 4097, new Float32Array(6), new Float64Array([1, 2, 3, 4, 5, 1e39])],
      ...[new Float64Array(7), new Float32Array(0), new Float32Array([0, 0, 0, 0, NaN, 0])],
      ...[new Uint8Array(12), new Uint8ClampedArray(12), new Uint8Array(13), new Int8Array(12)],
      ...[own, { ...own, scale: 0 }, { ...own, more: 1 }],
    )
  const tables = {
    'arrays with labels': [fromArrays, arrays, 'name,shape,timeSteps,images,inputs,labels,classes'],
    'arrays with names': [fromArrays, arrays, 'classNames,targets,other'],
    'arrays with targets': [fromArrays, free, 'shape,timeSteps,classes,classNames,targets,labels'],
    bytes: [
      fromBytes,
      { ...raw, normalization: own },
      'name,shape,timeSteps,images,labels,classes',
    ],
    'bytes with names': [
      fromBytes,
      { ...raw, normalization: own },
      'classNames,normalization,other',
    ],
  } as const
  for (const [name, [make, base, keys]] of Object.entries(tables))
    await expectOutcomes(
      hashes,
      name,
      Object.fromEntries(keys.split(',').map((key) => [key, of(make as never, base)(key)])),
    )
  const numbers = (key: string) =>
    withOdd(
      (value) => {
        const given = { ...own, [key]: value } as typeof own
        const data = fromBytes({ ...raw, shape: [2, 3], normalization: given })
        const out = new Float32Array(6)
        return [data.read(1, out), out]
      },
      ...[[0, NaN], [1, 0], [1, -1], [1, 1e-40], new Float32Array([1, 2]), 1e-300, 255],
    )
  await expectOutcomes(hashes, 'normalization', {
    scale: numbers('scale'),
    mean: numbers('mean'),
    std: numbers('std'),
  })
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
  const lists = [
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
  const heads = [
    idx([2, 3], 6, 0, 0, 8, 2),
    idx([2, 3], 5, 0, 0, 8, 2),
    idx([2, 3], 7, 0, 0, 8, 2),
    idx([0, 3], 0, 0, 0, 8, 2),
    idx([2], 0, 0, 0, 8, 2),
    idx([2, 3], 6, 1, 0, 8, 2),
    idx([2, 3], 6, 0, 1, 8, 2),
    idx([2, 3], 6, 0, 0, 9, 2),
    idx([2, 3], 6, 0, 0, 8, 3),
    new Uint8Array(3),
    new Uint8Array(4),
    new Uint8Array([0, 0, 8, 2]),
  ]
  const record = (label: number): number[] => [label, 5, ...bytes(3072, label)]
  const names = ['a\nb\nc', 'a\nb', 'a\n b \r\nc\n\n', '']
  await expectOutcomes(
    hashes,
    'files',
    {
      digits: each(
        lists.map((bytes) => async () => {
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
        [
          [],
          record(3),
          record(9),
          record(10),
          [...record(1), ...record(2)],
          record(1).slice(1),
        ].flatMap((list) =>
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
  const right = four(2, 3, [9, 0])
  const { 't10k-labels-idx1-ubyte': _, ...three } = right
  const given: Record<string, unknown> = {
    right,
    'three files': three,
    none: {},
    'no names': [right],
    'a number': { a: 1 },
    'two sizes': four(2, 4, [1, 2]),
    'three labels': four(2, 3, [1, 2, 3]),
    'a label of 10': four(2, 3, [1, 10]),
    blobs: Object.fromEntries(
      Object.entries(right).map(([name, content]) => [name, new Blob([content as never])]),
    ),
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

test('memory.json holds these alone', () => hashes.finish())

test.run()
