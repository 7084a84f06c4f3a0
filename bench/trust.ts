/**
 * npm run bench:trust: can comparisons be trusted? Equal builds are compared many times, and alarms
 * are counted; then builds with a slow-down in one kernel, and those that were found are counted.
 */
import '../src/model/node.js'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { selectionOf } from '../src/bench/benchmark.js'
import { compareBaseline, makeBaseline, writeBaseline } from '../src/bench/compare/baseline.js'
import { ownRoot } from '../src/bench/compare/builds.js'
import type { Campaign } from '../src/bench/compare/campaign.js'
import { compareAgainst } from '../src/bench/compare/command.js'
import type { CompareOptions } from '../src/bench/compare/options.js'
import { change } from '../src/bench/compare/result.js'
import { percent } from '../src/bench/report.js'
import { exitOnSignals } from '../src/cli/interrupt.js'
import { copyBuild, isOf, moveCode, slowDown, targets } from './slow-build.js'

interface TrustArguments {
  readonly runs: number
  readonly slow?: number
  readonly seconds: number
  readonly hog: boolean
  readonly baseline: boolean
  readonly filter?: string
}

/** Statements of functions that move the code of an equal build, at most. */
const MOST_DEAD = 400

/** A process that keeps one processor at full load. */
const startHog = (): ChildProcess =>
  spawn(process.execPath, ['-e', 'while (true);'], { stdio: 'ignore' })

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

/** Compares equal builds. @returns runs with a false alarm */
async function compareEqual(
  args: TrustArguments,
  folder: string,
  options: CompareOptions,
): Promise<number> {
  const copy = join(folder, 'equal')
  copyBuild(copy)
  const baseline = join(folder, 'baseline.json')
  if (args.baseline) await writeBaseline(baseline, await makeBaseline(options))
  const hog = args.hog ? startHog() : undefined
  let alarms = 0
  try {
    for (let run = 1; run <= args.runs; run++) {
      if (!args.baseline) moveCode(copy, 1 + Math.floor(MOST_DEAD * Math.random()))
      const { campaign } = args.baseline
        ? await compareBaseline(baseline, options)
        : await compareAgainst(copy, options)
      alarms += Number(campaign.rows.some(({ verdict }) => verdict === 'slower'))
      console.log(describeRun(`equal ${run}`, campaign))
    }
  } finally {
    hog?.kill('SIGKILL')
  }
  return alarms
}

const FIRST_ROUNDS = 200
const MOST_ATTEMPTS = 6

/**
 * Puts a slow-down into a kernel: measures what a loop costs, and sets its length.
 * @returns the effect of a long measurement, as a fraction
 */
async function calibrate(
  slow: string,
  [op, benchmark]: readonly [string, string],
  wanted: number,
  options: CompareOptions,
): Promise<number> {
  let rounds = FIRST_ROUNDS
  for (let attempt = 0; ; attempt++) {
    slowDown(slow, op, rounds)
    const { campaign } = await compareAgainst(ownRoot(), {
      ...options,
      root: slow,
      filter: benchmark,
      seconds: 20,
    })
    const row = campaign.rows.find(({ name }) => name === benchmark)
    if (!row?.interval) throw new Error(`${benchmark} could not be measured`)
    const effect = Math.expm1(row.interval.effect)
    if (attempt === MOST_ATTEMPTS || Math.abs(effect / wanted - 1) < 0.1) return effect
    const factor = Math.min(20, Math.max(0.05, wanted / Math.max(effect, 0.002)))
    rounds = Math.max(1, Math.round(rounds * factor))
  }
}

/** Whether a slow-down is near enough to what was wanted. */
const isNear = (effect: number, wanted: number): boolean =>
  effect > 0.8 * wanted && effect < 1.4 * wanted

/** Compares slower builds. @returns runs in which the slower kernel itself was found */
async function compareSlower(
  args: TrustArguments & { slow: number },
  folder: string,
  options: CompareOptions,
): Promise<string> {
  const slow = join(folder, 'slow')
  copyBuild(slow)
  const { filter = '' } = args
  const chosen = targets.filter(([, name]) => name.includes(filter))
  if (chosen.length === 0) throw new Error(`no kernel that can be made slower fits "${filter}"`)
  let [found, made] = [0, 0]
  for (let run = 1; made < args.runs && run <= 2 * args.runs; run++) {
    const target = chosen[(run - 1) % chosen.length]
    const wanted = args.slow / 100
    const effect = await calibrate(slow, target, wanted, options)
    if (!isNear(effect, wanted)) {
      console.log(`left out: ${target[1]} could only be made slower by ${change(effect)}`)
      continue
    }
    made++
    const hog = args.hog ? startHog() : undefined
    try {
      const { campaign } = await compareAgainst(ownRoot(), { ...options, root: slow })
      const isFound = campaign.rows.some(({ name, verdict }) => {
        return verdict === 'slower' && isOf(name, target[1])
      })
      found += Number(isFound)
      const label = `slower ${run} (${target[1]}, by ${(100 * effect).toFixed(1)} %)`
      console.log(`${isFound ? 'FOUND' : 'MISSED'} ${describeRun(label, campaign)}`)
    } finally {
      hog?.kill('SIGKILL')
    }
  }
  return `${found} of ${made}`
}

const number = (text: string): number => Number(text)

async function main(): Promise<void> {
  const program = new Command('bench:trust')
    .description('Count false alarms of comparisons, and slow-downs that they find.')
    .option('--runs <n>', 'comparisons', number, 20)
    .option('--slow <percent>', 'compare builds with a kernel slower by so much', number)
    .option('--seconds <n>', 'budget of a comparison', number, 100)
    .option('--hog', 'another process keeps one processor at full load', false)
    .option('--baseline', 'compare with a baseline that is made first, without a hog', false)
    .option('--filter <text>', 'only benchmarks whose name contains the text')
    .parse()
  const args = program.opts<TrustArguments>()
  const folder = mkdtempSync(join(tmpdir(), 'bench-trust-'))
  exitOnSignals()
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const options: CompareOptions = {
    selection: selectionOf({}),
    seconds: args.seconds,
    filter: args.filter,
  }
  const { slow, runs } = args
  if (slow === undefined)
    console.log(`${await compareEqual(args, folder, options)} false alarms in ${runs} runs`)
  else console.log(`found in ${await compareSlower({ ...args, slow }, folder, options)}`)
}

await main()
