/**
 * A training in rounds at a real Redis whose workers are killed, its own process too, and Redis:
 * its weights are those of a training that was left alone, to the bit.
 */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readManifest } from '../../src/io/folder/read.js'
import { main, parseLines, run } from '../cli/command.js'
import { testRandom } from '../support/engine.js'
import { startRedis } from '../support/redis.js'
import { Victim } from './chaos.js'

export interface RoundsChaosOptions {
  readonly replicas: number
  readonly syncEvery: number
  readonly workers: number
  /** Of each worker, and of the process of `train`. */
  readonly kills: number
  readonly seed: number
  readonly epochs: number
  readonly compress?: string
  print?(line: string): void
}

export interface RoundsChaosResult {
  /** Whether weights and records are those of the training alone. */
  readonly isEqual: boolean
  readonly rounds: number
  /** Of workers. */
  readonly kills: number
  /** Of the process of `train`. */
  readonly trainKills: number
  readonly restarts: number
}

interface Outcome {
  readonly hash: string
  /** What of the run's records is no time. */
  readonly records: string
}

async function outcomeOf(folder: string): Promise<Outcome> {
  const weights = await readFile(join(folder, 'weights.safetensors'))
  const lines = parseLines(await readFile(join(folder, 'history.jsonl'), 'utf8'))
  const records = lines.map(({ stepMs, dataWaitMs, samplesPerSecond, ...rest }) => rest)
  return {
    hash: createHash('sha256').update(weights).digest('hex'),
    records: JSON.stringify(records),
  }
}

/** How often the run in a folder has been written; a round writes it once at least. */
const generationOf = async (folder: string): Promise<number> =>
  (await readManifest(folder).catch(() => undefined))?.generation ?? 0

/** Samples of the digits, so that an epoch of 46 steps ends with a shorter round. */
const SAMPLES = 1400
const BATCH = 15

export async function roundsChaos(options: RoundsChaosOptions): Promise<RoundsChaosResult> {
  const { replicas, syncEvery, workers: count, kills, seed, epochs } = options
  const { compress = 'int8', print = () => {} } = options
  const random = testRandom(seed * 6007 + 3)
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-rounds-'))
  const [alone, out] = [join(folder, 'alone'), join(folder, 'out')]
  const training = [
    ...['train', '--epochs', String(epochs), '--threads', '1', '--json', '--no-report'],
    ...['--limit-train', String(SAMPLES), '--limit-test', '100', '--batch-size', String(BATCH)],
    ...['--replicas', String(replicas), '--sync-every', String(syncEvery), '--compress', compress],
  ]
  const redis = await startRedis()
  const place = ['--redis', redis.url]
  const victims = Array.from({ length: count }, () => new Victim([...place, '--kinds', 'rounds']))
  let [killed, trainKills, restarts, isOver] = [0, 0, 0, false]
  try {
    const left = await run([...training, '--out', alone])
    if (left.code !== 0) throw new Error(`the run alone ended with ${left.code}: ${left.stderr}`)
    const wanted = await outcomeOf(alone)
    for (const victim of victims) victim.start()
    /** Kills one when it is at work, at a random moment of it. */
    const torment = async (victim: Victim): Promise<void> => {
      for (let i = 0; i < kills; i++) {
        // Not all at the beginning.
        await pause(random() * 4000)
        for (let waited = 0; !victim.isBusy && !isOver && waited < 60_000; waited += 5)
          await pause(5)
        await pause(random() * 100)
        if (isOver) return
        await victim.end('SIGKILL')
        killed++
        print(`killed a worker, ${killed}`)
        victim.forget()
        victim.start()
      }
    }
    const restart = async (): Promise<void> => {
      while ((await generationOf(out)) < 4 && !isOver) await pause(20)
      if (isOver) return
      await redis.kill()
      print('killed Redis')
      await pause(300 + random() * 1200)
      await redis.start()
      restarts++
    }
    /** Trains until it has ended by itself; it is killed in between, and goes on. */
    const train = async (): Promise<void> => {
      for (let i = 0; ; i++) {
        const before = await generationOf(out)
        const args = before === 0 ? [...training, '--out', out] : ['train', '--resume', out]
        const json = before === 0 ? [] : ['--json', '--no-report']
        const child = spawn(process.execPath, [main, ...args, ...json, ...place], {
          stdio: ['ignore', 'ignore', 'pipe'],
        })
        let words = ''
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          words = (words + text).slice(-2000)
        })
        const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
        let hasEnded = false
        void ended.then(() => {
          hasEnded = true
        })
        if (i < kills) {
          while ((await generationOf(out)) < before + 2 && !hasEnded) await pause(10)
          await pause(random() * 200)
          if (!hasEnded && child.kill('SIGKILL')) {
            trainKills++
            print(`killed the process of train, ${trainKills}`)
          }
        }
        const code = await ended
        if (code === 0) break
        if (code !== null) throw new Error(`train ended with ${code}: ${words}`)
      }
      isOver = true
    }
    await Promise.all([train(), restart(), ...victims.map(torment)])
    const found = await outcomeOf(out)
    const isEqual = found.hash === wanted.hash && found.records === wanted.records
    if (!isEqual) print(`${JSON.stringify(found)}, alone ${JSON.stringify(wanted)}`)
    const steps = Math.floor(Math.floor(SAMPLES / BATCH) / replicas)
    const rounds = epochs * Math.ceil(steps / syncEvery)
    return { isEqual, rounds, kills: killed, trainKills, restarts }
  } finally {
    isOver = true
    await Promise.all(victims.map((victim) => victim.end('SIGKILL')))
    await redis.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
