import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAedat4, unpackLz4, xxHash32 } from '../../src/data/recordings/aedat4.js'
import { type EventRecording, events } from '../../src/index.js'
import { expectRefusal, folderFor, messageOf } from '../files/temporary.js'
import {
  aedat2File,
  aedat3File,
  type Event,
  fixture,
  joined,
  nmnistFile,
  npyFile,
  npzFile,
  structuredNpy,
} from '../support/event-files.js'

const list: readonly Event[] = Array.from({ length: 40 }, (_, i) => [
  (i * 7) % 34,
  (i * 5) % 30,
  1000 + 977 * i,
  (i >> 1) & 1,
])

const listed = ({ x, y, t, p, length }: EventRecording): Event[] =>
  Array.from({ length }, (_, i) => [x[i], y[i], t[i], p[i]])

const folder = folderFor(test)
const readOf = async (name: string, bytes: Uint8Array, options = {}): Promise<EventRecording> => {
  const path = join(folder, name)
  await writeFile(path, bytes)
  return events.read(path, options)
}
const refused = (name: string, bytes: Uint8Array, options = {}): Promise<string> =>
  messageOf(() => readOf(name, bytes, options))

const bytes = Uint8Array.from(list.flatMap(([x, y, t, p]) => [x, y, p, t >> 8]))
/** A row of N-MNIST that no pixel has: not an event, the clock has gone round. */
const round: Event = [0, 240, 0, 0]
const files: [string, Uint8Array, (readonly Event[])?][] = [
  ['a.bin', nmnistFile(list)],
  ['a.bs2', nmnistFile(list)],
  [
    'late.bin',
    nmnistFile([list[0], round, list[1], round, list[2]]),
    list.slice(0, 3).map(([x, y, t, p], i) => [x, y, t + 8192 * i, p]),
  ],
  ['a2.aedat', aedat2File(list)],
  ['a3.aedat', aedat3File(list)],
  ['late.aedat', aedat3File(list, 3), list.map(([x, y, t, p]) => [x, y, t + 3 * 2 ** 31, p])],
  ['a.npy', structuredNpy(list)],
  ['rows.npy', npyFile("'|u1'", '40, 4', bytes), list.map(([x, y, t, p]) => [x, y, t >> 8, p])],
  ['a.npz', npzFile(list)],
  ['stored.npz', npzFile(list, false)],
]
for (const [name, content, expected = list] of files)
  test(`${name}: a file gives the events that were written`, async () =>
    assert.equal(listed(await readOf(name, content)), expected))

test('AEDAT 4: plain, LZ4 and Zstandard hold the same events', async () => {
  const expected = Array.from({ length: 300 }, (_, i) => [
    (i * 7) % 20,
    (i * i) % 16,
    1605537493718345 + 90 * i,
    Math.floor(i / 3) % 2,
  ])
  for (const name of ['plain', 'lz4', 'zstd']) {
    const recording = await readOf(`${name}.aedat4`, fixture(`${name}.aedat4`))
    assert.equal(listed(recording), expected)
    assert.equal([recording.width, recording.height], [20, 16])
  }
  assert.throws(() => parseAedat4(fixture('zstd.aedat4'), 'it'), /npm install fzstd/)
})

test('damaged files are refused by name', async () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['cut3.aedat', aedat3File(list).slice(0, -3), /hold packet 1 whole/],
    ['cut.aedat4', fixture('lz4.aedat4').slice(0, 1500), /truncated/],
  ]
  for (const [name, bytes, message] of cases) {
    const said = await refused(name, bytes)
    assert.match(said, message)
    assert.ok(said.includes(join(folder, name)), said)
  }
  await expectRefusal(() => events.read(join(folder, 'none.bin')), /no such file/)
})

test('checksums of LZ4 are those of its program, and a wrong one is an error', () => {
  assert.is(xxHash32(new Uint8Array(0)), 0x02cc5d05)
  assert.is(xxHash32(new TextEncoder().encode('abc')), 0x32d153ff)
  // lz4 -BX --content-size: checksums of the header, of the block and of the content.
  const text = `${'spike '.repeat(12)}and some more text for the stripes`
  const frame = Uint8Array.from(
    Buffer.from(
      'BCJNGHxAagAAAAAAAADGLgAAAG9zcGlrZSAGAC/wE2FuZCBzb21lIG1vcmUgdGV4dCBmb3Ig' +
        'dGhlIHN0cmlwZXPdz3wtAAAAAHCxKPE=',
      'base64',
    ),
  )
  const unpacked = (bytes: Uint8Array): string =>
    new TextDecoder().decode(unpackLz4(bytes, 1e6, 'it'))
  assert.is(unpacked(frame), text)
  const twice = joined([frame, frame])
  assert.is(unpacked(twice), text + text)
  const { length } = frame
  for (const [at, of] of [
    [6, 'header'],
    [14, 'header'],
    [33, 'block'],
    [length - 12, 'block'],
    [length - 1, 'content'],
  ] as const)
    assert.throws(
      () => unpacked(frame.with(at, frame[at] ^ 4)),
      new RegExp(`^it: must hold valid LZ4 data, .* the checksum of its ${of} is not`),
    )
})

test('what claims to unpack to far more than it is, is refused', async () => {
  // One literal, then a repeat of it whose length is 255 again and again.
  const claim = joined([
    [0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0, 5, 0, 8, 0],
    [0x1f, 65, 1, 0],
    new Uint8Array(0x80000).fill(255),
    [0],
  ])
  assert.throws(() => unpackLz4(claim, 1e8, 'it'), /it: must unpack to at most 100000000 bytes/)
  const bytes = fixture('zstd.aedat4')
  const at = bytes.findIndex((_, i) => bytes[i] === 0x28 && bytes[i + 1] === 0xb5)
  // Another window descriptor: 3.75 TiB.
  const large = bytes.with(at + 5, 0xff).with(at + 4, bytes[at + 4] & 0xdf)
  assert.match(await refused('large.aedat4', large), /window of at most|Zstandard data|unpack/)
})

test.run()
