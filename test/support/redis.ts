/** A real Redis for tests, on loopback, in a folder of its own. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeFolder } from '../files/temporary.js'

/** Why there is none; undefined where there is. */
export function noRedis(): string | undefined {
  const { error } = spawnSync('redis-server', ['--version'])
  return error ? 'redis-server is not installed (apt-get install redis-server)' : undefined
}

export interface TestRedis {
  readonly url: string
  readonly port: number
  readonly folder: string
  /** SIGKILL. */
  kill(): Promise<void>
  /** On the same port, with what its append-only file holds. */
  start(): Promise<void>
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

/**
 * Below the ports that a system gives out by itself: else another server, or a client that looks for
 * a Redis that is away, may get the port of a Redis that is about to start.
 */
const [FIRST_PORT, LAST_PORT] = [20_000, 32_000]

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT))
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}

/** Another process may have taken the port in between: then it is tried with others. */
const ATTEMPTS = 5

export async function startRedis(more: readonly string[] = []): Promise<TestRedis> {
  for (let attempt = 1; ; attempt++)
    try {
      return await startAt(await freePort(), more)
    } catch (error) {
      if (attempt === ATTEMPTS || !/Address already in use/.test(String(error))) throw error
    }
}

async function startAt(port: number, more: readonly string[]): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-redis-'))
  let child: ChildProcess | undefined
  const args = [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
    ...['--appendonly', 'yes', '--save', '', ...more],
  ]
  // Does not outlive the tests.
  const leave = (): void => void child?.kill('SIGKILL')
  process.once('exit', leave)
  const start = async (): Promise<void> => {
    const started = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    let said = ''
    await new Promise<void>((resolve, reject) => {
      started.stdout?.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-4000)
        if (said.includes('Ready to accept connections')) resolve()
      })
      started.once('error', reject)
      // Behind all that it has said.
      started.once('close', () => reject(new Error(`redis-server ended: ${said}`)))
    })
  }
  const kill = async (): Promise<void> => {
    const ending = child
    child = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const ended = new Promise<void>((resolve) => ending.once('exit', () => resolve()))
    ending.kill('SIGKILL')
    await ended
  }
  const stop = async (): Promise<void> => {
    await kill()
    process.off('exit', leave)
    await removeFolder(folder)
  }
  await start().catch(async (error) => {
    await stop()
    throw error
  })
  return { url: `redis://127.0.0.1:${port}`, port, folder, kill, start, stop }
}
