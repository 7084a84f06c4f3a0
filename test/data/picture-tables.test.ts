/** Pictures: hashes of what is decoded, resized, changed, listed, kept and refused. */

import * as fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import { Purpose, RandomStream } from '../../src/base/random.js'
import { describedBy } from '../../src/data/datasets/dataset.js'
import { hashOfFiles } from '../../src/data/file-hash.js'
import { openPlain } from '../../src/data/open.js'
import { type CacheOf, cacheKey, SampleCache } from '../../src/data/pictures/cache.js'
import { entryOf, type PlainPictures, pathOf } from '../../src/data/pictures/dataset.js'
import { decodePicture, jpegHead, loadCodecs, pngSize } from '../../src/data/pictures/decode.js'
import { classNamesOf, parseSolution } from '../../src/data/pictures/imagenet.js'
import { checkFolderOptions, checkPictureOptions } from '../../src/data/pictures/options.js'
import * as transforms from '../../src/data/pictures/transforms.js'
import { changesOf, hashOf, plainOf } from '../../src/data/plain.js'
import { type Dataset, datasets, type PictureOptions, type Split } from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { writeFiles } from '../support/data-folders.js'
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

const hashes = new Hashes('data/picture-tables.json')
const fixtures = fileURLToPath(new URL('../../../test/fixtures/pictures/', import.meta.url))
const file = (name: string): Uint8Array => new Uint8Array(fs.readFileSync(join(fixtures, name)))
await loadCodecs()

type Bytes = transforms.Bytes
/** A random picture, some of whose pixels are grey, black and white. */
const picture = (height: number, width: number, channels: number): Bytes => {
  const random = testRandom(height * width)
  const data = Uint8Array.from({ length: height * width * channels }, () => 256 * random())
  for (const [at, value] of [90, 90, 0, 255].entries())
    data.fill(value, at * channels, (at + 1) * channels)
  return { data, height, width, channels }
}
const streamOf = (seed: number): RandomStream => {
  const random = new RandomStream(Purpose.Augment)
  random.start(seed, 1, 2)
  return random
}

test('sizes and colours', async () => {
  const all = [picture(9, 13, 3), picture(13, 8, 1), picture(1, 40, 3), picture(40, 1, 1)]
  const over = (change: (of: Bytes) => unknown) => () => all.map(change)
  const seeds = Array.from({ length: 40 }, (_, seed) => seed)
  const pairs = (text: string) => lists(text) as [number, number][]
  const crops = (options: object, size: readonly [number, number] = [5, 7]) =>
    over((of) =>
      seeds.map((seed) => transforms.randomResizedCrop(of, size, options, streamOf(seed))),
    )
  const changed = (of: Bytes, change: (copy: Bytes) => void): Uint8Array => {
    const copy = { ...of, data: of.data.slice() }
    change(copy)
    return copy.data
  }
  const factors = [-1, -0.5, -0.2, 0, 0.1, 0.3, 0.5, 1, 1.4, 3]
  const kinds = ['brightness', 'contrast', 'saturation', 'hue'] as const
  const adjusted = kinds.map((kind) => [
    kind,
    over((of) =>
      factors.map((factor) => changed(of, (copy) => transforms.adjust(copy, kind, factor))),
    ),
  ])
  const jitters = [
    { brightness: 0.4 },
    { contrast: 2 },
    { saturation: 1 },
    { hue: 0.5 },
    { brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 0.1 },
  ]
  const jittered = (of: Bytes) => (jitter: transforms.ColorJitter) =>
    seeds.map((seed) => changed(of, (copy) => transforms.colorJitter(copy, jitter, streamOf(seed))))
  const four = { ...picture(3, 4, 4), channels: 4 as const }
  const boxes = lists('0x0x9x9 2x1x7x5 3x3x4x4').flatMap(([left, top, right, bottom]) =>
    pairs('9x9 4x6 17x3').map((to) =>
      transforms.resize(all[0], { left, top, right, bottom }, to, 3),
    ),
  )
  await expectOutcomes(hashes, 'pictures', {
    'sizes of the shorter side': over((of) =>
      [1, 5, 9, 13, 20].map((size) => transforms.resizeTo(of, size)),
    ),
    'sizes as pairs': over((of) =>
      pairs('9x13 3x4 20x2 1x1').map((size) => transforms.resizeTo(of, size)),
    ),
    middles: over((of) =>
      pairs('9x13 8x12 7x10 10x14 12x1 1x41 2x3').map((size) => transforms.centreCrop(of, size)),
    ),
    boxes: () => boxes,
    'random parts': crops({}),
    'random parts of a scale': crops({ scale: [0.3, 0.9] }, [3, 3]),
    'random parts, wide': crops({ ratio: [2, 3] }),
    'random parts, high': crops({ ratio: [0.1, 0.2] }),
    'no part fits: wide': crops({ scale: [1, 1], ratio: [4, 5] }),
    'no part fits: high': crops({ scale: [1, 1], ratio: [0.2, 0.3] }),
    'no part fits: a square': crops({ scale: [1, 1], ratio: [1, 1] }),
    flips: over((of) =>
      (['across', 'down'] as const).map((a) => changed(of, (copy) => transforms.flip(copy, a))),
    ),
    ...Object.fromEntries(adjusted),
    jitter: over((of) => jitters.map(jittered(of))),
    channels: () => ([1, 3] as const).map((wanted) => transforms.toChannels(four, wanted)),
  })
})

/** Bytes of a PNG whose head says a size, and of a JPEG. */
const png = (width: number, height: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  bytes.set(file('rgb.png').subarray(0, Math.min(length, 24)))
  const view = new DataView(bytes.buffer)
  if (length >= 24) {
    view.setUint32(16, width)
    view.setUint32(20, height)
  }
  return bytes
}
const jpeg = (width: number, height: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  const head = [0xff, 0xd8, 0xff, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc0, 0, 17, 8]
  bytes.set([...head, height >> 8, height & 255, width >> 8, width & 255, 3].slice(0, length))
  return bytes
}

test('what is decoded and refused by its head', async () => {
  const sizes = [
    '0x1x100 1x0x100 1x1x23 1x1x24 8192x8192x30 8193x8192x30',
    '8192x8192x8128 8256x30x29 8256x31x30 4096x1x25',
    '512x24x31 512x24x32 512x40x31 512x40x32 512x41x32',
  ].flatMap((some) => lists(some) as [number, number, number][])
  const frame = [0xff, 0xd8, 0xff, 0xbf, 0, 8, 1, 0, 2, 0, 3, 4, 0xff, 0xc0, 0, 9, 8, 0, 7, 0, 5, 1]
  const frames = Array.from({ length: 18 }, (_, i) => Uint8Array.from(frame.with(3, 0xbf + i)))
  const names = fs
    .readdirSync(fixtures)
    .filter((name) => /[.](png|jpg)$/.test(name))
    .sort()
  const decodeOf = (bytes: Uint8Array) => () => decodePicture(bytes, 'it')
  await expectOutcomes(hashes, 'decode', {
    'heads of PNG': each(sizes.map((size) => decodeOf(png(...size)))),
    'heads of JPEG': each(sizes.map((size) => decodeOf(jpeg(...size)))),
    'sizes of PNG': each(sizes.map((size) => () => pngSize(png(...size)))),
    'sizes of JPEG': each(sizes.map((size) => () => jpegHead(jpeg(...size)))),
    'kinds of frames': each(frames.map((bytes) => () => jpegHead(bytes))),
    'frames cut off': each(
      Array.from(frames[0], (_, end) => () => jpegHead(frames[0].subarray(0, end))),
    ),
    others: each(
      [[], [1, 2, 3], [0xff, 0xd8], [0xff, 0xd7, 0xff]].map((b) => decodeOf(new Uint8Array(b))),
    ),
    // One after another: a decoder goes on behind damage.
    files: async () => {
      const found: unknown[] = []
      for (const name of names)
        for (const part of [1, 0.5, 0.9]) {
          const bytes = file(name)
          const outcome = await outcomeOf(
            decodeOf(bytes.subarray(0, Math.ceil(part * bytes.length))),
          )
          // What that decoder says of damage differs from one version to another.
          found.push(name === 'cmyk.jpg' && part < 1 ? typeof outcome : outcome)
        }
      return found
    },
  })
})

test('options are refused by the same words', async () => {
  const keys = 'size,crop,channels,mean,std,cache,randomResizedCrop,flip,verticalFlip,colorJitter'
  const having = (key: string, ...values: unknown[]) => values.map((value) => ({ [key]: value }))
  const own = [
    8192,
    8193,
    [8192, 8193],
    [3, 4, 5],
    [0.5, 0.5, 0.5],
    [1, 1, 0],
    ...having('scale', [0.5, 1], [0, 1], [1, 0.5], [0.5, 1.01], 1, [1]),
    ...having('ratio', [1, 1000], [1, 1001]),
    ...having('hue', 0.5, 0.51, -0.1),
    ...having('contrast', 10, 10.1, Number.NaN, undefined),
    ...having('gamma', 1),
  ]
  for (const [name, check] of Object.entries({ checkPictureOptions, checkFolderOptions })) {
    const all = `${keys},trainShare,seed,more`.split(',')
    const refused = optionsWithOdd(all, (given) => check('it', given), own)
    await expectOutcomes(hashes, name, refused)
  }
  await expectOutcomes(hashes, 'options', {
    'seed beside trainShare': withOdd(
      (seed) => checkFolderOptions('it', { trainShare: 0.5, seed } as never),
      ...[2 ** 32 - 1, 2 ** 32],
    ),
    'grey with mean': withOdd((mean) => checkPictureOptions('it', { channels: 1, mean } as never)),
    none: withOdd((options) => checkPictureOptions('it', options as never)),
  })
})

/** Writes files of one time by their paths; a name of a fixture is its bytes. */
const writeAll = (folder: string, files: Readonly<Record<string, string>>): void => {
  const bytes = Object.entries(files).map(([path, content]) => [
    path,
    /^\w+\.(png|jpg)$/.test(content) ? file(content) : content,
  ])
  writeFiles(folder, Object.fromEntries(bytes), 1e9)
}

const readOf = (data: Dataset, index: number, epoch?: number): Float32Array => {
  const out = new Float32Array(data.shape.reduce((a, b) => a * b, 1))
  data.read(index, out, epoch === undefined ? undefined : { seed: 3, epoch })
  return out
}

/** What a part of a split is: its plain data, files in their order, labels and some samples. */
async function partOf(data: Dataset, folder: string): Promise<unknown[]> {
  const plain = plainOf(data) as PlainPictures
  const { files } = plain
  const again = openPlain(plain)
  const paths = Array.from({ length: data.length }, (_, i) => pathOf(files, i))
  const read = (of: Dataset) =>
    [undefined, 0, 1].flatMap((epoch) =>
      [0, 1].map((index) => outcomeOf(() => readOf(of, index, epoch), folder)),
    )
  const bytes = new Uint8Array(data.shape.reduce((a, b) => a * b, 1))
  const pixels = [-1, 0, data.length].map((i) =>
    outcomeOf(() => [data.pixels!.read(i, bytes), bytes]),
  )
  const label = data.read(data.length - 1, new Float32Array(bytes.length))
  const reads = await Promise.all([...read(data), ...read(again), ...pixels])
  const said = [describedBy(data), label, paths, plain, changesOf(data), hashOf(data)?.()]
  return [...said, ...reads]
}
const splitOf = async (split: Split, folder: string): Promise<unknown[]> => [
  ...(await partOf(split.train, folder)),
  await outcomeOf(() => partOf(split.test, folder), folder),
]

const two = {
  'a/1.png': 'rgb.png',
  'a/2.jpg': 'rgb.jpg',
  'b/x/1.png': 'grey.png',
  'b/2.PNG': 'rgb.png',
}
const within = (prefix: string, files: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(files).map(([path, content]) => [`${prefix}${path}`, content]))
const many = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${'ab'[(i % 3) & 1]}/${i}.png`, 'rgb.png']),
  )
const deep = (depth: number) => ({
  [`a/${'d/'.repeat(depth)}1.png`]: 'rgb.png',
  'b/1.png': 'rgb.png',
})

const layouts: Readonly<Record<string, [Readonly<Record<string, string>>, object?]>> = {
  'classes alone': [two],
  'a share': [many(19), { trainShare: 0.5, size: [8, 9] }],
  'another share': [many(19), { trainShare: 0.7, seed: 4, size: 20, crop: 6 }],
  'all of it': [two, { trainShare: 1 }],
  'nothing to test with': [two, { trainShare: 0.9 }],
  'train and val': [
    { ...within('train/', two), ...within('val/', two), 'test/c/1.png': 'rgb.png' },
  ],
  'train and test': [{ ...within('train/', two), ...within('test/', two) }, { channels: 1 }],
  'train alone': [within('train/', two)],
  'test alone': [within('test/', two)],
  'test alone, a share': [within('test/', two), { trainShare: 1 }],
  'both parts, a share': [{ ...within('train/', two), ...within('test/', two) }, { trainShare: 1 }],
  'another class': [{ ...within('train/', two), 'val/c/1.png': 'rgb.png' }],
  'hidden ones': [
    { ...two, '.c/1.png': 'rgb.png', 'a/.1.png': 'rgb.png', 'a/.d/1.png': 'rgb.png' },
  ],
  'no pictures': [{ ...two, 'c/notes.txt': 'no' }],
  'other pictures': [{ ...two, 'a/1.webp': 'x', 'b/2.tif': 'y', 'b/3.pgm': 'z' }],
  'eight folders deep': [deep(8)],
  'nine folders deep': [deep(9)],
  'sizes differ': [{ 'a/1.png': 'rgb.png', 'b/1.png': 'small' }, {}],
  'of the shorter side': [two, { size: 10 }],
  'a pair': [two, { size: [7, 5], mean: [0, 0, 0], std: [1, 1, 1] }],
  'in training': [
    two,
    { size: [12, 12], crop: 9, randomResizedCrop: true, flip: true, verticalFlip: true },
  ],
  'parts of files': [
    two,
    { crop: 9, randomResizedCrop: { scale: [0.2, 0.4] }, colorJitter: { hue: 0.3 } },
  ],
  empty: [{ 'notes.txt': 'no' }],
}

/** What an outcome is, and the warnings of it. */
async function warning(load: () => unknown, hidden: string): Promise<unknown[]> {
  const warned: string[] = []
  const listen = ({ message }: Error): void => void warned.push(message.replace(/\(E.*?\)/, '()'))
  process.on('warning', listen)
  const found = await outcomeOf(load, hidden)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  return [found, warned]
}

test('folders: what is found, in which order, and read', () =>
  withFolder(async (folder) => {
    for (const [name, [files, options]] of Object.entries(layouts)) {
      const own = join(folder, name.replaceAll(' ', '-'))
      writeAll(own, files)
      const load = async () =>
        splitOf(await datasets.imageFolder(own, options as PictureOptions), folder)
      await expectOutcomes(hashes, 'folder', { [name]: () => warning(load, folder) }, folder)
    }
    const own = join(folder, 'classes-alone')
    fs.symlinkSync(join(own, 'a'), join(own, 'c'))
    fs.symlinkSync(join(own, 'nowhere'), join(own, 'd'))
    fs.writeFileSync(join(own, 'large.png'), 'x')
    const sized = (size: number) => () => {
      fs.truncateSync(join(own, 'large.png'), size)
      return entryOf(own, 'large.png', 1).bytes
    }
    await expectOutcomes(
      hashes,
      'folder',
      {
        'kept as': async () => {
          const ways = [{}, { size: [8, 9] }, { crop: 9 }, { crop: 9, randomResizedCrop: true }]
          const splits = ways.map((way) =>
            datasets.imageFolder(own, { ...way, cache: join(folder, 'kept') } as PictureOptions),
          )
          return (await Promise.all(splits)).map(({ train }) => plainOf(train))
        },
        links: async () => partOf((await datasets.imageFolder(own)).train, folder),
        'files and others': each([
          ...[2 ** 28, 2 ** 28 + 1].map(sized),
          () => entryOf(own, 'a', 0),
          () => entryOf(own, 'no', 0),
        ]),
        'no folder': withOdd((path) => datasets.imageFolder(path as string)),
        'of many classes': async () => {
          for (let i = 0; i < 3; i++) fs.mkdirSync(join(own, `${i}`))
          return datasets.imageFolder(own)
        },
      },
      folder,
    )
  }))

test('ImageNet: what is taken from which list', () =>
  withFolder(async (folder) => {
    const train = { 'train/n02/1.JPEG': 'rgb.jpg', 'train/n01/1.JPEG': 'rgb.png' }
    const flat = {
      'val/v_2.JPEG': 'rgb.jpg',
      'val/v_1.JPEG': 'rgb.png',
      'val/.x.JPEG': 'x',
      'val/list.txt': 'x',
    }
    const labels = { 'val_labels.txt': 'n02\nn01\n' }
    const words = { 'synset_words.txt': 'n01 a dog\n' }
    const cases: typeof layouts = {
      folders: [{ ...train, 'val/n01/1.JPEG': 'rgb.jpg' }],
      flat: [{ ...train, ...flat, ...labels, ...words }],
      'no list': [{ ...train, ...flat }],
      'grey and small': [
        { ...train, ...flat, ...labels },
        { channels: 1, size: 12, crop: 8, flip: false },
      ],
      own: [
        { ...train, ...flat, ...labels },
        { mean: [0, 0, 0], std: [1, 1, 1], randomResizedCrop: false, size: [9, 9], crop: 9 },
      ],
      'the archive': [
        {
          ...within('ILSVRC/Data/CLS-LOC/', { ...train, ...flat }),
          'LOC_val_solution.csv': 'ImageId,PredictionString\nv_2,n01 1 2 3 4\nv_1,n02 5 6 7 8 \n',
          'LOC_synset_mapping.txt': 'n01 a dog\nn02 a cat, house cat\n',
        },
      ],
      'the folder in it': [
        { ...within('Data/CLS-LOC/', { ...train, ...flat }), 'Data/val_labels.txt': 'n01\nn02' },
      ],
      'a list of others': [{ ...train, ...flat, 'val.txt': 'v_1.JPEG 0\n' }],
      'no parts': [two],
    }
    for (const [name, [files, options]] of Object.entries(cases)) {
      const own = join(folder, name.replaceAll(' ', '-'))
      writeAll(own, files)
      const load = async () =>
        splitOf(await datasets.imageNet(own, options as PictureOptions), folder)
      await expectOutcomes(hashes, 'ImageNet', { [name]: load }, folder)
    }
    await expectOutcomes(
      hashes,
      'ImageNet',
      {
        folder: withOdd((path) => datasets.imageNet(path as string)),
        options: withOdd((options) => datasets.imageNet(folder, options as object)),
      },
      folder,
    )
  }))

test('lists of synsets', async () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  const order = new Map(['n01', 'n02'].map((name, label) => [name, label]))
  const names = ['a_1.JPEG', 'b/a_2.JPEG']
  const lists = [
    'n01\nn02',
    'n02\n\n n01 \n',
    'n01',
    'n01\nn02\nn01',
    '1\n0',
    '1\n2',
    'n03\nn01',
    '',
    'a_1 0\na_2 1',
    'a_1.JPEG,n02\nx/a_2,n01 1 2',
    'imageid,x\na_1,n01\na_2,n01',
    'ImageId,',
    'a_1 n01',
    'a_1 n01\na_2',
    'a_1 n01\na_2 n09',
    'a_1 n01\na_2 -1',
    'a_2 1\na_1 1 5 6',
    `a_1 ${'x'.repeat(60)}`,
    `${'y'.repeat(60)}\na_1 n01`,
  ]
  const words = [
    'n01 a dog\nn02  a cat, house cat \r\n',
    'n02\tcat\n n01 x',
    'n01\n',
    '',
    'n01 a\nn01 b',
  ]
  const most = new Uint8Array(2 ** 26 + 1).fill(120)
  await expectOutcomes(hashes, 'lists', {
    labels: each(lists.map((list) => () => parseSolution(text(list), 'it', names, order))),
    words: each(words.map((list) => () => classNamesOf(text(list), 'it', ['n01', 'n02', 'n03']))),
    'too long': each([0, 1].map((i) => () => classNamesOf(most.subarray(i), 'it', ['n01']))),
  })
})

test('the cache: its bytes, what is damaged, and where it cannot be', () =>
  withFolder(async (folder) => {
    const of = (size: number, more: Partial<CacheOf> = {}): CacheOf => ({
      folder: join(folder, 'kept', `${size}`),
      title: `a: ${size}`,
      key: cacheKey(['a', 'b']),
      samples: 3,
      size,
      ...more,
    })
    const sample = (index: number, size: number): Uint8Array =>
      Uint8Array.from({ length: size }, (_, i) => 40 * index + 7 * i + 1)
    const rounds = (size: number) => () => {
      const cache = SampleCache.open(of(size))
      const found: unknown[] = [cache.read(1)]
      for (const index of [2, 0]) cache.write(index, sample(index, size))
      // In the middle of words of four bytes.
      cache.write(1, new Uint8Array([9, ...sample(1, size)]).subarray(1))
      for (const index of [0, 1, 2, 3]) found.push(cache.read(index)?.slice())
      const [name] = fs.readdirSync(of(size).folder)
      const path = join(of(size).folder, name)
      found.push(name, fs.readFileSync(path))
      const again = SampleCache.open(of(size))
      const spoil = (at: number, bytes: ArrayLike<number>): void => {
        const spoilt = fs.readFileSync(path)
        spoilt.set(bytes, at)
        fs.writeFileSync(path, spoilt)
      }
      const record = 8 + size
      spoil(128 + record + 8, [77])
      // The bytes of one sample in the place of another.
      spoil(128, fs.readFileSync(path).subarray(128 + 2 * record, 128 + 3 * record))
      for (const index of [0, 1, 2]) found.push(again.read(index)?.slice())
      again.close()
      again.write(1, sample(1, size))
      again.write(2, sample(2, size))
      cache.close()
      for (const at of [0, 20, 70, 127]) {
        spoil(at, [200])
        const anew = SampleCache.open(of(size))
        found.push(anew.read(2))
        anew.close()
      }
      fs.truncateSync(path, 127)
      SampleCache.open(of(size)).close()
      SampleCache.open(of(size, { samples: 4 })).close()
      SampleCache.open(of(size, { key: cacheKey(['ab']) })).close()
      return [...found, fs.readdirSync(of(size).folder).sort()]
    }
    const blocked = join(folder, 'blocked')
    fs.writeFileSync(blocked, 'x')
    await expectOutcomes(
      hashes,
      'cache',
      {
        ...Object.fromEntries(
          [1, 3, 4, 13, 64].map((size) => [
            `of ${size} bytes`,
            () => warning(rounds(size), folder),
          ]),
        ),
        keys: () => [[], ['a'], ['a', 'b'], ['ab'], [new Uint8Array([97])]].map(cacheKey),
        'a file': () => SampleCache.open(of(1, { folder: blocked })),
        'a folder in its place': () => {
          const key = cacheKey([])
          writeFiles(folder, { [`taken/a-${key.slice(0, 16)}.cache`]: '' })
          return SampleCache.open(of(1, { folder: join(folder, 'taken'), title: 'a', key }))
        },
      },
      folder,
    )
  }))

test('the hash of data in files: sizes, labels, and the beginnings of some', () =>
  withFolder(async (folder) => {
    const content = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * i)
    const paths = ['0', '1', '2', '3'].map((name) => join(folder, name))
    for (const [i, size] of [3, 65_536, 65_537, 0].entries())
      fs.writeFileSync(paths[i], content(size))
    const looked: number[] = []
    const hashed = (count: number, of: (i: number) => string = (i) => paths[i % 4]) =>
      hashOfFiles({
        how: { a: 1 },
        count,
        facts: (i) => [i, 'x'],
        path(i) {
          looked.push(i)
          return of(i)
        },
      })
    await expectOutcomes(
      hashes,
      'hash of files',
      {
        ...Object.fromEntries([0, 1, 2, 4, 9].map((n) => [`${n} files`, () => hashed(n)])),
        'more files than are looked into': () => [
          [1023, 1024, 1025, 5000].map((n) => hashed(n)),
          looked.splice(0),
        ],
        'one that is gone': () => hashed(1, () => join(folder, 'gone')),
        'behind 65,536 bytes': () => {
          const bytes = content(65_537)
          bytes[65_536]++
          const before = hashed(3)
          fs.writeFileSync(paths[2], bytes)
          return before === hashed(3)
        },
      },
      folder,
    )
  }))

test('picture-tables.json holds these alone', () => hashes.finish())

test.run()
