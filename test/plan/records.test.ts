/** What every schema promises: words that belong to it alone, and all that its enum names. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as opcodes from '../../assembly/opcodes.js'
import { Op, Rec } from '../../assembly/opcodes.js'
import { ProgramBuilder } from '../../src/plan/program.js'
import { records } from '../../src/plan/records/index.js'
import { MOST_LEARNT } from '../../src/plan/records/neuron.js'
import { clear } from '../../src/plan/records/optimizer.js'
import {
  accesses,
  entries,
  type Fields,
  flag,
  number,
  type RecordKind,
  reads,
  readsIf,
  record,
  type Schema,
  wordsOf,
  writes,
  writesOrAdds,
} from '../../src/plan/records/schema.js'
import { timeSum } from '../../src/plan/records/sums.js'
import { ref } from '../../src/plan/words.js'

const kinds = Object.values(records) as RecordKind[]
const {
  ActiveWord,
  AdamWord,
  AllTimeWord,
  AdaptiveWord,
  DelayWord,
  GroupNormWord,
  JoinPart,
  JoinWord,
  ScaledWord,
  SplitWord,
  BlendWord,
  ChooseWord,
  ClipWord,
  NormSumWord,
  DenseWord,
  GroupedWord,
  ListWord,
  PatternWord,
  SpikeWord,
  StandardiseWord,
  WinogradWord,
  ClearWord,
  ContributionWord,
  ConvWord,
  DropoutWord,
  ExitWord,
  LearnFinishWord,
  LearnWord,
  LossWord,
  MaterialiseWord,
  NeuronBackWord,
  NeuronWord,
  NormWord,
  OutputWord,
  PoolWord,
  RatePenaltyWord,
  RecordWord,
  RecurrentGradientWord,
  RecurrentWord,
  ReluBackwardWord,
  ReluWord,
  SgdWord,
  StabilizedWord,
  StepStartWord,
  SumScalarsWord,
  TermWord,
  TimeSumWord,
  TraceGradientWord,
  TraceWord,
} = opcodes

/** Words that only copies of a record have. */
const inCopies = new Set(['Kept', 'Adjoints'])

/** The words of each operation. */
const wordsByOp: Readonly<Record<Exclude<Op, Op.None>, Record<string, string | number>>> = {
  [Op.NormStatistics]: NormWord,
  [Op.NormFinish]: NormWord,
  [Op.NormEvaluate]: NormWord,
  [Op.NormBackwardReduce]: NormWord,
  [Op.NormBackwardFinish]: NormWord,
  [Op.NormBackwardApply]: NormWord,
  [Op.NormAllTime]: AllTimeWord,
  [Op.StabilizedSums]: StabilizedWord,
  [Op.StabilizedThreshold]: StabilizedWord,
  [Op.Recurrent]: RecurrentWord,
  [Op.RecurrentBackward]: RecurrentWord,
  [Op.RecurrentGradient]: RecurrentGradientWord,
  [Op.LearnGradient]: LearnWord,
  [Op.LearnFinish]: LearnFinishWord,
  [Op.Neuron]: NeuronWord,
  [Op.NeuronBackwardTime]: NeuronWord,
  [Op.NeuronBackwardRate]: NeuronBackWord,
  [Op.NeuronBackwardOnline]: NeuronBackWord,
  [Op.GradientSum]: NeuronBackWord,
  [Op.Materialise]: MaterialiseWord,
  [Op.ActiveSpikes]: ActiveWord,
  [Op.ActiveFloats]: ActiveWord,
  [Op.RecordSpikes]: RecordWord,
  [Op.MaxPool]: PoolWord,
  [Op.MaxPoolFloats]: PoolWord,
  [Op.MaxPoolBackward]: PoolWord,
  [Op.TimeSum]: TimeSumWord,
  [Op.Trace]: TraceWord,
  [Op.TraceGradient]: TraceGradientWord,
  [Op.SumScalars]: SumScalarsWord,
  [Op.Dropout]: DropoutWord,
  [Op.DropoutFloats]: DropoutWord,
  [Op.Clear]: ClearWord,
  [Op.Sgd]: SgdWord,
  [Op.StepStart]: StepStartWord,
  [Op.Adam]: AdamWord,
  [Op.SquaredNorm]: NormSumWord,
  [Op.ClipFinish]: ClipWord,
  [Op.Blend]: BlendWord,
  [Op.Output]: OutputWord,
  [Op.CrossEntropy]: LossWord,
  [Op.MeanSquaredError]: LossWord,
  [Op.Tet]: LossWord,
  [Op.SelfDistillation]: LossWord,
  [Op.RatePenalty]: RatePenaltyWord,
  [Op.ConvDense]: DenseWord,
  [Op.SpikeLists]: SpikeWord,
  [Op.SpikeConv]: SpikeWord,
  [Op.SpikeForward]: SpikeWord,
  [Op.SpikeForwardBytes]: SpikeWord,
  [Op.TransposeWeight]: DenseWord,
  [Op.ConvInputGradient]: DenseWord,
  [Op.ConvWeightGradient]: DenseWord,
  [Op.ReduceSplits]: DenseWord,
  [Op.BiasGradient]: DenseWord,
  [Op.WinogradInputTransform]: WinogradWord,
  [Op.WinogradInputGradient]: WinogradWord,
  [Op.WinogradWeightTransform]: WinogradWord,
  [Op.WinogradWeightGradient]: WinogradWord,
  [Op.WinogradKernelTransform]: WinogradWord,
  [Op.WinogradStrideKernels]: WinogradWord,
  [Op.WinogradStrideGradient]: WinogradWord,
  [Op.ListWeightGradient]: ListWord,
  [Op.RateLists]: ListWord,
  [Op.PatternLists]: PatternWord,
  [Op.PatternWeightGradient]: PatternWord,
  [Op.ConvNarrow]: DenseWord,
  [Op.NarrowWeightGradient]: DenseWord,
  [Op.WeightStandardise]: StandardiseWord,
  [Op.WeightStandardiseBackward]: StandardiseWord,
  [Op.Choose]: ChooseWord,
  [Op.Scaled]: ScaledWord,
  [Op.AdaptivePool]: AdaptiveWord,
  [Op.AdaptivePoolBackward]: AdaptiveWord,
  [Op.GroupNorm]: GroupNormWord,
  [Op.GroupNormBackward]: GroupNormWord,
  [Op.Delay]: DelayWord,
  [Op.DelaySpikes]: DelayWord,
  [Op.Join]: JoinWord,
  [Op.JoinSpikes]: JoinWord,
  [Op.Split]: SplitWord,
  [Op.Relu]: ReluWord,
  [Op.ReluBackward]: ReluBackwardWord,
  [Op.GroupedForward]: GroupedWord,
  [Op.GroupedSpikes]: GroupedWord,
  [Op.GroupedTranspose]: GroupedWord,
  [Op.GroupedInputGradient]: GroupedWord,
  [Op.GroupedWeightGradient]: GroupedWord,
  [Op.GroupedExpand]: GroupedWord,
  [Op.GroupedExtract]: GroupedWord,
}

/** Whose operations have the sizes of `ConvWord` beside words of their own. */
const withSizes: readonly Record<string, string | number>[] = [
  DenseWord,
  GroupedWord,
  ListWord,
  PatternWord,
  SpikeWord,
  WinogradWord,
]

/** Words of tables' entries, and the fields that hold the tables. */
const entryWords: Readonly<Record<string, Record<string, string | number>>> = {
  contributions: ContributionWord,
  exits: ExitWord,
  terms: TermWord,
  parts: JoinPart,
}

/** Sizes of an entry stand among its words. */
const SIZES = ['Words', 'Bytes']

const namesOf = (words: Record<string, string | number>): string[] =>
  Object.keys(words).filter((key) => Number.isNaN(Number(key)) && !SIZES.includes(key))

const nameOf = ({ op }: RecordKind): string => Op[op]

function checkWords(title: string, schema: Schema, from: number, to: number): void {
  const names = new Map<number, string>()
  for (const [name, { word }] of Object.entries(schema)) {
    const other = names.get(word)
    assert.is(other, undefined, `${title}: ${name} and ${other} share word ${word}`)
    assert.ok(
      Number.isInteger(word) && word >= from && word < to,
      `${title}: ${name} is word ${word}, not one of ${from} to ${to - 1}`,
    )
    names.set(word, name)
  }
}

test('the table has each kind under its own operation', () => {
  assert.ok(kinds.length > 20, `${kinds.length} kinds`)
  for (const [op, kind] of Object.entries(records)) assert.is(kind.op, Number(op))
})

test('no two fields of a schema share a word, and all words lie behind those of every record', () => {
  for (const kind of kinds) {
    checkWords(nameOf(kind), kind.schema, Rec.First, Rec.Words)
    for (const [name, { use, entry, entryBytes }] of Object.entries(kind.schema))
      if (use === 'entries')
        checkWords(`${nameOf(kind)}.${name}`, entry as Schema, 0, (entryBytes as number) / 4)
  }
})

test('a flag that a field names is a flag of the same schema', () => {
  for (const kind of kinds)
    for (const [name, { addsWith }] of Object.entries(kind.schema))
      if (addsWith !== undefined)
        assert.is(kind.schema[addsWith]?.use, 'flag', `${nameOf(kind)}.${name}: ${addsWith}`)
})

test('every word of an enum is a field of an operation whose words it names, and no other word is', () => {
  const enums = new Map<Record<string, string | number>, RecordKind[]>()
  for (const [op, words] of Object.entries(wordsByOp)) {
    const kind = kinds.find((k) => k.op === Number(op))
    assert.ok(kind, `${Op[Number(op)]} has no schema`)
    enums.set(words, [...(enums.get(words) ?? []), kind as RecordKind])
  }
  const sizes = new Set(namesOf(ConvWord).map((name) => ConvWord[name as keyof typeof ConvWord]))
  const unusedSizes = new Set<number>(sizes)
  // Records of recurrent neurons have words of neurons beside their own.
  const neuronWords = namesOf(NeuronWord).map((name) => NeuronWord[name as keyof typeof NeuronWord])
  for (const [words, of] of enums) {
    const used = new Set(of.flatMap(({ schema }) => Object.values(schema).map((f) => f.word)))
    if (words === RecurrentWord)
      for (const word of neuronWords) if (RecurrentWord[word] === undefined) used.delete(word)
    // Up to 13 parameters have a word each.
    if (words === NeuronWord || words === RecurrentWord)
      for (let i = 1; i < MOST_LEARNT; i++) used.delete(NeuronWord.Learnt + i)
    for (const name of namesOf(words).filter((name) => !inCopies.has(name)))
      assert.ok(used.delete(words[name] as number), `${of.map(nameOf)}: no field is ${name}`)
    if (withSizes.includes(words))
      for (const word of sizes) if (used.delete(word)) unusedSizes.delete(word)
    assert.equal([...used], [], `${of.map(nameOf)}: words without a name`)
  }
  assert.equal(
    [...unusedSizes].map((word) => ConvWord[word]),
    [],
    'sizes that no operation has',
  )
})

test('every word of an entry is a field of its schema', () => {
  const seen = new Set<string>()
  for (const kind of kinds)
    for (const [name, { use, entry }] of Object.entries(kind.schema)) {
      if (use !== 'entries' || !(name in entryWords)) continue
      seen.add(name)
      const used = Object.values(entry as Schema).map((f) => f.word)
      const words = entryWords[name]
      assert.equal(
        [...used].sort((a, b) => a - b),
        namesOf(words)
          .map((word) => words[word] as number)
          .sort((a, b) => a - b),
        `${nameOf(kind)}.${name}`,
      )
    }
  assert.equal([...seen].sort(), Object.keys(entryWords).sort())
})

// Records as they are emitted.

const schema = {
  out: writesOrAdds(4, 'adds'),
  in: reads(5),
  maybe: readsIf(6),
  count: number(7),
  adds: flag(8),
  parts: entries(9, { from: reads(0), to: writes(1) }, 8),
}

test('fields become words; what is left out or undefined is no word', () => {
  const b = new ProgramBuilder()
  const [x, y] = [b.buffer('x', 4), b.buffer('y', 4)]
  const fields: Fields<typeof schema> = {
    out: x,
    in: ref(y, 8),
    maybe: undefined,
    count: 3,
    adds: true,
    parts: [{ from: x, to: y }],
  }
  assert.equal(wordsOf(schema, fields), {
    4: ref(x),
    5: ref(y, 8),
    7: 3,
    8: 1,
    9: { table: [{ 0: ref(x), 1: ref(y) }], entryBytes: 8 },
  })
  const uses = [...accesses(schema, fields)].map(({ name, buffer, use }) => [
    name,
    buffer.name,
    use,
  ])
  assert.equal(uses, [
    ['out', 'x', 'updates'],
    ['in', 'y', 'reads'],
    ['parts[0].from', 'x', 'reads'],
    ['parts[0].to', 'y', 'writes'],
  ])
  const [first] = accesses(schema, { ...fields, adds: false })
  assert.is(first.use, 'writes', 'without the flag it is only written')
})

test('a missing field, a misspelt one and one of another type are errors of the types', () => {
  const b = new ProgramBuilder()
  b.program('types')
  const x = b.buffer('x', 64)
  b.emit(clear, 1, { out: x, floats: 16, perUnit: 16 })
  // @ts-expect-error perUnit is missing
  b.emit(clear, 1, { out: x, floats: 16 })
  const misspelt = () =>
    // @ts-expect-error floats is misspelt
    b.emit(clear, 1, { out: x, floates: 16, perUnit: 16 })
  assert.throws(misspelt, /no field floates/)
  const more = () =>
    // @ts-expect-error Clear reads nothing
    b.emit(clear, 1, { out: x, floats: 16, perUnit: 16, in: x })
  assert.throws(more, /no field in/)
  // @ts-expect-error a number is no place
  b.emit(timeSum, 1, { in: 8, out: x, pixels: 1, channels: 4, steps: 1, pixelsPerUnit: 1 })
  // @ts-expect-error an optional field may be undefined, others may not
  const none: Fields<typeof schema> = { out: x, in: undefined, count: 1, adds: false, parts: [] }
  // @ts-expect-error entries have names too
  const entry: Fields<typeof schema>['parts'][number] = { from: x }
  // @ts-expect-error an operation that does not exist
  const kind = record(Op.Nothing, schema)
  assert.ok(none && entry && kind)
})

test.run()
