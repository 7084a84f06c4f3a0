/** Recordings: hashes of slices, frames, changes, files and what is refused. */
import { test } from 'uvu'
import { OfficialResize } from '../../src/data/events/options.js'
import { endOfHeader } from '../../src/data/recordings/aedat.js'
import { isEventArray, parseEventArchive, parseEventNpy } from '../../src/data/recordings/arrays.js'
import { eventEndings, formatOf, parseRecording } from '../../src/data/recordings/parse.js'
import {
  type EventRecording,
  Events,
  expectRecording,
  fromEvents,
  inOrder,
  type Sensor,
} from '../../src/data/recordings/recording.js'
import {
  checkSlices,
  firstAtLeast,
  type SliceOptions,
  slicesOf,
} from '../../src/data/recordings/slices.js'
import { droppedBy, streamOf } from '../../src/data/recordings/transforms.js'
import { events } from '../../src/index.js'
import { testRandom } from '../support/engine.js'
import { joined, npyHeader, npyOf, text } from '../support/event-files.js'
import {
  each,
  expectOutcomes,
  lists,
  optionsWithOdd,
  outcomeOf,
  withOdd,
} from '../support/hashed-tables.js'
import { Hashes } from '../support/hashes.js'

const hashes = new Hashes('events/tables.json')

/** Some events come at one time, and next to one another. */
function made(seed: number, count = 90, [width, height]: Sensor = [9, 7]): EventRecording {
  const random = testRandom(seed)
  const below = (n: number): number => Math.floor(n * random())
  const all = Array.from({ length: count }, (_, i) => [
    below(width),
    below(height),
    40 * i,
    below(2),
  ])
  for (const event of all) if (below(3) === 0) event[2] = 40 * below(count)
  const of = (place: number): number[] => all.map((event) => event[place])
  return fromEvents({ x: of(0), y: of(1), t: of(2), p: of(3), sensor: [width, height] })
}
const recording = made(1)
const several = [recording, made(2, 1), made(3, 0), made(4, 17, [1, 1]), made(5, 40, [3, 20])]
const over = (call: (of: EventRecording) => unknown) => each(several.map((of) => () => call(of)))

const ways: readonly SliceOptions[] = [
  ...[1, 4, 7, 100].flatMap((framesNumber): SliceOptions[] => [
    { framesNumber },
    { framesNumber, splitBy: 'time' },
  ]),
  ...[1, 40, 333, 1199.5, 3560, 3561, 1e6].map((duration) => ({ duration })),
  ...[40, 500, 700.5, 3560, 1e6].flatMap((timeWindow): SliceOptions[] => [
    { timeWindow },
    { timeWindow, includeIncomplete: true },
    { timeWindow, overlap: 39.5 },
    { timeWindow, startTime: 100 },
    { timeWindow, startTime: -50, includeIncomplete: true },
    { timeWindow, endTime: 2000 },
    { timeWindow, startTime: 4000 },
    { timeWindow, endTime: 0 },
    { timeWindow, overlap: 20, includeIncomplete: true, startTime: 0, endTime: 3000 },
  ]),
  ...[1, 10, 13, 90, 91].flatMap((eventCount): SliceOptions[] => [
    { eventCount },
    { eventCount, includeIncomplete: true },
    { eventCount, overlap: 0.5, includeIncomplete: true },
    ...(eventCount > 4 ? [{ eventCount, overlap: 4 }] : []),
  ]),
  ...[1, 5, 90, 95].flatMap((bins): SliceOptions[] => [
    { nTimeBins: bins },
    { nTimeBins: bins, overlap: 0.3 },
    { nEventBins: bins },
    { nEventBins: bins, overlap: 0.3 },
    { nEventBins: bins, overlap: 0.9 },
  ]),
]

test('slices and frames', async () => {
  await expectOutcomes(hashes, 'slices', {
    ...Object.fromEntries(
      ways.map((way) => [
        JSON.stringify(way),
        over((of) => [
          slicesOf(inOrder(of), way),
          ...[1, 2, 3].map((most) => slicesOf(inOrder(of), way, most)),
        ]),
      ]),
    ),
    'too many': each([
      ...[{ timeWindow: 0.001 }, { duration: 0.0001 }].map((way) => () => slicesOf(recording, way)),
      () => slicesOf({ ...recording, length: 2 ** 20 }, { eventCount: 1 }).starts.length,
      () => slicesOf({ ...recording, length: 2 ** 20 + 1 }, { eventCount: 1 }).starts.length,
    ]),
    'the first event': () =>
      [-1, 0, 1, 40, 3559, 3560, 3561].map((time) => firstAtLeast(inOrder(recording).t, 90, time)),
  })
  await expectOutcomes(hashes, 'frames', {
    'by all ways': each(ways.map((way) => () => events.toFrames(recording, way))),
    binary: each(ways.map((way) => () => events.toFrames(recording, { ...way, binary: true }))),
    'numbers at most': each([
      () => events.toFrames(made(1, 0, [8192, 8192]), { framesNumber: 3 }),
      () => events.toFrames(made(1, 0, [8192, 4096]), { framesNumber: 5 }),
    ]),
    recording: withOdd((of) => events.toFrames(of as EventRecording, { framesNumber: 1 })),
    options: withOdd((options) => events.toFrames(recording, options as SliceOptions)),
    more: withOdd((more) =>
      (events.toFrames as (...all: unknown[]) => unknown)(recording, {}, more),
    ),
    flag: withOdd((binary) => events.toFrames(recording, { framesNumber: 1, binary } as never)),
  })
})

test('options of slices', async () => {
  const bases: Record<string, number> = {
    framesNumber: 3,
    duration: 100,
    timeWindow: 100,
    eventCount: 10,
    nTimeBins: 3,
    nEventBins: 3,
  }
  const others = ['splitBy', 'overlap', 'includeIncomplete', 'startTime', 'endTime', 'more']
  const limits = [2 ** 20, 2 ** 20 + 1, 2 ** 32, 2 ** 32 + 1, 99, 100, 9, 10, -(2 ** 53), 'time']
  for (const [way, value] of Object.entries(bases))
    await expectOutcomes(
      hashes,
      `${way} with`,
      optionsWithOdd(
        [...Object.keys(bases), ...others],
        (given) => checkSlices('it', { [way]: value, ...given }),
        limits,
      ),
    )
})

test('changes of recordings', async () => {
  const draws = Array.from({ length: 12 }, (_, i) => ({ seed: i * 7, epoch: i % 3, index: i % 5 }))
  const drawn = (call: (of: EventRecording, draw: (typeof draws)[0]) => unknown) =>
    over((of) => Promise.all(draws.map((draw) => outcomeOf(() => call(of, draw)))))
  const list = [0, 1, 39, 40, 41, 80, 200, 1e5]
  await expectOutcomes(hashes, 'changes', {
    denoise: over((of) => list.map((time) => events.denoise(of, time))),
    'denoise by default': over((of) => events.denoise({ ...of, t: of.t.map((t) => 50 * t) })),
    downsample: over((of) =>
      lists('1x1 2x5 7x9 30x30').map((size) => events.downsample(of, size as [number, number])),
    ),
    timeJitter: drawn((of, draw) => events.timeJitter(of, { ...draw, std: 90 })),
    'timeJitter, clipped': drawn((of, d) =>
      events.timeJitter(of, { ...d, std: 900, clipNegative: true }),
    ),
    'timeJitter of 0': over((of) => events.timeJitter(of, { std: 0 })),
    ...Object.fromEntries(
      [0, 0.01, 0.3, 0.5, 1].map((p) => [
        `dropEvent ${p}`,
        drawn((of, d) => events.dropEvent(of, { ...d, p })),
      ]),
    ),
    dropEventByTime: drawn((of, draw) => events.dropEventByTime(of, draw)),
    'dropEventByTime 0.6': drawn((of, d) => events.dropEventByTime(of, { ...d, ratio: 0.6 })),
    dropEventByArea: drawn((of, draw) => events.dropEventByArea(of, draw)),
    'dropEventByArea 0.6': drawn((of, d) => events.dropEventByArea(of, { ...d, ratio: 0.6 })),
    eventDrop: drawn((of, draw) => events.eventDrop(of, draw)),
    'eventDrop, many': () =>
      Array.from({ length: 150 }, (_, seed) =>
        droppedBy(recording, streamOf({ seed, epoch: 0, index: 0 })),
      ),
    inOrder: over(inOrder),
  })
  const draw = ['seed', 'epoch', 'index']
  const tables: [keyof typeof events, unknown, string[]][] = [
    ['denoise', 5, []],
    ['downsample', [3, 3], []],
    ['timeJitter', { std: 3 }, ['std', 'clipNegative', ...draw, 'p']],
    ['dropEvent', { p: 0.5 }, ['p', ...draw, 'std']],
    ['dropEventByTime', {}, ['ratio', ...draw, 'p']],
    ['dropEventByArea', {}, ['ratio', ...draw, 'p']],
    ['eventDrop', {}, [...draw, 'p']],
  ]
  const limits = [0.99, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 8193]
  const own = [...limits, ...lists('7x9 8192x8192 8193x1 1x8193')]
  for (const [name, base, keys] of tables) {
    const change = events[name] as (...all: unknown[]) => unknown
    const withBase = (given: object) => change(recording, { ...(base as object), ...given })
    await expectOutcomes(hashes, `events.${name}`, {
      recording: withOdd((of) => change(of, base)),
      options: withOdd((options) => change(recording, options), ...own),
      arguments: withOdd((more) => change(recording, base, more)),
      ...optionsWithOdd(keys, withBase, own),
    })
  }
})

test('recordings from arrays, and what is none', async () => {
  const base = { x: [0, 3, 2], y: [1, 0, 2], t: [5, 6, 6], p: [0, 1, true] }
  const far = 2 ** 53 - 1
  const numbers = [
    ...lists('0x0x8191 0x0x8192 0x-1x0 0x0x0.5 0x2x0 0xNaNx0'),
    ...lists('4x3 3x3 4x2 8192x8192 8193x3 3x8193'),
    ...[
      [far, 0, -far],
      [far + 1, 0, 0],
      [-far - 1, 0, 0],
    ],
    new Uint16Array(3),
    new Uint8Array(2),
  ]
  const others = [
    [0, '1', 0],
    [0, 1n, 0],
    [true, false, 1],
    [undefined, 1, 0],
  ]
  const { x, y, t, p } = recording
  const parts = [x, y, t, p, x.subarray(1), t.subarray(1), 8, 9, 7, 6, 8192, 8193, 89, 90]
  const done =
    (sensor: Sensor | undefined, usual: Sensor, ...places: [number, number][]) =>
    () => {
      const room = new Events(5)
      for (const [x, y] of places) room.add(x, y, x + y, 1)
      return room.done('it', sensor, usual)
    }
  const froms = optionsWithOdd(
    ['x', 'y', 't', 'p', 'sensor', 'name', 'more'],
    (given) => fromEvents({ ...base, ...given } as never),
    [...numbers, ...others],
  )
  await expectOutcomes(hashes, 'recordings from', froms)
  const changed = optionsWithOdd(
    ['x', 'y', 't', 'p', 'length', 'width', 'height'],
    (given) => expectRecording('it', { ...recording, ...given }),
    parts,
  )
  await expectOutcomes(hashes, 'recordings with', changed)
  await expectOutcomes(hashes, 'recordings', {
    none: withOdd((of) => expectRecording('it', of as never)),
    arrays: withOdd((arrays) => fromEvents(arrays as never)),
    arguments: withOdd((more) => (fromEvents as (...all: unknown[]) => unknown)(base, more)),
    sensors: each([
      done(undefined, [4, 5]),
      done([2, 3], [4, 5]),
      done(undefined, [4, 5], [3, 4]),
      done(undefined, [4, 5], [4, 4]),
      done(undefined, [4, 5], [3, 5]),
      done([4, 5], [1, 1], [3, 4]),
      done([4, 5], [9, 9], [0, 0], [4, 4]),
      done([4, 5], [9, 9], [3, 5]),
      done([4, 5], [9, 9], [1, 1], [9, 9]),
      done([8192, 8192], [1, 1]),
      done([8193, 1], [1, 1]),
      done([1, 8193], [1, 1]),
    ]),
  })
})

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * i) % 7)

test('files of recordings', async () => {
  const types = ['b1', 'u1', 'i1', 'u2', 'i2', 'u4', 'i4', 'u8', 'i8', 'f4', 'f8', 'f2', 'U3', 'xx']
  const small = (type: string, order = '<'): Uint8Array => {
    const size = Number(type[1])
    const out = new Uint8Array(8 * size)
    const view = new DataView(out.buffer)
    for (let i = 0; i < 8; i++) {
      const value = [2, 1, 1, 100, 0, 3, 0, 90][i]
      if (type === 'f4') view.setFloat32(4 * i, value, true)
      else if (type === 'f8') view.setFloat64(8 * i, value, true)
      else out[size * i] = value
    }
    return npyOf(npyHeader(`'${order}${type}'`, '2, 4'), out)
  }
  const structure = "[('x', '<i2'), ('y', '<i2'), ('t', '<i8'), ('p', '|b1')]"
  const npys = [
    ...types.map((type) => small(type)),
    ...['|', '=', '', '>'].map((order) => small('u1', order)),
    npyOf(npyHeader(structure, '2,'), new Uint8Array(26)),
    npyOf(npyHeader(structure, '2,'), new Uint8Array(26), 2),
    npyOf(npyHeader(structure, '2,'), new Uint8Array(25)),
    npyOf(npyHeader(structure, '2, 1'), new Uint8Array(26)),
    npyOf(npyHeader(structure.replace("'t'", "'s'"), '2,'), new Uint8Array(26)),
    npyOf(npyHeader("'|u1'", '2, 3'), bytes(6)),
    npyOf(npyHeader("'|u1'", '2, 4', 'True'), bytes(8)),
    npyOf(npyHeader("'|u1'", '0, 4'), []),
    npyOf(npyHeader("'|u1'", ', 4'), []),
    npyOf(npyHeader("'|u1'", '2, 4').padEnd(9990, ' '), new Uint8Array(8)),
    npyOf(npyHeader("'|u1'", '2, 4').padEnd(9991, ' '), new Uint8Array(8)),
    npyOf('{}', []),
    npyOf('', []),
    npyOf(npyHeader("'|u1'", '2, 4'), new Uint8Array(8)).subarray(0, 11),
    new Uint8Array(40),
  ]
  const list = (count: number, value = 0): Uint8Array =>
    npyOf(npyHeader("'|u1'", `${count},`), new Uint8Array(count).fill(value))
  const archives = [
    { t: list(2), x: list(2, 3), y: list(2, 1), p: list(2, 1) },
    { t: list(2), x: list(2), y: list(3), p: list(2) },
    { t: list(1), x: list(2), y: list(2), p: list(2) },
    { t: list(2), x: list(2), p: list(2) },
    { t: list(0), x: list(0), y: list(0), p: list(0) },
    { t: list(2), x: small('u1'), y: list(2), p: list(2) },
  ]
  const nmnist = [
    [],
    [1, 2, 3],
    [1, 2, 0x81, 2, 3],
    [33, 33, 0x7f, 255, 255],
    [34, 0, 0, 0, 1],
    [0, 34, 0, 0, 1],
    [1, 240, 0, 0, 0, 2, 3, 0x80, 0, 5],
    [1, 240, 0, 0, 0, 1, 240, 0, 0, 0, 2, 239, 0, 1, 0],
  ]
  const chips = ['# AEChip: DAVIS240\n', '# AEChip: DVS128\n#x\n']
  const aedat2 = ['', '#!AER-DAT2.0\r\n', ...chips, '#', '#\n#'].flatMap((header) =>
    [
      [],
      [0, 0, 0, 0, 0, 0, 1, 2],
      [0, 0, 127, 254, 1, 0, 0, 0],
      [0, 0, 0x55, 0x33, 0, 0, 0, 9],
      [1],
    ].map((data) => joined([text(header), data])),
  )
  const names = ['bin', 'BS2', 'aedat', 'aedat4', 'npy', 'npz', 'txt', 'bin.x', ''].map(
    (ending) => `a.${ending}`,
  )
  names.push('bin')
  const begins = ['', ' #!AER-DAT2', ...['2', '3', '4', '5', ''].map((n) => `#!AER-DAT${n}`)]
  const sensors: (Sensor | undefined)[] = [undefined, [2, 2], [40, 130], [128, 128]]
  const read = (
    all: readonly (Uint8Array | readonly number[])[],
    format: 'nmnist' | 'aedat2' | 'npy',
  ) =>
    each(
      all.flatMap((data) =>
        sensors.map((sensor) => () => parseRecording(Uint8Array.from(data), 'it', format, sensor)),
      ),
    )
  await expectOutcomes(hashes, 'files', {
    npy: read(npys, 'npy'),
    'npy in another order': each(
      npys.map((data) => () => parseEventNpy(data, 'it', undefined, 'txyp')),
    ),
    'whether npy holds events': () => npys.map(isEventArray),
    npz: each(
      archives.map((files) => () => parseEventArchive(new Map(Object.entries(files)), 'it')),
    ),
    nmnist: read(nmnist, 'nmnist'),
    aedat2: read(aedat2, 'aedat2'),
    'ends of headers': () => aedat2.map(endOfHeader),
    formats: each(
      names.flatMap((name) => begins.map((begin) => () => formatOf(text(begin), name))),
    ),
    'formats of npy': each(names.map((name) => () => formatOf(npys[0], name))),
    endings: () => eventEndings,
    others: each(
      (['npz', 'other'] as const).map(
        (format) => () => parseRecording(list(2), 'it', format as never),
      ),
    ),
  })
})

test('frames are made smaller as by the official code', async () => {
  const sizes = lists('9x7x4x3 5x8x5x2 4x4x7x9 12x1x5x1')
  const resized =
    ([height, width, rows, columns]: number[], at: number) =>
    () => {
      const random = testRandom(width)
      const counts = Float32Array.from({ length: at + 2 * height * width }, () =>
        random() < 0.4 ? 0 : Math.floor(6 * random() ** 3 + (random() < 0.05 ? 300 : 0)),
      )
      const out = new Float32Array(at + 2 * rows * columns).fill(-1)
      new OfficialResize([height, width], [rows, columns]).run(counts, at, out, at)
      return out
    }
  await expectOutcomes(
    hashes,
    'official',
    Object.fromEntries(
      sizes.map((size) => [size.join(), () => [0, 5].map((at) => resized(size, at)())]),
    ),
  )
})

test('tables.json holds these alone', () => hashes.finish())

test.run()
