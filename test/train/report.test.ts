// runs: apart
/** The page that a run writes when it ends: what is in it, what it costs, and what it must not do. */
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { checkpoint, type Dataset, fromArrays, type Model, mse, sgd } from '../../src/index.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { compileToy, toy, toyClasses, toyShape } from '../support/toy.js'
import { fails, warningsOf } from '../support/trainings.js'

const { data: train } = toy(96, 1)
const { images, labels } = toy(48, 2)
const classNames = ['<b>cat</b>', 'dog', '"x"', 'y']
const validation = fromArrays({
  name: '<i>tests',
  images,
  labels,
  shape: toyShape,
  classes: toyClasses,
  classNames,
})

const compileReport = (): Promise<Model> =>
  compileToy({ batchSize: 16, timeSteps: 4, seed: 3 }, 'flatten, linear 24, lif, linear 4')

const of = { epochs: 4, optimizer: sgd({ lr: 0.2 }), fresh: true }

const bitsOf = (model: Model): number[] =>
  Object.values(model.stateDict()).flatMap(({ data }) => [...data])

const pageOf = (dir: string): Promise<string> => readFile(join(dir, 'report.html'), 'utf8')

test('a finished run: curves, answers, samples, spikes, options; the same bits without it', () =>
  withFolder(async (parent) => {
    const [dir, bare] = ['a', 'b'].map((name) => join(parent, name))
    const [model, plain] = await Promise.all([compileReport(), compileReport()])
    await model.fit(train, { ...of, validation, callbacks: [checkpoint({ dir })] })
    const without = [checkpoint({ dir: bare, report: false })]
    await plain.fit(train, { ...of, validation, callbacks: without })
    assert.equal(bitsOf(model), bitsOf(plain))
    assert.equal(model.firingRates(), plain.firingRates(), 'the last run is the training’s')
    assert.not((await readdir(bare)).includes('report.html'))
    const html = await pageOf(dir)
    for (const text of [
      'Finished: 4 of 4 epochs',
      'Loss and accuracy',
      'Firing rate of each layer',
      'All 48 samples of &#60;i&#62;tests were looked at',
      'Answers by label',
      'Samples that were hardest',
      'Spikes of one sample',
      'optimizer.lr',
      '&#60;b&#62;cat&#60;/b&#62;',
      'Every option',
    ])
      assert.match(html, text)
    assert.not.match(html, /<b>cat|<i>tests/)
    assert.is(html.match(/<img src="data:image\/bmp;base64,/g)!.length, 24 + 1)
    assert.not.match(
      html,
      /\b(?:src|href)=(?!"data:)|https?:\/\/(?!github\.com\/leeoniya|www\.w3\.org)/,
    )
    assert.ok(html.length < 500_000)
  }))

test('a run that is stopped looks at samples for a moment, where that takes but one', () =>
  withFolder(async (parent) => {
    const [dir, slow, broken] = ['a', 'b', 'c'].map((name) => join(parent, name))
    const model = await compileReport()
    const controller = new AbortController()
    const { signal } = controller
    const onEpoch = ({ epoch }: { epoch: number }) => epoch === 2 && controller.abort()
    await model.fit(train, { ...of, validation, signal, onEpoch, callbacks: [checkpoint({ dir })] })
    const html = await pageOf(dir)
    assert.match(html, 'Stopped: 2 of 4 epochs are complete')
    assert.match(html, / samples of &#60;i&#62;tests were looked at/)
    assert.match(html, 'Spikes of one sample')
    const other = new AbortController()
    await model.fit(train, {
      ...of,
      validation,
      signal: other.signal,
      onEpoch(record) {
        // As if a sample took ten seconds.
        Object.assign(record, { stepMs: 1e4 * model.batchSize })
        other.abort()
      },
      callbacks: [checkpoint({ dir: slow })],
    })
    const curves = await pageOf(slow)
    assert.match(curves, 'The run was stopped, so no samples were looked at')
    assert.not.match(curves, '<img')
    const onStep = fails('a power cut', 7)
    const callbacks = [checkpoint({ dir: broken, every: 1 })]
    const failing = messageOf(() => model.fit(train, { ...of, validation, callbacks, onStep }))
    assert.is(await failing, 'a power cut')
    assert.match(await pageOf(broken), 'Ended before its end: 1 of 4 epochs are complete')
    // Going on writes it anew.
    const again = { ...of, fresh: false, validation, resume: dir }
    await model.fit(train, { ...again, callbacks: [checkpoint({ dir })] })
    assert.match(await pageOf(dir), 'Finished: 4 of 4 epochs')
  }))

test('large test data: samples at equal distances, and no more of them', () =>
  withFolder(async (dir) => {
    let reads = 0
    const large: Dataset = {
      ...validation,
      name: 'large',
      length: 100_000,
      read(index, out) {
        reads++
        return validation.read(index % 48, out)
      },
    }
    const model = await compileReport()
    // Validation reads all of it; so it is not what is counted here.
    const callbacks = [checkpoint({ dir })]
    const { insideOf, openInside } = await import('../../src/train/callback.js')
    const swap = {
      name: 'swap',
      onFitEnd(_: unknown, training: never) {
        openInside(training, { ...insideOf(training)!, validation: large })
      },
    }
    await model.fit(train, { ...of, epochs: 1, validation, callbacks: [swap, ...callbacks] })
    const html = await pageOf(dir)
    assert.match(html, /1,000 of the 100,000 samples of large, at equal distances/)
    assert.ok(reads > 1000 && reads < 1200, `${reads} reads`)
  }))

test('regression, and no test data: curves, and spikes where there is something to look at', () =>
  withFolder(async (parent) => {
    const [dir, alone] = ['a', 'b'].map((name) => join(parent, name))
    const inputs = Float32Array.from({ length: 96 }, (_, i) => Math.sin(i))
    const targets = Float32Array.from({ length: 24 }, (_, i) => Math.cos(i))
    const data = fromArrays({ shape: [4], inputs, targets })
    const loss = mse({ targets: 'values' })
    const options = { input: [4], batchSize: 8, timeSteps: 2, loss } as const
    const model = await compileNet('linear 8, lif, linear 1', options)
    const callbacks = [checkpoint({ dir })]
    await model.fit(data, { epochs: 2, validationSplit: 0.34, callbacks })
    const html = await pageOf(dir)
    assert.match(html, 'Spikes of one sample')
    assert.match(html, 'mean |error|')
    assert.not.match(html, 'Answers by label')
    await model.fit(data, { epochs: 1, callbacks: [checkpoint({ dir: alone })] })
    assert.match(await pageOf(alone), 'no data to test with')
  }))

test('a page that cannot be written costs a warning, not the run', () =>
  withFolder(async (dir) => {
    const model = await compileReport()
    // A folder has its name.
    await mkdir(join(dir, 'report.html'))
    const callbacks = [checkpoint({ dir })]
    const heard = await warningsOf(async () => {
      const { epochs } = await model.fit(train, { ...of, epochs: 1, callbacks })
      assert.is(epochs.length, 1)
    })
    assert.match(heard.join('\n'), /^SPIKEWASM_REPORT: report\.html of .* was not written: /m)
    assert.ok((await stat(join(dir, 'weights.safetensors'))).size > 0)
  }))

test('a run that replaces another one takes its page away with its files', () =>
  withFolder(async (dir) => {
    const model = await compileReport()
    await model.fit(train, { ...of, epochs: 1, callbacks: [checkpoint({ dir })] })
    assert.ok((await readdir(dir)).includes('report.html'))
    let seen: string[] = []
    const last = {
      name: 'last',
      async onFitEnd() {
        seen = await readdir(dir)
      },
    }
    const next = checkpoint({ dir, overwrite: true, report: false, every: 1 })
    await model.fit(train, { ...of, epochs: 1, callbacks: [next, last] })
    assert.not((await readdir(dir)).includes('report.html'))
    assert.ok(seen.length > 0)
  }))

test.run()
