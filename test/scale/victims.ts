/** What tests of deaths share: workers that are killed at work, and a Redis that is killed too. */

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { main } from '../cli/command.js'
import { removeFolder } from '../files/temporary.js'
import { type FolderKind, folderKinds, writeData } from '../support/data-folders.js'
import { testRandom } from '../support/engine.js'
import { Program } from '../support/program.js'
import { startRedis, type TestRedis } from '../support/redis.js'

/** A worker that can be killed and started again; its `--lock-duration` is short. */
export class Victim {
  private program: Program | undefined
  private before = ''

  constructor(private readonly args: readonly string[]) {}

  start(): void {
    this.before = this.said
    const own = ['--lock-duration', '2', '--time-limit', '600']
    this.program = new Program([main, 'worker', ...own, ...this.args])
  }

  /** Waits; throws when its process has ended before. */
  async until(isSo: () => boolean): Promise<void> {
    if (!this.program) throw new Error('the worker has not begun')
    await this.program.until(isSo)
  }

  says(text: string): Promise<void> {
    return this.until(() => this.said.includes(text))
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    await this.program?.end(signal)
  }

  /** Whether it is doing a job now, as far as it has said; what a dead one has begun is over. */
  get isBusy(): boolean {
    const [begun, done] = [/: begins/g, /: (done|lock lost|worker ends)/g].map(
      (pattern) => this.program?.said.match(pattern)?.length ?? 0,
    )
    return begun > done
  }

  /** What it and those before it have said. */
  get said(): string {
    return this.before + (this.program?.said ?? '')
  }
}

/** How workers are killed. */
export interface Torment {
  /** For each worker. */
  readonly kills: number
  /** Milliseconds that pass between two kills of a worker at most. */
  readonly apart: number
  /** Milliseconds that a job goes on at most before its worker is killed. */
  readonly into: number
}

/** Workers at a Redis, and those who kill them. */
export class Scene {
  killed = 0
  restarts = 0
  /** Whether there is nothing more to disturb. */
  isOver = false
  private isRedisAway = false

  constructor(
    readonly folder: string,
    readonly redis: TestRedis,
    readonly victims: readonly Victim[],
    /** 0…1 (1 excluded) */
    readonly random: () => number,
    readonly print: (line: string) => void,
  ) {}

  start(): void {
    for (const victim of this.victims) victim.start()
  }

  /** Kills each worker while it is at work, at random moments. */
  async torment({ kills, apart, into }: Torment): Promise<void> {
    const { victims, random, print } = this
    const one = async (victim: Victim): Promise<void> => {
      for (let i = 0; i < kills; i++) {
        await pause(random() * apart)
        for (let waited = 0; !victim.isBusy && !this.isOver && waited < 120_000; waited += 10)
          await pause(10)
        await pause(random() * into)
        if (this.isOver) return
        await victim.end('SIGKILL')
        print(`killed a worker, ${++this.killed}`)
        await this.untilRedis()
        victim.start()
      }
    }
    await Promise.all(victims.map(one))
  }

  /** Waits while Redis is away: what begins then ends at once, and rightly so. */
  async untilRedis(): Promise<void> {
    while (this.isRedisAway) await pause(20)
  }

  /** Kills Redis once, when it is time, and starts it again. */
  async restart(isTime: () => boolean | Promise<boolean>): Promise<void> {
    while (!this.isOver && !(await isTime())) await pause(20)
    if (this.isOver) return
    this.isRedisAway = true
    await this.redis.kill()
    this.print('killed Redis')
    await pause(300 + this.random() * 1200)
    await this.redis.start()
    this.isRedisAway = false
    this.restarts++
  }
}

export interface SceneOptions {
  readonly workers: number
  readonly seed: number
  /** Arguments of a worker behind the address. */
  readonly worker?: readonly string[]
  /** Data in folders: each machine has them, under another path and at another time. */
  readonly data?: FolderKind
  print?(line: string): void
}

/** The data of who waits for the workers, below the scene's folder. */
export const HERE = join('here', 'data')

/** What the command calls a data set. */
const nameOf = (kind: FolderKind): string => folderKinds[kind].args[1]

/** A folder, a Redis and workers that have not begun; all of it ends with what `play` does. */
export async function withScene<T>(
  { workers, seed, worker = [], data, print = () => {} }: SceneOptions,
  play: (scene: Scene) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-chaos-'))
  const redis = await startRedis()
  const victims = await Promise.all(
    Array.from({ length: workers }, async (_, i) => {
      const own = join(folder, `machine ${i}`, `sets of ${i}`)
      if (data) await writeData(join(own, nameOf(data)), data)
      const place = data ? ['--data', own] : []
      return new Victim(['--redis', redis.url, ...worker, ...place])
    }),
  )
  if (data) await writeData(join(folder, HERE), data)
  const scene = new Scene(folder, redis, victims, testRandom(seed * 7919 + 5), print)
  try {
    return await play(scene)
  } finally {
    scene.isOver = true
    await Promise.all(victims.map((victim) => victim.end('SIGKILL')))
    await redis.stop()
    await removeFolder(folder)
  }
}
