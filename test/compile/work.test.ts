// runs: apart
/** On how many workers programs run: by their work, as their shapes tell it. */
import type { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { times, workersOf, workOf } from '../../src/compile/budgets.js'
import type { ProgramName } from '../../src/compile/plan.js'
import { endThreads } from '../../src/engine/threads/idle-threads.js'
import { availableParallelism } from '../../src/engine/threads/processors.js'
import { type CompileOptions, type Model, resnet18 } from '../../src/index.js'
import { cnn, mlp } from '../../src/model/models/vgg.js'
import { expectSameBits, labels, uniform } from '../support/measure.js'

const digits = [1, 8, 8] as const
const large = [1, 28, 28] as const
const colours = [3, 32, 32] as const

/** Runs with the rule as users have it; the tests' own setting puts it out of force. */
async function byWork<T>(body: () => Promise<T>): Promise<T> {
  const before = process.env.SPIKEWASM_ALL_THREADS
  delete process.env.SPIKEWASM_ALL_THREADS
  try {
    return await body()
  } finally {
    if (before !== undefined) process.env.SPIKEWASM_ALL_THREADS = before
  }
}

/** Workers of each program. */
async function workersIn(compiled: Promise<Model>): Promise<Partial<Record<ProgramName, number>>> {
  const model = await compiled
  await model.dispose()
  return Object.fromEntries(
    Object.entries(model.session.plan.programs).map(([name, { workers }]) => [name, workers]),
  )
}

test('small programs run on one worker, large ones on all', async () => {
  const common = { threads: 4 } as const
  assert.equal(await workersIn(mlp(digits, 10).compile({ ...common, input: digits })), {
    train: 1,
    gradients: 1,
    evaluate: 1,
    single: 1,
  })
  const one = await workersIn(cnn(large, 10).compile({ ...common, input: large, batchSize: 1 }))
  assert.equal(one, { train: 1, gradients: 1, evaluate: 1 })
  const stream = { ...common, input: large, batchSize: 1, purpose: 'stream' } as const
  assert.equal((await workersIn(cnn(large, 10).compile(stream))).stream, 1)
  const net = resnet18({ inChannels: 3, classes: 10 })
  const many = await workersIn(net.compile({ ...common, input: colours, batchSize: 16 }))
  assert.equal(many, { train: 4, gradients: 4, evaluate: 4, single: 4 })
})

test('work grows with the batch, and workers with the work', async () => {
  for (const options of [{}, { stepMode: 's' }, { method: 'bptt' }, { method: 'ottt' }] as const) {
    let [work, workers] = [0, 0]
    for (const batchSize of [1, 4, 16, 64, 256]) {
      const model = await cnn(large, 10).compile({
        input: large,
        batchSize,
        threads: 4,
        ...options,
      })
      const { train, single } = model.session.plan.programs
      const time = times(train!)(1)
      assert.ok(time > 1.5 * work, `${JSON.stringify(options)}: ${work}, then ${time}`)
      assert.ok(train!.workers >= workers)
      assert.is(single?.workers ?? 1, 1)
      ;[work, workers] = [time, train!.workers]
      await model.dispose()
    }
    assert.ok(workers > 1)
  }
})

test('every record has work, and never more workers than threads', async () => {
  const net = resnet18({ inChannels: 3, classes: 10 })
  for (const options of [{ batchSize: 1 }, { batchSize: 2, method: 'bptt' }] as const) {
    const model = await net.compile({ input: colours, threads: 1, ...options })
    for (const program of Object.values(model.session.plan.programs)) {
      for (const record of program.records) {
        const work = workOf(record)
        assert.ok(Number.isFinite(work) && work >= 0, `${record.op}: ${work}`)
      }
      for (const threads of [1, 2, 3, 8]) assert.ok(workersOf(program, threads) <= threads)
    }
    await model.dispose()
  }
})

/** Trains, evaluates and predicts; counts the threads that were started. */
async function use(options: Partial<CompileOptions>) {
  const started: Worker[] = []
  const count = (worker: Worker): void => void started.push(worker)
  process.on('worker', count)
  const model = await cnn(large, 10).compile({ input: large, batchSize: 4, seed: 3, ...options })
  try {
    const x = uniform(4 * 784, 2, 5)
    for (let i = 0; i < 3; i++) await model.trainStep(x, labels(4, 10, i))
    const { logits } = await model.predict(x.subarray(0, 3 * 784))
    const { workers } = (await model.profile(1))[0]
    return { started: started.length, logits, workers, state: model.stateDict() }
  } finally {
    process.off('worker', count)
    await model.dispose()
  }
}

test('a small model with several threads starts none, and has the bits of one that uses them', async () => {
  const alone = await byWork(() => use({ threads: 1 }))
  const few = await byWork(() => use({ threads: 3 }))
  process.env.SPIKEWASM_ALL_THREADS = '1'
  const all = await use({ threads: 3 })
  assert.equal([alone.started, few.started, all.started], [0, 0, 3])
  assert.equal([alone.workers, few.workers, all.workers], [1, 1, 3])
  for (const other of [few, all]) {
    assert.equal(other.logits, alone.logits)
    expectSameBits('state', other.state, alone.state)
  }
})

test('a model starts no more threads than its largest program uses', () =>
  byWork(async () => {
    // Threads that other models left would count as started.
    await endThreads()
    const started: Worker[] = []
    const count = (worker: Worker): void => void started.push(worker)
    process.on('worker', count)
    const model = await cnn(large, 10).compile({ input: large, batchSize: 64, threads: 64 })
    await model.dispose()
    await endThreads()
    process.off('worker', count)
    const { train } = model.session.plan.programs
    assert.ok(train!.workers > 1)
    const expected = Math.min(train!.workers, availableParallelism())
    assert.is(started.length, expected > 1 ? expected : 0)
  }))

test('timers run while small steps follow each other, with several threads', () =>
  byWork(async () => {
    const model = await mlp(digits, 10).compile({ input: digits, batchSize: 32, threads: 2 })
    const [x, y] = [uniform(32 * 64, 2, 1), labels(32, 10, 1)]
    let ticked = false
    setTimeout(() => {
      ticked = true
    }, 1)
    // Without a pause between them no timer runs, however many there are.
    for (let i = 0; i < 5000 && !ticked; i++) await model.trainStep(x, y)
    assert.ok(ticked)
    await model.dispose()
  }))

test('the summary says how many workers each program has', () =>
  byWork(async () => {
    const model = await mlp(digits, 10).compile({ input: digits, threads: 2 })
    assert.match(
      model.summary(),
      /^workers {4}train 1, gradients 1, evaluate 1, single 1; of 2 threads/m,
    )
    await model.dispose()
  }))

test.run()
