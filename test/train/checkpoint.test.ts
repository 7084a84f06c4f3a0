// runs: apart
/** Checkpoints: whose they are, and those of training loops of one's own. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { parseCheckpoint, serializeCheckpoint } from '../../src/files/checkpoint.js'
import * as api from '../../src/index.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { expectSameBits, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { layersOf } from '../support/net.js'
import { compileToy as compileToyOf, toy, toyShape } from '../support/toy.js'
import { stopAt, warningsOf } from '../support/trainings.js'

const { data: train } = toy(43, 1)

const compileToy = (options: Partial<api.CompileOptions> = {}): Promise<api.Model> =>
  compileToyOf(options, 'conv 9 3 padding=1, norm, lif, dropout 0.2, flatten, linear 4')

/** A training loop of one's own. */
async function steps(model: api.Model, from: number, to: number): Promise<void> {
  const { frames, timeSteps } = model
  for (let step = from; step < to; step++) {
    const x = uniform((frames ? timeSteps : 1) * 480, 1, step)
    await model.trainStep(x, [0, 1, 2, 3, 0, 1, 2, 3])
  }
}

const loops: Partial<api.CompileOptions>[] = [
  { method: 'rate' },
  { method: 'rate', frames: true },
  { method: 'bptt', frames: true },
  { method: 'ottt', frames: true },
  { method: 'sltt', backwardSteps: 2 },
]
for (const options of loops)
  test(`saveCheckpoint, ${JSON.stringify(options)}: trainStep goes on to the bit`, () =>
    withFolder(async (folder) => {
      const path = join(folder, 'checkpoint.safetensors')
      const whole = await compileToy(options)
      whole.optimizer = api.sgd({ lr: 0.05, momentum: 0.8 })
      await steps(whole, 0, 3)
      await whole.saveCheckpoint(path)
      await steps(whole, 3, 6)
      const again = await compileToy({ ...options, threads: 2 })
      await steps(again, 20, 21)
      await again.loadCheckpoint(path)
      assert.equal(again.optimizer, whole.optimizer)
      await steps(again, 3, 6)
      expectSameBits('the end', whole.stateDict(), again.stateDict())
    }))

test('saveCheckpoint amid an epoch of fit: fit goes on, order and method included', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'checkpoint.safetensors')
    const [whole, first, second] = await Promise.all([compileToy(), compileToy(), compileToy()])
    await whole.fit(train, { epochs: 2, method: 'bptt' })
    await first.fit(train, { method: 'bptt', ...stopAt(2) })
    await first.saveCheckpoint(path)
    await second.loadCheckpoint(path)
    assert.is(second.method, 'bptt')
    await second.fit(train, { epochs: 2 })
    expectSameBits('the end', whole.stateDict(), second.stateDict())
    const before = second.stateDict()
    const other = await compileToy({ seed: 1 })
    await expectRefusal(
      () => other.loadCheckpoint(path),
      /checkpoint\.safetensors: the checkpoint was made by another training; it has seed 0 instead/,
    )
    await expectRefusal(
      () => second.loadCheckpoint(''),
      /^loadCheckpoint\.path must be the path of a file/,
    )
    await expectRefusal(() => second.saveCheckpoint(folder), /there is a folder/)
    expectSameBits('nothing changed', before, second.stateDict())
  }))

/** A run in a folder that was stopped in its second epoch. */
async function begin(dir: string): Promise<api.Model> {
  const model = await compileToy()
  const stop = stopAt(({ epoch }) => epoch === 1)
  await model.fit(train, { epochs: 2, ...stop, callbacks: [api.checkpoint({ dir })] })
  return model
}

test('a checkpoint of another version of the package goes on, with one warning', () =>
  withFolder(async (dir) => {
    const model = await begin(dir)
    const bytes = await readFile(join(dir, 'checkpoint.safetensors'))
    const { tensors, about } = await parseCheckpoint(bytes, dir)
    const path = join(dir, 'older.safetensors')
    const older = { ...(about as object), version: '0.0.7' }
    await writeFile(path, await serializeCheckpoint({ tensors, about: older }))
    const warnings = await warningsOf(() => model.fit(train, { epochs: 2, resume: path }))
    assert.is(warnings.length, 1)
    assert.match(warnings[0], /version 0\.0\.7 of spikewasm wrote this checkpoint, this is \d/)
  }))

test('a folder with another run, or with files of a user, is not written over', () =>
  withFolder(async (folder) => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')]
    const model = await begin(one)
    const other = await compileToy({ seed: 1 })
    await other.fit(train, { callbacks: [api.checkpoint({ dir: two })] })
    const kept = await readFile(join(two, 'weights.safetensors'))
    const resume = { epochs: 2, resume: one, callbacks: [api.checkpoint({ dir: two })] }
    await expectRefusal(
      () => model.fit(train, resume),
      /holds another run than the one that fit resumes/,
    )
    assert.ok(kept.equals(await readFile(join(two, 'weights.safetensors'))))
    await writeFile(join(folder, 'weights.safetensors'), 'mine')
    await expectRefusal(
      () => model.fit(train, { callbacks: [api.checkpoint({ dir: folder })] }),
      /holds a run; give fit resume/,
    )
    assert.is(await readFile(join(folder, 'weights.safetensors'), 'utf8'), 'mine')
  }))

test('a run that was killed behind its last commit: resume gives its files their names', () =>
  withFolder(async (dir) => {
    const model = await compileToy()
    await model.fit(train, { callbacks: [api.checkpoint({ dir })] })
    const { generation } = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8'))
    const weights = join(dir, 'weights.safetensors')
    const bytes = await readFile(weights)
    await writeFile(join(dir, `.run.${generation}.weights.safetensors`), bytes)
    await writeFile(weights, 'of the commit before')
    await model.fit(train, { resume: dir, callbacks: [api.checkpoint({ dir })] })
    assert.ok(bytes.equals(await readFile(weights)))
    assert.not((await readdir(dir)).some((name) => name.startsWith('.') || name === 'run.lock'))
  }))

test('a layer that never fires is named in the record, and in one warning of each fit', async () => {
  const [flat, one, quiet, two] = layersOf(
    toyShape,
    'flatten, linear 7, lif vThreshold=1000000, linear 4',
  )
  const net = api.sequential({ flat, net: api.sequential({ one, quiet, two }) })
  const model = await compileToyOf({ timeSteps: 2 }, net)
  const [, second, ...more] = await warningsOf(async () => {
    const { epochs } = await model.fit(train, { epochs: 3 })
    assert.equal(epochs[0].silent, ['net.quiet'])
    await model.fit(train)
    const loud = await compileToy()
    assert.is((await loud.fit(train)).epochs[0].silent, undefined)
  })
  assert.equal(more, [])
  assert.match(second, /^SPIKEWASM_SILENT: no neuron of layer net\.quiet fired in epoch 4: /)
})

test('validationSplit of data that are sorted by class: one warning, none of them shuffled', async () => {
  const byClass = Array.from({ length: 43 }, (_, i) => i)
  const out = new Float32Array(60)
  byClass.sort((i, k) => train.read(i, out) - train.read(k, out))
  const sorted = api.subset(train, byClass)
  const split = { epochs: 2, validationSplit: 0.3 }
  const model = await compileToy({ labels: ['a', 'b', 'c', 'd'] })
  // The first epoch goes on behind a stop: what was trained on before it counts.
  assert.equal(
    await warningsOf(async () => {
      await model.fit(sorted, { ...split, ...stopAt(1) })
      await model.fit(sorted, split)
    }),
    [
      'SPIKEWASM_SPLIT: fit.validationSplit holds back the last samples, and those that were ' +
        'trained on have none of class d; shuffle the data first: ' +
        'subset(data, permutation(data.length, 1, 0))',
    ],
  )
  const shuffled = api.subset(sorted, api.permutation(sorted.length, 0, 0))
  const quiet = [await warningsOf(() => model.fit(shuffled, split))]
  quiet.push(await warningsOf(() => model.fit(sorted, { validation: shuffled })))
  assert.equal(quiet, [[], []])
})

test.run()
