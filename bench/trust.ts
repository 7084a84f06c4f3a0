/**
 * npm run bench:trust: can comparisons be trusted? Equal builds are compared many times, and alarms
 * are counted; then builds with a slow-down in one kernel, and those that were found are counted.
 */

import '../src/model/node.js'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { selectionOf } from '../src/bench/benchmark.js'
import { compareBaseline, makeBaseline, writeBaseline } from '../src/bench/compare/baseline.js'
import { ownRoot } from '../src/bench/compare/builds.js'
import type { Campaign, Row } from '../src/bench/compare/campaign.js'
import { change, compareAgainst } from '../src/bench/compare/command.js'
import type { CompareOptions } from '../src/bench/compare/options.js'
import { percent } from '../src/bench/report.js'
import { exitOnSignals } from '../src/cli/interrupt.js'
import { copyBuild, isOf, moveCode, slowDown, targets } from './slow-build.js'

/** Statements of functions that move the code of an equal build, at most. */
const MOST_DEAD = 400
/** Rounds of the first loop that slows a kernel down, and so often its length is set. */
const [FIRST_ROUNDS, MOST_ATTEMPTS] = [200, 6]

/** Two builds that are ready to be compared, and which row counts as found. */
interface Trial {
  readonly label: string
  compare(): Promise<{ readonly campaign: Campaign }>
  counts(row: Row): boolean
}

const number = (text: string): number => Number(text)
const args = new Command('bench:trust')
  .description('Count false alarms of comparisons, and slow-downs that they find.')
  .option('--runs <n>', 'comparisons', number, 20)
  .option('--slow <percent>', 'compare builds with a kernel slower by so much', number)
  .option('--seconds <n>', 'budget of a comparison', number, 100)
  .option('--hog', 'another process keeps one processor at full load', false)
  .option('--baseline', 'compare with a baseline that is made first, without a hog', false)
  .option('--filter <text>', 'only benchmarks whose name contains the text')
  .parse()
  .opts<{
    readonly runs: number
    readonly slow?: number
    readonly seconds: number
    readonly hog: boolean
    readonly baseline: boolean
    readonly filter?: string
  }>()
const { seconds, filter } = args
const options: CompareOptions = { selection: selectionOf({}), seconds, filter }
const folder = mkdtempSync(join(tmpdir(), 'bench-trust-'))
const copy = join(folder, 'copy')

async function* equalBuilds(): AsyncGenerator<Trial> {
  const path = join(folder, 'baseline.json')
  if (args.baseline) await writeBaseline(path, await makeBaseline(options))
  for (let run = 1; run <= args.runs; run++) {
    if (!args.baseline) moveCode(copy, 1 + Math.floor(MOST_DEAD * Math.random()))
    yield {
      label: `equal ${run}`,
      compare: () =>
        args.baseline ? compareBaseline(path, options) : compareAgainst(copy, options),
      counts: () => true,
    }
  }
}

/**
 * Puts a slow-down into a kernel: measures what a loop costs, and sets its length.
 * @returns the effect of a long measurement, as a fraction
 */
async function calibrate(op: string, benchmark: string, wanted: number): Promise<number> {
  let rounds = FIRST_ROUNDS
  for (let attempt = 0; ; attempt++) {
    slowDown(copy, op, rounds)
    const long = { ...options, root: copy, filter: benchmark, seconds: 20 }
    const { campaign } = await compareAgainst(ownRoot(), long)
    const row = campaign.rows.find(({ name }) => name === benchmark)
    if (!row?.interval) throw new Error(`${benchmark} could not be measured`)
    const effect = Math.expm1(row.interval.effect)
    if (attempt === MOST_ATTEMPTS || Math.abs(effect / wanted - 1) < 0.1) return effect
    const factor = Math.min(20, Math.max(0.05, wanted / Math.max(effect, 0.002)))
    rounds = Math.max(1, Math.round(rounds * factor))
  }
}

async function* slowerBuilds(wanted: number): AsyncGenerator<Trial> {
  const { filter = '', runs } = args
  const chosen = targets.filter(([, name]) => name.includes(filter))
  if (chosen.length === 0) throw new Error(`no kernel that can be made slower fits "${filter}"`)
  for (let [run, made] = [1, 0]; made < runs && run <= 2 * runs; run++) {
    const [op, benchmark] = chosen[(run - 1) % chosen.length]
    const effect = await calibrate(op, benchmark, wanted)
    if (!(effect > 0.8 * wanted && effect < 1.4 * wanted)) {
      console.log(`left out: ${benchmark} could only be made slower by ${change(effect)}`)
      continue
    }
    made++
    yield {
      label: `slower ${run} (${benchmark}, by ${(100 * effect).toFixed(1)} %)`,
      compare: () => compareAgainst(ownRoot(), { ...options, root: copy }),
      counts: ({ name }) => isOf(name, benchmark),
    }
  }
}

/** One line of a run. */
const describeRun = (label: string, { rows, failed, seconds, others }: Campaign): string =>
  [
    `${label}: ${seconds.toFixed(0)} s, others ${percent(others)}`,
    `${rows.filter(({ verdict }) => verdict === 'same').length} same of ${rows.length}`,
    ...rows
      .filter(({ verdict }) => verdict === 'slower' || verdict === 'faster')
      .map(({ name, verdict, interval }) => `${verdict}: ${name} ${change(interval?.effect ?? 0)}`),
    ...[...failed].map(([name, reason]) => `failed: ${name}: ${reason}`),
  ].join('; ')

exitOnSignals()
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
copyBuild(copy)
const { slow } = args
let [found, runs] = [0, 0]
for await (const trial of slow === undefined ? equalBuilds() : slowerBuilds(slow / 100)) {
  // A process that keeps one processor at full load.
  const hog = args.hog && spawn(process.execPath, ['-e', 'while (true);'], { stdio: 'ignore' })
  try {
    const { campaign } = await trial.compare()
    const isFound = campaign.rows.some((row) => row.verdict === 'slower' && trial.counts(row))
    found += Number(isFound)
    runs++
    const verdict = slow === undefined ? '' : isFound ? 'FOUND ' : 'MISSED '
    console.log(verdict + describeRun(trial.label, campaign))
  } finally {
    if (hog) hog.kill('SIGKILL')
  }
}
console.log(
  slow === undefined ? `${found} false alarms in ${runs} runs` : `found in ${found} of ${runs}`,
)
