/**
 * A training in rounds at a real Redis whose workers are killed, its own process too, and Redis:
 * its weights are those of a training that was left alone, to the bit.
 */

import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readManifest } from '../../src/files/folder/read.js'
import { main, parseLines, run } from '../cli/command.js'
import { folderKinds } from '../support/data-folders.js'
import { Program } from '../support/program.js'
import { weightsHash, withoutTimes } from '../support/runs.js'
import { HERE, type SceneOptions, withScene } from './victims.js'

export interface RoundsChaosOptions extends SceneOptions {
  readonly replicas: number
  readonly syncEvery: number
  /** For each worker, and for the process of `train`. */
  readonly kills: number
  readonly epochs: number
  readonly compress?: string
}

export interface RoundsChaosResult {
  /** Whether weights and records are those of the training alone. */
  readonly isEqual: boolean
  readonly rounds: number
  /** For workers. */
  readonly kills: number
  /** For the process of `train`. */
  readonly trainKills: number
  readonly restarts: number
}

/** Weights and records of a run. */
const outcomeOf = async (folder: string): Promise<string> => {
  const lines = parseLines(await readFile(join(folder, 'history.jsonl'), 'utf8'))
  return JSON.stringify([await weightsHash(folder), withoutTimes(lines)])
}

/** How often the run in a folder has been written; a round writes it once at least. */
const generationOf = async (folder: string): Promise<number> =>
  (await readManifest(folder).catch(() => undefined))?.generation ?? 0

/** Samples of the digits, so that an epoch of 46 steps ends with a shorter round. */
const SAMPLES = 1400
const BATCH = 15
/** The same of data in folders. */
const FOLDER = [40, 2]

export const roundsChaos = (options: RoundsChaosOptions): Promise<RoundsChaosResult> =>
  withScene({ ...options, worker: ['--kinds', 'rounds'] }, async (scene) => {
    const { replicas, syncEvery, kills, epochs, compress = 'int8', data } = options
    const { folder, redis, random, print } = scene
    const [alone, out] = [join(folder, 'alone'), join(folder, 'out')]
    const [samples, batch] = data ? FOLDER : [SAMPLES, BATCH]
    const digits = ['--limit-train', String(SAMPLES), '--limit-test', '100']
    const own = data ? [...folderKinds[data].args, '--model', 'mlp'] : digits
    let here = HERE
    const training = [
      ...['train', '--epochs', String(epochs), '--threads', '1', '--json', '--no-report'],
      ...[...own, '--batch-size', String(batch)],
      ...['--replicas', String(replicas), '--sync-every', String(syncEvery)],
      ...['--compress', compress],
    ]
    const place = (): string[] => (data ? ['--data', here] : [])
    const left = await run([...training, ...place(), '--out', alone], { cwd: folder })
    if (left.code !== 0) throw new Error(`the run alone ended with ${left.code}: ${left.stderr}`)
    const wanted = await outcomeOf(alone)
    let trainKills = 0
    /** What the process of `train` began from: it is connected once it has written more. */
    let begun = Number.POSITIVE_INFINITY
    /** Trains until it has ended by itself; it is killed in between, and goes on. */
    const train = async (): Promise<void> => {
      for (let i = 0; ; i++) {
        const before = await generationOf(out)
        if (data && before > 0) {
          const moved = `moved ${i}`
          await rename(join(folder, here), join(folder, moved))
          here = moved
        }
        const args = before === 0 ? [...training, '--out', out] : ['train', '--resume', out]
        const json = before === 0 ? [] : ['--json', '--no-report']
        const all = [main, ...args, ...place(), ...json, '--redis', redis.url]
        await scene.untilRedis()
        begun = before
        const program = new Program(all, { cwd: folder })
        if (i < kills) {
          while ((await generationOf(out)) < before + 2 && !program.isOver) await pause(10)
          await pause(random() * 200)
          if (!program.isOver && program.child.kill('SIGKILL'))
            print(`killed the process of train, ${++trainKills}`)
        }
        const { code, stderr } = await program.ended
        begun = Number.POSITIVE_INFINITY
        if (code === 0) break
        if (code !== null) throw new Error(`train ended with ${code}: ${stderr}`)
      }
      scene.isOver = true
    }
    scene.start()
    await Promise.all([
      train(),
      scene.restart(async () => {
        const now = await generationOf(out)
        return now >= 4 && now > begun
      }),
      scene.torment({ kills, apart: 4000, into: 100 }),
    ])
    const found = await outcomeOf(out)
    if (found !== wanted) print(`${found}, alone ${wanted}`)
    const steps = Math.floor(Math.floor(samples / batch) / replicas)
    const rounds = epochs * Math.ceil(steps / syncEvery)
    const { killed, restarts } = scene
    return { isEqual: found === wanted, rounds, kills: killed, trainKills, restarts }
  })
