/** Schedules against PyTorch 2.6's schedulers (lr 1), and what they refuse. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { test } from '../support/models.js'

/** The factors of n epochs of one step each, or of n steps of one epoch. */
function factors(
  schedule: api.Schedule,
  n: number,
  by: api.ScheduleBy,
  records: api.EpochFigures[] = [],
): number[] {
  return Array.from({ length: n }, (_, i) => {
    const [epoch, epochs] = by === 'epoch' ? [i, n] : [0, 1]
    const at = { epoch, epochs, step: i, steps: n, records: records.slice(0, i) }
    return schedule(epoch, epochs, at)
  })
}

const cosineMin = [
  1.0, 0.96574578963, 0.868198051534, 0.722207544564, 0.55, 0.377792455436, 0.231801948466,
  0.13425421037,
]
const cosineWarm = [
  0.333333333333, 0.666666666667, 1.0, 1.0, 0.952960212254, 0.821157655883, 0.630697443629,
  0.419302556371, 0.228842344117, 0.0970397877464,
]
const cycle = [
  0.04, 0.52, 1.0, 0.950484632013, 0.81174565395, 0.611262021936, 0.388741978064, 0.18825834605,
  0.0495193679865, 4e-6,
]
const line = [0.1, 0.446153846154, 0.792307692308, 0.926, 0.741, 0.556, 0.371, 0.186, 0.001]
const lines = { warmup: 0.4, anneal: 'linear', divFactor: 10, finalDivFactor: 100 } as const
const warmStep = [0.5, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]

const cases: [string, (by: api.ScheduleBy) => api.Schedule, number[]][] = [
  ['CosineAnnealingLR with eta_min', (by) => api.cosine({ min: 0.1, by }), cosineMin],
  ['SequentialLR of cosine', (by) => api.cosine({ warmup: 3, min: 0.05, by }), cosineWarm],
  [
    'SequentialLR as linearWarmup',
    (by) => api.linearWarmup(3, api.cosine({ min: 0.05, by }), { by }),
    cosineWarm,
  ],
  ['OneCycleLR', (by) => api.oneCycle({ by }), cycle],
  ['OneCycleLR linear', (by) => api.oneCycle({ ...lines, by }), line],
]
for (const [name, make, wanted] of cases)
  for (const by of ['epoch', 'step'] as const)
    test(`${name} by ${by}`, () => {
      const schedule = make(by)
      assert.is(schedule.by, by)
      const got = factors(schedule, wanted.length, by)
      for (const [i, factor] of got.entries())
        assert.ok(Math.abs(factor - wanted[i]) < 1e-11, `${i}: ${factor}, not ${wanted[i]}`)
    })

test('MultiStepLR, and StepLR behind a warm-up', () => {
  const close = (got: number[], wanted: number[]): void => {
    for (const [i, factor] of got.entries()) assert.ok(Math.abs(factor - wanted[i]) < 1e-12, `${i}`)
  }
  close(factors(api.stepDecay([2, 5, 6]), 8, 'epoch'), [1, 1, 0.1, 0.1, 0.1, 0.01, 0.001, 0.001])
  close(factors(api.linearWarmup(2, api.stepDecay(3, 2)), 9, 'epoch'), warmStep)
})

/** Records of epochs with one figure. */
const recordsOf = (monitor: string, figures: number[]): api.EpochFigures[] =>
  figures.map((figure, i) => ({ epoch: i + 1, [monitor]: figure }) as unknown as api.EpochFigures)

test('ReduceLROnPlateau, from the records alone', () => {
  const losses = [1.0, 0.8, 0.79999, 0.81, 0.9, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.69]
  const down = api.plateau({ factor: 0.5, patience: 1, min: 0.2 })
  assert.equal(
    factors(down, 12, 'epoch', recordsOf('testLoss', losses)),
    [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2],
  )
  const accuracies = [0.1, 0.5, 0.5, 0.4, 0.3, 0.6, 0.6, 0.6, 0.6, 0.6]
  const up = api.plateau({ monitor: 'trainAccuracy', patience: 2 })
  assert.equal(
    factors(up, 10, 'epoch', recordsOf('trainAccuracy', accuracies)),
    [1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.010000000000000002],
  )
  // Behind a warm-up, its epochs do not count.
  const warm = api.linearWarmup(4, api.plateau({ patience: 1 }))
  assert.equal(
    factors(warm, 8, 'epoch', recordsOf('testLoss', [1, 2, 3, 4, 5, 6, 7, 8])),
    [0.25, 0.5, 0.75, 1, 1, 1, 1, 0.1],
  )
})

test('a warm-up by steps before a schedule by epochs; a schedule of steps of one’s own', () => {
  const warm = api.linearWarmup(4, api.stepDecay(1, 2), { by: 'step' })
  assert.is(warm.by, 'step')
  const at = (step: number) => ({ epoch: step >> 1, epochs: 4, step, steps: 8, records: [] })
  assert.equal(
    [0, 1, 2, 3, 4, 6].map((step) => warm(step >> 1, 4, at(step))),
    [0.25, 0.5, 0.375, 0.5, 0.25, 0.125],
  )
  const own = api.perStep(({ step, steps }) => step / steps)
  assert.is(own.by, 'step')
  assert.is(own(1, 4, at(2)), 0.25)
})

test('a schedule reads the figures of epochs by their names', () => {
  const own: api.Schedule = (_epoch, _epochs, at) => at.records.at(-1)?.trainLoss ?? 1
  assert.equal(factors(own, 3, 'epoch', recordsOf('trainLoss', [0.5, 0.25, 9])), [1, 0.5, 0.25])
})

test.run()
