/** A real Redis for tests, on loopback, in a folder of its own. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

export async function startRedis(more: readonly string[] = []): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-redis-'))
  const port = await freePort()
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
      started.once('exit', () => reject(new Error(`redis-server ended: ${said}`)))
    })
  }
  const kill = async (): Promise<void> => {
    const ending = child
    child = undefined
    if (!ending || ending.exitCode !== null) return
    const ended = new Promise<void>((resolve) => ending.once('exit', () => resolve()))
    ending.kill('SIGKILL')
    await ended
  }
  await start()
  return {
    ...{ url: `redis://127.0.0.1:${port}`, port, folder, kill, start },
    async stop() {
      await kill()
      process.off('exit', leave)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
