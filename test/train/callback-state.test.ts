/** What callbacks keep in checkpoints: as it was, or refused where it is given. */

import * as assert from 'uvu/assert'
import { parseCheckpoint, serializeCheckpoint } from '../../src/files/checkpoint.js'
import {
  augment,
  type Callback,
  cosine,
  csvLogger,
  type Dataset,
  type EarlyStoppingOptions,
  earlyStopping,
  type FitOptions,
  fromBytes,
  type Model,
  perStep,
  progress,
} from '../../src/index.js'
import { expectRefusal, expectRefusals, messageOf, withFolder } from '../files/temporary.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { collect } from '../support/trainings.js'

const data = fromBytes({
  name: 'noise',
  images: Uint8Array.from({ length: 16 * 16 }, (_, i) => (i * 37) % 256),
  labels: Array.from({ length: 16 }, (_, i) => i % 2),
  shape: [1, 4, 4],
  classes: 2,
  normalization: { scale: 255, mean: [0.5], std: [0.5] },
})

const compile = (): Promise<Model> =>
  compileNet('flatten, linear 4, lif, linear 2', { input: [1, 4, 4], batchSize: 8, timeSteps: 2 })

/** A checkpoint behind the first epoch of two. */
async function begin(options: FitOptions = {}, of: Dataset = data): Promise<Uint8Array> {
  const { callback, files } = collect()
  const callbacks = [...(options.callbacks ?? []), callback]
  await (await compile()).fit(of, { epochs: 2, ...options, callbacks })
  return files[0]()
}

async function goOn(
  resume: Uint8Array,
  options: FitOptions = {},
  of: Dataset = data,
): Promise<void> {
  await (await compile()).fit(of, { epochs: 2, ...options, resume })
}

test('state comes back as it was, with what JSON does not know', async () => {
  const state = {
    best: Number.POSITIVE_INFINITY,
    worst: Number.NEGATIVE_INFINITY,
    none: Number.NaN,
    zero: -0,
    $: { $: 'NaN' },
    list: [1, null, 'NaN', [Number.NaN]],
    no: undefined,
    flag: false,
    plain: Object.create(null),
  }
  const found: unknown[] = []
  const own = (restore?: Callback['restore']): Callback => ({
    name: 'own',
    state: () => state,
    restore,
  })
  const resume = await begin({ callbacks: [own()] })
  await goOn(resume, { callbacks: [own((kept) => found.push(kept))] })
  const { no: _, plain: __, ...rest } = state
  assert.equal(found, [{ ...rest, plain: {} }])
  assert.ok(Object.is((found[0] as typeof state).zero, -0))
})

const loop: Record<string, unknown> = {}
loop.again = loop
const refused: [string, unknown, RegExp][] = [
  [
    'itself',
    loop,
    /^the callback "own": state\(\) must be nested at most 20 deep, and hold no value within/,
  ],
  [
    'a function',
    { a: [() => 1] },
    /^the callback "own": state\(\)\.a\[0\] must be plain data .*fun/,
  ],
  ['a BigInt', { n: 1n }, /^the callback "own": state\(\)\.n must be plain data .* got .*bigint/],
  ['a Map', { m: new Map() }, /state\(\)\.m must be plain data .* got a Map; give arrays/],
  ['a Set', new Set(), /state\(\) must be plain data .* got a Set/],
  ['an array of floats', { w: new Float32Array(2) }, /\.w must be plain .* a Float32Array; give/],
  ['undefined in an array', [undefined], /state\(\)\[0\] must be plain data .* undefined/],
  ['40 levels', JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`), /nested at most 20 deep/],
  ['too much', Array(100_001).fill(1), /must hold at most 100000 values and \d+ characters/],
]
for (const [what, state, expected] of refused)
  test(`state that cannot be kept is refused where it is given: ${what}`, async () => {
    const callbacks: Callback[] = [{ name: 'own', state: () => state }]
    await expectRefusal(() => begin({ callbacks }), expected)
  })

test('arrays that are none are refused, none is none, and arrays alone come back', async () => {
  for (const tensors of [7, [1], { a: [1, 2] }, { a: { shape: [3], data: new Float32Array(2) } }])
    await expectRefusal(
      () => begin({ callbacks: [{ name: 'own', tensors: () => tensors as never }] }),
      /^the callback "own": tensors\(\)(: a must be| must give) \{ shape/,
    )
  const seen: unknown[] = []
  const array = { shape: [2], data: Float32Array.of(1, 2) }
  const own = (name: string, tensors: unknown): Callback => ({
    name,
    tensors: () => tensors as never,
    restore: (state, kept) => seen.push(state, kept),
  })
  const callbacks = [own('none', undefined), own('some', { array })]
  await goOn(await begin({ callbacks }), { callbacks })
  assert.equal(seen, [undefined, {}, undefined, { array }])
})

test('an error of a callback that cannot go on names it', async () => {
  const resume = await begin({ callbacks: [{ name: 'own', state: () => 1 }] })
  const restore = (): void => {
    throw new TypeError('no such thing')
  }
  await expectRefusal(
    () => goOn(resume, { callbacks: [{ name: 'own', restore }] }),
    /^fit\.resume: the callback "own" cannot go on from what .* of it: no such thing$/,
  )
})

test('earlyStopping goes on with the same options alone, and must not be left out', async () => {
  const monitor = 'trainLoss'
  const own: EarlyStoppingOptions = { monitor, patience: 3, name: 'stop' }
  const resume = await begin({ callbacks: [earlyStopping(own)] })
  const changes: EarlyStoppingOptions[] = [
    ...([{ patience: 2 }, { mode: 'max' }, { minDelta: 0.1 }, { restoreBest: true }] as const),
    { monitor: 'trainAccuracy', mode: 'min' },
  ]
  for (const change of changes)
    await expectRefusal(
      () => goOn(resume, { callbacks: [earlyStopping({ ...own, ...change })] }),
      new RegExp(`^stop\\.${Object.keys(change)[0]} must be that of the run which fit resumes, `),
    )
  assert.is(
    await messageOf(() => goOn(resume)),
    'fit.callbacks must hold those of the run which fit resumes, stop, got none of that name',
  )
  await goOn(resume, { callbacks: [earlyStopping(own)] })
})

test('a finished run asks for the same callbacks too; what only writes may be left out', () =>
  withFolder(async (folder) => {
    const resume = await begin({
      callbacks: [
        earlyStopping({ monitor: 'trainLoss' }),
        csvLogger(`${folder}/a.csv`),
        csvLogger(`${folder}/b.csv`, { name: 'b' }),
        progress({ stream: { write() {} } }),
      ],
    })
    await goOn(resume, { callbacks: [earlyStopping({ monitor: 'trainLoss' })] })
    const { tensors, about } = await parseCheckpoint(resume, 'it')
    const ended = await serializeCheckpoint({
      tensors,
      about: { ...(about as object), ended: 'x' },
    })
    const other = [earlyStopping({ monitor: 'trainLoss', patience: 9 })]
    await expectRefusal(() => goOn(ended, { callbacks: other }), /^earlyStopping\.patience/)
    await expectRefusal(() => goOn(ended), /^fit\.callbacks must hold .* earlyStopping/)
  }))

test('what numbers depend on: augmentation and schedules; what means the same is the same', async () => {
  const augmented = augment(data, { crop: 1 })
  const first = await begin({ schedule: () => 1, accumulate: 1, freeze: '1.bias' }, augmented)
  const same: FitOptions = { schedule: () => 1, freeze: ['1.bias'] }
  await goOn(first, same, augment(data, { crop: 1, flip: false }))
  const split = { validationSplit: 0.5 }
  const second = await begin(split, augmented)
  const wrong: [() => Promise<void>, RegExp][] = [
    [
      () => goOn(first, same, augment(data, { crop: 2, flip: true })),
      /data\.changes\.crop 1 instead/,
    ],
    [() => goOn(first, same, data), /data\.changes \{"crop":1.* instead of undefined/],
    [() => goOn(second, split, augment(data, { crop: 3 })), /data\.changes\.crop 1 instead of 3/],
    [() => goOn(first, { ...same, schedule: perStep(() => 1) }, augmented), /schedule\.by "epoch"/],
    [() => goOn(first, { ...same, schedule: cosine() }, augmented), /schedule\.kind "a function"/],
  ]
  await expectRefusals(wrong)
})

test('a read that gives another sample each time is explained', async () => {
  let reads = 0
  const random = (): Dataset => ({
    ...data,
    read: (index, out) => {
      const label = data.read(index, out)
      out[0] += ++reads
      return label
    },
  })
  const resume = await begin({}, random())
  await expectRefusal(
    () => goOn(resume, {}, random()),
    /^fit\.resume: the data must have the samples .* A read of one's own must give the same sample/,
  )
})

test('any number of epochs: records have no bound but the size of the file', async () => {
  const resume = await begin()
  const { tensors, about } = await parseCheckpoint(resume, 'it')
  const { records, ...rest } = about as { records: object[] }
  const many = Array.from({ length: 30_000 }, (_, i) => ({ ...records[0], epoch: i + 1 }))
  const bytes = await serializeCheckpoint({ tensors, about: { ...rest, records: many } })
  const again = (await parseCheckpoint(bytes, 'it')).about as { records: object[] }
  assert.is(again.records.length, 30_000)
  assert.equal(again.records.at(-1), many.at(-1))
  await expectRefusal(
    () => serializeCheckpoint({ tensors, about: { a: Array(500_000).fill(1) } }),
    /^the checkpoint: what it holds beside arrays must hold at most 500000 values, got more$/,
  )
})

test.run()
