/** Files: hashes of what readers and writers give and refuse, at each of their bounds. */

import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import { arrayOf, samplesOf } from '../../src/data/samples.js'
import { explainFolder, explainRead, pathOfUrl, unpack, writeError } from '../../src/files/files.js'
import { FolderLock, LOCK, whereHeld } from '../../src/files/folder/lock.js'
import { parseManifest } from '../../src/files/folder/read.js'
import {
  checkModelJson,
  checkSize,
  duplicateKey,
  parseJson,
  parseJsonBytes,
} from '../../src/files/json.js'
import {
  CONSTRUCTORS,
  checkEntry,
  checkMetadata,
  DTYPES,
  isCount,
  parseFloats,
  parseHeader,
  parseSafetensors,
  readHeader,
  serializeSafetensors,
  show,
  type Tensor,
  toFloat32,
} from '../../src/files/safetensors.js'
import {
  expectNoCheckpoint,
  expectNoModule,
  parseState,
  serializeState,
} from '../../src/files/state.js'
import { readTar } from '../../src/files/tar.js'
import { collectUnpacked, gunzip, isGzip } from '../../src/files/unpack.js'
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
import { withFolder } from './temporary.js'
import { picture, tarEnd, tarMember, withHeader } from './writers.js'

const hashes = new Hashes('files/tables.json')

/** A tensor of each type. */
const tensorOf = (dtype: (typeof DTYPES)[number], count = 6): Tensor => {
  const bytes = CONSTRUCTORS[dtype].BYTES_PER_ELEMENT * count
  const buffer = Uint8Array.from({ length: bytes }, (_, i) =>
    dtype === 'BOOL' ? i & 1 : 37 * i,
  ).buffer
  return { dtype, shape: [2, count / 2], data: new CONSTRUCTORS[dtype](buffer) } as Tensor
}

test('tensors: each type, as a file and as float32', async () => {
  const all = Object.fromEntries(DTYPES.map((dtype) => [`a ${dtype}`, tensorOf(dtype)]))
  const names = ['b', 'a', '', 'ab', 'é', '\u{1f600}', '\uffff', '\ud800', 'z"\n']
  const one = (dtype: Tensor['dtype']): Tensor => ({ ...tensorOf(dtype), shape: [6] }) as Tensor
  const named = Object.fromEntries(names.map((name, i) => [name, one(i % 2 ? 'F32' : 'U8')]))
  const own = tensorOf('F32')
  const others = [
    [6],
    [2, 3],
    [3, 2, 1],
    [2, -3],
    [2, 3.5],
    'F32',
    'F64',
    'U8',
    'F8',
    own.data,
    new Uint8Array(6),
  ]
  const write = (given: object) => serializeSafetensors({ a: { ...own, ...given } })
  const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i)
  await expectOutcomes(hashes, 'safetensors', {
    'all types': () => serializeSafetensors(all),
    'all names': () =>
      serializeSafetensors(named, { b: '1', a: '2', '\u{1f600}': '3', '\uffff': '4' }),
    'a map': () => serializeSafetensors(new Map(Object.entries(all).reverse())),
    none: () => serializeSafetensors({}),
    'read again': () => parseSafetensors(serializeSafetensors(all, { x: 'y' }), 'it'),
    'as float32': () => Object.values(all).map(toFloat32),
    halves: () => toFloat32({ dtype: 'F16', shape: [65_536], data: halves }),
    ...optionsWithOdd(['dtype', 'shape', 'data'], write, others),
    metadata: withOdd((value) => serializeSafetensors({}, { a: value as string })),
    'a reserved name': each([() => serializeSafetensors({ __metadata__: own })]),
    'a header that is too long': each(
      [24_999_968, 24_999_969, 25_000_000].map(
        (length) => () => serializeSafetensors({}, { a: 'x'.repeat(length) }).length,
      ),
    ),
    'bytes apart': () =>
      parseFloats(serializeSafetensors({ a: own, b: one('U8'), c: one('I8') }), 'it', 'b'),
    'another type apart': () =>
      parseFloats(serializeSafetensors({ a: own, b: one('U8') }), 'it', 'a'),
    'most bytes': each(
      [2 ** 24, 2 ** 24 + 1].map((count) => () => {
        const data = new Uint8Array(count)
        const file = serializeSafetensors({ a: { dtype: 'U8', shape: [count], data } })
        return Object.keys(parseFloats(file, 'it').tensors)
      }),
    ),
    counts: withOdd(isCount, 2 ** 53 - 1, 2 ** 53),
    states: () => [
      serializeState({ a: { shape: [2], data: Float32Array.of(1, 2) } }, { more: 'x' }),
      parseState(serializeState({}), 'it'),
    ],
    'no weights': each([
      ...[{}, { 'spikewasm.checkpoint': '1' }].map(
        (data) => () => expectNoCheckpoint(data as never, 'it'),
      ),
      ...[[0, 97, 115, 109], [0, 97, 115, 110], [0], []].map(
        (b) => () => expectNoModule(Uint8Array.from(b), 'it'),
      ),
    ]),
  })
})

test('headers of safetensors', async () => {
  const entry = { dtype: 'F32', shape: [2, 3], data_offsets: [4, 28] }
  const check = (given: object) => checkEntry('a "name"', { ...entry, ...given }, 28, 'it')
  const others = [
    'F64',
    'U8',
    'BOOL',
    [3, 2],
    [6],
    [24],
    new Array(32).fill(1),
    new Array(33).fill(1),
    [4, 29],
    [5, 28],
    [28, 4],
    [4, 28, 0],
    [0, 24],
    [2 ** 53, 2 ** 53],
    [2 ** 53],
    ['2', 3],
    [2, [3]],
  ]
  /** Tensors of bytes from one place to another: '0x3 3x5'. */
  const header = (parts: string, data: number): Uint8Array => {
    const entries = (parts ? lists(parts) : []).map(([a, b], i): [string, object] => [
      `t${i}`,
      { dtype: 'U8', shape: [b - a], data_offsets: [a, b] },
    ])
    return withHeader(JSON.stringify(Object.fromEntries(entries)), data)
  }
  const layouts: readonly [string, number][] = [
    ['0x3 3x5', 5],
    ['3x5 0x3', 5],
    ['0x3 4x5', 5],
    ['0x3 2x5', 5],
    ['0x3', 5],
    ['1x5', 5],
    ['0x0 0x5', 5],
    ['', 0],
    ['', 1],
    ['0x0 5x5 0x5', 5],
  ]
  const many = (count: number): string =>
    `{${Array.from({ length: count }, (_, i) => `"${i}":0`).join()}}`
  await expectOutcomes(hashes, 'header', {
    ...optionsWithOdd(['dtype', 'shape', 'data_offsets', 'other'], check, others),
    entry: withOdd((value) => checkEntry('a', value, 28, 'it')),
    'bytes of data': withOdd((bytes) => checkEntry('a', entry, bytes as number, 'it'), 27, 28, 29),
    metadata: withOdd((value) => checkMetadata(value, 'it'), { a: 'b' }, { a: 1 }),
    lengths: each(
      [
        new Uint8Array(7),
        withHeader(''),
        withHeader('', 0, 1),
        withHeader('{}'),
        withHeader('{}', 0, 3),
        withHeader('{}', 0, 2 ** 32),
        withHeader('', 0, 25_000_000),
        withHeader('', 0, 25_000_001),
        new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 255, 254]),
      ].map((bytes) => () => readHeader(bytes, 'it')),
    ),
    texts: each(
      [
        '',
        '{',
        '[]',
        '{}',
        ' {}',
        '{"a":1,"a":2}',
        '{"a":[[[[[[[0]]]]]]]}',
        '{"a":[[[[[[[[0]]]]]]]]}',
      ].map((json) => () => parseHeader(json, 'it')),
    ),
    'most tensors': each(
      [20_000, 20_001, 20_002].map((n) => () => Object.keys(parseHeader(many(n), 'it')).length),
    ),
    'most values': each(
      [279_997, 279_998, 279_999, 280_000].map(
        (n) => () => Object.keys(parseHeader(`{"a":[${new Array(n).fill(0)}]}`, 'it')),
      ),
    ),
    'holes and overlaps': each(
      layouts.map(
        ([parts, data]) =>
          () =>
            parseSafetensors(header(parts, data), 'it'),
      ),
    ),
    shown: () =>
      [
        [],
        [1, 2],
        [[1], {}, null],
        new Array(8).fill(1),
        new Array(9).fill('a'),
        {},
        'a\n',
        1,
        null,
        undefined,
      ].map(show),
  })
})

test('JSON: bounds, and what is there twice', async () => {
  const list = (count: number): string => `[${new Array(count).fill('0').join()}]`
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  const texts = [
    '{"a":1,"b":{"a":2}}',
    '{"a":1,"a":2}',
    '[{"a":1},{"a":1}]',
    '{"a":[{"b":1,"b":2}]}',
    '{"\\u0061":1,"a":2}',
    '{"a":"b:","b":"a"}',
    '{"a\\"":1,"a\\"":2}',
    '{"":1,"":2}',
    '{"a":{},"b":{},"a":1}',
    '"a"',
    '{"\\\\":1,"\\\\":2}',
  ]
  const parse = (json: string, limits?: object) => () => parseJson(json, 'it', 'the text', limits)
  await expectOutcomes(hashes, 'JSON', {
    twice: () => texts.map(duplicateKey),
    'depths by default': each([32, 33].map((n) => parse(nested(n)))),
    'values by default': each(
      [499_998, 499_999, 500_000].map((n) => () => (parse(list(n))() as unknown[]).length),
    ),
    depths: each([1, 2, 3].map((n) => parse(nested(n), { depth: 2 }))),
    'depths beside': each([
      parse('[[],[],[[]]]', { depth: 2 }),
      parse('[[],[],[]]', { depth: 2 }),
      parse('{"a":"[[["}', { depth: 1 }),
    ]),
    values: each([1, 2, 3, 4].map((n) => parse(list(n), { values: 4 }))),
    'values of objects': each(
      [5, 6, 7].map((values) => parse('{"a":{"b":1,"c":[",:"]}}', { values })),
    ),
    lengths: each([3, 4].map((length) => parse('[10]', { length }))),
    'once, or not': each(
      [{}, { once: duplicateKey }].map((limits) => parse('{"a":1,"a":2}', limits)),
    ),
    bytes: each(
      [[91, 93], [91, 93, 32, 32, 32], [0xff], [91], [0xef, 0xbb, 0xbf, 91, 93]].map(
        (b) => () => parseJsonBytes(Uint8Array.from(b), 'it', 'the text', { length: 4 }),
      ),
    ),
    sizes: each(
      ['"a', '"\\', '{"', '[,', '}{'].map(
        (json) => () => checkSize(json, 'it', 'the text', { depth: 1, values: 2 }),
      ),
    ),
  })
})

test('samples: arrays and pictures of every shape', async () => {
  const target = {
    shape: [3, 1, 2],
    normalization: { scale: 10, mean: [0, 0.5, 1], std: [1, 0.5, 2] },
  }
  const read =
    (bytes: Uint8Array, path: string, of: object = target) =>
    async () =>
      samplesOf(await arrayOf(bytes, path, of as never), path, of as never)
  const array = (descr: string, shape: string, data: number, version?: number, more = '') =>
    npyOf(npyHeader(`'${descr}'`, shape) + more, new Uint8Array(data).fill(5), version)
  const arrays = [
    array('|u1', '3, 1, 2', 6),
    array('<f4', '3, 1, 2', 24),
    array('<f8', '3, 1, 2', 48),
    array('|b1', '6,', 6),
    array('|u1', '6', 6),
    array('|u1', '2, 3, 1, 2', 12),
    array('|u1', '0, 3, 1, 2', 0),
    array('|u1', '1, 1, 3, 1, 2', 6),
    array('|u1', '3, 2', 6),
    array('|u1', '1, 2, 3', 6),
    array('|u1', '', 1),
    array('>f4', '6,', 24),
    array('<i4', '6,', 24),
    array('|u1', '3, 1, 2', 5),
    array('|u1', '3, 1, 2', 7),
    array('|u1', '6,', 6, 2),
    array('|u1', '6,', 6, 3),
    array('|u1', '6,', 6, 4),
    array('|u1', '6,', 6, 0),
    array('|u1', `${'1, '.repeat(31)}6`, 6),
    array('|u1', `${'1, '.repeat(32)}6`, 6),
    array('|u1', '9007199254740992,', 6),
    array('|u1', '6,', 6, 1, ' '.repeat(10_000 - 61)),
    array('|u1', '6,', 6, 1, ' '.repeat(10_000 - 60)),
    array('|u1', '6,', 6, 1, ' '.repeat(10_000 - 59)),
    array('|u1', '6,', 6).subarray(0, 11),
    array('|u1', '6,', 6).subarray(0, 30),
    npyOf('{}', new Uint8Array(6)),
  ]
  const jsons = [
    '[1,2,3,4,5,6]',
    '[[[1,2]],[[3,4]],[[5,6]]]',
    '[[1,2],[3]]',
    '[[1,2],3]',
    '[1,[2]]',
    '[]',
    '[[]]',
    '5',
    '"a"',
    '[1,"a"]',
    '[1,null]',
    '[1e39,2,3,4,5,6]',
    `${'['.repeat(8)}1${']'.repeat(8)}`,
    `${'['.repeat(9)}1${']'.repeat(9)}`,
  ]
  const pnm = (head: string, count: number): Uint8Array =>
    new Uint8Array([...text(head), ...new Uint8Array(count).fill(40)])
  const pnms = [
    pnm('P6 2 1 255\n', 6),
    pnm('P6 2 1 40\n', 6),
    pnm('P6 2 1 0\n', 6),
    pnm('P6 2 1 256\n', 6),
    pnm('P6 2 1 1\n', 6),
    pnm('P5 2 1 255\n', 2),
    pnm('P6 2 1 255\n', 5),
    pnm('P6 2 1 255\n', 7),
    pnm('P6 0 1 255\n', 0),
    pnm('P4 2 1 255\n', 6),
    pnm('P6\n# a\n2 # b\r1\n255 ', 6),
    pnm('P62 1 255\n', 6),
    pnm(`P6\n#${'x'.repeat(4078)}\n2 1 255\n`, 6),
    pnm(`P6\n#${'x'.repeat(4085)}\n2 1 255\n`, 6),
    pnm(`P6\n#${'x'.repeat(4086)}\n2 1 255\n`, 6),
  ]
  const normalization = { scale: 255, mean: [0.5], std: [0.25] }
  const sizes = lists('3x19x23 1x19x23 2x19x23 3x23x19 3x19x22 2x3x19x23').map((shape) => ({
    shape,
    normalization: {
      scale: 9,
      mean: shape.slice(-3)[0] === 3 ? [0, 0.5, 1] : [0.5],
      std: shape.slice(-3)[0] === 3 ? [1, 2, 3] : [2],
    },
  }))
  const pictures = [
    'rgb.png',
    'grey.png',
    'alpha.png',
    'palette.png',
    'rgb.jpg',
    'grey.jpg',
    'bit.png',
  ]
  const floats = (...values: number[]): Uint8Array =>
    new Uint8Array(Float32Array.from(values).buffer)
  await expectOutcomes(hashes, 'samples', {
    npy: each(arrays.map((bytes) => read(bytes, 'a.npy'))),
    'npy by its bytes': each(arrays.slice(0, 4).map((bytes) => read(bytes, 'a'))),
    JSON: each(jsons.map((json) => read(text(json), 'a.json'))),
    PNM: each(
      pnms.flatMap((bytes) => [
        read(bytes, 'a.ppm'),
        read(bytes, 'a'),
        read(bytes, 'a', { ...target, shape: [1, 1, 2], normalization }),
      ]),
    ),
    raw: each(
      [0, 5, 6, 7, 23, 24, 25].map((count) => read(new Uint8Array(count).fill(3), 'a.bin')),
    ),
    'not finite': each(
      [floats(1, 2, 3, 4, 5, Number.NaN), floats(1, Number.POSITIVE_INFINITY, 3, 4, 5, 6)].map(
        (bytes) => read(bytes, 'a.bin'),
      ),
    ),
    'without normalization': each([read(new Uint8Array(6), 'a.bin', { shape: [3, 1, 2] })]),
    'for other channels': each(
      lists('0x1 0x1x2x3').map((mean) =>
        read(new Uint8Array(6), 'a.bin', {
          ...target,
          normalization: { scale: 1, mean, std: [1, 1, 1] },
        }),
      ),
    ),
    'of other channels': each(
      lists('1x1 1x1x1x1').map((std) =>
        read(new Uint8Array(6), 'a.bin', {
          ...target,
          normalization: { scale: 1, mean: [1, 1, 1], std },
        }),
      ),
    ),
    frames: each([
      read(
        new Uint8Array(12).map((_, i) => i),
        'a.bin',
        { ...target, shape: [2, 3, 1, 2] },
      ),
    ]),
    pictures: each(
      pictures.flatMap((name) => sizes.map((size) => read(picture(name), name, size))),
    ),
    'pictures by another name': each([
      read(picture('rgb.png'), 'a.jpg', sizes[0]),
      read(picture('rgb.jpg'), 'a.png', sizes[0]),
      read(picture('rgb.png'), 'a.bin', sizes[0]),
      read(new Uint8Array(9), 'a.png', sizes[0]),
      read(new Uint8Array(9), 'a.jpeg', sizes[0]),
    ]),
    'damaged pictures': each(
      ['rgb.png', 'rgb.jpg'].map((name) => read(picture(name).subarray(0, 60), name, sizes[0])),
    ),
    others: each(
      ['a.txt', 'a', 'a.json.gz', 'bin', 'a.BIN'].map((path) => read(new Uint8Array(6), path)),
    ),
  })
})

test('gzip: as much as there may be', async () => {
  const content = Uint8Array.from({ length: 700_000 }, (_, i) => (i * i) >> 7)
  const packed = new Uint8Array(gzipSync(content))
  const zeros = new Uint8Array(gzipSync(new Uint8Array(62_000_000), { level: 9 }))
  const ways = { unpack, gunzip }
  for (const [name, way] of Object.entries(ways))
    await expectOutcomes(hashes, name, {
      whole: async () => way(packed, 'it'),
      plain: async () => way(content.subarray(0, 9), 'it'),
      'as expected': each([699_999, 700_000, 700_001].map((most) => () => way(packed, 'it', most))),
      'by its head': each(
        [699_999, 700_000].map(
          (most) => () =>
            way(packed, 'it', (head) => (head.length > 3 ? most + head[0] : undefined)),
        ),
      ),
      'of a size that its head does not tell': each([() => way(packed, 'it', () => undefined)]),
      damaged: each(
        [packed.subarray(0, 5000), packed.map((byte, i) => (i === 400 ? byte ^ 8 : byte))].map(
          (bytes) => () => way(bytes, 'it'),
        ),
      ),
      'far too much': each([() => way(zeros, 'it')]),
    })
  async function* chunks(...sizes: number[]): AsyncGenerator<Uint8Array> {
    for (const size of sizes) yield new Uint8Array(size)
  }
  const measured = (packedBytes: number, sizes: number[], most?: number) => async () =>
    (await collectUnpacked(chunks(...sizes), packedBytes, 'it', most)).length
  await expectOutcomes(hashes, 'unpacked', {
    'four times and some': each([
      measured(5, [60_000_020]),
      measured(5, [60_000_021]),
      measured(5, [60_000_000, 20]),
      measured(5, [60_000_000, 21]),
    ]),
    'as expected': each([measured(5, [3, 4], 7), measured(5, [3, 4], 6), measured(5, [], 0)]),
    'is it packed': () =>
      [[0x1f, 0x8b], [0x1f, 0x8c], [0x1e, 0x8b], []].map((bytes) => isGzip(Uint8Array.from(bytes))),
  })
})

test('archives: heads of tar', async () => {
  const member = (name: string, size: string, count: number): Uint8Array =>
    tarMember(name, size, new Uint8Array(count).fill(7))
  const spoilt = (at: number, byte: number): Uint8Array =>
    member('a', '0\0', 0).map((old, i) => (i === at ? byte : old))
  const whole = member('a', '00000000012\0', 10)
  const files = [
    joined([whole, tarEnd]),
    whole,
    tarEnd,
    new Uint8Array(0),
    joined([member('a', '00000001000\0', 512), member('b/c', '     1 ', 1), tarEnd]),
    joined([member('a', '00000001001\0', 512), tarEnd]),
    joined([member('a', '-1\0', 512), tarEnd]),
    joined([member('a', '8\0', 512), tarEnd]),
    joined([member('a', '\0', 0), tarEnd]),
    joined([spoilt(0, 98), tarEnd]),
    joined([spoilt(151, 0x31), tarEnd]),
    member('a', '1\0', 1).subarray(0, 513),
    member('a', '1\0', 1).subarray(0, 512),
    joined([member('a', '00000000000\0', 0), new Uint8Array(100).fill(1)]),
  ]
  await expectOutcomes(hashes, 'tar', {
    whole: each(files.map((file) => () => readTar(file, 'it'))),
    'part of an array': each(
      files
        .slice(0, 2)
        .map((file) => () => readTar(joined([new Uint8Array(7), file]).subarray(7), 'it')),
    ),
  })
})

test('descriptions of models and of folders', async () => {
  const model = {
    input: [1, 4, 4],
    timeSteps: 4,
    frames: false,
    method: { method: 'rate' },
    network: {},
  }
  const data = { classNames: ['a', 'b'], normalization: { scale: 255, mean: [0.5], std: [1] } }
  const own = [
    [1, 2, 3],
    [1, 2, 3, 4],
    [1, 0],
    4096,
    4097,
    { method: 'x' },
    { method: 1 },
    { method: null },
    { other: 'x' },
    { classNames: ['a'] },
    { classNames: [] },
    { classNames: [1] },
    { classNames: ['x'.repeat(1000)] },
    { classNames: ['x'.repeat(1001)] },
    { normalization: {} },
    { normalization: data.normalization },
    { normalization: { ...data.normalization, scale: 0 } },
    { normalization: { ...data.normalization, std: [0] } },
    { normalization: { ...data.normalization, mean: [1, 2] } },
    { normalization: 5 },
    { classNames: new Array(65_536).fill('a') },
    { classNames: new Array(65_537).fill('a') },
    { normalization: { scale: 1, mean: [null], std: [1] } },
  ]
  const check = (given: object) => Object.keys(checkModelJson({ ...model, data, ...given }, 'it'))
  const hash = 'a'.repeat(64)
  const parse = (value: unknown) => parseManifest(text(JSON.stringify(value) ?? ''), 'it')
  const right = { format: 1, generation: 3, files: { a: { bytes: 1, sha256: hash } } }
  const manifest = (given: object) => parse({ ...right, ...given })
  const list = (count: number): object =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`f${i}`, { bytes: i, sha256: hash }]),
    )
  const entry = (name: string, bytes: unknown = 1, sha256: unknown = hash) => ({
    files: { [name]: { bytes, sha256 } },
  })
  await expectOutcomes(hashes, 'descriptions', {
    ...optionsWithOdd([...Object.keys(model), 'data'], check, own),
    model: withOdd((value) => checkModelJson(value, 'it')),
    manifest: withOdd(parse),
    generation: withOdd((generation) => manifest({ generation }), 2 ** 53),
    ...optionsWithOdd(['format', 'files', 'dropped'], manifest),
    entries: each(
      [
        ...['a', '.a', '-a', 'a/b', 'a.b-c_1', ''].map((name) => entry(name)),
        entry('a', -1),
        entry('a', 0),
        entry('a', 1.5),
        entry('a', 1, 'a'),
        entry('a', 1, 'A'.repeat(64)),
        entry('a', 1, null),
        { files: { a: null } },
      ].map((given) => () => manifest(given)),
    ),
    'most files': each([1000, 1001].map((count) => () => manifest({ files: list(count) }))),
    'most bytes': each(
      [1_000_000, 1_000_001].map(
        (length) => () =>
          parseManifest(
            text(JSON.stringify({ format: 1, generation: 0, files: {} }).padEnd(length)),
            'it',
          ).files,
      ),
    ),
  })
})

test('why files cannot be read or written', () =>
  withFolder(async (folder) => {
    const codes = [
      'ENOENT',
      'EISDIR',
      'EACCES',
      'ENOTDIR',
      'ENOTEMPTY',
      'EROFS',
      'EFBIG',
      'ENOSPC',
      'EEXIST',
      'EIO',
      undefined,
    ]
    const errors = codes.map((code) => Object.assign(new Error('what the system says'), { code }))
    const paths = [join(folder, 'a'), join(folder, 'none', 'a'), folder]
    const by = (explain: (error: Error, path: string) => unknown) =>
      each(paths.flatMap((path) => errors.map((error) => () => explain(error, path))))
    await expectOutcomes(
      hashes,
      'why',
      {
        read: by(explainRead),
        write: by(async (error, path) => (await writeError(path, error)).message),
        folder: by(explainFolder),
        addresses: each(
          ['file:///a/b', 'https://a.b/c', 'file://host/a'].map(
            (url) => () => pathOfUrl('it', new URL(url)),
          ),
        ),
      },
      folder,
    )
  }))

test('locks: what is one, and who is said to hold it', () =>
  withFolder(async (folder) => {
    const right = { pid: 12, host: 'elsewhere', started: '1', nonce: 'a1' }
    const locks: readonly unknown[] = [
      right,
      null,
      5,
      {},
      [],
      { ...right, more: 1 },
      { ...right, host: 'h'.repeat(101) },
      ...[0, 1, -1, 1.5, '12', null].map((pid) => ({ ...right, pid })),
      ...[5, null, ''].map((host) => ({ ...right, host })),
      ...[5, null, ''].map((started) => ({ ...right, started })),
      ...['', 'a b', '../a', 'n'.repeat(64), 'n'.repeat(65), 5, null].map((nonce) => ({
        ...right,
        nonce,
      })),
    ]
    const texts = [
      ...locks.map((lock) => JSON.stringify(lock)),
      '',
      '{"pid":',
      '{"pi',
      '\0\0',
      'x',
      '\0x',
    ]
    await expectOutcomes(
      hashes,
      'locks',
      {
        all: each(
          texts.map((content) => async () => {
            const path = join(folder, LOCK)
            writeFileSync(path, content)
            const where = await whereHeld(folder)
            const took = await outcomeOf(async () => (await FolderLock.take(folder)).release())
            return [where, took, readdirSync(folder)]
          }),
        ),
      },
      folder,
    )
  }))

test('tables.json holds these alone', () => hashes.finish())

test.run()
