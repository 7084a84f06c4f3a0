/** Records of convolutions: their schemas name the words of their families, each once. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ChooseWord,
  ConvWord,
  DenseWord,
  GroupedWord,
  ListWord,
  Op,
  PatternWord,
  Rec,
  SourceWord,
  SpikeSumWord,
  SpikeWord,
  StandardiseWord,
  WinogradWord,
} from '../../assembly/opcodes.js'
import { sizesOf } from '../../src/plan/convolution/geometry.js'
import { strategies } from '../../src/plan/convolution/index.js'
import { spikeSum } from '../../src/plan/records/choose.js'
import { convolutionRecords } from '../../src/plan/records/convolution.js'
import { convDense, convNarrow } from '../../src/plan/records/dense.js'
import { type RecordKind, type Schema, wordsOf } from '../../src/plan/records/schema.js'
import { source } from '../../src/plan/records/spikes.js'

type Words = Readonly<Record<string, string | number>>

/** Which words the records of an operation are made of. */
const families: readonly (readonly [family: Words, ops: RegExp])[] = [
  [GroupedWord, /^Grouped/],
  [SpikeWord, /^Spike/],
  [WinogradWord, /^Winograd/],
  [PatternWord, /^Pattern/],
  [ListWord, /List/],
  [StandardiseWord, /Standardise/],
  [ChooseWord, /^Choose$/],
  [DenseWord, /./],
]
const familyOf = (op: Op): Words => families.find(([, ops]) => ops.test(Op[op]))![0]

const kinds: readonly RecordKind[] = convolutionRecords

const wordsIn = (family: Words): number[] =>
  Object.values(family).filter((word) => typeof word === 'number')
const wordsOfSchema = (schema: Schema): number[] => Object.values(schema).map(({ word }) => word)
const withSizes = (family: Words): boolean => family !== StandardiseWord && family !== ChooseWord

test('every operation of the families has one kind of record', () => {
  const ops = kinds.map(({ op }) => op)
  assert.is(new Set(ops).size, ops.length)
  const wanted = Object.keys(Op).filter((name) =>
    /^(Conv|Spike|Winograd|Narrow|Pattern|Transpose|Reduce|Bias|RateLists|List|Grouped|Weight|Choose)/.test(
      name,
    ),
  )
  assert.equal(ops.map((op) => Op[op]).sort(), wanted.sort())
})

for (const { op, schema } of kinds)
  test(`${Op[op]}: words of its family, each once, within the record`, () => {
    const words = wordsOfSchema(schema)
    assert.is(new Set(words).size, words.length, 'two fields share a word')
    const family = familyOf(op)
    const allowed = [...wordsIn(family), ...(withSizes(family) ? wordsIn(ConvWord) : [])]
    for (const [name, { word }] of Object.entries(schema)) {
      assert.ok(allowed.includes(word), `${name}: word ${word} is not of its family`)
      assert.ok(word >= 4 && word < Rec.Words, `${name}: word ${word} is outside the record`)
    }
    for (const [name, { addsWith }] of Object.entries(schema))
      if (addsWith) assert.is(schema[addsWith]?.use, 'flag', `${name} adds with a flag`)
  })

test('every word of a family is in a schema', () => {
  for (const [family, name] of [
    [ConvWord, 'ConvWord'],
    [DenseWord, 'DenseWord'],
    [SpikeWord, 'SpikeWord'],
    [WinogradWord, 'WinogradWord'],
    [ListWord, 'ListWord'],
    [PatternWord, 'PatternWord'],
    [GroupedWord, 'GroupedWord'],
    [StandardiseWord, 'StandardiseWord'],
    [ChooseWord, 'ChooseWord'],
  ] as const) {
    const used = new Set(
      kinds.flatMap(({ op, schema }) =>
        familyOf(op) === family || (family === ConvWord && withSizes(familyOf(op)))
          ? wordsOfSchema(schema)
          : [],
      ),
    )
    for (const [word, value] of Object.entries(family))
      if (typeof value === 'number') assert.ok(used.has(value), `${name}.${word} is in no schema`)
  }
})

test('families begin behind the sizes', () => {
  const last = Math.max(...wordsIn(ConvWord))
  for (const family of [DenseWord, SpikeWord, WinogradWord, ListWord, PatternWord, GroupedWord])
    assert.ok(Math.min(...wordsIn(family)) > last)
})

test('entries of tables have their own words', () => {
  for (const [schema, family] of [
    [source, SourceWord],
    [spikeSum, SpikeSumWord],
  ] as const) {
    const words = wordsOfSchema(schema)
    assert.is(new Set(words).size, words.length)
    assert.ok(Math.max(...words) < family.Words && family.Words * 4 === family.Bytes)
  }
})

test('sizes are those that a kind names; a name that it has not is an error', () => {
  const size = { inH: 5, inW: 6, inC: 3, outH: 7, outW: 8, outC: 16, blockWidth: 16 }
  const window = { kernelH: 1, kernelW: 2, strideH: 3, strideW: 4, padH: 0, padW: 1 }
  const g = { images: 2, ...size, ...window }
  const all = { ...g, steps: 9, kRows: 8 }
  assert.equal(sizesOf(convDense, g, 9), all)
  const { images, ...narrow } = all
  assert.is(images, 2)
  assert.equal(sizesOf(convNarrow, g, 9), narrow)
  assert.throws(
    // @ts-expect-error a narrow record has no word for the images
    () => wordsOf(convNarrow.schema, { images: 2 }),
    /a record has no field images/,
  )
})

test('floats always have a strategy: the last of each list', () => {
  const size = { inH: 1, inW: 1, inC: 4, outH: 1, outW: 1, outC: 4, blockWidth: 4 }
  const window = { kernelH: 1, kernelW: 1, strideH: 1, strideW: 1, padH: 0, padW: 0 }
  const task = { g: { images: 1, ...size, ...window }, steps: 3, indirect: true }
  const { forwardOnFloats, inputGradient, weightGradient } = strategies
  for (const list of [forwardOnFloats, inputGradient, weightGradient])
    assert.ok(list.at(-1)?.fits(task))
})

test.run()
