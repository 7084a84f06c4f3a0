// runs: apart
/** Workers that die, kernels that trap, models that are disposed of or used twice at once. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ProgramWord, Rec, SectionWord } from '../../assembly/opcodes.js'
import type { Plan } from '../../src/compile/plan.js'
import { endThreads } from '../../src/engine/threads/idle-threads.js'
import {
  batchNorm2d,
  type CompileOptions,
  checkpoint,
  conv2d,
  flatten,
  fromArrays,
  lif,
  linear,
  type Model,
  SpikewasmError,
  type StateDict,
  sequential,
} from '../../src/index.js'
import { expectRefusal, messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits, labels, uniform } from '../support/measure.js'
import { Op } from '../support/operations.js'
import { soon } from '../support/soon.js'
import { parametersOf } from '../support/trainings.js'

const input = [3, 16, 16] as const

// Node tells of every worker that starts, whoever starts it.
const workers: Worker[] = []
process.on('worker', (worker) => void workers.push(worker))
/** From here on those of models to come are told, and these take none that others left. */
async function countWorkers(): Promise<void> {
  await endThreads()
  workers.length = 0
}

function compileSmall(options: Partial<CompileOptions> = {}, channels = 8): Promise<Model> {
  const net = sequential({
    conv1: conv2d(3, channels, 3, { padding: 1 }),
    bn1: batchNorm2d(channels),
    fire: lif(),
    flat: flatten(),
    last: linear(channels * 256, 10),
  })
  return net.compile({ input, batchSize: 4, timeSteps: 4, ...options })
}

function batchFor(model: Model): [Float32Array, number[]] {
  return [uniform(model.batchSize * 768, 1, 7), labels(model.batchSize, 10, 7)]
}

/** The model's memory and plan, to damage them. */
function inside(model: Model): { memory: WebAssembly.Memory; plan: Plan } {
  return model.session as unknown as { memory: WebAssembly.Memory; plan: Plan }
}

/** After a failure: clear errors, readable parameters, and an end. */
async function expectBroken(model: Model, before: StateDict): Promise<void> {
  const [x, y] = batchFor(model)
  const calls: (() => Promise<unknown>)[] = [() => model.trainStep(x, y), () => model.predict(x)]
  for (const call of calls)
    await expectRefusal(
      () => soon(call()),
      /the model stopped working \(.*can still be saved: save them and compile again/s,
    )
  assert.equal(Object.keys(model.stateDict()), Object.keys(before))
  await soon(model.dispose())
}

// The first: no memory of another model is there that would be large enough.
test('a memory that grows gets fresh threads: those that load meanwhile may not learn its size', async () => {
  await countWorkers()
  const model = await compileSmall({ threads: 2, timeSteps: 16 })
  const bytes = (): number => inside(model).memory.buffer.byteLength
  const [x, y] = batchFor(model)
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
  const model = await compileSmall({ threads: 2, batchSize: 256 }, 64)
  const [x, y] = batchFor(model)
  await soon(model.trainStep(x, y))
  const before = model.stateDict()
  assert.is(workers.length, 2)
  const running = model.trainStep(x, y)
  await new Promise((resolve) => setTimeout(resolve, 5))
  const ended = workers[1].terminate()
  await expectRefusal(() => soon(running), /a worker failed at layer /)
  await ended
  await expectBroken(model, before)
})

test('a worker that dies amid fit: fit rejects with one error, and goes on from its checkpoint', () =>
  withFolder(async (dir) => {
    const images = uniform(24 * 768, 1, 7)
    const data = fromArrays({ images, labels: labels(24, 10, 7), shape: [...input], classes: 10 })
    const fit = { epochs: 3, numWorkers: 0 } as const
    const whole = await compileSmall({ threads: 2 })
    await whole.fit(data, fit)
    // In the second epoch: at a step's start, or while its callback runs.
    for (const during of ['step', 'callback']) {
      await countWorkers()
      const folder = join(dir, during)
      const model = await compileSmall({ threads: 2 })
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
      const next = await compileSmall({ threads: 2 })
      await next.fit(data, { ...fit, resume: folder })
      expectSameBits(during, whole.stateDict(), next.stateDict())
      await next.dispose()
    }
    await whole.dispose()
  }))

/** The first neuron record of a program becomes an operation that does not exist. */
function spoil(model: Model, program: 'train' | 'single'): void {
  const { memory, plan } = inside(model)
  const words = new DataView(memory.buffer)
  const section = plan.programs[program]!.address + ProgramWord.Bytes
  let op = words.getUint32(section + SectionWord.Records * 4, true) + Rec.Op * 4
  while ((words.getUint32(op, true) & Rec.OpMask) !== Op.Neuron) op += Rec.Bytes
  words.setUint32(op, 9999 | (1 << Rec.GroupShift), true)
}

for (const threads of [1, 2])
  for (const engine of ['release', 'debug'] as const)
    for (const program of ['train', 'single'] as const)
      test(`a kernel that traps is told with its layer's name, threads=${threads} engine=${engine} program=${program}`, async () => {
        const model = await compileSmall({ threads, engine })
        const [x, y] = batchFor(model)
        await model.trainStep(x, y)
        const before = model.stateDict()
        spoil(model, program)
        // A whole batch runs by another program than a single image.
        if (program === 'single') await soon(model.predict(x))
        const run = (): Promise<unknown> =>
          program === 'train' ? model.trainStep(x, y) : model.predict(x.subarray(0, 768))
        await expectRefusal(
          () => soon(run()),
          /a worker failed at layer fire \(lif\): .*unreachable/,
        )
        const left = program === 'train' ? parametersOf : (state: StateDict) => state
        expectSameBits('parameters', left(before), left(model.stateDict()))
        await expectBroken(model, before)
      })

test('a worker that dies between two steps: the next step works or fails with a clear message, but does not hang', async () => {
  await countWorkers()
  const model = await compileSmall({ threads: 2 })
  const [x, y] = batchFor(model)
  await model.trainStep(x, y)
  await workers[0].terminate()
  const outcome = await soon(model.trainStep(x, y)).then(
    () => 'worked',
    (error: Error) => error.message,
  )
  assert.match(outcome, /^worked$|a worker failed at layer /)
  await soon(model.dispose())
})

test('a disposed model: every run says so; disposing of it again does nothing', async () => {
  for (const threads of [1, 2]) {
    const model = await compileSmall({ threads })
    const [x, y] = batchFor(model)
    await model.dispose()
    await model.dispose()
    for (const call of [
      () => model.trainStep(x, y),
      () => model.predict(x),
      () => model.profile(1),
    ])
      await expectRefusal(call, /^the model was disposed; compile the network again$/)
  }
})

test('a second call while one is running is refused, and the first one ends as ever', async () => {
  for (const threads of [1, 2]) {
    const [alone, model] = [await compileSmall({ threads }), await compileSmall({ threads })]
    const [x, y] = batchFor(model)
    await alone.trainStep(x, y)
    const first = model.trainStep(x, y)
    // Both before the first one can end.
    const refused = [
      messageOf(() =>
        model.trainStep(
          x.map((v) => -v),
          y,
        ),
      ),
      messageOf(() => model.load(new Uint8Array(8))),
    ]
    for (const message of await Promise.all(refused))
      assert.match(message, /the model is running another call: await that one first/)
    await first
    expectSameBits('parameters', alone.stateDict(), model.stateDict())
    await model.trainStep(x, y)
    await alone.dispose()
    await model.dispose()
  }
})

test('disposing of a model while a step runs ends soon', async () => {
  const model = await compileSmall({ threads: 2, batchSize: 128 }, 32)
  const [x, y] = batchFor(model)
  const running = model.trainStep(x, y).then(
    () => 'ended',
    (error: Error) => error.message,
  )
  await soon(model.dispose())
  assert.match(await soon(running), /^ended$|^the model was disposed; compile the network again$/)
})

test('dispose waits for the operation that runs, so that it writes in no other memory', async () => {
  const shape = [1, 4, 4] as const
  const compileTiny = (seed: number): Promise<Model> =>
    sequential(flatten(), linear(16, 8), lif(), linear(8, 2)).compile({
      input: shape,
      batchSize: 4,
      timeSteps: 2,
      seed,
    })
  const data = fromArrays({
    name: 'tiny',
    images: uniform(32 * 16, 1, 3),
    labels: labels(32, 2, 3),
    shape,
    classes: 2,
  })
  const fresh = await compileTiny(7)
  const untouched = fresh.stateDict()
  const model = await compileTiny(0)
  let last: StateDict | undefined
  let amid: StateDict | undefined
  let next: Promise<Model> | undefined
  // Read while the averages are in place of the parameters.
  const validation = {
    ...data,
    read(index: number, out: Float32Array): number {
      if (index === 8 && last) {
        amid = model.stateDict()
        const ended = model.dispose()
        next = ended.then(() => compileTiny(7))
      }
      return data.read(index, out)
    },
  }
  const fitting = model.fit(data, {
    ema: 0.5,
    validation,
    onStep() {
      last = model.stateDict()
    },
  })
  await expectRefusal(() => fitting, /^the model was disposed; compile the network again$/)
  const other = await (next as Promise<Model>)
  expectSameBits('the next model', other.stateDict(), untouched)
  expectSameBits('parameters amid validation', amid ?? {}, last ?? {})
  expectSameBits('parameters behind it', model.stateDict(), last ?? {})
  await Promise.all([other.dispose(), fresh.dispose()])
})

test('a callback may wait for dispose, and the training ends behind it', async () => {
  const data = fromArrays({
    name: 'tiny',
    images: uniform(16 * 768, 1, 3),
    labels: labels(16, 10, 3),
    shape: input,
    classes: 10,
  })
  for (const hook of ['onStep', 'onEpoch'] as const) {
    const model = await compileSmall({ timeSteps: 2 })
    let next: Model | undefined
    let before: StateDict | undefined
    const fitting = model.fit(data, {
      epochs: 2,
      ema: 0.5,
      async [hook]() {
        await model.dispose()
        next = await compileSmall({ timeSteps: 2 })
        before = next.stateDict()
      },
    })
    await expectRefusal(() => soon(fitting), /^the model was disposed/)
    expectSameBits('the next model', next?.stateDict() ?? {}, before ?? {})
    await next?.dispose()
  }
})

/**
 * Runs a module in a process of its own and resolves with its exit code and output; rejects when it
 * does not end.
 */
function runChild(body: string, seconds: number): Promise<{ code: number | null; output: string }> {
  const index = new URL('../../src/index.js', import.meta.url).href
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', `import * as s from ${JSON.stringify(index)}\n${body}`],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  child.stderr.on('data', (text) => {
    output += text
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`the process did not end within ${seconds} s; it printed ${output}`))
    }, seconds * 1000)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, output })
    })
  })
}

const program = (threads: number, end: string): string => `
  const net = s.sequential(s.flatten(), s.linear(12, 8), s.lif(), s.linear(8, 3))
  const model = await net.compile({ input: [3, 2, 2], batchSize: 2, threads: ${threads} })
  const { loss } = await model.trainStep(new Float32Array(24).fill(0.5), [0, 1])
  ${end}
  console.log('loss', loss)`

for (const threads of [1, 2])
  test(`threads=${threads}: after dispose the process ends by itself`, async () => {
    const { code, output } = await runChild(program(threads, 'await model.dispose()'), 15)
    assert.is(code, 0, output)
    assert.match(output, /^loss \d/)
  })

test('an error of the user is a SpikewasmError, which a program can tell from others', async () => {
  const model = await compileSmall()
  try {
    await model.trainStep(new Float32Array(3), [0])
    assert.unreachable('wrong sizes are refused')
  } catch (error) {
    assert.instance(error, SpikewasmError)
  }
  await model.dispose()
})

test.run()
