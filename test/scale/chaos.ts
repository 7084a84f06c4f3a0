/**
 * A sweep over a real Redis whose workers are killed amid their runs, and Redis too: its weights
 * are those of runs that were left alone.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseLines, run } from '../cli/command.js'
import { run as runHere } from '../cli/in-process.js'
import { type FolderKind, folderKinds } from '../support/data-folders.js'
import { weightsHash } from '../support/runs.js'
import { HERE, type SceneOptions, withScene } from './victims.js'

export { Victim } from './victims.js'

export interface ScaleChaosOptions extends SceneOptions {
  readonly runs: number
  /** For each worker. */
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
  /** Runs that went on where another worker was, and those that could not. */
  readonly continued: number
  readonly anew: number
}

const kebab = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** Options of a kind of data, as a sweep has them. */
function optionsOf(kind: FolderKind): Record<string, string | number | boolean> {
  const flags = ` ${folderKinds[kind].args.join(' ')}`.split(' --').slice(1)
  const entries = flags.map((flag) => {
    const [name, value] = flag.split(' ')
    const key = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
    return [key, value === undefined ? true : Number.isNaN(Number(value)) ? value : Number(value)]
  })
  return Object.fromEntries(entries)
}

/** Hash of the weights of `spikewasm train` with these options. */
export async function hashAlone(
  options: object,
  folder: string,
  more: readonly string[] = [],
): Promise<string> {
  const args = Object.entries(options).flatMap(([name, value]) =>
    value === true ? [kebab(name)] : [kebab(name), String(value)],
  )
  const { code, stderr } = await runHere([
    ...['train', ...args, ...more, '--out', folder, '--json', '--no-report'],
  ])
  if (code !== 0) throw new Error(`the run alone ended with ${code}: ${stderr}`)
  return weightsHash(folder)
}

export const scaleChaos = (options: ScaleChaosOptions): Promise<ScaleChaosResult> =>
  withScene(options, async (scene) => {
    const { runs, workers, kills, limitTrain = 640, data } = options
    // Few samples make many checkpoints: one is handed over each second.
    const { epochs = data ? 400 : 6 } = options
    const { folder, redis, victims, print } = scene
    const digits = { limitTrain, limitTest: 100 }
    const own = data ? { ...optionsOf(data), model: 'mlp', batchSize: 2 } : digits
    const base = { epochs, timeSteps: 2, threads: 1, ...own }
    const place = data ? ['--data', join(folder, HERE)] : []
    const lrs = [0.1, 0.2].slice(0, runs)
    const seeds = Array.from({ length: Math.ceil(runs / lrs.length) }, (_, i) => i + 1)
    const spec = join(folder, 'sweep.json')
    await writeFile(spec, JSON.stringify({ base, grid: { lr: lrs, seed: seeds } }))
    const sweep = async () => {
      const out = join(folder, 'out')
      const result = await run([
        ...['sweep', spec, '--out', out, '--redis', redis.url, '--json', ...place],
      ])
      scene.isOver = true
      return result
    }
    scene.start()
    const [{ stdout, stderr, code }] = await Promise.all([
      sweep(),
      scene.restart(() => scene.killed >= workers * kills * 0.4),
      scene.torment({ kills, apart: 500, into: data ? 6000 : 1500 }),
    ])
    if (code !== 0) throw new Error(`the sweep ended with ${code}: ${stderr}${stdout}`)
    const lines = parseLines(stdout).filter(({ final }) => !final)
    await Promise.all(victims.map((victim) => victim.end('SIGTERM')))
    let equal = 0
    for (const [i, { id, options: of, weightsSha256 }] of lines.entries()) {
      const alone = await hashAlone(of as object, join(folder, `alone${i}`), place)
      if (alone === weightsSha256) equal++
      else print(`${id}: ${weightsSha256}, alone ${alone}`)
    }
    const ids = new Set(lines.map(({ id }) => id))
    if (ids.size !== lines.length) throw new Error('a run is in the table twice')
    const { killed, restarts } = scene
    const count = (what: RegExp): number =>
      victims.reduce((sum, { said }) => sum + (said.match(what)?.length ?? 0), 0)
    return {
      ...{ runs: lrs.length * seeds.length, lines: lines.length, equal, kills: killed, restarts },
      ...{ continued: count(/: goes on with/g), anew: count(/: begins anew/g) },
    }
  })
