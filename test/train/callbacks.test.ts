// runs: apart
/** earlyStopping, csvLogger and progress, and how they go on after a resume. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal, messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileSmall, toy } from '../support/toy.js'
import { collect, leastOf, stopAt } from '../support/trainings.js'

const train = toy(24, 1).data
const validation = toy(16, 2).data

/** A learning rate that ruins the network after some epochs, so that figures become worse. */
const options: api.FitOptions = {
  epochs: 12,
  optimizer: api.sgd({ lr: 0.1, momentum: 0 }),
  schedule: (epoch) => (epoch < 3 ? 10 : 3000),
  validation,
}

test('earlyStopping ends the training, says why, and the best weights come back', async () => {
  const model = await compileSmall()
  const states: ReturnType<api.Model['stateDict']>[] = []
  const early = { patience: 2, restoreBest: true } as const
  const { callback, files } = collect()
  const history = await model.fit(train, {
    ...options,
    onEpoch: () => states.push(model.stateDict()),
    callbacks: [api.earlyStopping(early), callback],
  })
  const losses = history.epochs.map(({ testLoss }) => testLoss as number)
  const best = leastOf(losses)
  assert.ok(losses.length < 12, losses.join())
  assert.is(losses.length, best + 3)
  assert.is(
    history.stopped,
    `earlyStopping: testLoss has not improved for 2 epochs; best ${losses[best]} in epoch ` +
      `${best + 1}`,
  )
  expectSameBits('best', model.stateDict(), states[best])
  // Each checkpoint leads there, those behind the best epoch and behind the last one too.
  for (const [at, file] of files.entries()) {
    const again = await compileSmall()
    const resumed = await again.fit(train, {
      ...options,
      resume: await file(),
      callbacks: [api.earlyStopping(early)],
    })
    assert.is(resumed.stopped, history.stopped, `checkpoint ${at}`)
    assert.is(resumed.epochs.length, history.epochs.length, `checkpoint ${at}`)
    expectSameBits(`checkpoint ${at}`, model.stateDict(), again.stateDict())
    await again.dispose()
  }
})

test('a signal keeps the last weights, since the training may go on', async () => {
  const [model, plain] = await Promise.all([compileSmall(), compileSmall()])
  const stop: api.FitOptions = { ...options, schedule: (epoch) => (epoch === 0 ? 10 : 3000) }
  const callbacks = [api.earlyStopping({ patience: 9, restoreBest: true })]
  const history = await model.fit(train, { ...stop, ...stopAt(8), callbacks })
  assert.equal([history.aborted, history.stopped, history.epochs.length], [true, undefined, 3])
  await plain.fit(train, { ...stop, epochs: 3 })
  expectSameBits('last', model.stateDict(), plain.stateDict())
})

test('a signal behind the best epoch: the checkpoint of the end holds the best weights', () =>
  withFolder(async (dir) => {
    const [whole, model, again] = await Promise.all([
      compileSmall(),
      compileSmall(),
      compileSmall(),
    ])
    // The first epoch is the best.
    const of: api.FitOptions = { ...options, epochs: 4, schedule: undefined }
    const early = (): api.Callback =>
      api.earlyStopping({ mode: 'max', monitor: 'trainLoss', patience: 99, restoreBest: true })
    await whole.fit(train, { ...of, callbacks: [early()] })
    const callbacks = () => [early(), api.checkpoint({ dir })]
    await model.fit(train, { ...of, ...stopAt(6), callbacks: callbacks() })
    await again.fit(train, { ...of, resume: dir, callbacks: callbacks() })
    expectSameBits('resumed', whole.stateDict(), again.stateDict())
  }))

test('a callback serves one fit at a time; the second touches nothing of the first', () =>
  withFolder(async (dir) => {
    const [model, other] = await Promise.all([compileSmall(), compileSmall()])
    const of: api.FitOptions = { ...options, schedule: undefined, epochs: 2 }
    const early = api.earlyStopping({ restoreBest: true })
    const callbacks = [
      early,
      api.csvLogger(`${dir}/a.csv`),
      api.progress({ stream: { write: () => {} } }),
      api.checkpoint({ dir, every: 1 }),
    ]
    const messages: string[] = []
    const onStep = async ({ step }: { step: number }): Promise<void> => {
      if (step !== 0 || messages.length > 0) return
      for (const callback of callbacks)
        messages.push(await messageOf(() => other.fit(train, { ...of, callbacks: [callback] })))
    }
    const { epochs } = await model.fit(train, { ...of, onStep, callbacks })
    assert.is(messages.length, 4)
    for (const message of messages)
      assert.match(message, /^the callback "\w+" is in use by a fit that runs; make one for each/)
    const lines = async (name: string) => (await linesOf(join(dir, name))).length
    assert.equal([await lines('history.jsonl'), await lines('a.csv')], [2, 3])
    assert.is(epochs.length, 2)
    await other.load(join(dir, 'weights.safetensors'))
    expectSameBits('the last weights', model.stateDict(), other.stateDict())
    // One after the other is fine.
    await other.fit(train, { ...of, callbacks: [early] })
  }))

const linesOf = async (path: string): Promise<string[]> =>
  (await readFile(path, 'utf8')).trimEnd().split('\n')

test('csvLogger: a line for each epoch, none twice after a resume', () =>
  withFolder(async (folder) => {
    const [whole, part] = [join(folder, 'whole.csv'), join(folder, 'part.csv')]
    const model = await compileSmall()
    const fit = (path: string, how: api.CsvLoggerOptions = {}, of: api.FitOptions = {}) => {
      const callbacks = [api.csvLogger(path, how), ...(of.callbacks ?? [])]
      return model.fit(train, { ...options, epochs: 3, fresh: true, ...of, callbacks })
    }
    const { callback, files } = collect()
    const { epochs } = await fit(whole, {}, { callbacks: [callback] })
    const [head, ...rows] = await linesOf(whole)
    assert.is(
      head,
      'epoch,trainLoss,trainAccuracy,learningRate,stepMs,dataWaitMs,samplesPerSecond,' +
        'testLoss,testAccuracy,firingRates.2',
    )
    const figures = (lines: string[]) => lines.map((row) => row.split(',').slice(0, 2).map(Number))
    const trained = epochs.map(({ epoch, trainLoss }) => [epoch, trainLoss])
    assert.equal(figures(rows), trained)
    // The process ended behind the checkpoint of two epochs: a third line and more are there.
    await writeFile(part, `${[head, ...rows].join('\n')}\n4,half a li`)
    await fit(part, {}, { fresh: false, resume: await files[1]() })
    const [again, ...after] = await linesOf(part)
    assert.equal([again, ...after.slice(0, 2)], [head, ...rows.slice(0, 2)])
    assert.equal(figures(after), trained)
    // Another run.
    await expectRefusal(
      () => fit(whole),
      /^csvLogger: ".*whole\.csv" is there already; give append: true .* or overwrite: true/,
    )
    assert.equal(await linesOf(whole), [head, ...rows])
    await fit(whole, { append: true }, { epochs: 1 })
    assert.is((await linesOf(whole)).length, 5)
    await fit(whole, { overwrite: true }, { epochs: 1 })
    assert.is((await linesOf(whole)).length, 2)
    await expectRefusal(
      () => fit(join(folder, 'no/such.csv')),
      /^csvLogger: ".*such\.csv" must be a file that can be written: ENOENT/,
    )
  }))

test('progress: a bar on a terminal alone', async () => {
  const model = await compileSmall()
  for (const isTTY of [false, true]) {
    const said: string[] = []
    const write = (part: string) => said.push(part)
    const stream = { write, isTTY, columns: 200, on() {}, once() {}, removeListener() {} }
    // cli-progress moves the cursor by the stream's own functions.
    const terminal = { ...stream, cursorTo() {}, clearLine() {}, moveCursor() {} }
    await model.fit(train, { epochs: 2, callbacks: [api.progress({ stream: terminal })] })
    const text = said.join('')
    assert.is([...text.matchAll(/epoch \d\/\d {2}loss/g)].length, 2, text)
    assert.is(/epoch \d\/\d \[/.test(text), isTTY, text)
  }
})

test('csvLogger appends to files of others: no last line end, CRLF, other columns', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'a.csv')
    const model = await compileSmall()
    const fit = (of: api.FitOptions = {}) =>
      model.fit(train, { epochs: 1, fresh: true, callbacks: [api.csvLogger(path)], ...of })
    await fit()
    const whole = await readFile(path, 'utf8')
    const append = { callbacks: [api.csvLogger(path, { append: true })] }
    await writeFile(path, whole.trimEnd())
    await fit(append)
    const lines = (await readFile(path, 'utf8')).split('\n')
    assert.is(lines.length, 4)
    assert.is(`${lines[0]}\n${lines[1]}\n`, whole)
    await writeFile(path, whole.replaceAll('\n', '\r\n'))
    await fit(append)
    assert.equal(
      (await readFile(path, 'utf8')).split('\r\n').map((line) => line.split(',').length),
      [8, 8, 8, 1],
    )
    for (const head of ['mine', 'epoch,trainLoss,trainAccuracy,firingRates.9']) {
      await writeFile(path, `${head}\n`)
      let steps = 0
      const message = await messageOf(() => fit({ ...append, onStep: () => void steps++ }))
      assert.match(message, /^csvLogger: ".*a\.csv" has no column for .*firingRates\.2; give/)
      assert.is(steps, 0)
      assert.is(await readFile(path, 'utf8'), `${head}\n`)
    }
  }))

test('earlyStopping with checkpoint: the folder ends with the best weights', () =>
  withFolder(async (dir) => {
    const model = await compileSmall()
    const callbacks = (): api.Callback[] => [
      api.checkpoint({ dir, overwrite: true }),
      api.earlyStopping({ patience: 1, restoreBest: true }),
    ]
    const { stopped } = await model.fit(train, { ...options, callbacks: callbacks() })
    assert.match(stopped ?? '', /^earlyStopping/)
    const bits = model.stateDict()
    const again = await compileSmall()
    const more = await again.fit(train, { ...options, resume: dir, callbacks: callbacks() })
    assert.is(more.stopped, stopped)
    expectSameBits('finished', bits, again.stateDict())
    await again.load(join(dir, 'weights.safetensors'))
    expectSameBits('file', bits, again.stateDict())
  }))

test.run()
