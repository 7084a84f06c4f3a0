/**
 * The course of a comparison on made-up processes: who is looked at again, who may accuse, and that
 * the time ends it. Time is made up too.
 */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CampaignOptions, type Row, runCampaign } from '../../src/bench/compare/campaign.js'
import { resultOf } from '../../src/bench/compare/command.js'
import type { Measured, Outcome } from '../../src/bench/compare/process.js'
import { asLog, estimate, verdictOf } from '../../src/bench/compare/statistics.js'

const threshold = asLog(0.02)

/** What a benchmark shows in its nth process, as a fraction. */
type Effect = (process: number) => number

function measuredOf(name: string, effect: number, spentMs: number): Measured {
  const rounds = [0.999, 1, 1.001]
  return {
    name,
    times: [rounds.map((ms) => ms * (1 + effect)), rounds],
    isSteady: true,
    densities: [],
    calibration: { multiplyAdd: 0 },
    others: 0,
    spentMs,
  }
}

interface Script {
  readonly effects: Readonly<Record<string, Effect>>
  /** Milliseconds that a benchmark says it took. */
  readonly spentMs?: number
  /** Milliseconds that a process takes. */
  readonly takesMs?: number
}

async function follow(script: Script, more: Partial<CampaignOptions> = {}) {
  const { effects, spentMs = 100, takesMs = 0 } = script
  const seen: Record<string, number> = {}
  let now = 0
  const campaign = await runCampaign({
    job: { cases: '', selection: {}, builds: [], calibrate: false, wide: false, weights: {} },
    judge: (_, measured) => [
      estimate(
        measured.map(({ times: [mine, theirs] }) => mine.map((ms, i) => Math.log(ms / theirs[i]))),
      ),
    ],
    threshold,
    seconds: 100,
    patience: 1,
    seed: 1,
    isOtherFixed: false,
    isThorough: true,
    progress: () => undefined,
    clock: () => now,
    runProcess: async (job): Promise<Outcome> => {
      now += takesMs
      const names = Object.keys(effects)
      const measured = names
        .filter((name) => job.names?.includes(name) ?? true)
        .map((name) => {
          const process = seen[name] ?? 0
          seen[name] = process + 1
          return measuredOf(name, effects[name](process), spentMs)
        })
      return { names, measured, skipped: new Map(), failed: new Map(), isWhole: true }
    },
    ...more,
  })
  const verdicts = Object.fromEntries(campaign.rows.map(({ name, verdict }) => [name, verdict]))
  return { campaign, verdicts }
}

/** No row may say less than its interval. */
function checkRows(rows: readonly Row[]): void {
  for (const { name, interval, verdict } of rows)
    if (interval && verdict === 'undecided')
      assert.is(verdictOf(interval, threshold), 'undecided', name)
}

const noise: Effect = (process) => 0.002 * ((process * 7) % 5) - 0.004

test('equal builds: three processes, and nothing is looked at again', async () => {
  const { verdicts, campaign } = await follow({ effects: { a: noise, b: () => 0 } })
  assert.equal(verdicts, { a: 'same', b: 'same' })
  assert.is(campaign.processes, 3)
})

test('who looks slower in the screen alone is cleared by fresh processes', async () => {
  const { verdicts, campaign } = await follow({
    effects: { a: (process) => (process < 3 ? 0.1 + noise(process) : noise(process)) },
  })
  assert.equal(verdicts, { a: 'same' })
  assert.is(campaign.processes, 8)
})

test('who looks slower only after more processes is confirmed too', async () => {
  const effects = { a: (process: number) => [0.1, -0.1, 0][process] ?? 0.3 + noise(process) }
  const { verdicts, campaign } = await follow({ effects })
  assert.equal(verdicts, { a: 'slower' })
  assert.is(campaign.rows[0].measured.length, 5, 'fresh ones decide')
  const faster = { a: (process: number) => -(effects.a(process) / 2) }
  assert.equal((await follow({ effects: faster })).verdicts, { a: 'faster' })
})

test('suspects that there seemed to be no time for are confirmed when time is left', async () => {
  const slow: Effect = (process) => 0.1 + noise(process)
  const effects = { a: slow, b: slow, c: slow, d: slow }
  // In 100 s, five processes for two of the four seem to fit.
  for (const isThorough of [true, false]) {
    const { verdicts } = await follow({ effects, spentMs: 7000 }, { isThorough })
    assert.equal(verdicts, { a: 'slower', b: 'slower', c: 'slower', d: 'slower' })
  }
})

test('without time to confirm, the screen accuses at a stricter level', async () => {
  const hurried = (scale: number) =>
    follow(
      { effects: { a: (process) => 0.1 + scale * noise(process) }, takesMs: 1000 },
      { seconds: 3 },
    )
  assert.equal((await hurried(1)).verdicts, { a: 'slower' })
  // At 95 % this interval lies beyond the threshold too.
  const { verdicts, campaign } = await hurried(5)
  assert.equal(verdicts, { a: 'undecided' })
  checkRows(campaign.rows)
})

test('the screen ends with the time', async () => {
  const { campaign } = await follow({ effects: { a: noise }, takesMs: 60_000 }, { seconds: 50 })
  assert.is(campaign.processes, 1)
})

test('densities stand beside figures; builds with other spikes are named', async () => {
  const { campaign } = await follow({ effects: { a: noise, b: noise, c: noise } })
  const told = {
    a: ['rate 0.1', 'rate 0.1'],
    b: ['rate 0.1', 'rate 0.2'],
    c: [undefined, 'rate 0'],
  }
  const rows = campaign.rows.map((row) => ({
    ...row,
    measured: row.measured.map((one) => ({
      ...one,
      densities: told[row.name as keyof typeof told],
    })),
  }))
  const { table, entries, notes } = resultOf(
    { ...campaign, rows },
    { mine: 'new', other: 'old', threshold: 0.02 },
  )
  assert.equal(table.rows.map((row) => [row[0], row[table.head.indexOf('density')]]).sort(), [
    ['a', 'rate 0.1'],
    ['b', 'rate 0.1'],
    ['c', ''],
  ])
  assert.match(entries.find(({ name }) => name === 'a')?.extra ?? '', /\nrate 0\.1\n/)
  const differing = notes.filter((note) => note.startsWith('not the same spikes'))
  assert.equal(differing, ['not the same spikes: b: rate 0.1 in this build, rate 0.2 in the other'])
})

test('what scatters stays undecided, and looks end', async () => {
  const wild: Effect = (process) => (process % 2 === 0 ? 0.3 : -0.3)
  const { verdicts, campaign } = await follow({ effects: { a: wild, b: noise } })
  assert.equal(verdicts, { a: 'undecided', b: 'same' })
  checkRows(campaign.rows)
  assert.ok(campaign.processes <= 3 + 9 + 4 * 16, `${campaign.processes}`)
})

test.run()
