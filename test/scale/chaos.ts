/**
 * A sweep over a real Redis whose workers are killed amid their runs, and Redis too: its weights
 * are those of runs that were left alone.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseLines, run } from '../cli/command.js'
import { run as runHere } from '../cli/in-process.js'
import { weightsHash } from '../support/runs.js'
import { type SceneOptions, withScene } from './victims.js'

export { Victim } from './victims.js'

export interface ScaleChaosOptions extends SceneOptions {
  readonly runs: number
  /** Of each worker. */
  readonly kills: number
  /** Epochs of a run; default 6. */
  readonly epochs?: number
  readonly limitTrain?: number
}

export interface ScaleChaosResult {
  readonly runs: number
  /** Lines of the table; each run must have one. */
  readonly lines: number
  /** Runs whose weights have the hash of the run alone. */
  readonly equal: number
  readonly kills: number
  readonly restarts: number
}

const kebab = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** Hash of the weights of `spikewasm train` with these options. */
export async function hashAlone(options: object, folder: string): Promise<string> {
  const args = Object.entries(options).flatMap(([name, value]) => [kebab(name), String(value)])
  const { code, stderr } = await runHere([
    ...['train', ...args, '--out', folder, '--json', '--no-report'],
  ])
  if (code !== 0) throw new Error(`the run alone ended with ${code}: ${stderr}`)
  return weightsHash(folder)
}

export const scaleChaos = (options: ScaleChaosOptions): Promise<ScaleChaosResult> =>
  withScene(options, async (scene) => {
    const { runs, workers, kills, epochs = 6, limitTrain = 640 } = options
    const { folder, redis, victims, print } = scene
    const base = { epochs, limitTrain, limitTest: 100, timeSteps: 2, threads: 1 }
    const lrs = [0.1, 0.2].slice(0, runs)
    const seeds = Array.from({ length: Math.ceil(runs / lrs.length) }, (_, i) => i + 1)
    const spec = join(folder, 'sweep.json')
    await writeFile(spec, JSON.stringify({ base, grid: { lr: lrs, seed: seeds } }))
    const sweep = async () => {
      const out = join(folder, 'out')
      const result = await run(['sweep', spec, '--out', out, '--redis', redis.url, '--json'])
      scene.isOver = true
      return result
    }
    scene.start()
    const [{ stdout, stderr, code }] = await Promise.all([
      sweep(),
      scene.restart(() => scene.killed >= workers * kills * 0.4),
      scene.torment({ kills, apart: 500, into: 1500 }),
    ])
    if (code !== 0) throw new Error(`the sweep ended with ${code}: ${stderr}${stdout}`)
    const lines = parseLines(stdout).filter(({ final }) => !final)
    await Promise.all(victims.map((victim) => victim.end('SIGTERM')))
    let equal = 0
    for (const [i, { id, options: of, weightsSha256 }] of lines.entries()) {
      const alone = await hashAlone(of as object, join(folder, `alone${i}`))
      if (alone === weightsSha256) equal++
      else print(`${id}: ${weightsSha256}, alone ${alone}`)
    }
    const ids = new Set(lines.map(({ id }) => id))
    if (ids.size !== lines.length) throw new Error('a run is in the table twice')
    const { killed, restarts } = scene
    return { runs: lrs.length * seeds.length, lines: lines.length, equal, kills: killed, restarts }
  })
