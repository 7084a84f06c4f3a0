/** What a person reads while a network is trained. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  epochLine,
  inkFor,
  rateText,
  sparkline,
  usesColour,
} from '../../src/train/callbacks/epoch-line.js'
import { stepBar } from '../../src/train/callbacks/progress.js'
import type { EpochRecord, StepInfo } from '../../src/train/records.js'
import { bestSoFar, isBetter } from '../../src/train/records.js'

const record: EpochRecord = {
  epoch: 3,
  trainLoss: 0.21344,
  trainAccuracy: 0.9312,
  testLoss: 0.1999,
  testAccuracy: 0.9471,
  learningRate: 0.1,
  stepMs: 3,
  dataWaitMs: 0,
  samplesPerSecond: 2100.4,
  firingRates: { 2: 0.123, 6: 0.08 },
}

/** Layers of a ResNet-18. */
const deep = Object.fromEntries(
  Array.from({ length: 17 }, (_, i) => [`layer${i >> 2}.${i & 3}.sn`, ((i * 7) % 17) / 40 + 0.01]),
)

test('the line of an epoch: few layers by name, many as bars, the best marked', () => {
  assert.is(
    epochLine(record, 10),
    'epoch  3/10  loss 0.2134  train 93.12 %  test 94.71 %  test loss 0.1999  lr 0.1  ' +
      '2100 samples/s  rates 2: 0.12, 6: 0.08',
  )
  const line = epochLine({ ...record, firingRates: deep }, 10, { best: true })
  assert.is(
    line,
    'epoch  3/10  loss 0.2134  train 93.12 %  test 94.71 %  test loss 0.1999  lr 0.1  ' +
      '2100 samples/s  rates ▁▄█▃▆▁▅█▃▇▂▅█▄▇▂▆ 0.01 layer0.0.sn … 0.41 layer3.0.sn  best',
  )
})

test('a layer that does not fire is a point', () => {
  assert.is(sparkline([0, 0.1, 0.2]), '·▅█')
  assert.is(sparkline([0, 0]), '··')
  assert.is(rateText({}), '')
  const ink = inkFor({ isTTY: true }, {})
  assert.match(rateText({ 2: 0 }, ink), '\u001b[33m2: 0.00\u001b[39m')
})

test('colours: on a terminal, unless NO_COLOR says no or FORCE_COLOR says otherwise', () => {
  const [terminal, file] = [{ isTTY: true }, {}]
  const cases: [boolean, object, Record<string, string>][] = [
    [true, terminal, {}],
    [false, file, {}],
    [false, terminal, { NO_COLOR: '1' }],
    [true, terminal, { NO_COLOR: '' }],
    [true, file, { FORCE_COLOR: '1' }],
    [true, file, { FORCE_COLOR: '' }],
    [false, terminal, { FORCE_COLOR: '0' }],
    [false, file, { FORCE_COLOR: '1', NO_COLOR: '1' }],
    [false, terminal, { TERM: 'dumb' }],
  ]
  for (const [wanted, stream, env] of cases)
    assert.is(usesColour(stream, env), wanted, JSON.stringify([stream, env]))
  const line = epochLine(record, 10, { best: true, ink: inkFor(terminal, {}) })
  assert.match(line, '\u001b[32mbest\u001b[39m')
  assert.not.match(epochLine(record, 10, { best: true, ink: inkFor(file, {}) }), '\u001b')
})

test('the best so far: by what is watched, with epochs from before a resume', () => {
  const of = (testAccuracy: number, testLoss = 1): EpochRecord => ({
    ...record,
    testAccuracy,
    testLoss,
  })
  const usual = bestSoFar(undefined)
  assert.equal([of(0.5), of(0.4), of(0.6), of(0.6)].map(usual), [true, false, true, false])
  const byLoss = bestSoFar('testLoss', [of(0, 0.5)])
  assert.equal([of(1, 0.6), of(0, 0.4)].map(byLoss), [false, true])
  assert.is(usual({ ...of(0.9), partial: true }), false)
})

test('a figure is better by more than minDelta; one that is not finite never is', () => {
  const rows: [number, number | null, 'min' | 'max', boolean][] = [
    [0.3, 0.25, 'max', false],
    [0.3, 0.2, 'max', true],
    [0.25, 0.3, 'min', false],
    [0.2, 0.3, 'min', true],
    [9, null, 'min', true],
    [Number.NaN, null, 'max', false],
  ]
  for (const [value, best, mode, wanted] of rows)
    assert.is(isBetter(value, best, mode, 0.07), wanted, `${value} ${best} ${mode}`)
})

test('the bar tells the mean time of the steps since it was drawn, not that of a long one', () => {
  const told: string[] = []
  class Single {
    readonly isActive = true
    start(): void {}
    update(_: number, payload: object): void {
      told.push((payload as { ms: string }).ms)
    }
    stop(): void {}
  }
  const { now } = performance
  let clock = 0
  performance.now = () => clock
  try {
    const bar = stepBar(Single, { write() {} }, () => ({}))
    const step = (milliseconds: number): void => {
      clock += milliseconds
      const info = { epoch: 0, epochs: 1, step: told.length, steps: 1000, milliseconds }
      bar.step({ ...info, loss: 1, meanLoss: 1, learningRate: 0.1 } as StepInfo)
    }
    step(5)
    for (let i = 0; i < 60; i++) step(1)
    step(60)
    for (let i = 0; i < 50; i++) step(2)
    assert.equal(told, ['5.0', '2.0', '2.0'])
  } finally {
    performance.now = now
  }
})

test.run()
