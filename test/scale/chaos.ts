/**
 * A sweep over a real Redis whose workers are killed amid their runs, and Redis too: its weights
 * are those of runs that were left alone.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { main, parseLines, run } from '../cli/command.js'
import { run as runHere } from '../cli/in-process.js'
import { testRandom } from '../support/engine.js'
import { startRedis } from '../support/redis.js'

export interface ScaleChaosOptions {
  readonly runs: number
  readonly workers: number
  /** Of each worker. */
  readonly kills: number
  readonly seed: number
  /** Epochs of a run; default 6. */
  readonly epochs?: number
  readonly limitTrain?: number
  print?(line: string): void
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
  const bytes = await readFile(join(folder, 'weights.safetensors'))
  return createHash('sha256').update(bytes).digest('hex')
}

/** A worker that can be killed and started again; its `--lock-duration` is short. */
export class Victim {
  private child: ChildProcess | undefined
  /** What all of them have said. */
  output = ''

  constructor(private readonly args: readonly string[]) {}

  start(): void {
    const child = spawn(
      process.execPath,
      [main, 'worker', '--lock-duration', '2', '--time-limit', '600', ...this.args],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    this.child = child
  }

  get pid(): number | undefined {
    return this.child?.pid
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this
    this.child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  /** Whether it is doing a run now, as far as it has said. */
  get isBusy(): boolean {
    const [begun, done] = [/: begins/g, /: (done|lock lost|worker ends)/g].map(
      (pattern) => this.output.match(pattern)?.length ?? 0,
    )
    return begun > done
  }

  /** What a dead one has begun is over. */
  forget(): void {
    this.output = ''
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export async function scaleChaos(options: ScaleChaosOptions): Promise<ScaleChaosResult> {
  const { runs, workers: count, kills, seed, epochs = 6, limitTrain = 640 } = options
  const { print = () => {} } = options
  const random = testRandom(seed * 7919 + 5)
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-scale-'))
  const redis = await startRedis()
  const victims = Array.from({ length: count }, () => new Victim(['--redis', redis.url]))
  let [killed, restarts, isOver] = [0, 0, false]
  try {
    const base = { epochs, limitTrain, limitTest: 100, timeSteps: 2, threads: 1 }
    const lrs = [0.1, 0.2].slice(0, runs)
    const seeds = Array.from({ length: Math.ceil(runs / lrs.length) }, (_, i) => i + 1)
    const spec = join(folder, 'sweep.json')
    await writeFile(spec, JSON.stringify({ base, grid: { lr: lrs, seed: seeds } }))
    const out = join(folder, 'out')
    const sweeping = run(['sweep', spec, '--out', out, '--redis', redis.url, '--json']).finally(
      () => {
        isOver = true
      },
    )
    for (const victim of victims) victim.start()
    /** Kills one when it is at work, at a random moment of it. */
    const torment = async (victim: Victim): Promise<void> => {
      for (let i = 0; i < kills; i++) {
        for (let waited = 0; !victim.isBusy && !isOver && waited < 120_000; waited += 50)
          await pause(50)
        await pause(random() * 1500)
        if (isOver) return
        await victim.end('SIGKILL')
        killed++
        print(`killed a worker, ${killed}`)
        victim.forget()
        await pause(random() * 500)
        victim.start()
      }
    }
    const restart = async (): Promise<void> => {
      while (killed < count * kills * 0.4 && !isOver) await pause(50)
      if (isOver) return
      await redis.kill()
      print('killed Redis')
      await pause(300 + random() * 1200)
      await redis.start()
      restarts++
    }
    const [{ stdout, stderr, code }] = await Promise.all([
      sweeping,
      restart(),
      ...victims.map(torment),
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
    const total = lrs.length * seeds.length
    if (ids.size !== lines.length) throw new Error('a run is in the table twice')
    return { runs: total, lines: lines.length, equal, kills: killed, restarts }
  } finally {
    await Promise.all(victims.map((victim) => victim.end('SIGKILL')))
    await redis.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
