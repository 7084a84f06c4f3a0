/**
 * sweep.json: the runs that it means, and which of them go on. test/scale/choices.txt has what is
 * read and said of each text.
 */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readSpec, runId, type SweepSpec, standings } from '../../src/cli/sweep/spec.js'

const read = (spec: unknown): SweepSpec =>
  readSpec(new TextEncoder().encode(JSON.stringify(spec)), 'sweep.json')

const DATA = '0123456789abcdef'

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

test('texts of losses and optimizers are read as train reads them; other texts are refused', () => {
  const optimizer = ['p = p - lr*g', 'm = min(0.9*m + g, 1); p = p - lr*m', 'adam']
  const { runs } = read({ base: { loss: '(y - target)^2' }, grid: { optimizer } })
  assert.equal(
    runs.map(({ parsed }) => parsed.optimizer),
    optimizer,
  )
  assert.equal(runs[1].args, ['--loss=(y - target)^2', `--optimizer=${optimizer[1]}`])
  assert.is(new Set(runs.map((run) => runId(run, DATA))).size, 3)
  const base = { optimizer: optimizer[0] }
  assert.is(read({ base, grid: { lr: [0.1] } }).runs[0].parsed.optimizer, optimizer[0])
  for (const wrong of ['p = p - lr*h(g)', 'p = q', '../adam', 'a/b', 'sgd '])
    assert.throws(() => read({ base: { optimizer: wrong }, grid: { lr: [0.1] } }), /rule|optimizer/)
  assert.throws(() => read({ base: { method: 'a = b' }, grid: { lr: [0.1] } }), /a name/)
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

// Successive halving: what is decided depends on results alone, not on when they come.

type Results = readonly (readonly number[])[]

/** Fates of all runs, when results come one by one in some order, each as soon as it may. */
function play(results: Results, factor: number, next: (n: number) => number): Map<string, string> {
  const rungs = results[0].length
  const ids = results.map((_, i) => `run${i}`)
  const known = new Map<string, number>()
  const look = () => standings(ids, { factor }, rungs, (id, rung) => known.get(`${id} ${rung}`))
  const decided = new Map<string, string>()
  for (;;) {
    const now = look()
    for (const [id, { rung, state }] of now) {
      if (state !== 'stopped' && state !== 'ended') continue
      const fate = `${state} ${rung}`
      // What was decided once stays.
      assert.is(decided.get(id) ?? fate, fate)
      decided.set(id, fate)
    }
    const due = [...now].filter(([, { state }]) => state === 'trains')
    if (due.length === 0) return decided
    const [id, { rung }] = due[next(due.length)]
    known.set(`${id} ${rung}`, results[Number(id.slice(3))][rung])
  }
}

/** The same with everybody waiting for all. */
function together(results: Results, factor: number): Map<string, string> {
  const fates = new Map<string, string>()
  let members = results.map((_, i) => i)
  for (let rung = 0; rung < results[0].length; rung++) {
    const isLast = rung === results[0].length - 1
    const keep = isLast ? members.length : Math.max(1, Math.floor(members.length / factor))
    const order = [...members].sort(
      (a, b) => results[b][rung] - results[a][rung] || (`run${a}` < `run${b}` ? -1 : 1),
    )
    for (const [place, i] of order.entries())
      if (isLast) fates.set(`run${i}`, `ended ${rung}`)
      else if (place >= keep) fates.set(`run${i}`, `stopped ${rung}`)
    members = order.slice(0, keep)
  }
  return fates
}

test('any order of arrival decides as if all had waited for all', () => {
  const cases = fc.record({
    // Few different figures, so that some are equal.
    results: fc
      .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 4 }))
      .chain(([runs, rungs]) => {
        const figure = fc.integer({ min: 0, max: 5 }).map((n) => n / 5)
        const row = fc.array(figure, { minLength: rungs, maxLength: rungs })
        return fc.array(row, { minLength: runs, maxLength: runs })
      }),
    factor: fc.integer({ min: 2, max: 4 }),
    choices: fc.array(fc.nat(1000), { minLength: 60, maxLength: 60 }),
  })
  fc.assert(
    fc.property(cases, ({ results, factor, choices }) => {
      let turn = 0
      const fates = play(results, factor, (n) => choices[turn++ % choices.length] % n)
      const sorted = (of: Map<string, string>) => [...of].sort(([a], [b]) => (a < b ? -1 : 1))
      assert.equal(sorted(fates), sorted(together(results, factor)))
    }),
    { numRuns: 300 },
  )
})

test('a run that is certain to be left out ends before the others have come as far', () => {
  const known = new Map([
    ['a 0', 0.9],
    ['b 0', 0.8],
    ['c 0', 0.1],
  ])
  const now = standings(['a', 'b', 'c', 'd'], { factor: 2 }, 2, (id, rung) =>
    known.get(`${id} ${rung}`),
  )
  // Two of four go on: c is behind two; a cannot be pushed out by d alone, b can.
  assert.is(now.get('c')?.state, 'stopped')
  assert.equal(now.get('a'), { rung: 1, state: 'trains' })
  assert.is(now.get('b')?.state, 'waits')
  assert.is(now.get('d')?.state, 'trains')
})

test.run()
