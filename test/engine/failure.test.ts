// runs: apart
/** Workers that die, kernels that trap, models that are disposed of or used twice at once. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkpoint, custom, type Model, type StateDict } from '../../src/index.js'
import { expectRefusal, messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { soon } from '../support/soon.js'
import { compileSmall as compileToy, toy } from '../support/toy.js'
import { parametersOf } from '../support/trainings.js'
import { batchOf, compileSmall, countWorkers, memoryOf, spoil, workers, x, y } from './small.js'

const disposed = /^the model was disposed; compile the network again$/

/** After a failure: clear errors, readable parameters, and an end. */
async function expectBroken(model: Model, before: StateDict): Promise<void> {
  for (const call of [() => model.trainStep(x, y), () => model.predict(x)])
    await expectRefusal(
      () => soon(call() as Promise<unknown>),
      /the model stopped working \(.*can still be saved: save them and compile again/s,
    )
  assert.equal(Object.keys(model.stateDict()), Object.keys(before))
  await soon(model.dispose())
}

// The first: no memory of another model is there that would be large enough.
test('a memory that grows gets fresh threads: those that load meanwhile may not learn its size', async () => {
  await countWorkers()
  const model = await compileSmall({ threads: 2, timeSteps: 16 })
  const bytes = (): number => memoryOf(model).buffer.byteLength
  await model.trainStep(x, y)
  assert.is(workers.length, 2)
  const before = bytes()
  await model.prepare({ method: 'bptt' })
  await model.trainStep(x, y)
  assert.ok(bytes() > before)
  assert.is(workers.length, 4)
  // What has room in it keeps them.
  await model.prepare({ method: 'rate' })
  await model.trainStep(x, y)
  assert.is(workers.length, 4)
  await model.dispose()
})

test('a worker that dies while a step runs: the step rejects soon, later calls say so, parameters stay readable', async () => {
  await countWorkers()
  // Large enough that the step still runs when the worker is ended.
  const batch = batchOf(1024)
  const model = await compileSmall({ threads: 2, batchSize: 1024 }, 64)
  await soon(model.trainStep(...batch))
  const before = model.stateDict()
  assert.is(workers.length, 2)
  const running = model.trainStep(...batch)
  await new Promise((resolve) => setTimeout(resolve, 5))
  const ended = workers[1].terminate()
  await expectRefusal(() => soon(running), /a worker failed at layer /)
  await ended
  await expectBroken(model, before)
})

test('a worker that dies while a loss function runs: the step rejects soon, and says so', async () => {
  await countWorkers()
  let die = false
  const loss = custom(({ outputs }) => {
    if (die) void workers[1].terminate()
    return { loss: 1, gradient: outputs }
  })
  const model = await compileSmall({ threads: 2, loss })
  await soon(model.trainStep(x, y))
  const before = model.stateDict()
  die = true
  await expectRefusal(() => soon(model.trainStep(x, y)), /a worker failed at layer /)
  await expectBroken(model, before)
})

test('a worker that dies amid fit: fit rejects with one error, and goes on from its checkpoint', () =>
  withFolder(async (dir) => {
    const { data } = toy(48, 7)
    const fit = { epochs: 3, numWorkers: 0 } as const
    const whole = await compileToy({ threads: 2 })
    await whole.fit(data, fit)
    // In the second epoch: at a step's start, or while its callback runs.
    for (const during of ['step', 'callback']) {
      await countWorkers()
      const folder = join(dir, during)
      const model = await compileToy({ threads: 2 })
      let steps = 0
      // Not the one that writes checkpoints, which starts later.
      const own = (): Worker[] => workers.slice(0, 2)
      const kill = (): void => own().forEach((worker) => void worker.terminate())
      const running = model.fit(data, {
        ...fit,
        callbacks: [checkpoint({ dir: folder, every: 2 })],
        async onStep() {
          if (++steps !== 9) return
          if (during === 'step') setImmediate(kill)
          else {
            kill()
            await once(own()[0], 'exit')
          }
        },
      })
      const error: Error | undefined = await soon(running).then(
        () => undefined,
        (reason) => reason,
      )
      // The pool may have replaced the worker before the next step: then nothing was lost.
      if (!error) {
        expectSameBits(`${during}, replaced`, whole.stateDict(), model.stateDict())
        await model.dispose()
        continue
      }
      assert.is(error.name, 'SpikewasmError', error.message)
      assert.match(error.message, /^a worker failed at layer .*; parameters can still be saved: /)
      await expectRefusal(() => soon(model.fit(data, fit)), /the model stopped working/)
      await soon(model.dispose())
      const next = await compileToy({ threads: 2 })
      await next.fit(data, { ...fit, resume: folder })
      expectSameBits(during, whole.stateDict(), next.stateDict())
      await next.dispose()
    }
    await whole.dispose()
  }))

for (const threads of [1, 2])
  for (const engine of ['release', 'debug'] as const)
    for (const program of ['train', 'single'] as const)
      test(`a kernel that traps is told with its layer's name, threads=${threads} engine=${engine} program=${program}`, async () => {
        const model = await compileSmall({ threads, engine })
        await model.trainStep(x, y)
        const before = model.stateDict()
        spoil(model, program)
        // A whole batch runs by another program than a single image.
        if (program === 'single') await soon(model.predict(x))
        const run = (): Promise<unknown> =>
          program === 'train' ? model.trainStep(x, y) : model.predict(x.subarray(0, 192))
        await expectRefusal(() => soon(run()), /a worker failed at layer 2 \(lif\): .*unreachable/)
        const left = program === 'train' ? parametersOf : (state: StateDict) => state
        expectSameBits('parameters', left(before), left(model.stateDict()))
        await expectBroken(model, before)
      })

test('a worker that dies between two steps: the next step works or fails with a clear message, but does not hang', async () => {
  await countWorkers()
  const model = await compileSmall({ threads: 2 })
  await model.trainStep(x, y)
  await workers[0].terminate()
  const outcome = await soon(model.trainStep(x, y)).then(
    () => 'worked',
    (error: Error) => error.message,
  )
  assert.match(outcome, /^worked$|a worker failed at layer /)
  await soon(model.dispose())
})

for (const threads of [1, 2])
  test(`threads=${threads}: a disposed model says so at every run; disposing of it again does nothing`, async () => {
    const model = await compileSmall({ threads })
    await model.dispose()
    await model.dispose()
    for (const run of [() => model.trainStep(x, y), () => model.predict(x), () => model.profile(1)])
      await expectRefusal(run, disposed)
  })

for (const threads of [1, 2])
  test(`threads=${threads}: a second call while one is running is refused, and the first one ends as ever`, async () => {
    const [alone, model] = [await compileSmall({ threads }), await compileSmall({ threads })]
    await alone.trainStep(x, y)
    const first = model.trainStep(x, y)
    const negative = x.map((v) => -v)
    // Both before the first one can end.
    const refused = [
      messageOf(() => model.trainStep(negative, y)),
      messageOf(() => model.load(new Uint8Array(8))),
    ]
    for (const message of await Promise.all(refused))
      assert.match(message, /the model is running another call: await that one first/)
    await first
    expectSameBits('parameters', alone.stateDict(), model.stateDict())
    await model.trainStep(x, y)
    await Promise.all([alone.dispose(), model.dispose()])
  })

test('disposing of a model while a step runs ends soon', async () => {
  const model = await compileSmall({ threads: 2, batchSize: 512 }, 32)
  const running = model.trainStep(...batchOf(512)).then(
    () => 'ended',
    (error: Error) => error.message,
  )
  await soon(model.dispose())
  assert.match(await soon(running), /^ended$|^the model was disposed; compile the network again$/)
})

test('dispose waits for the operation that runs, so that it writes in no other memory', async () => {
  const { data } = toy(32, 3)
  const fresh = await compileToy({ seed: 7 })
  const untouched = fresh.stateDict()
  const model = await compileToy()
  let last: StateDict | undefined
  let amid: StateDict | undefined
  let next: Promise<Model> | undefined
  // Read while the averages are in place of the parameters.
  const validation = {
    ...data,
    read(index: number, out: Float32Array): number {
      if (index === 8 && last) {
        amid = model.stateDict()
        next = model.dispose().then(() => compileToy({ seed: 7 }))
      }
      return data.read(index, out)
    },
  }
  const onStep = (): void => {
    last = model.stateDict()
  }
  await expectRefusal(() => model.fit(data, { ema: 0.5, validation, onStep }), disposed)
  const other = await (next as unknown as Promise<Model>)
  expectSameBits('the next model', other.stateDict(), untouched)
  expectSameBits('parameters amid validation', amid ?? {}, last ?? {})
  expectSameBits('parameters behind it', model.stateDict(), last ?? {})
  await Promise.all([other.dispose(), fresh.dispose()])
})

for (const hook of ['onStep', 'onEpoch'] as const)
  test(`${hook} may wait for dispose, and the training ends behind it`, async () => {
    const model = await compileToy()
    let next: Model | undefined
    let before: StateDict | undefined
    const fitting = model.fit(toy(16, 3).data, {
      epochs: 2,
      ema: 0.5,
      async [hook]() {
        await model.dispose()
        next = await compileToy()
        before = next.stateDict()
      },
    })
    await expectRefusal(() => soon(fitting), disposed)
    expectSameBits('the next model', next?.stateDict() ?? {}, before ?? {})
    await next?.dispose()
  })

for (const threads of [1, 2])
  test(`threads=${threads}: after dispose the process ends by itself`, async () => {
    const index = JSON.stringify(new URL('../../src/index.js', import.meta.url).href)
    const program = `import * as s from ${index}
      const net = s.sequential(s.flatten(), s.linear(12, 8), s.lif(), s.linear(8, 3))
      const model = await net.compile({ input: [3, 2, 2], batchSize: 2, threads: ${threads} })
      const { loss } = await model.trainStep(new Float32Array(24).fill(0.5), [0, 1])
      await model.dispose()
      console.log('loss', loss)`
    const args = ['--input-type=module', '-e', program]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 15_000 })
    assert.match(stdout, /^loss \d/)
  })

test.run()
