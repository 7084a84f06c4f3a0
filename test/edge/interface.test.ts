/**
 * The interface of exported networks: what is accepted, and the whole message of what is not, over
 * tables of values and over files of which each byte was changed.
 */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import type { Optimizer } from '../../src/compile/optimizer-kind.js'
import { standardTraining, type TrainingSpec } from '../../src/compile/training.js'
import { type ExportOptions, type NetInfo, netExports } from '../../src/edge/abi.js'
import { expectAnswer } from '../../src/edge/accuracy.js'
import { segmentsOf } from '../../src/edge/contents.js'
import * as file from '../../src/edge/file.js'
import * as struct from '../../src/edge/header.js'
import { isNetHeader, netHeader } from '../../src/edge/header.js'
import { checkLearning } from '../../src/edge/learning.js'
import { viewsOf } from '../../src/edge/net.js'
import { checkExportOptions } from '../../src/edge/options.js'
import { checkInfo } from '../../src/edge/schema.js'
import { layoutText, readState } from '../../src/edge/state.js'
import { adam, sgd } from '../../src/index.js'
import { Hashes } from '../support/hashes.js'
import { isSealable, stripped, tinyInfo, tinyNet } from '../support/tiny-net.js'

const hashes = new Hashes('edge/interface.json')

/** What it gives, as JSON, or the message of its error; what engines say themselves is left out. */
function outcome(run: () => unknown): string {
  try {
    return `${JSON.stringify(run())}`
  } catch (error) {
    assert.instance(error, SpikewasmError, String(error))
    return (error as Error).message.replace(/, got an error: .*/, '')
  }
}

const bounds = [8, 16, 20, 28, 30, 53].flatMap((n) => [2 ** n - 1, 2 ** n, 2 ** n + 1])
const most = 65536 * 65535
const numbers = [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1, 1.5, 2, 3, 131072, ...bounds]
const texts = ['', 'x', 'a\nb', 'a\0', 'null', 'x'.repeat(500), 'x'.repeat(501)]
const lists = [[], [[]], [1], [0], [-1], [0.5], [1, 1], [1, 0], [0.5, -0.5], [Number.NaN, 0]]
const floats = [[1e-300, 1], [1, 1e300], Float32Array.of(1, 1, 1)]
const labels = [['a'], ['a', 'b', 'c'], ['a', '', 'c'], ['a', 'b', 3], ['a', 'b\n', 'c']]
/** C, H and W: the largest side, the largest input, and beside them. */
const shapes = ['1 1 1', '1 65536 1', '1 65537 1', '0 1 1', '1 1 0', '65536 4096 1', '65536 4097 1']
const inputs = [...shapes.map((shape) => shape.split(' ').map(Number)), [1, 2, 3, 4], [1, 1, '1']]
const counts = [{ max: 1 }, { max: -1 }, { max: 1, mean: 0 }, { max: 1, mean: -1 }]
const synops = [...counts, { max: 2, most: 1 }]
/** Values of every kind, and numbers at bounds and beside them. */
const values: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  {},
  () => {},
  ...[numbers, [most, most + 1, 2 ** 32], texts, lists, floats, labels, inputs, synops].flat(),
]

const base: Readonly<Record<string, NetInfo>> = {
  infer: tinyInfo({ usedBytes: 9, labels: ['a', 'b', 'c'] }),
  bytes: tinyInfo({ input: [2, 1, 1], inputType: 'u8', mean: [1, 2], std: [1, 2] }),
  train: tinyInfo({ mode: 'train', batchSize: 2, frames: true, timeSteps: 255 }),
}

test('the section: each field with each value', () => {
  for (const [kind, info] of Object.entries(base))
    for (const field of [...Object.keys(info), 'name', 'seal', 'more', 'labels', 'mean'])
      hashes.is(
        `section ${kind} ${field}`,
        values.map((value) =>
          outcome(() => checkInfo({ ...info, [field]: value }, 'it') !== undefined),
        ),
      )
  const entry = { name: 'w', shape: [1], offset: 0, layout: 'plain' }
  const state = (...entries: object[]): string =>
    outcome(() => Boolean(checkInfo({ ...base.train, state: entries }, 'it')))
  for (const field of Object.keys(entry))
    hashes.is(
      `section state ${field}`,
      [...values, Array(8).fill(1), Array(9).fill(1), [2 ** 28], [2 ** 28 + 1]].map((value) =>
        state({ ...entry, [field]: value }),
      ),
    )
  const many = (count: number): string => state(...Array(count).fill(entry))
  hashes.is('section state', [many(0), many(65536), many(65537), state({ ...entry, more: 1 })])
  hashes.is(
    'section of no object',
    values.map((value) => outcome(() => checkInfo(value, 'it') !== undefined)),
  )
})

const options: Readonly<Record<string, ExportOptions>> = {
  none: {},
  bytes: { inputType: 'u8' },
  train: { mode: 'train' },
}
test('options of exportWasm: each with each value', () => {
  const facts = { channels: 2, classes: 3, weights: 'f32' } as const
  const odd = [{ lables: [] }, []].map((given) =>
    outcome(() => checkExportOptions(given as object, facts)),
  )
  hashes.is('options that are none', odd)
  const names =
    'target mode weights labels mean std inputType name batchSize synops wasm onProgress'
  const words = ['simd', 'scalar', 'both', 'infer', 'step', 'train', 'f32', 'int8', 'u8']
  for (const [kind, given] of Object.entries(options))
    for (const name of names.split(' '))
      hashes.is(
        `options ${kind} ${name}`,
        [...values, ...words].map((value) =>
          outcome(() => checkExportOptions({ ...given, [name]: value }, facts)),
        ),
      )
})

const infos: readonly Partial<NetInfo>[] = [
  {},
  { name: 'a */ name /*', synops: { max: 2 ** 40 + 5, mean: 1234.5 }, version: '1 */' },
  { labels: ['plain', 'quote " and \\', 'ü?'], target: 'simd', stepMode: 's', method: 'os' },
  { mode: 'both', inputType: 'u8', mean: [0.1307], std: [2], labels: ['a', '', 'c'] },
  { mode: 'both', inputType: 'u8', input: [2, 3, 4] },
  { mode: 'step', frames: true, timeSteps: 7, synops: { max: 12, mean: 3e21 } },
  { mode: 'infer', frames: true, timeSteps: 7, weights: 'int8', method: 'ottt' },
  { mode: 'train', batchSize: 8, frames: true, timeSteps: 3, method: 'bptt' },
  { mode: 'train', inputType: 'u8', method: 'sltt' },
]

test('header, section and struct of networks of every kind', () => {
  const at = { input: 16, output: 32, labels: 48, mean: 1024, std: 2048 }
  for (const [i, more] of infos.entries()) {
    const info = tinyInfo({ usedBytes: 4000 + i, ...more })
    const words = struct.writeInfoStruct(info, at)
    const header = netHeader(info)
    for (const line of header.split('\n')) assert.ok(line.length <= 100, line)
    hashes.is(`texts of network ${i}`, [
      header,
      file.sectionBytes(info),
      words,
      JSON.stringify(netExports(info)),
    ])
    // What the struct says of it, but what it has no words for.
    const { name: _, synops, ...rest } = info
    const memory = new Uint8Array(4096)
    memory.set(struct.labelBytes(info.labels ?? []), at.labels)
    for (const values of ['mean', 'std'] as const)
      memory.set(new Uint8Array(Float32Array.from(info[values] ?? []).buffer), at[values])
    const own = struct.writeInfoStruct(info, {
      ...at,
      labels: info.labels ? at.labels : 0,
      mean: info.mean ? at.mean : 0,
      std: info.std ? at.std : 0,
    })
    const read = struct.readInfoStruct(new Uint32Array(own.buffer), memory)
    assert.equal(JSON.parse(JSON.stringify(read)), {
      ...rest,
      version: 'unknown',
      synops: { max: synops.max },
      ...(info.mean ? { mean: info.mean.map(Math.fround) } : {}),
    })
  }
  const names = [undefined, '', '.', '_', 'ü', 'net', 'my-net.2.h', 5, null]
  hashes.is(
    'names of headers',
    names.map((name) => outcome(() => netHeader(tinyInfo(), name as string))),
  )
  const wrong = [undefined, null, 5, 'net', {}, [], new Uint8Array(3)]
  hashes.is(
    'no networks',
    wrong.map((net) => outcome(() => netHeader(net as NetInfo))),
  )
  const text = netHeader(tinyInfo())
  assert.ok(isNetHeader(text) && isNetHeader(text.replaceAll('\n', '\r\n')))
  for (const other of [` ${text}`, text.replace('   W', '  W'), text.replace(',', ''), '/* x'])
    assert.not(isNetHeader(other))
})

test('a struct with other words', () => {
  const info = tinyInfo({ usedBytes: 4000, inputType: 'u8', input: [2, 1, 2], mode: 'both' })
  const at = { input: 16, output: 32, labels: 200, mean: 300, std: 0 }
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 200, 255, 256, 4088, 4089, 4096, 65536, 2 ** 31]
  const memory = Uint8Array.from({ length: 4096 }, (_, i) => (i % 7 === 0 ? 0 : 65 + (i % 23)))
  for (const [i, word] of struct.infoWords.entries())
    hashes.is(
      `struct with ${word}`,
      [...numbers, 2 ** 32 - 1].map((value) => {
        const words = new Uint32Array(struct.writeInfoStruct(info, at).buffer)
        words[i] = value
        return outcome(() => struct.readInfoStruct(words, memory))
      }),
    )
  const words = new Uint32Array(struct.writeInfoStruct(info, at).buffer)
  // Texts of 2047 bytes and a NUL, and of one more.
  const textOf = (length: number): string => {
    const long = new Uint8Array(8192)
    long.fill(65, at.labels, at.labels + length)
    return outcome(() => struct.readInfoStruct(words, long))
  }
  hashes.is('long labels', [textOf(500), textOf(501), textOf(2047), textOf(2048), textOf(5000)])
  assert.is(words.byteLength, struct.STRUCT_BYTES)
})

/** Each byte one more, with its highest bit changed, removed, and with a 0 before it. */
const changes: Readonly<Record<string, (bytes: number[], at: number) => void>> = {
  more: (bytes, at) => void bytes.splice(at, 1, (bytes[at] + 1) & 255),
  'highest bit': (bytes, at) => void bytes.splice(at, 1, bytes[at] ^ 128),
  removed: (bytes, at) => void bytes.splice(at, 1),
  inserted: (bytes, at) => void bytes.splice(at, 0, 0),
}
const files: Readonly<Record<string, Uint8Array>> = {
  infer: tinyNet({ info: { labels: ['a', 'b', 'c'] } }),
  train: tinyNet({ info: { mode: 'train', inputType: 'u8', mean: [0.5], std: [2] } }),
  'no section': stripped(tinyNet()),
}

test('files with one byte changed, and sealed again', () => {
  const read = (bytes: Uint8Array): unknown => {
    const parts = file.walk(bytes)
    if (!parts.info) return [...parts.exports.keys(), parts.pages, parts.types, parts.functions]
    file.checkMemory(parts)
    file.checkParts(parts, file.infoOf(parts))
    return parts.info
  }
  for (const [kind, whole] of Object.entries(files))
    for (const [how, change] of Object.entries(changes))
      hashes.is(
        `${kind}, ${how}`,
        [...whole.keys()].map((at) => {
          const bytes = [...whole]
          change(bytes, at)
          const changed = Uint8Array.from(bytes)
          return outcome(() => read(isSealable(changed) ? file.seal(changed) : changed))
        }),
      )
  const cut = [...files.infer.keys()].map((n) => outcome(() => read(files.infer.subarray(0, n))))
  hashes.is('cut off', cut)
})

const START = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const modules: readonly (readonly [what: string, sections: number[], message: string])[] = [
  ['custom ones of others', [0, 2, 1, 0x61], 'have a custom section "spikewasm", or none at all'],
  ['no memory', [5, 1, 0], 'have one memory, got 0'],
  ['two memories', [5, 7, 2, 1, 1, 1, 1, 1, 1], 'have one memory, got 2'],
  ['2 GiB', [5, 8, 1, 1, 0x80, 0x80, 2, 0x80, 0x80, 2], 'ok'],
  [
    'a page more',
    [5, 8, 1, 1, 0x81, 0x80, 2, 0x81, 0x80, 2],
    'have a memory of at most 32768 pages (2 GiB), got 32769 pages',
  ],
  ['a rest', [1, 2, 0, 7], 'have nothing behind its section 1, got 1 bytes'],
  ['more types than bytes', [1, 1, 1], 'have as many entries in its section 1 as it says, 1, got'],
  ['another type', [1, 2, 1, 0x5f], 'have types of functions alone, got another'],
  ['a type of what is unknown', [1, 5, 1, 0x60, 1, 0x70, 0], 'ok'],
  ['a name that is cut off', [7, 3, 1, 5, 0x61], 'have a name in the section 7 of 5 bytes, got 1'],
  ['a name of other bytes', [7, 5, 1, 1, 0xff, 0, 0], 'have names in UTF-8 in its section 7'],
  ['a cut-off one', [1, 9, 0], 'have a section 1 of 9 bytes, got 1; it is cut off'],
  ['no length', [1], 'have a whole file, got one that is cut off'],
  ['a half', [3, 1, 1], 'have as many entries in its section 3 as it says, 1, got 0 bytes'],
  ['types in a half', [1, 2, 1, 0x60], 'have a whole section 1, got one that is cut off'],
  ['a long length', [1, 0x80, 0x80, 0x80, 0x80, 0x10], 'have numbers of 32 bits in its file'],
]

test('sections alone', () => {
  for (const [what, sections, message] of modules) {
    const got = outcome(() => file.walk(Uint8Array.from([...START, ...sections])))
    if (message === 'ok') assert.ok(got.startsWith('{'), `${what}: ${got}`)
    else assert.ok(got.includes(message), `${what}: ${got}`)
  }
  const { types } = file.walk(
    Uint8Array.from([...START, 1, 12, 2, 0x60, 2, 127, 126, 1, 125, 0x60, 2, 124, 123, 0]),
  )
  assert.equal(types, ['(i32, i64) → f32', '(f64, v128) → nothing'])
  const parts = file.walk(files.infer)
  const functions = [
    () => file.checkFunction(parts, 'infer'),
    () => file.checkFunction(parts, 'infer', 'f32'),
    () => file.checkFunction(parts, 'memory'),
    () => file.checkFunction(parts, 'output_len', 'i32'),
    () => file.checkFunction({ ...parts, functions: [] }, 'infer'),
    () => file.checkMemory({ ...parts, pages: undefined }),
    () => file.checkMemory({ ...parts, exports: new Map([['memory', { kind: 0, index: 0 }]]) }),
  ]
  hashes.is('exports', functions.map(outcome))
})

test('answers and places', () => {
  const answers = [
    () => expectAnswer(Float32Array.of(1, 3, 3), 1),
    () => expectAnswer(Float32Array.of(1, 3, 3), 2),
    () => expectAnswer(Float32Array.of(-1), 0),
    () => expectAnswer(Float32Array.of(...Array(11).fill(Number.NaN)), 0),
    () => expectAnswer(Float32Array.of(1, Number.POSITIVE_INFINITY), 1),
  ]
  hashes.is('answers', answers.map(outcome))
  const view = viewsOf(new ArrayBuffer(64), 32)
  const rows = [0, 1, 2, 4, 16, 20, 24, 28, 29, 32, -4].flatMap((at) =>
    [Uint8Array, Float32Array].map((type) =>
      outcome(() => [...view<Uint8Array | Float32Array>(type as never, 'it', at, 3)]),
    ),
  )
  hashes.is('places', rows)
})

test('trainings that a file goes on with, and those that it does not', () => {
  const trainings: readonly (readonly [Partial<TrainingSpec>, Optimizer?, number?])[] = [
    [{}],
    [{}, adam({ lr: 1 })],
    [{}, sgd({ lr: 1 }), 0.5],
    [{ groups: [{}] as never }],
    [{ loss: { ...standardTraining.loss, labelSmoothing: 0.1 } as never }],
    [{ loss: { ...standardTraining.loss, of: 'steps' } as never }],
    [{ loss: { ...standardTraining.loss, kind: 'mse' } as never }],
    [{ penalties: [{}] as never }],
    [{ frozen: ['0.weight'] as never }],
    [{ accumulate: true, groups: [{}, {}] as never }, adam({ lr: 1 }), 2],
  ]
  hashes.is(
    'trainings',
    trainings.map(([training, optimizer = sgd({ lr: 1 }), clipNorm]) =>
      outcome(() => checkLearning(optimizer, { ...standardTraining, ...training }, clipNorm)),
    ),
  )
})

test('segments: 7 zero bytes between two are kept, 8 begin another one', () => {
  const bytes = new Uint8Array(40)
  for (const at of [2, 3, 11, 20, 39]) bytes[at] = at
  const found = segmentsOf(bytes).map(({ address, bytes }) => [address, ...bytes])
  assert.equal(found, [
    [2, 2, 3, 0, 0, 0, 0, 0, 0, 0, 11],
    [20, 20],
    [39, 39],
  ])
  assert.equal(segmentsOf(new Uint8Array(9)), [])
})

test('layouts of a state, and numbers that do not fit them', () => {
  const axes = 'plain, rows, axes, axes 2 3, axes 6 1, axes 2 1 3 2, axes 3 2 2 7, axes 6'
  const more = 'axes 0 1 6 1, axes 6 1 1 5, block 1 1 input 1, block 2 4 input 2 taps 1 1'
  const blocks = [
    [0, 1, 1, 1, 1],
    [1, 1, 1, 0, 1],
    [4, 12, 2, 3, 20],
  ].map(
    ([n, stride, input, taps, tap]) => `block ${n} ${stride} input ${input} taps ${taps} ${tap}`,
  )
  const layouts = [...axes.split(', '), ...more.split(', '), ...blocks]
  const params = Float32Array.from({ length: 64 }, (_, i) => i)
  for (const layout of layouts)
    hashes.is(
      `layout ${layout}`,
      [[6], [2, 3], [3, 2], [1, 6], [], [2, 3, 2]].map((shape) =>
        outcome(() => {
          const state = [{ name: 'w', shape, offset: 5, layout }]
          const read = (count: number): number[] => [
            ...readState(tinyInfo({ mode: 'train', state }), params.subarray(0, count)).w.data,
          ]
          const all = read(64)
          // One number less than its last one is too few.
          const last = Math.max(...all, 4 + all.length)
          assert.equal(read(last + 1), all)
          return [all, outcome(() => read(last))]
        }),
      ),
    )
  const pairs = { 'axes 2 3 5 1': '1 9 2 3 5 1', plain: '1 9 5 1', 'axes 5 2': '5 2' }
  for (const [text, numbers] of Object.entries(pairs)) {
    const axes = numbers.match(/\d+ \d+/g)?.map((pair) => pair.split(' ').map(Number))
    assert.is(layoutText({ axes } as never), text)
  }
  assert.is(layoutText({}), 'plain')
  const strides = { block: 1, blockStride: 2, inputStride: 3, taps: 4, tapStride: 5 }
  assert.is(layoutText({ strides }), 'block 1 2 input 3 taps 4 5')
})

test('states of what is none, and numbers that are none', () => {
  const info = tinyInfo({ mode: 'train', state: [] })
  const layout = 'block 1000000000 0 input 0 taps 1 0'
  const huge = [{ name: 'w', shape: [2 ** 28, 2 ** 28], offset: 0, layout }]
  const nets = [tinyNet(), files.train, { ...info, state: [{}] }, { ...info, state: huge }, info]
  for (const [i, params] of [new Float32Array(9), []].entries())
    hashes.is(
      `states ${i}`,
      [...nets, { mode: 'train', state: [{}] }, undefined, null, 'net.wasm', 5].map((net) =>
        outcome(() => readState(net as NetInfo, params as Float32Array)),
      ),
    )
})

test('interface.json holds these alone', () => hashes.finish())

test.run()
