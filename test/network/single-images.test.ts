/**
 * `predict` of a few samples runs them one by one: the same bits and rates as in a batch, at the
 * cost of these samples alone, and no dependence on what is in memory.
 */

import * as assert from 'uvu/assert'
import { makePlan, type Plan } from '../../src/compile/plan.js'
import { standardTraining } from '../../src/compile/training.js'
import * as api from '../../src/index.js'
import { trace } from '../../src/network/trace.js'
import { randomNetwork, randomPlanOptions } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { isLong, ofLong } from '../support/long.js'
import { expectClose, labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { Op } from '../support/operations.js'
import { usualModes } from '../support/tables.js'

const seed = 20261125

/** Samples, each by itself: [C, H, W], or [T, C, H, W] with frames. */
function samplesFor(model: api.Model, n: number, start: number): Float32Array[] {
  const size = model.input.reduce((a, b) => a * b, 1) * (model.frames ? model.timeSteps : 1)
  return Array.from({ length: n }, (_, i) => uniform(size, 4, start + i))
}

/** Samples as `predict` takes them. */
const together = (samples: readonly Float32Array[]): Float32Array =>
  Float32Array.from(samples.flatMap((sample) => [...sample]))

/** Programs that a call runs, with the number of valid images. */
async function runsOf(model: api.Model, call: () => Promise<unknown>): Promise<string[]> {
  const { session } = model
  const runs: string[] = []
  const run = session.run.bind(session)
  session.run = (program, index, valid, learningRate) => {
    runs.push(`${program} ${valid}`)
    return run(program, index, valid, learningRate)
  }
  await call()
  session.run = run
  return runs
}

for (const purpose of ['train', 'inference'] as const)
  for (const threads of [1, 2, 3])
    test(`random networks, ${purpose}, ${threads} threads: one by one, in a batch and in its rest, the same bits and rates`, async () => {
      let [singly, spikes] = [0, 0]
      // On one thread each, on two every other one, on three the rest.
      const isLeftOut = (round: number): boolean =>
        !isLong && threads > 1 && round % 2 !== threads % 2
      for (let round = 0; round < 14; round++) {
        if (isLeftOut(round)) continue
        const where = `round ${round} seed=${seed}`
        const random = testRandom(seed + 100 * threads + round)
        const [method, stepMode] = usualModes[round % usualModes.length]
        const input = [1 + (round % 3), 8, 8] as const
        const net = randomNetwork(random, input, method)
        if (purpose === 'train' && method === 'ottt' && readsCurrents(net, input)) continue
        const [frames, timeSteps] = [round % 4 === 1, [4, 1, 9, 3, 2][round % 5]]
        const shared = { input, method, stepMode, frames, timeSteps, purpose, seed: round }
        const batchSize = 2 + Math.floor(random() * 6)
        const model = await modelOf(net, { ...shared, batchSize, threads })
        const one = await modelOf(net, { ...shared, batchSize: 1, threads: 1 })
        try {
          const { plan } = model.session
          assert.ok(plan.singles.most > 0, where)
          const samples = samplesFor(model, 2 * batchSize, 1000 * round)
          const alone: Float32Array[] = []
          const rates: Record<string, number>[] = []
          for (const sample of samples) {
            alone.push((await one.predict(sample)).logits)
            rates.push(one.firingRates())
          }
          for (let n = 1; n <= 2 * batchSize - 1; n++) {
            const first = (5 * n) % (2 * batchSize - n + 1)
            const part = samples.slice(first, first + n)
            const { logits, classes } = await model.predict(together(part))
            const expected = alone.slice(first, first + n)
            const { classes: width } = model
            assert.is(logits.length, n * width)
            expected.forEach((row, i) => {
              const got = logits.subarray(i * width, (i + 1) * width)
              assert.equal(got, row, `${where}, ${n} samples, sample ${i}`)
              assert.is(classes[i], row.indexOf(Math.max(...row)), `${where}, class ${i}`)
            })
            const rest = n % batchSize || batchSize
            const last = expected.slice(n - rest)
            for (const [b, row] of rows(model.output(), width).entries())
              assert.equal(row, last[b % rest], `${where}, output of ${b}`)
            // The samples of the last batch count in turn until there are B.
            const counted = Array.from({ length: batchSize }, (_, i) => n - rest + (i % rest))
            for (const [name, rate] of Object.entries(model.firingRates())) {
              const sum = counted.reduce((sum, i) => sum + rates[first + i][name], 0)
              expectClose(`${where}, rate of ${name}`, [rate], [sum / batchSize], 1e-12)
              spikes += rate
            }
            if (rest <= plan.singles.most) singly++
          }
        } finally {
          await model.dispose()
          await one.dispose()
        }
      }
      const most = isLong || threads === 1 ? 30 : 15
      assert.ok(singly > most && spikes > 1, `${singly} calls, rates ${spikes}`)
    })

/** Such a network cannot be trained with OTTT. */
function readsCurrents(net: api.Block, input: readonly [number, number, number]): boolean {
  const drawn = { ...randomPlanOptions(testRandom(seed)), training: standardTraining }
  const options = { ...drawn, input, graph: trace(net, input) }
  try {
    makePlan({ ...options, method: 'ottt', stepMode: 's', purpose: 'train' }, 1)
    return false
  } catch (error) {
    assert.match(String(error), /method 'ottt' traces/)
    return true
  }
}

function rows(values: Float32Array, width: number): Float32Array[] {
  return Array.from({ length: values.length / width }, (_, i) =>
    values.subarray(i * width, (i + 1) * width),
  )
}

test('single images do not depend on what is in memory', async () => {
  for (const purpose of ['train', 'inference'] as const)
    for (const stepMode of ['m', 's'] as const)
      for (const threads of [1, 2]) {
        const shared = { input: [1, 12, 12], batchSize: 8, purpose, stepMode, threads } as const
        const model = await modelOf(api.cnn([1, 12, 12], 10), shared)
        const x = together(samplesFor(model, 2, 7))
        const { logits } = await model.predict(x)
        const rates = model.firingRates()
        const { plan, memory } = model.session
        const { output, predictions, losses, images, labels } = plan.named
        const persists = ({ purpose }: { purpose: string }) =>
          !['kept', 'scratch'].includes(purpose)
        const dirty = plan.buffers.filter((buffer) => !persists(buffer))
        for (const buffer of [...dirty, output, predictions, losses, ...images, ...labels])
          if (buffer) new Uint8Array(memory.buffer, buffer.address, buffer.bytes).fill(0xff)
        assert.equal(await runsOf(model, () => model.predict(x)), ['single 2'])
        assert.equal((await model.predict(x)).logits, logits)
        assert.equal(model.firingRates(), rates)
        await model.dispose()
      }
})

test('which samples run one by one follows from their number, the batch and the workers', async () => {
  const net = api.cnn([1, 12, 12], 10)
  const compiled = (more: object) => modelOf(net, { input: [1, 12, 12], batchSize: 8, ...more })
  // From the second batch size on two workers run a batch, but one of them a single image.
  for (const [threads, batchSize, least, most] of [
    [1, 8, 6, 7],
    [2, 8, 6, 7],
    [1, 1024, 800, 1023],
    [2, 1024, 400, 520],
  ]) {
    const model = await compiled({ threads, batchSize })
    const limit = model.session.plan.singles.most
    assert.ok(limit >= least && limit <= most, `${threads} threads, ${batchSize}: ${limit}`)
    const of = (n: number) => runsOf(model, () => model.predict(together(samplesFor(model, n, 1))))
    assert.equal(await of(1), ['single 1'])
    assert.equal(await of(limit), [`single ${limit}`])
    if (limit < batchSize - 1) assert.equal(await of(limit + 1), [`evaluate ${limit + 1}`])
    assert.equal(await of(batchSize), [`evaluate ${batchSize}`])
    const whole = `evaluate ${batchSize}`
    assert.equal(await of(2 * batchSize + 1), [whole, whole, 'single 1'])
    await model.dispose()
  }
  for (const more of [{ inspect: true }, { batchSize: 1 }, { purpose: 'stream' }]) {
    const model = await compiled(more)
    const { programs, singles } = model.session.plan
    assert.equal([programs.single, singles.most], [undefined, 0], JSON.stringify(more))
    await model.dispose()
  }
})

test('passes of one image: the program of the pass runs for the samples alone', async () => {
  const net = api.cnn([1, 64, 64], 10)
  const shared = { input: [1, 64, 64], timeSteps: 16, purpose: 'inference' } as const
  const model = await modelOf(net, { ...shared, batchSize: 3 })
  const one = await modelOf(net, { ...shared, batchSize: 1 })
  const { plan } = model.session
  assert.equal([plan.passImages, plan.programs.single, plan.singles.most], [1, undefined, 2])
  const samples = samplesFor(model, 2, 3)
  assert.equal(await runsOf(model, () => model.predict(samples[0])), ['single 1'])
  const rates = model.firingRates()
  const { logits } = await model.predict(together(samples))
  const expected = [await one.predict(samples[1]), await one.predict(samples[0])]
  assert.equal(logits, Float32Array.of(...expected[1].logits, ...expected[0].logits))
  assert.equal(rates, one.firingRates())
})

test('sums of spikes at one step: no sample depends on those beside it', async () => {
  // In training the kernel is chosen by the spikes of the whole batch.
  for (const window of [2, 16])
    for (const purpose of ['train', 'inference'] as const) {
      const text = `conv 16 3 padding=1, lif vThreshold=0.3, avgPool2d ${window},
        conv 24 1, lif vThreshold=0.1, flatten, linear 5`
      const of = { input: [1, 32, 32], timeSteps: 1, batchSize: 6, purpose } as const
      const model = await compileNet(text, of)
      const { train, evaluate } = model.session.plan.programs
      const chooses = (program = evaluate) => program?.records.some(({ op }) => op === Op.Choose)
      assert.equal([chooses(train), chooses()], [purpose === 'train', false])
      const loud = samplesFor(model, 6, 1)
      const quiet = loud.map((sample, i) => (i === 0 ? sample : sample.map((v) => v / 100)))
      const { logits } = await model.predict(loud[0])
      assert.ok(Object.values(model.firingRates()).every((rate) => rate > 0))
      for (const batch of [loud, quiet])
        assert.equal((await model.predict(together(batch))).logits.subarray(0, 5), logits)
      await model.dispose()
    }
})

test('training and its profile after predict are those without it', async () => {
  for (const threads of [1, 2]) {
    const shared = { input: [1, 12, 12], batchSize: 8, threads } as const
    const [a, b] = await Promise.all([0, 1].map(() => modelOf(api.cnn([1, 12, 12], 10), shared)))
    const x = together(samplesFor(a, 8, 1))
    const y = labels(8, 10, 2)
    for (const model of [a, b]) await model.trainStep(x, y)
    await a.predict(x.subarray(0, 3 * 144))
    for (const model of [a, b]) await model.trainStep(x, y)
    assert.equal(a.stateDict(), b.stateDict())
    // The profile runs the batch that is in memory: now that of predict, where nothing was moved.
    await a.predict(x.subarray(0, 3 * 144))
    const end = a.session.plan.named.output
    const after = new Uint8Array(a.session.memory.buffer, end.address + end.bytes, 64)
    const before = after.slice()
    await a.profile(1)
    assert.equal(after.slice(), before, 'behind the outputs')
    assert.ok(a.output().every(Number.isFinite))
    for (const model of [a, b]) await model.dispose()
  }
})

test('buffers of a single image lie where those of other programs do', () => {
  const random = testRandom(seed)
  let found = 0
  for (let round = 0; round < ofLong(100, 200); round++)
    for (const workers of [1, 2]) {
      const options = randomPlanOptions(random)
      // The state of a loop over t keeps its memory.
      if (options.stepMode === 's') continue
      const plan = makePlan(options, workers)
      const { single, ...others } = plan.programs
      if (!single) continue
      found++
      const used = (records: readonly { fields: object }[]) => new Set(buffersIn(records, plan))
      const own = used(single.records)
      const rest = Object.values(others).flatMap(({ records }) => [...used(records)])
      const end = Math.max(...rest.map((b) => b.address + b.bytes))
      for (const { name, persistent, address, bytes } of own)
        assert.ok(persistent || address + bytes <= end, `${name}, round ${round} seed=${seed}`)
    }
  assert.ok(found > 20, `${found} plans`)
})

/** Buffers of a plan that records name anywhere. */
function buffersIn(records: readonly { fields: object }[], plan: Plan): Plan['buffers'] {
  const seen = new Set<unknown>()
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
    if (seen.has(value)) return
    seen.add(value)
    for (const part of Object.values(value)) visit(part)
  }
  for (const { fields } of records) visit(fields)
  return plan.buffers.filter((buffer) => seen.has(buffer))
}

test('memory: a program for one image adds little but itself', async () => {
  for (const [net, input, batchSize] of [
    [api.mlp([1, 28, 28], 10), [1, 28, 28], 64],
    [api.cnn([1, 28, 28], 10), [1, 28, 28], 64],
    [api.resnet18({ inChannels: 3, classes: 10 }), [3, 32, 32], 16],
  ] as const)
    for (const purpose of ['train', 'inference'] as const) {
      const model = await modelOf(net, { input, batchSize, purpose })
      const { plan } = model.session
      const others = Object.entries(plan.programs).filter(([name]) => name !== 'single')
      const shared = new Set(others.flatMap(([, { records }]) => buffersIn(records, plan)))
      const own = buffersIn(plan.programs.single?.records ?? [], plan)
      const more = own.filter((b) => b.persistent && !shared.has(b))
      const bytes = more.reduce((sum, b) => sum + b.bytes + 64, 0)
      assert.ok(bytes <= 16 * 1024, `${bytes} bytes`)
      await model.dispose()
    }
})

test.run()
