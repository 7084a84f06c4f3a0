/** Data sets of recordings: hashes of samples by all options, of folders, and of what is refused. */

import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import { move } from '../../src/data/autoaugment.js'
import { describedBy } from '../../src/data/datasets/dataset.js'
import { npzEntries } from '../../src/data/events/npz-entries.js'
import {
  changesSamples,
  checkEvents,
  checkReading,
  type EventDatasetOptions,
  eventKeys,
  FrameMaker,
} from '../../src/data/events/options.js'
import { isRecording, loadZstd, readEventSample, unpackNpz } from '../../src/data/events/read.js'
import { readEvents as readInPage } from '../../src/data/events/read-in-page.js'
import { cifarNames, parseGestureLabels } from '../../src/data/events/sets.js'
import { type PlainEvents, sensorOf } from '../../src/data/events/source.js'
import { openPlain } from '../../src/data/open.js'
import { changesOf, hashOf, plainOf } from '../../src/data/plain.js'
import type { Sensor } from '../../src/data/recordings/recording.js'
import {
  cifar10DvsOfficial,
  type Dataset,
  datasets,
  type EventRecording,
  events,
  type Split,
  subset,
} from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { digitClasses, writeFiles } from '../support/data-folders.js'
import {
  aedat2File,
  aedat3File,
  type Event,
  fixture,
  joined,
  nmnistFile,
  npzFile,
  structuredNpy,
  text,
} from '../support/event-files.js'
import {
  each,
  expectOutcomes,
  lists,
  optionsWithOdd,
  outcomeOf,
  withOdd,
} from '../support/hashed-tables.js'
import { Hashes } from '../support/hashes.js'

const hashes = new Hashes('data/event-tables.json')

const list = (seed: number, side: number, count = 80): Event[] =>
  Array.from({ length: count }, (_, i) => [
    (i * 7 + seed * 5) % side,
    (i * i * 3 + seed) % side,
    100 + 70 * i + (i % 3),
    (i + seed) & 1,
  ])
const recordingOf = (of: readonly Event[], width: number, height: number): EventRecording => {
  const at = (place: number): number[] => of.map((event) => event[place])
  return events.from({ x: at(0), y: at(1), t: at(2), p: at(3), sensor: [width, height] })
}
const recording = recordingOf(list(1, 6), 7, 6)

const cuts: readonly EventDatasetOptions[] = [
  {},
  { timeSteps: 3 },
  { timeSteps: 4, splitBy: 'time' },
  { timeSteps: 4, splitBy: 'timeBins', overlap: 0.5 },
  { timeSteps: 3, splitBy: 'eventBins' },
  { timeSteps: 3, timeWindow: 700 },
  { timeSteps: 3, timeWindow: 700, rest: 'last' },
  { timeSteps: 30, timeWindow: 700, overlap: 100 },
  { timeSteps: 2, timeWindow: 700, startTime: 0 },
  { timeSteps: 3, eventCount: 20 },
  { timeSteps: 3, eventCount: 20, rest: 'last', overlap: 5 },
  { timeSteps: 9, eventCount: 20 },
  { timeSteps: 2, binary: true },
  { timeSteps: 2, size: 3 },
  { timeSteps: 2, size: [2, 5], resize: 'official' },
  { timeSteps: 2, denoise: 100 },
  { timeSteps: 2, size: [3, 3], binary: true, denoise: 1000 },
]
const moves: readonly EventDatasetOptions['augment'][] = [
  undefined,
  {},
  { flip: true },
  { roll: 2 },
  { shift: 2 },
  { timeJitter: 300 },
  { dropEvent: 0.3 },
  { eventDrop: true },
  { flip: true, roll: 1, shift: 1, timeJitter: 50, dropEvent: 0.1, eventDrop: true },
]

/** A maker's frames for several reads, with and without a cache, and how often it loads. */
function samplesOf(options: EventDatasetOptions): unknown[] {
  const checked = checkEvents('it', options)
  const maker = new FrameMaker(checked, [7, 6])
  const kept = new Map<number, Uint8Array>()
  const cache = {
    read: (index: number) => kept.get(index),
    write: (index: number, bytes: Uint8Array) => void kept.set(index, bytes.slice()),
  }
  let loads = 0
  const load = (): EventRecording => {
    loads++
    return recording
  }
  const found: unknown[] = [maker.shape, maker.floats, maker.keptBytes, changesSamples(checked)]
  for (const with_ of [undefined, cache, cache])
    for (const epoch of [undefined, 0, 1, 2, 3]) {
      const out = new Float32Array(maker.floats).fill(9)
      maker.make(load, out, 2, epoch === undefined ? undefined : { seed: 5, epoch }, with_)
      found.push(out, loads)
    }
  return [...found, kept]
}

test('samples by all options', async () => {
  for (const cut of cuts)
    await expectOutcomes(hashes, 'samples', {
      [JSON.stringify(cut)]: each(moves.map((augment) => () => samplesOf({ ...cut, augment }))),
    })
  const crowded = (count: number): unknown[] => {
    const kept: Uint8Array[] = []
    const maker = new FrameMaker(checkEvents('it', { timeSteps: 1 }), [2, 2])
    const out = new Float32Array(maker.floats)
    const events = Array.from({ length: count }, (): Event => [0, 0, 0, 0])
    maker.make(() => recordingOf(events, 2, 2), out, 0, undefined, {
      read: () => undefined,
      write: (_, bytes) => void kept.push(bytes),
    })
    return [out, kept]
  }
  const moved = ([dx, dy]: number[]): Float32Array[] =>
    [false, true].flatMap((mirror) =>
      ([0, 'other side'] as const).map((beyond) => {
        const data = Float32Array.from({ length: 2 * 2 * 12 }, (_, i) => i + 1)
        const out = new Float32Array(data.length).fill(-1)
        move(out, data, { height: 3, width: 4 }, { dx, dy, mirror, beyond })
        return out
      }),
    )
  await expectOutcomes(hashes, 'samples', {
    'sums beyond 16 bits': () => [65_535, 65_536].map(crowded),
    moves: () =>
      [0, 1, 3, -2, 5, -9].flatMap((by) =>
        [
          [by, 0],
          [0, by],
          [by, -by],
        ].map(moved),
      ),
  })
})

test('options are refused by the same words', async () => {
  const bases: Record<string, EventDatasetOptions> = {
    none: {},
    timeWindow: { timeSteps: 3, timeWindow: 100 },
    eventCount: { timeSteps: 3, eventCount: 10 },
    official: { size: 8, resize: 'official' },
  }
  const names = [
    'number',
    'time',
    'timeBins',
    'eventBins',
    'drop',
    'last',
    'sum',
    'official',
    'a\0',
  ]
  const numbers = [4096, 4097, 8192, 8193, 99, 100, 9, 10, 2 ** 53, 2 ** 54]
  const own = [...names, ...numbers, ...lists('8x9 8192x8193')]
  for (const [name, base] of Object.entries(bases))
    await expectOutcomes(
      hashes,
      `options, ${name}`,
      optionsWithOdd(
        [...eventKeys, 'more'],
        (given) => checkEvents('it', { ...base, ...given }),
        own,
      ),
    )
  const changes = ['flip', 'roll', 'shift', 'timeJitter', 'dropEvent', 'eventDrop', 'more']
  const limits = [8192, 8193, 1e9, 1e9 + 1, 1.01]
  await expectOutcomes(hashes, 'options', {
    ...optionsWithOdd(changes, (augment) => checkEvents('it', { augment }), limits),
    all: withOdd((options) => checkEvents('it', options as never)),
    official: () => cifar10DvsOfficial,
    ...optionsWithOdd(['format', 'sensor'], (given) => checkReading('it', given), [
      'npy',
      'npz',
      'aedat4',
      ...lists('8192x8193 3x4'),
    ]),
  })
})

const readOf = (data: Dataset, index: number, epoch?: number): Float32Array => {
  const out = new Float32Array(data.shape.reduce((a, b) => a * b, data.timeSteps ?? 1) + 1).fill(7)
  data.read(index, out, epoch === undefined ? undefined : { seed: 3, epoch })
  return out
}
async function partOf(data: Dataset, folder: string): Promise<unknown[]> {
  const plain = plainOf(data) as PlainEvents
  const again = openPlain(plain)
  const reads = [-1, 0, data.length - 1, data.length].flatMap((index) =>
    [undefined, 2].flatMap((epoch) =>
      [data, again].map((of) => outcomeOf(() => readOf(of, index, epoch), folder)),
    ),
  )
  const short = outcomeOf(() => data.read(0, new Float32Array(3)))
  const hash = await outcomeOf(() => hashOf(data)?.(), folder)
  const said = [describedBy(data), plain, changesOf(data), hash, sensorOf(subset(data, 1))]
  return [...said, ...(await Promise.all([...reads, short]))]
}
const splitOf = async (split: Split, folder: string): Promise<unknown[]> => [
  ...(await partOf(split.train, folder)),
  await outcomeOf(() => partOf(split.test, folder), folder),
]

const bin = (seed: number): Uint8Array => nmnistFile(list(seed, 34))
const small = { timeSteps: 2, size: 4 }
const classes = (
  prefix: string,
  names: readonly string[],
  count: number,
  make: (seed: number) => Uint8Array,
  ending = 'bin',
) =>
  Object.fromEntries(
    names.flatMap((name, n) =>
      Array.from({ length: count + (n % 2) }, (_, i) => [
        `${prefix}${name}/${i}.${ending}`,
        make(n + 3 * i),
      ]),
    ),
  )
const dvs = (seed: number): Uint8Array => aedat2File(list(seed, 128))
/** An event is at 940 µs: of the second sample. */
const trials = (train: string, tests: string, labels = 'class,a,b\n1,100,940\n11,940,2000\n') => ({
  'trials_to_train.txt': text(train),
  'trials_to_test.txt': text(tests),
  ...Object.fromEntries(
    ['u1', 'u2'].flatMap((user) => [
      [`${user}.aedat`, aedat3File(list(2, 128))],
      [`${user}_labels.csv`, text(labels)],
    ]),
  ),
})

type Files = Readonly<Record<string, Uint8Array>>
const sets: Readonly<
  Record<string, ['nmnist' | 'cifar10Dvs' | 'dvsGesture' | 'eventFolder', Files, object?]>
> = {
  'N-MNIST': [
    'nmnist',
    { ...classes('Train/', digitClasses, 2, bin), ...classes('Test/', digitClasses, 1, bin) },
    small,
  ],
  'N-MNIST, small letters, some digits': [
    'nmnist',
    { ...classes('train/', ['3', '7', 'x'], 2, bin), ...classes('test/', ['7'], 1, bin) },
    { ...small, augment: { roll: 1 } },
  ],
  'N-MNIST by time': [
    'nmnist',
    { ...classes('Train/', ['3'], 1, bin), ...classes('Test/', ['7'], 1, bin) },
    { ...small, timeWindow: 2000 },
  ],
  'N-MNIST by time of its own': [
    'nmnist',
    { ...classes('Train/', ['3'], 1, bin), ...classes('Test/', ['7'], 1, bin) },
    { ...small, timeWindow: 2000, rest: 'drop', startTime: 9, sensor: [40, 41] },
  ],
  'N-MNIST without tests': ['nmnist', classes('Train/', ['3'], 1, bin)],
  'N-MNIST without recordings': [
    'nmnist',
    { ...classes('Train/', ['x'], 1, bin), ...classes('Test/', ['7'], 1, bin) },
  ],
  'CIFAR10-DVS': ['cifar10Dvs', classes('', cifarNames, 11, dvs, 'aedat'), small],
  'CIFAR10-DVS, some classes': [
    'cifar10Dvs',
    classes('', cifarNames.slice(2), 1, dvs, 'aedat'),
    small,
  ],
  Gesture: ['dvsGesture', trials('u1.aedat\n', 'u2.aedat\r\n\r\nu1.aedat'), small],
  'Gesture of another name': ['dvsGesture', trials('u1.aedat', '../u2.aedat'), small],
  'Gesture of another ending': ['dvsGesture', trials('u1.txt', 'u2.aedat'), small],
  'Gesture of a long name': ['dvsGesture', trials('u1.aedat', `${'u'.repeat(201)}.aedat`), small],
  'Gesture without a recording': ['dvsGesture', trials('u1.aedat', 'u3.aedat'), small],
  'a folder': [
    'eventFolder',
    { ...classes('train/', ['b', 'a'], 2, bin), ...classes('Val/', ['a'], 2, dvs, 'aedat') },
    { ...small, name: 'mine' },
  ],
  'a folder of numbers': [
    'eventFolder',
    classes('', ['10', '9', '1'], 3, bin),
    { ...small, trainShare: 0.5 },
  ],
  'a folder of names': [
    'eventFolder',
    classes('', ['10', '9', 'a'], 3, bin),
    { ...small, trainShare: 0.3, sensor: [50, 40] },
  ],
  'a folder, all to train': ['eventFolder', classes('', ['x', 'y'], 2, bin), small],
  'a folder without recordings': [
    'eventFolder',
    { 'a/x.txt': text('x'), 'b/.1.bin': bin(1) },
    small,
  ],
  'a folder with other classes': [
    'eventFolder',
    { ...classes('train/', ['b'], 2, bin), ...classes('test/', ['c', 'b'], 2, bin) },
    small,
  ],
  'a folder with one part': ['eventFolder', classes('train/', ['b'], 2, bin), small],
  'a folder without folders': ['eventFolder', { '1.bin': bin(1) }, small],
  'parts without recordings': [
    'eventFolder',
    { ...classes('train/', ['b'], 1, bin), 'validation/b/x.txt': text('x') },
    small,
  ],
  'all endings': [
    'eventFolder',
    {
      'a/1.npy': structuredNpy(list(1, 9)),
      'a/2.NPZ': npzFile(list(2, 9)),
      'a/3.aedat4': fixture('lz4.aedat4'),
      'a/4.bs2': nmnistFile(list(3, 9)),
    },
    { timeSteps: 1, sensor: [400, 400], size: 4, trainShare: 0.99 },
  ],
}

test('folders of recordings: what is found, in which order, and read', () =>
  withFolder(async (folder) => {
    for (const [name, [kind, files, options]] of Object.entries(sets)) {
      const own = join(folder, name.replaceAll(' ', '-'))
      writeFiles(own, files, 1e9)
      const load = async () => splitOf(await datasets[kind](own, options), folder)
      await expectOutcomes(hashes, 'folder', { [name]: load }, folder)
    }
    const own = join(folder, 'N-MNIST')
    const loaders = ['nmnist', 'cifar10Dvs', 'dvsGesture', 'eventFolder'] as const
    const sample = join(own, 'Train/2/0.bin')
    const readSample =
      (options: EventDatasetOptions, sensor?: Sensor, path = sample) =>
      () =>
        readEventSample(path, options, { title: 'it', sensor })
    symlinkSync(join(own, 'Train', '3'), join(folder, 'a-folder', 'train', 'c'))
    await expectOutcomes(
      hashes,
      'folder',
      {
        links: async () => {
          const split = await datasets.eventFolder(join(folder, 'a-folder'), small)
          return partOf(split.train, folder)
        },
        // Another name costs users what their caches hold: only what samples follow from is in it.
        cache: async () => {
          const cache = join(folder, 'kept')
          const names: string[][] = []
          for (const more of [{}, { size: 5 }, { augment: { flip: true } }, { denoise: 9 }]) {
            const { train } = await datasets.nmnist(own, { ...small, ...more, cache })
            for (let round = 0; round < 2; round++) for (const i of [0, 3]) readOf(train, i, 1)
            names.push(readdirSync(cache).sort())
          }
          return [names, names.at(-1)!.map((name) => readFileSync(join(cache, name)))]
        },
        'a recording that is gone': async () => {
          const { train } = await datasets.nmnist(own, small)
          rmSync(join(own, 'Train', '0', '0.bin'))
          mkdirSync(join(own, 'Train', '0', '0.bin'))
          rmSync(join(own, 'Train', '1', '0.bin'))
          return each([() => readOf(train, 0), () => readOf(train, 1)])()
        },
        ...Object.fromEntries(
          loaders.flatMap((name) => [
            [
              `${name} of`,
              each(
                [undefined, null, 5, '', []].map((path) => () => datasets[name](path as string)),
              ),
            ],
            // Options come first: the folder that is none says that they are right.
            [`${name} with`, withOdd((options) => datasets[name](5 as never, options as object))],
          ]),
        ),
        trainShare: withOdd(
          (trainShare) => datasets.eventFolder(own, { trainShare } as never),
          0.999,
        ),
        name: withOdd((name) => datasets.eventFolder(own, { name } as never)),
        'one sample': each([
          readSample(small),
          readSample(small, [60, 50]),
          readSample({ timeSteps: 1, sensor: [36, 37] }, [60, 50]),
          readSample(small, undefined, join(own, 'none.bin')),
        ]),
      },
      folder,
    )
  }))

test('files of recordings, in Node and in a page', async () => {
  const files: Record<string, Uint8Array> = {
    'a.bin': bin(1),
    'a.bs2': bin(2),
    'b.aedat': dvs(3),
    'c.aedat': aedat3File(list(4, 128), 3),
    'd.npy': structuredNpy(list(5, 30)),
    'e.npz': npzFile(list(6, 30)),
    'f.npz': npzFile(list(7, 30), false),
    ...Object.fromEntries(
      ['plain', 'lz4', 'zstd'].map((name) => [`${name}.aedat4`, fixture(`${name}.aedat4`)]),
    ),
    'g.txt': bin(1),
    'h.npz': npzFile(list(6, 30)).subarray(0, 300),
  }
  const spoilt = npzFile(list(6, 30)).slice()
  spoilt.fill(0xff, 45, 60)
  const longer = npzFile(list(6, 30)).slice()
  // The archive says that an array has fewer bytes than it unpacks to.
  const entry = longer.findIndex(
    (_, i) => i > 300 && longer[i] === 0x50 && longer[i + 1] === 0x4b && longer[i + 2] === 1,
  )
  new DataView(longer.buffer).setUint32(entry + 24, 100, true)
  const all = { ...files, 'i.npz': spoilt, 'j.npz': longer }
  const read = (how: typeof readInPage, from: (name: string, bytes: Uint8Array) => never) =>
    each(
      Object.entries(all).flatMap(([name, bytes]) =>
        [{}, { sensor: [128, 128] as const }, { format: 'npy' as const }].map(
          (options) => () => how(from(name, bytes), options),
        ),
      ),
    )
  const asFile = (name: string, bytes: Uint8Array): never =>
    new File([bytes as never], name) as never
  const marks = [undefined, [1, 5], 'abc']
  const labels = [
    '1,100,200',
    '11,0,0',
    '12,1,2',
    '0,1,2',
    '1,5,4',
    '1,2',
    '1,2,3,4',
    '1,-1,3',
    ' 2 , 3 , 4 ',
    'a,1,2',
    '1,1234567890123456,2',
    '',
  ]
  await expectOutcomes(
    hashes,
    'read',
    {
      'in Node': read(events.read as never, asFile),
      'in a page': read(readInPage, asFile),
      bytes: read(readInPage, (_, bytes) => bytes as never),
      'in a page of': withOdd((from) => readInPage(from as never), ...marks),
      'in Node of': withOdd((from) => events.read(from as never)),
      'whether it is a recording': () =>
        Object.entries(all).map(([name, bytes]) => [
          isRecording(bytes, name),
          isRecording(bytes, 'x'),
          isRecording(bytes, `${name}.x`),
        ]),
      labels: each(labels.map((line) => () => parseGestureLabels(text(`head\n${line}\n`), 'it'))),
    },
    process.cwd(),
  )
})

test('archives and Zstandard: heads that lie', async () => {
  const npz = npzFile(list(6, 30))
  const view = new DataView(npz.buffer, npz.byteOffset, npz.length)
  const begins = (sign: number): number[] =>
    Array.from({ length: npz.length - 4 }, (_, i) => i).filter(
      (i) => view.getUint32(i, true) === sign,
    )
  const [locals, entries, ends] = [0x04034b50, 0x02014b50, 0x06054b50].map(begins)
  const heads = [...entries.slice(0, 2), ends[0], locals[0]]
  const changed = heads.flatMap((head) =>
    Array.from({ length: 46 }, (_, i) => head + i).flatMap((at) =>
      [1, 255, 128].map((by) => () => {
        const bytes = npz.slice()
        bytes[at] += by
        return [unpackNpz(bytes, 'it', ['t', 'x', 'y', 'p']), npzEntries(bytes, 'it', ['y'])]
      }),
    ),
  )
  const large = (size: number) => () => {
    const bytes = npz.slice()
    new DataView(bytes.buffer).setUint32(entries[1] + 24, size, true)
    return npzEntries(bytes, 'it', ['y', 'x']).map((of) => of.size)
  }
  const most = 64_000_000 + 50 * npz.length
  const first = view.getUint32(entries[0] + 24, true)
  const behind = (count: number) => () =>
    npzEntries(joined([npz, new Uint8Array(count)]), 'it', ['y']).length
  await expectOutcomes(hashes, 'npz', {
    'changed heads': each(changed),
    'cut off': each(
      Array.from(
        { length: 60 },
        (_, i) => () => npzEntries(npz.subarray(0, npz.length - i), 'it', ['y']),
      ),
    ),
    sizes: each([most - first, most - first + 1, most].map(large)),
    comments: each([1, 65_535, 65_536].map(behind)),
    short: each(
      [0, 21, 22, 30].map((count) => () => npzEntries(new Uint8Array(count), 'it', ['y'])),
    ),
  })
  const zstd = loadZstd()!
  const magic = [0x28, 0xb5, 0x2f, 0xfd]
  const raw = (...content: number[]): number[] => [(content.length << 3) | 1, 0, 0, ...content]
  const frames: Record<string, number[]> = {
    none: [],
    short: magic,
    other: [1, 2, 3, 4, 5, 6, 7, 8, 9],
    cut: [...magic, 0x20, 2, 1, 0, 0],
    single: [...magic, 0x20, 2, ...raw(7, 8)],
    'single of no bytes': [...magic, 0x20, 0, ...raw()],
    'two frames': [...magic, 0x20, 2, ...raw(7, 8), ...magic, 0x20, 1, ...raw(9)],
    'one to pass over': [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2, ...magic, 0x20, 1, ...raw(9)],
    'the last to pass over': [...magic, 0x20, 1, ...raw(9), 0x5f, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 1],
    'to pass over, cut off': [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2],
    'two bytes of size': [...magic, 0x60, 0, 0, ...raw(7)],
    'a window': [...magic, 0, 0, ...raw(7, 8)],
    'the largest window': [...magic, 0, 13 << 3, ...raw(7, 8)],
    'a larger window': [...magic, 0, (13 << 3) | 1, ...raw(7, 8)],
    'a window of 14': [...magic, 0, 14 << 3, ...raw(7, 8)],
    'a dictionary': [...magic, 0x21, 2, ...raw(7, 8)],
    'many of a byte': [...magic, 0x20, 9, (9 << 3) | 3, 0, 0, 5],
    'two blocks': [...magic, 0x20, 3, 16, 0, 0, 1, 2, ...raw(3)],
    'a block of no type': [...magic, 0x20, 2, 7 | (2 << 3), 0, 0, 7, 8],
    'a block cut off': [...magic, 0x20, 2, ...raw(7, 8, 9).slice(0, -1)],
    'a checksum': [...magic, 0x24, 2, ...raw(7, 8), 1, 2, 3, 4],
    'a checksum cut off': [...magic, 0x24, 2, ...raw(7, 8), 1, 2, 3],
    'eight bytes of size': [...magic, 0xe0, 2, 0, 0, 0, 0, 0, 0, 0, ...raw(7, 8)],
    'a large size': [...magic, 0xe0, 2, 0, 0, 0, 1, 0, 0, 0, ...raw(7, 8)],
    'four bytes of size': [...magic, 0xa0, 2, 1, 0, 0, ...raw(7, 8)],
  }
  await expectOutcomes(
    hashes,
    'Zstandard',
    Object.fromEntries(
      Object.entries(frames).map(([name, bytes]) => [
        name,
        each(
          [257, 258, 265, 514, 1000].map((most) => () => zstd(Uint8Array.from(bytes), most, 'it')),
        ),
      ]),
    ),
  )
})

test('event-tables.json holds these alone', () => hashes.finish())

test.run()
