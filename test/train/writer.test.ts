// runs: apart
/** The thread that writes the folder of a large run where checkpoints lie within epochs. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkpoint, type FitOptions, flatten, lif, linear, sequential } from '../../src/index.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { toy, toyClasses, toyShape } from '../support/toy.js'

const { data } = toy(40, 1)
const SIZE = toyShape.reduce((a, b) => a * b, 1)
const compileToy = () =>
  // A checkpoint has 4 MB and more.
  sequential(flatten(), linear(SIZE, 8000), lif(), linear(8000, toyClasses)).compile({
    input: toyShape,
    batchSize: 8,
    timeSteps: 2,
  })

// Node tells of every worker that starts, whoever starts it.
const workers: Worker[] = []
process.on('worker', (worker) => void workers.push(worker))

const fit = async (dir: string, every: number | 'epoch', more: FitOptions = {}) => {
  const model = await compileToy()
  try {
    const callbacks = [checkpoint({ dir, every })]
    await model.fit(data, {
      epochs: 3,
      numWorkers: 0,
      ema: 0.5,
      validation: data,
      ...more,
      callbacks,
    })
    return model.stateDict()
  } finally {
    await model.dispose()
  }
}

test('a thread writes what the calling thread would write, and ends with the training', () =>
  withFolder(async (parent) => {
    const [here, there] = [join(parent, 'here'), join(parent, 'there')]
    workers.length = 0
    await fit(here, 'epoch')
    assert.is(workers.length, 0)
    await fit(there, 2)
    assert.is(workers.length, 1)
    assert.is(workers[0].threadId, -1, 'it has ended')
    assert.equal((await readdir(there)).sort(), (await readdir(here)).sort())
    for (const name of ['weights.safetensors', 'best.safetensors', 'options.json'])
      assert.ok((await readFile(join(there, name))).equals(await readFile(join(here, name))), name)
  }))

test('a thread that dies: one clear error, the lock is given back, a resume goes on', () =>
  withFolder(async (parent) => {
    const [dir, other] = [join(parent, 'dir'), join(parent, 'other')]
    const whole = await fit(other, 2)
    workers.length = 0
    let steps = 0
    const message = await messageOf(() =>
      fit(dir, 2, {
        async onStep() {
          // The first checkpoint is whole by then; it was waited for.
          if (++steps === 9) await workers[0].terminate()
          else await new Promise((resolve) => setTimeout(resolve, 20))
        },
      }),
    )
    assert.match(message, /^the thread that writes checkpoints ended \(.*\); the last one is whole/)
    assert.not.ok((await readdir(dir)).includes('run.lock'))
    expectSameBits('resumed', whole, await fit(dir, 2, { resume: dir }))
  }))

test('errors of the folder come through the thread as they are', () =>
  withFolder(async (dir) => {
    let steps = 0
    const onStep = async (): Promise<void> => {
      if (++steps === 5) await rm(join(dir, 'run.lock'))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const message = await messageOf(() => fit(dir, 1, { onStep }))
    assert.match(
      message,
      /run\.lock: the lock of this run is gone, or another process has taken it/,
    )
  }))

test.run()
