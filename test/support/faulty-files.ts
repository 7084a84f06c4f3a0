/**
 * File operations below one folder that fail, or end the process, at a chosen one. The package
 * knows nothing of it: functions of node:fs/promises are replaced. Imported by node's --import with
 * SPIKEWASM_TEST_FAULT (JSON), it begins at once.
 */
import { promises } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { resolve, sep } from 'node:path'

/** An error before the operation, behind it, or amid a write; or the end of the process. */
export type Fault = 'ENOSPC' | 'EACCES' | 'EIO behind' | 'ENOSPC amid' | 'end' | 'end amid'

export interface FaultOptions {
  readonly folder: string
  /** Which operation, counted from 1; none: operations are only counted. */
  readonly at?: number
  readonly fault?: Fault
  /** How many operations in a row it hits; default 1. */
  readonly span?: number
  /** Ends the process by SIGKILL. Else operations stop for ever, as in a process that is dead. */
  readonly kill?: boolean
}

export interface Faulty {
  /** Operations so far, by name and file. */
  readonly operations: string[]
  /** Resolves when all operations have stopped. */
  readonly ended: Promise<void>
  /** Operations are again what they were. */
  stop(): Promise<void>
}

type Operation = (...args: never[]) => Promise<unknown>
type Operations = Record<string, Operation>

const names = ['open', 'writeFile', 'readFile', 'readdir', 'stat', 'rename', 'link', 'rm']
const more = ['unlink', 'mkdir', 'rmdir']

const never = (): Promise<never> => new Promise(() => {})

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: injected, ${what}`), { code })
}

export function makeFaulty({
  folder,
  at = Number.POSITIVE_INFINITY,
  fault,
  span = 1,
  kill = false,
}: FaultOptions): Faulty {
  const root = resolve(folder)
  const below = (path: unknown): boolean =>
    typeof path === 'string' && `${resolve(path)}${sep}`.startsWith(root + sep)
  const original = promises as unknown as Operations
  const saved = { ...original }
  /** Files that were opened: closed at the end at the latest. */
  const closes: (() => Promise<unknown>)[] = []
  const operations: string[] = []
  let dead = false
  let tell = (): void => {}
  const ended = new Promise<void>((resolve) => {
    tell = resolve
  })
  const end = (): Promise<never> => {
    if (kill) process.kill(process.pid, 'SIGKILL')
    dead = true
    tell()
    return never()
  }

  /** @param half does a part of a write */
  async function pass(
    what: string,
    run: () => Promise<unknown>,
    half?: () => Promise<unknown>,
  ): Promise<unknown> {
    if (dead) return never()
    operations.push(what)
    const n = operations.length
    if (n < at || n >= at + span || fault === undefined) {
      const result = await run()
      return dead ? never() : result
    }
    const [kind, when] = fault.split(' ')
    if (when === 'behind') await run()
    if (when === 'amid') await half?.()
    if (kind === 'end') return end()
    throw failure(kind, what)
  }

  const isBytes = (data: unknown): data is Uint8Array | string =>
    typeof data === 'string' || data instanceof Uint8Array
  const halfOf = (data: unknown): Uint8Array | string =>
    isBytes(data) ? data.slice(0, data.length >> 1) : ''

  function wrapHandle(handle: FileHandle, path: string): FileHandle {
    const close = handle.close.bind(handle)
    const write = handle.writeFile.bind(handle)
    return Object.assign(handle, {
      writeFile: (data: Uint8Array) =>
        pass(
          `write ${path}`,
          () => write(data),
          () => write(halfOf(data)),
        ),
      // The disk need not be asked: the process ends, not the system.
      sync: () => pass(`sync ${path}`, async () => {}),
      close: () => pass(`close ${path}`, close),
    })
  }

  for (const name of [...names, ...more]) {
    const run = saved[name] as (...args: unknown[]) => Promise<unknown>
    original[name] = async (...args: unknown[]) => {
      const path = args.find(below) as string | undefined
      if (path === undefined) return run(...args)
      const file = path.slice(root.length + 1)
      const half = name === 'writeFile' ? () => run(args[0], halfOf(args[1])) : undefined
      const whole = async (): Promise<unknown> => {
        const result = await run(...args)
        if (name === 'open') closes.push((result as FileHandle).close.bind(result))
        return result
      }
      const result = await pass(`${name} ${file}`, whole, half)
      return name === 'open' ? wrapHandle(result as FileHandle, file) : result
    }
  }
  syncBuiltinESMExports()
  return {
    operations,
    ended,
    async stop() {
      Object.assign(original, saved)
      syncBuiltinESMExports()
      for (const close of closes) await close().catch(() => {})
    },
  }
}

const asked = process.env.SPIKEWASM_TEST_FAULT
if (asked !== undefined) makeFaulty({ ...(JSON.parse(asked) as FaultOptions), kill: true })
