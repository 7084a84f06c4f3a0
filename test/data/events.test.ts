/** Data sets of recordings in words of their own: event-tables has what they read and refuse. */

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { evenly } from '../../src/data/events/sets.js'
import {
  compile,
  type Dataset,
  datasets,
  eventCnn,
  events,
  type FitOptions,
} from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { digitClasses, writeFiles } from '../support/data-folders.js'
import { type Event, nmnistFile } from '../support/event-files.js'
import { expectSameBits } from '../support/measure.js'

/** 200 events, 700 µs apart. */
const recording = (seed: number): Uint8Array =>
  nmnistFile(
    Array.from(
      { length: 200 },
      (_, i): Event => [(i * 7 + seed * 5) % 34, (i * 11 + seed * i) % 34, 100 + 700 * i, i & 1],
    ),
  )
const withRecordings = (body: (folder: string) => Promise<void>) => () =>
  withFolder(async (folder) => {
    for (const label of digitClasses)
      for (const [i, path] of ['Train/0', 'Train/1', 'Test/0'].entries()) {
        const [part, name] = path.split('/')
        const bytes = recording(Number(label) + 10 * i)
        writeFiles(folder, { [`${part}/${label}/${name}.bin`]: bytes })
      }
    await body(folder)
  })
const framesOf = (data: Dataset, index: number): Float32Array => {
  const out = new Float32Array(data.timeSteps! * data.shape.reduce((a, b) => a * b))
  data.read(index, out)
  return out
}

test(
  'samples are the frames of toFrames, and the first lie evenly over the classes',
  withRecordings(async (folder) => {
    const way = { timeSteps: 4, splitBy: 'time' } as const
    const { train } = await datasets.nmnist(folder, way)
    const file = await events.read(join(folder, 'Train/3/0.bin'))
    const { data } = events.toFrames(file, { framesNumber: 4, splitBy: 'time' })
    assert.equal(framesOf(train, 3), data)
    assert.equal(
      evenly([2, 2, 0, 2, 0, 1].map((label, at) => ({ label, at }))).map(({ at }) => at),
      [2, 5, 0, 4, 1, 3],
    )
  }),
)

test(
  'time windows of N-MNIST begin at 0, and the last frame takes the rest',
  withRecordings(async (folder) => {
    const { train } = await datasets.nmnist(folder, { timeSteps: 3, timeWindow: 7000 })
    const frames = framesOf(train, 0)
    const sums = [0, 1, 2].map((t) =>
      frames.subarray(t * 2312, (t + 1) * 2312).reduce((a, b) => a + b),
    )
    assert.equal(sums, [10, 10, 180])
  }),
)

test(
  'epochs are the same with and without a thread',
  withRecordings(async (folder) => {
    const options = { timeSteps: 3, augment: { shift: 2, flip: true } }
    const { train, test: validation } = await datasets.nmnist(folder, options)
    const states = []
    for (const numWorkers of [0, 1] as FitOptions['numWorkers'][]) {
      const own = { input: train.shape, timeSteps: 3, frames: true, batchSize: 10 }
      const model = await compile(eventCnn(train.shape, 10), own)
      await model.fit(train, { epochs: 2, numWorkers, validation })
      states.push(model.stateDict())
      await model.dispose()
    }
    expectSameBits('states', states[0], states[1])
  }),
)

test.run()
