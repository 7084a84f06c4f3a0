/** sweep.json: the runs that it means, and what is said of a wrong one. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readSpec, runId, type SweepSpec } from '../../src/cli/sweep/spec.js'
import { messageOf } from '../files/temporary.js'

const read = (spec: unknown): SweepSpec =>
  readSpec(new TextEncoder().encode(JSON.stringify(spec)), 'sweep.json')

const DATA = '0123456789abcdef'

test('a grid has all combinations, the last option first', () => {
  const { runs, varied } = read({
    base: { epochs: 2, method: 'bptt' },
    grid: { lr: [0.05, 0.1], seed: [1, 2, 3] },
  })
  assert.equal(varied, ['lr', 'seed'])
  assert.equal(
    runs.map(({ chosen }) => Object.values(chosen).join(' ')),
    ['0.05 1', '0.05 2', '0.05 3', '0.1 1', '0.1 2', '0.1 3'],
  )
  assert.equal(runs[0].given, { epochs: 2, method: 'bptt', lr: 0.05, seed: 1 })
  assert.is(new Set(runs.map((run) => runId(run, DATA))).size, 6)
})

test('options of all kinds reach train as they were given', () => {
  const { runs } = read({
    base: { optimizer: 'adam', betas: [0.8, 0.99], freeze: ['0', '1.weight'], augment: false },
    grid: { weightDecay: [1e-7, 0] },
  })
  assert.equal(runs[0].args, [
    ...['--optimizer=adam', '--betas=0.8,0.99', '--freeze=0,1.weight', '--weight-decay=1e-7'],
  ])
  assert.equal(runs[0].parsed.betas, [0.8, 0.99])
})

test('what means the same is the same run, and data make another', () => {
  const id = (base: object, data = DATA) => runId(read({ base, grid: { seed: [1] } }).runs[0], data)
  const plain = id({})
  // Defaults of the digits, and what no number depends on.
  const same = { lr: 0.2, epochs: 30, batchSize: 32, dataset: 'digits', model: 'cnn', threads: 1 }
  assert.is(id(same), plain)
  assert.is(id({ momentum: 0.9, nesterov: false }), plain)
  assert.not.equal(id({ lr: 0.3 }), plain)
  const rounds = { replicas: 2, syncEvery: 10 }
  assert.is(id({ ...rounds, outerLr: 0.7, compress: 'none' }), id(rounds))
  assert.is(new Set([plain, id(rounds), id({ ...rounds, outerLr: 1 })]).size, 3)
  assert.not.equal(id({}, 'fedcba9876543210'), plain)
})

test('random runs depend on the seed alone, not on how many there are', () => {
  const random = {
    lr: { min: 0.001, max: 1, scale: 'log' },
    timeSteps: { min: 2, max: 6, integer: true },
    method: ['rate', 'bptt'],
  }
  const of = (count: number, seed?: number) =>
    read({ random, count, ...(seed === undefined ? {} : { seed }) }).runs.map(
      ({ chosen }) => chosen,
    )
  const many = of(100)
  assert.equal(of(7), many.slice(0, 7))
  assert.not.equal(of(7, 1), of(7))
  const numbers = (name: string) => many.map((chosen) => chosen[name] as number)
  assert.ok(numbers('lr').every((lr) => lr >= 0.001 && lr <= 1))
  // Half of them lie below the geometric mean.
  const low = numbers('lr').filter((lr) => lr < Math.sqrt(0.001)).length
  assert.ok(low > 30 && low < 70, `${low}`)
  assert.equal([...new Set(numbers('timeSteps'))].sort(), [2, 3, 4, 5, 6])
  assert.is(new Set(many.map(({ method }) => method)).size, 2)
})

test('halving wants the same number of epochs for all runs', async () => {
  const { rungs } = read({ base: { epochs: 9 }, grid: { lr: [1, 2] }, halving: { factor: 3 } })
  assert.equal(rungs, [1, 3, 9])
  const wrong = { grid: { epochs: [3, 9] }, halving: {} }
  assert.match(await messageOf(() => read(wrong)), /^sweep\.json: epochs must be the same/)
})

const wrong: readonly (readonly [unknown, RegExp])[] = [
  [[], /the sweep's options must be an object with any of base, .*got \[\]/],
  [{}, /must have one of grid.* got none of them/],
  [{ grid: { lr: [1] }, random: { lr: [1] }, count: 1 }, /got both/],
  [{ grid: {}, extra: 1 }, /the sweep\.extra is not an option; known are base/],
  [{ grid: { lr: [] } }, /grid\.lr must be a list of values, one at least, got \[\]/],
  [{ grid: { lr: 0.1 } }, /grid\.lr must be a list/],
  [{ grid: { lr: [1, 1] } }, /grid\.lr must have each value once, got 1 twice/],
  [{ grid: { lrr: [1] } }, /lrr is no option of train; known are .*lr,/],
  [{ base: { lr: 1 }, grid: { lr: [1] } }, /base\.lr must be left out: it is in grid/],
  [{ base: { out: 'x' }, grid: { lr: [1] } }, /\.out must be left out: it names files/],
  [{ base: { data: '/etc' }, grid: { lr: [1] } }, /\.data must be left out/],
  [{ grid: { lr: ['0.1'] } }, /run \{"lr":"0\.1"\}\.lr must be a number, got "0\.1"/],
  [{ grid: { lr: [null] } }, /lr must be a finite number, a name, or a list of them, got null/],
  [{ grid: { method: ['magic'] } }, /--method must be one of .* got "magic"/],
  [{ grid: { augment: ['yes'] } }, /augment must be true or false, got "yes"/],
  [{ base: { optimizer: 'adam' }, grid: { momentum: [0.9] } }, /--momentum must be left out/],
  [{ grid: { timeSteps: [4, 0] } }, /--time-steps must be an integer from 1 to 4096, got 0/],
  [{ grid: { batchSize: [2.5] } }, /--batch-size must be an integer from 1 to 1048576, got 2\.5/],
  [{ base: { method: 'ottt' }, grid: { stepMode: ['m'] } }, /stepMode must be 's' with method/],
  [{ base: { limitTest: 9 }, grid: { validationSplit: [0.2] } }, /--limit-test must be left out/],
  [{ grid: { replicas: [2] } }, /\{"replicas":2\}: --replicas needs --sync-every/],
  [{ grid: { syncEvery: [2] } }, /--sync-every needs --replicas/],
  [{ grid: { lr: [1] }, count: 3 }, /count must be left out with grid, got 3/],
  [{ random: { lr: { min: 0, max: 1 } } }, /count must be an integer from 1 to 10000, got none/],
  [{ random: { lr: { min: 1, max: 0 } }, count: 1 }, /random\.lr\.max must be more than min, 1/],
  [{ random: { lr: { min: 0, max: 1, scale: 'log' } }, count: 1 }, /min must be > 0 with scale/],
  [
    { random: { lr: { min: 0, max: 1, step: 1 } }, count: 1 },
    /random\.lr\.step is not an option; known are min/,
  ],
  [{ random: { lr: [1] }, count: 1e9 }, /count must be an integer from 1 to 10000, got 1000000000/],
  [{ grid: { seed: Array.from({ length: 10001 }, (_, i) => i) } }, /grid must be at most 10000/],
  [{ grid: { lr: [1] }, halving: 3 }, /halving's options must be an object with any of factor/],
]

test('what is no sweep ends in one clear message', async () => {
  for (const [spec, message] of wrong) {
    const said = await messageOf(() => read(spec))
    assert.match(said, message)
    assert.match(said, /^sweep\.json: [^\n]*$/)
  }
  const twice = new TextEncoder().encode('{"grid": {"lr": [1], "lr": [2]}}')
  assert.match(await messageOf(() => readSpec(twice, 'it')), /each name once, got "lr" twice/)
})

test.run()
