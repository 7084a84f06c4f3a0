/**
 * Trainings that are killed again and again, by signals, failing files and dying workers, and go
 * on: they end with the bits of one that was left alone.
 */
import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseCheckpoint } from '../../src/files/checkpoint.js'
import { readManifest, readRunFiles } from '../../src/files/folder/folder.js'
import { removeFolder } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import type { Fault } from '../support/faulty-files.js'
import { firstDifference } from '../support/measure.js'
import { type Ended, Program } from '../support/program.js'
import type { ChildOptions } from './child.js'
import {
  between,
  describeScenario,
  pick,
  type Random,
  type Scenario,
  scenarioOf,
} from './scenario.js'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export interface ChaosOptions {
  readonly runs: number
  readonly seed: number
  /** Ends of each run before it is left alone. */
  readonly ends: number
  /** Only SIGKILL, so often as `ends` says; a run that is done begins anew until then. */
  readonly only?: 'kill'
  readonly print?: (line: string) => void
}

type Signal = 'SIGKILL' | 'SIGTERM' | 'SIGHUP' | 'SIGINT'

/** How a process is ended. */
interface Attack {
  readonly signal?: Signal
  /** The step of this process behind which the signal comes; 0: its start. */
  readonly step?: number
  /** Milliseconds behind that. */
  readonly delay?: number
  readonly fault?: { readonly at: number; readonly fault: Fault }
  readonly death?: number
}

interface End extends Ended {
  /** Whether it had begun to train. */
  readonly begun: boolean
}

/** No training takes as long. */
const HANGS_MS = 60_000
const PAUSE_MS = 6

/** SIGKILL: at a random moment, or at a random operation of files. */
function killOf(random: Random): Attack {
  if (random() < 0.25)
    return { fault: { at: between(random, 1, 130), fault: pick(random, ['end', 'end amid']) } }
  const step = random() < 0.25 ? 0 : between(random, 1, 8)
  const delay = random() * (step === 0 ? 700 : 2 * PAUSE_MS)
  return { signal: 'SIGKILL', delay, step }
}

function attackOf(random: Random, threads: number, { frames }: Scenario): Attack {
  const kind = random()
  if (kind < 0.1 && threads > 1) return { death: between(random, 1, 12) }
  if (kind < 0.5) {
    const ends = ['end', 'end', 'end amid'] as const
    // Loops of one's own read folders themselves.
    const faults = frames ? ends : (['ENOSPC', 'EIO behind', 'ENOSPC amid', ...ends] as const)
    return { fault: { at: between(random, 1, 130), fault: pick<Fault>(random, faults) } }
  }
  const signals = ['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGHUP', 'SIGINT'] as const
  const step = random() < 0.15 ? 0 : between(random, 1, 8)
  const delay = between(random, 0, step === 0 ? 500 : 2 * PAUSE_MS)
  return { signal: pick(random, signals), delay, step }
}

async function runChild(options: ChildOptions, attack: Attack = {}): Promise<End> {
  const { fault, signal, delay = 0, step = 0, death } = attack
  const faulty = fault ? ['--import', here('../support/faulty-files.js')] : []
  const told = fault && JSON.stringify({ folder: options.dir, ...fault })
  const env = { ...process.env, SPIKEWASM_ALL_THREADS: '1', SPIKEWASM_TEST_FAULT: told }
  const args = [...faulty, here('./child.js'), JSON.stringify({ ...options, death })]
  const { child, ended } = new Program(args, { env })
  let [steps, hangs] = [0, false]
  const timers = [
    setTimeout(() => {
      hangs = child.kill('SIGKILL')
    }, HANGS_MS),
  ]
  const later = (): void => {
    if (signal) timers.push(setTimeout(() => child.kill(signal), delay))
  }
  if (step === 0) later()
  // A dot a step.
  child.stdout?.on('data', ({ length }: string) => {
    if (steps < step && steps + length >= step) later()
    steps += length
  })
  const end = await ended
  for (const timer of timers) clearTimeout(timer)
  if (hangs) throw new Error(`hangs: ${JSON.stringify(options)}, ${JSON.stringify(attack)}`)
  return { ...end, begun: steps > 0 }
}

/** @throws Error for an end that no attack explains */
function expectEnd({ code, signal, stderr, begun }: End, attack: Attack): void {
  const killed = attack.fault?.fault.startsWith('end') || attack.signal === 'SIGKILL'
  const asked = attack.signal ? 128 + constants.signals[attack.signal] : undefined
  const fine =
    code === 0 ||
    (code === 1 && (attack.fault || attack.death) && /^[^\n]+\n$/.test(stderr)) ||
    (code !== null && code === asked) ||
    (signal === 'SIGKILL' && killed) ||
    // Before it listens.
    (signal !== null && signal === attack.signal && !begun)
  if (!fine) throw new Error(`ended with ${code ?? signal} by ${JSON.stringify(attack)}: ${stderr}`)
}

const times = ['stepMs', 'dataWaitMs', 'samplesPerSecond']

/** A file as a text, without times. */
async function timeless(path: string): Promise<string> {
  const bytes = await readFile(path)
  if (path.endsWith('.jsonl'))
    return `${bytes}`.replace(new RegExp(`"(${times.join('|')})":[^,]+,`, 'g'), '')
  if (!path.endsWith('.csv')) return bytes.toString('latin1')
  const [head, ...rows] = `${bytes}`.split('\n').map((line) => line.split(','))
  return [head, ...rows]
    .map((row) => row.filter((_, i) => !times.includes(head[i])).join(','))
    .join('\n')
}

/** The first of the files of two folders that differ, but for times. */
export async function differentFile(
  whole: string,
  broken: string,
  names: readonly string[],
): Promise<string | undefined> {
  for (const name of names)
    if ((await timeless(join(whole, name))) !== (await timeless(join(broken, name)))) return name
  return undefined
}

/** What differs between the folders of two runs that are done; undefined: nothing. */
async function differenceOf(
  whole: string,
  broken: string,
  { frames, csv }: Scenario,
): Promise<string | undefined> {
  if (frames) return differentFile(whole, broken, await readdir(whole))
  const files = ['weights.safetensors', 'best.safetensors', 'options.json', 'history.jsonl']
  const name = await differentFile(whole, broken, files)
  if (name !== undefined) return name
  // The table of csvLogger lies beside its folder.
  if (csv && (await timeless(`${whole}.csv`)) !== (await timeless(`${broken}.csv`)))
    return 'the table of csvLogger'
  const [a, b] = await Promise.all(
    [whole, broken].map(async (dir) =>
      parseCheckpoint(await readFile(join(dir, 'checkpoint.safetensors')), dir),
    ),
  )
  return firstDifference(a.tensors, b.tensors)
}

/** A folder is whole at any time. */
export async function expectWhole(dir: string): Promise<void> {
  const manifest = await readManifest(dir)
  if (manifest) await readRunFiles(dir, Object.keys(manifest.files))
}

/** How one was ended, by what, in words. */
function wordsOf({ signal, fault, death }: Attack, { code, signal: by }: End): string {
  const how = signal ?? (fault ? `${fault.fault} at ${fault.at}` : `worker at ${death}`)
  return `${how} (${code ?? by})`
}

/** Most attempts of a run that is killed so often as asked for: some come when it has ended. */
const ATTEMPTS = 5

/** One run: left alone, and ended `ends` times. */
async function chaosOf(
  scenario: Scenario,
  { ends, only }: Pick<ChaosOptions, 'ends' | 'only'>,
  folder: string,
): Promise<{ told: string[]; kills: number }> {
  const { seed } = scenario
  const random = testRandom(seed * 7919 + 13)
  const whole = join(folder, 'whole')
  const alone = await runChild({ seed, dir: whole, threads: 1, pause: 0 })
  if (alone.code !== 0)
    throw new Error(`the run alone (${alone.code ?? alone.signal}): ${alone.stderr}`)
  const told: string[] = []
  let kills = 0
  for (let round = 0; round === 0 || (only && kills < ends && round < ATTEMPTS); round++) {
    const broken = join(folder, `broken${round}`)
    const most = only ? ends * ATTEMPTS : ends
    for (let i = 0; i < most && (!only || kills < ends); i++) {
      const threads = between(random, 1, 2)
      const attack = only ? killOf(random) : attackOf(random, threads, scenario)
      const end = await runChild({ seed, dir: broken, threads, pause: PAUSE_MS }, attack)
      expectEnd(end, attack)
      await expectWhole(broken)
      if (end.signal === 'SIGKILL') kills++
      told.push(wordsOf(attack, end))
      if (end.code === 0) break
    }
    const last = await runChild({ seed, dir: broken, threads: 2, pause: 0 })
    if (last.code !== 0)
      throw new Error(
        `the last part (${last.code ?? last.signal}), behind ${told.join(', ')}: ${last.stderr}`,
      )
    const difference = await differenceOf(whole, broken, scenario)
    if (difference !== undefined)
      throw new Error(`${difference} differs, behind ${told.join(', ')}`)
  }
  return { told, kills }
}

export interface ChaosResult {
  readonly ends: number
  /** How many of these end by SIGKILL. */
  readonly kills: number
  readonly failures: readonly string[]
}

/** Runs, one after the other; each prints a line. */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const { runs, seed } = options
  return oneByOne(runs, seed, options.print, (of, folder) => {
    const scenario = scenarioOf(of)
    return { name: describeScenario(scenario), done: chaosOf(scenario, options, folder) }
  })
}

/** Each run in a folder of its own, which stays when it fails. */
export async function oneByOne(
  runs: number,
  seed: number,
  print: (line: string) => void = () => {},
  begin: (
    seed: number,
    folder: string,
  ) => { name: string; done: Promise<{ told: readonly string[]; kills: number }> },
): Promise<ChaosResult> {
  let [ends, kills] = [0, 0]
  const failures: string[] = []
  for (let run = 0; run < runs; run++) {
    const folder = await mkdtemp(join(tmpdir(), 'spikewasm-chaos-'))
    const { name, done } = begin(seed + run, folder)
    const title = `seed ${seed + run}: ${name}`
    try {
      const of = await done
      ends += of.told.length
      kills += of.kills
      print(`${title}: same bits behind ${of.told.join(', ')}`)
      await removeFolder(folder)
    } catch (error) {
      failures.push(`${title}: ${(error as Error).message}; see ${folder}`)
      print(`FAIL ${failures.at(-1)}`)
    }
  }
  return { ends, kills, failures }
}
