/** SHD and SSC: files that h5py wrote (test/fixtures/speech/make.py), and damaged ones. */

import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { subset } from '../../src/data/datasets/dataset.js'
import { type ReadSpeech, readPart, shd, ssc } from '../../src/data/speech/speech.js'
import {
  type Group,
  group,
  type NumbersLeaf,
  numbers,
  type Tree,
  texts,
} from '../../src/files/nir/graph.js'
import { readHdf5In } from '../../src/files/nir/hdf5.js'
import { withFolder } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { test } from '../support/models.js'

interface Expected {
  readonly labels: readonly number[]
  readonly times: readonly (readonly number[])[]
  readonly units: readonly (readonly number[])[]
}

const folder = join(process.cwd(), 'test/fixtures/speech')
const all: Record<string, Expected> = JSON.parse(
  await readFile(join(folder, 'expected.json'), 'utf8'),
)

for (const [timeSteps, dt, bins] of [
  [100, 14, 5],
  [20, 50, 700],
  [7, 100, 1],
] as const)
  for (const part of ['train', 'test'] as const)
    test(`shd ${part}: spikes of ${timeSteps} frames of ${dt} ms, ${bins} units together`, async () => {
      const data = (await shd(folder, { timeSteps, dt, bins }))[part]
      const { labels, times, units } = all[`shd_${part}.h5`]
      assert.equal(
        [data.length, data.classes, data.timeSteps, data.shape],
        [6, 20, timeSteps, [700 / bins]],
      )
      const out = new Float32Array((timeSteps * 700) / bins)
      for (const [i, label] of labels.entries()) {
        const expected = new Float32Array(out.length)
        for (const [k, time] of times[i].entries()) {
          const t = Math.floor((1000 * time) / dt)
          if (t < timeSteps) expected[(t * 700) / bins + Math.floor(units[i][k] / bins)]++
        }
        assert.is(data.read(i, out), label)
        assert.equal(out, expected)
      }
    })

const inFolder = (
  files: Readonly<Record<string, Uint8Array>>,
  use: (path: string) => Promise<void>,
) =>
  withFolder(async (path) => {
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(path, name), bytes)
    await use(path)
  })
const refusal = (run: () => Promise<unknown>): Promise<Error | undefined> =>
  run().then(
    () => undefined,
    (error) => error,
  )

test("ssc reads h5py's newest layout", async () => {
  const bytes = await readFile(join(folder, 'ssc_train.h5'))
  await inFolder({ 'ssc_train.h5': bytes, 'ssc_test.h5': bytes }, async (path) => {
    const { train } = await ssc(path)
    assert.equal([train.length, train.classes], [6, 35])
  })
})

test('what is missing, no HDF5, or a wrong option is told by name', async () => {
  assert.match(
    String(await refusal(() => shd(folder, { bins: 3 }))),
    /shd.bins must divide the 700 units, got 3/,
  )
  assert.match(String(await refusal(() => ssc(folder))), /ssc_test.h5/)
  await inFolder({ 'shd_train.h5': new Uint8Array(100) }, async (path) => {
    assert.match(
      String(await refusal(() => shd(path))),
      /shd_train.h5: must be a SHD file, which is HDF5, .*download it again/,
    )
  })
})

const speech = ['SHD', 'train', 20] as const
const options = { timeSteps: 20, bins: 5 }
const path = join(folder, 'shd_train.h5')
const readIn: ReadSpeech = (lists) => readHdf5In({ path, lists }, 'SHD')

test('files are read in pieces: any number of recordings at once give the same', async () => {
  const whole = (await shd(folder, options)).train
  const [a, b] = [0, 1].map(() => new Float32Array(20 * 140))
  for (const piece of [1, 4, 5, 6, 100]) {
    const asked: unknown[] = []
    const read: ReadSpeech = (lists) => {
      asked.push(lists)
      return readIn(lists)
    }
    const { data } = await readPart(read, path, speech, options, piece)
    if (piece === 4) assert.equal(asked, [undefined, [0, 4], [4, 7]])
    for (let i = 0; i < 6; i++) {
      assert.is(data.read(i, a), whole.read(i, b))
      assert.equal(a, b)
    }
  }
})

test('a file larger than memory may hold is read where it lies', async () => {
  const bytes = await readFile(path)
  await inFolder({ 'shd_train.h5': bytes, 'shd_test.h5': bytes }, async (place) => {
    // What lies behind what HDF5 knows of takes no room on the disk.
    for (const part of ['train', 'test']) await truncate(join(place, `shd_${part}.h5`), 5 * 2 ** 30)
    const { train, speakers } = await shd(place)
    assert.equal([train.length, speakers?.train.length], [6, 6])
  })
})

test('speakers of recordings, by which samples can be divided', async () => {
  const { train, speakers } = await shd(folder)
  assert.equal(Array.from(speakers?.train ?? []), [0, 1, 2, 3, 4, 5])
  const own = Array.from(speakers?.train.keys() ?? []).filter((i) => (speakers?.train[i] ?? 0) > 3)
  const part = subset(train, own)
  assert.is(part.length, 2)
  const [a, b] = [0, 1].map(() => new Float32Array(100 * 140))
  for (const [i, from] of own.entries()) {
    assert.is(part.read(i, a), train.read(from, b))
    assert.equal(a, b)
  }
  for (const wrong of [[6], [-1], [0.5], ['1']])
    assert.throws(() => subset(train, wrong as number[]), /subset.indices\[0\] must be/)
})

type Members = Map<string, Tree>
const membersOf = (tree: Tree | undefined): Members => (tree as Group).members as Members
const copyOf = (tree: Tree): Tree =>
  tree.kind === 'group' ? group([...tree.members].map(([key, of]) => [key, copyOf(of)])) : tree
const spikesOf = (tree: Tree, key: string): Members =>
  membersOf(membersOf(membersOf(tree).get('spikes')).get(key))
const with16 = (at: number, value: number) => (tree: Tree, key: string) => {
  const of = spikesOf(tree, key)
  const { data } = of.get('values') as NumbersLeaf
  of.set('values', numbers((data as Uint16Array).with(at, value)))
}

/** A reader of the file whose trees a function spoils; undefined: as they are. */
const spoiling =
  (spoil: (tree: Tree, isLists: boolean) => void): ReadSpeech =>
  async (lists) => {
    const tree = copyOf(await readIn(lists))
    spoil(tree, lists !== undefined)
    return tree as Group
  }

const ofLists = (spoil: (tree: Tree) => void) => (tree: Tree, isLists: boolean) =>
  isLists && spoil(tree)
const other: Tree = { kind: 'other', what: 'a reference' }
const structures: readonly [string, (tree: Tree, isLists: boolean) => unknown, RegExp][] = [
  ['no labels', (tree) => membersOf(tree).delete('labels'), /must hold numbers named labels/],
  [
    'labels are texts',
    (tree) => membersOf(tree).set('labels', texts(['1'])),
    /numbers named labels/,
  ],
  [
    'labels are fractions',
    (tree) => membersOf(tree).set('labels', numbers(Float32Array.of(0, 0.5))),
    /must have integers as labels, got 0.5/,
  ],
  [
    'a label of no class',
    (tree) => membersOf(tree).set('labels', numbers(Uint16Array.of(0, 1, 2, 3, 20, 1))),
    /SHD train: labels must be integers from 0 to 19, got 20 at index 4/,
  ],
  [
    'fewer labels than lists',
    (tree) => {
      membersOf(tree).set('labels', numbers(new Uint8Array(5)))
      membersOf(tree).delete('extra')
    },
    /must have a list of spikes\/times for each label, got more/,
  ],
  [
    'more labels than lists',
    (tree) => {
      membersOf(tree).set('labels', numbers(new Uint8Array(7)))
      membersOf(tree).delete('extra')
    },
    /must have a list of spikes\/times for each label, got fewer/,
  ],
  ['no spikes', ofLists((tree) => membersOf(tree).delete('spikes')), /must hold a group spikes/],
  [
    'no times',
    ofLists((tree) => membersOf(membersOf(tree).get('spikes')).delete('times')),
    /must hold lists of 16 bits, spikes\/times/,
  ],
  [
    'units are no lists of 16 bits',
    ofLists((tree) => membersOf(membersOf(tree).get('spikes')).set('units', other)),
    /must hold lists of 16 bits, spikes\/units/,
  ],
  [
    'another number of units',
    ofLists((tree) => {
      const of = spikesOf(tree, 'units')
      of.set('ends', numbers(Float64Array.of(5, 5, 13, 15, 27, 30)))
    }),
    /must have as many times as units in each recording, got others in recording 2/,
  ],
  [
    'offsets that go back',
    ofLists((tree) => {
      for (const key of ['units', 'times'])
        spikesOf(tree, key).set('ends', numbers(Float64Array.of(5, 5, 3, 15, 27, 30)))
    }),
    /must have lists one behind the other, got recording 2/,
  ],
  [
    'a unit that is none',
    ofLists((tree) => with16(6, 700)(tree, 'units')),
    /must have units 0 to 699 at times ≥ 0 s, got 700 at .* in recording 2/,
  ],
  [
    'a time that is NaN',
    ofLists((tree) => with16(0, 0x7e00)(tree, 'times')),
    /times ≥ 0 s, got \d+ at NaN in recording 0/,
  ],
  [
    'a time without end',
    ofLists((tree) => with16(0, 0x7c00)(tree, 'times')),
    /times ≥ 0 s, got \d+ at NaN in recording 0/,
  ],
  [
    'a time before 0',
    ofLists((tree) => with16(14, 0xbc00)(tree, 'times')),
    /times ≥ 0 s, got \d+ at -1 in recording 3/,
  ],
  [
    'fewer speakers than labels',
    (tree, isLists) =>
      !isLists &&
      membersOf(membersOf(tree).get('extra')).set('speaker', numbers(new Uint8Array(2))),
    /must have one of extra\/speaker for each of its 6 labels, got 2/,
  ],
]
for (const [name, spoil, message] of structures)
  test(`refused by name: ${name}`, async () => {
    const error = await refusal(() => readPart(spoiling(spoil), path, speech, options))
    assert.instance(error, SpikewasmError)
    assert.match(String(error), message)
    assert.match(String(error), /shd_train.h5|SHD train/)
  })

test('recordings without spikes, and files without speakers, are data', async () => {
  const none = spoiling((tree, isLists) => {
    membersOf(tree).delete('extra')
    for (const key of isLists ? ['times', 'units'] : []) {
      spikesOf(tree, key).set('ends', numbers(new Float64Array(6)))
      spikesOf(tree, key).set('values', numbers(new Uint16Array(0)))
    }
  })
  const { data, speakers } = await readPart(none, path, speech, options)
  const out = new Float32Array(20 * 140).fill(1)
  assert.is(data.read(2, out), 2)
  assert.ok(out.every((x) => x === 0))
  assert.is(speakers, undefined)
})

test('files whose structure is spoilt at random end in a data set or one error', async () => {
  const random = testRandom(21)
  const odd: readonly Tree[] = [
    other,
    group([]),
    texts(['a']),
    numbers(new Float64Array(0)),
    numbers(Float64Array.of(Number.NaN, -1, 1e300)),
    numbers(BigInt64Array.of(2n ** 62n)),
    numbers(Uint16Array.of(1, 2, 65535, 3, 4, 5)),
  ]
  const trees = new Map<unknown, Group>()
  for (const lists of [undefined, [0, 7]] as const) trees.set(lists?.join(), await readIn(lists))
  let refused = 0
  for (let round = 0; round < 300; round++) {
    const read: ReadSpeech = async (lists) => {
      const tree = copyOf(trees.get(lists?.join()) as Group)
      const places: [Members, string][] = []
      const walk = (of: Tree): void => {
        if (of.kind !== 'group') return
        for (const [key, value] of of.members) {
          places.push([of.members as Members, key])
          walk(value)
        }
      }
      walk(tree)
      const [of, key] = places[Math.floor(random() * places.length)]
      // Pieces say themselves what they hold: their inner parts are always there.
      const isInner = key === 'values' || key === 'ends'
      const by = odd[Math.floor(random() * odd.length)]
      if (random() < 0.3 && !isInner) of.delete(key)
      else if (!isInner || (by.kind === 'numbers' && !(by.data instanceof BigInt64Array)))
        of.set(key, by)
      return tree as Group
    }
    const error = await refusal(() => readPart(read, path, speech, options))
    if (error) refused++
    assert.ok(error === undefined || error instanceof SpikewasmError, String(error?.stack))
  }
  assert.ok(refused > 100 && refused < 300, `${refused} refused`)
})

test('damaged files end in a data set or one error', async () => {
  const whole = await readFile(join(folder, 'shd_train.h5'))
  const random = testRandom(12)
  let refused = 0
  for (let round = 0; round < 40; round++) {
    const bytes = Uint8Array.from(whole)
    for (let n = 0; n < 1 + 8 * random(); n++)
      bytes[8 + Math.floor(random() * (bytes.length - 8))] = Math.floor(256 * random())
    const cut = random() < 0.2 ? bytes.subarray(0, Math.floor(bytes.length * random())) : bytes
    await inFolder({ 'shd_train.h5': cut, 'shd_test.h5': whole }, async (path) => {
      const error = await refusal(() => shd(path))
      if (error) refused++
      assert.ok(error === undefined || error instanceof SpikewasmError, String(error))
    })
  }
  assert.ok(refused > 0 && refused < 40, `${refused} refused`)
})

test.run()
