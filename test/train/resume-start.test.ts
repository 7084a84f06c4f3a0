/** Trainings that go on from a folder in which no checkpoint has been written yet. */
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { parseCheckpoint, serializeCheckpoint } from '../../src/files/checkpoint.js'
import { RunFolder } from '../../src/files/folder/folder.js'
import {
  type Callback,
  checkpoint,
  csvLogger,
  type FitOptions,
  type FitStart,
  sgd,
} from '../../src/index.js'
import { expectRefusal, messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileSmall, toy } from '../support/toy.js'
import { fails, stopAt } from '../support/trainings.js'

const train = toy(24, 1).data
const options: FitOptions = { epochs: 2, optimizer: sgd({ lr: 0.05 }) }

async function fitInto(dir: string, more: FitOptions = {}, own: Callback[] = []): Promise<void> {
  const model = await compileSmall()
  const callbacks = [...own, csvLogger(`${dir}.csv`), checkpoint({ dir })]
  await model.fit(train, { ...options, ...more, callbacks })
  await model.dispose()
}

/** What a process leaves that is killed before its first checkpoint. */
async function killedEarly(dir: string, whole: string): Promise<void> {
  const folder = await RunFolder.open(dir)
  await folder.commit({ 'options.json': await readFile(join(whole, 'options.json')) })
  await folder.close()
  const table = await readFile(`${whole}.csv`, 'utf8')
  await writeFile(`${dir}.csv`, table.split('\n').slice(0, 2).join('\n'))
}

test('resume where no checkpoint has been written: begins, its callbacks know that it goes on', () =>
  withFolder(async (parent) => {
    const [whole, broken] = [join(parent, 'whole'), join(parent, 'broken')]
    // The callback makes the folder.
    await fitInto(whole, { resume: whole })
    await killedEarly(broken, whole)
    const starts: FitStart[] = []
    await fitInto(broken, { resume: broken }, [
      { name: 'looks', onFitStart: (start: FitStart) => starts.push(start) },
    ])
    assert.is(starts[0].resumed, true)
    assert.is(starts[0].step, 0)
    for (const name of ['weights.safetensors', 'options.json']) {
      const [a, b] = await Promise.all([whole, broken].map((dir) => readFile(join(dir, name))))
      assert.ok(a.equals(b), name)
    }
    const lines = (await readFile(`${broken}.csv`, 'utf8')).trimEnd().split('\n')
    assert.is(lines.length, 3, 'a head and two epochs')
  }))

test('resume where no checkpoint has been written: other options and tables are refused', () =>
  withFolder(async (parent) => {
    const [whole, broken] = [join(parent, 'whole'), join(parent, 'broken')]
    await fitInto(whole)
    await killedEarly(broken, whole)
    const other = { resume: broken, optimizer: sgd({ lr: 0.1 }) }
    await expectRefusal(() => fitInto(broken, other), /holds another run than the one/)
    await writeFile(`${broken}.csv`, 'mine\n')
    await expectRefusal(() => fitInto(broken, { resume: broken }), /is there already/)
    assert.is(await readFile(`${broken}.csv`, 'utf8'), 'mine\n')
    const missing = join(parent, 'missing')
    await expectRefusal(
      () => fitInto(whole, { resume: missing }),
      /^fit\.resume must be a readable file/,
    )
  }))

test('resume with initialEpoch: the options that began the run go on with it', () =>
  withFolder(async (dir) => {
    const own: FitOptions = { ...options, initialEpoch: 2, epochs: 4 }
    const [whole, again] = [await compileSmall(), await compileSmall()]
    await whole.fit(train, own)
    const run = { ...own, resume: dir, callbacks: [checkpoint({ dir })] }
    await again.fit(train, { ...run, ...stopAt(({ epoch }) => epoch === 3) })
    for (const [wrong, expected] of [
      [{ initialEpoch: 1 }, 'fit.initialEpoch must be that of the checkpoint, 2, got 1'],
      [{ epochs: 5 }, 'fit.epochs must be that of the checkpoint, 4, got 5; '],
      [{ epochs: 4, initialEpoch: undefined }, 'fit.epochs must be that of the checkpoint, 2, '],
    ] as const) {
      const message = await messageOf(() => again.fit(train, { ...run, ...wrong }))
      assert.is(message.slice(0, expected.length), expected)
    }
    const { epochs } = await again.fit(train, run)
    assert.equal(
      epochs.map(({ epoch }) => epoch),
      [3, 4],
    )
    expectSameBits('resumed', again.stateDict(), whole.stateDict())
  }))

test('a run that was stopped behind its last epoch still says so when it is resumed', () =>
  withFolder(async (dir) => {
    const model = await compileSmall()
    const stopping: Callback = {
      name: 'mine',
      onEpoch: ({ epoch }, training) => epoch === 2 && training.stop('enough'),
    }
    const run = { ...options, resume: dir, callbacks: [stopping, checkpoint({ dir })] }
    for (const time of ['first', 'resumed'])
      assert.is((await model.fit(train, run)).stopped, 'enough', time)
  }))

/** All files of a folder, by name. */
async function contentOf(dir: string): Promise<Record<string, string>> {
  const names = (await readdir(dir)).filter((name) => name !== 'manifest.json').sort()
  const read = async (name: string): Promise<[string, string]> => [
    name,
    (await readFile(join(dir, name))).toString('base64'),
  ]
  return Object.fromEntries(await Promise.all(names.map(read)))
}

test('overwrite: the run that is there stays whole until the new one has a checkpoint', () =>
  withFolder(async (parent) => {
    const [dir, whole] = [join(parent, 'dir'), join(parent, 'whole')]
    await fitInto(dir)
    const old = await contentOf(dir)
    const anew: FitOptions = { ...options, optimizer: sgd({ lr: 0.01 }) }
    const fit = async (into: string, more: FitOptions, overwrite = true): Promise<void> => {
      const model = await compileSmall()
      const callbacks = [checkpoint({ dir: into, overwrite }), ...(more.callbacks ?? [])]
      await model.fit(train, { ...anew, ...more, callbacks }).finally(() => model.dispose())
    }
    const diverges = fails('it diverged')
    assert.is(await messageOf(() => fit(dir, { onStep: diverges })), 'it diverged')
    assert.equal(await contentOf(dir), old, 'an error')
    // A process that ends leaves what is there amid its first step.
    const copy = join(parent, 'copy')
    const killed = { onStep: () => cp(dir, copy, { recursive: true }).then(diverges) }
    assert.is(await messageOf(() => fit(dir, killed)), 'it diverged')
    await rm(join(copy, 'run.lock'))
    const { 'options.next.json': next, ...rest } = await contentOf(copy)
    assert.equal(rest, old, 'a kill')
    assert.ok(next)
    await expectRefusal(() => fitInto(copy, { resume: copy }), /holds another run than/)
    await fit(copy, { resume: copy }, false)
    await fit(whole, {})
    const [a, b] = await Promise.all([whole, copy].map(contentOf))
    assert.equal(Object.keys(b), Object.keys(a))
    for (const name of ['weights.safetensors', 'best.safetensors', 'options.json'])
      assert.is(b[name], a[name], name)
  }))

test('a checkpoint in a folder has the bytes of serializeCheckpoint', () =>
  withFolder(async (parent) => {
    const dir = join(parent, 'run')
    await fitInto(dir)
    const bytes = await readFile(join(dir, 'checkpoint.safetensors'))
    const again = await serializeCheckpoint(await parseCheckpoint(bytes, dir))
    assert.ok(bytes.equals(again))
  }))

test.run()
