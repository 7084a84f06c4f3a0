/** A file that says which process writes in a folder. */

import { link, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fail } from '../../base/errors.js'
import { randomHex } from '../../base/hash.js'

export const LOCK = 'run.lock'

/** Who holds a lock. */
interface Holder {
  readonly pid: number
  readonly host: string
  /** When the process began, in the system's own words; '' where the system does not tell. */
  readonly started: string
  /** Tells two locks of one process apart. */
  readonly nonce: string
}

/** How often a lock of a dead process is taken away before we give up. */
const TRIES = 50
/** So long a process that was killed may take to end: the system frees its memory. */
const ENDING_MS = 30_000

export class FolderLock {
  private constructor(
    private readonly path: string,
    private readonly nonce: string,
  ) {}

  /** The file that was ours when it was last read. */
  private known: string | undefined

  /**
   * Takes the lock of a folder. That of a process that has ended on this machine is taken at once.
   *
   * @throws SpikewasmError when another process holds it, or may hold it on another machine
   */
  static async take(folder: string): Promise<FolderLock> {
    const path = join(folder, LOCK)
    const nonce = randomHex(8)
    const { pid } = process
    const own: Holder = { pid, host: hostname(), started: await startOf(pid), nonce }
    const temporary = join(folder, `.${LOCK}.${nonce}.tmp`)
    const begun = performance.now()
    try {
      await writeFile(temporary, `${JSON.stringify(own)}\n`, { flag: 'wx' })
      for (let tries = 0; tries < TRIES; tries++) {
        if (await placed(temporary, path)) return new FolderLock(path, nonce)
        const holder = await holderOf(path)
        while (holder && (await isEnding(holder)) && performance.now() - begun < ENDING_MS)
          await new Promise((resolve) => setTimeout(resolve, 20))
        if (holder) await expectDead(folder, path, holder)
        else await expectCutOff(path)
        await takeAway(path, holder, temporary)
      }
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined)
    }
    fail(`${folder}: other processes start runs in this folder; choose another one`)
  }

  /** For another thread of this process. */
  static of({ path, nonce }: FolderLock['held']): FolderLock {
    return new FolderLock(path, nonce)
  }

  /** What a thread must know of a lock that its process holds. */
  get held(): { readonly path: string; readonly nonce: string } {
    const { path, nonce } = this
    return { path, nonce }
  }

  /** @throws SpikewasmError when another process has taken the lock */
  async check(): Promise<void> {
    const now = await identityOf(this.path)
    if (now !== undefined && now === this.known) return
    if ((await holderOf(this.path))?.nonce === this.nonce) this.known = now
    else
      fail(
        `${this.path}: the lock of this run is gone, or another process has taken it; nothing ` +
          'more is written here. Do not remove the lock of a run that goes on',
      )
  }

  /** Where that fails it is the lock of a dead process soon. */
  async release(): Promise<void> {
    const holder = await holderOf(this.path).catch(() => undefined)
    if (holder?.nonce === this.nonce) await rm(this.path, { force: true }).catch(() => undefined)
  }
}

/** Another one for each file and each change of it; undefined where there is none. */
async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, ctimeNs } = await stat(path, { bigint: true })
    return `${dev} ${ino} ${ctimeNs}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Makes the lock appear as a whole, unless there is one. */
async function placed(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    // A file system without links.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
  }
  try {
    await writeFile(path, await readFile(temporary), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/**
 * Who holds it; undefined when it is gone, or was cut off while it was written.
 *
 * @throws the system's error when there is one that cannot be read: somebody may hold it
 */
async function holderOf(path: string): Promise<Holder | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code === 'EISDIR')
      fail(
        `${path}: must be the lock of a run, got a folder; move it away, or choose another folder`,
        error,
      )
    throw error
  }
  let found: Partial<Holder> | null = null
  try {
    found = JSON.parse(text) as Partial<Holder> | null
  } catch {
    // It was cut off.
  }
  const { pid, host, started, nonce } = found ?? {}
  // The nonce becomes part of a file's name.
  const isHolder =
    Number.isSafeInteger(pid) &&
    (pid as number) > 0 &&
    typeof host === 'string' &&
    typeof started === 'string' &&
    /^\w{1,64}$/.test(String(nonce))
  return isHolder ? (found as Holder) : undefined
}

/**
 * A lock that no holder is in was cut off while it was written, or the disk has lost it. Any other
 * file of that name is the user's.
 */
async function expectCutOff(path: string): Promise<void> {
  const text = await readFile(path, 'latin1').catch(() => '')
  const begins = '{"pid":'
  const isOurs = text.startsWith(begins) || begins.startsWith(text) || /^\0+$/.test(text)
  if (!isOurs)
    fail(
      `${path}: must be the lock of a run, got another file; move it away, or choose another ` +
        'folder',
    )
}

async function expectDead(folder: string, path: string, holder: Holder): Promise<void> {
  const { pid, host } = holder
  if (host !== hostname())
    fail(
      `${folder}: process ${pid} on ${JSON.stringify(host.slice(0, 100))} trains in this folder, ` +
        `as far as can be told from here; if it has ended, remove ${path}`,
    )
  if (await isDead(holder)) return
  if (holder.started === '' || (await startOf(pid)) === '')
    fail(
      `${folder}: process ${pid} trains in this folder, as far as can be told: this system does ` +
        'not tell when a process has begun, and another one may have its number now; if it has ' +
        `ended, remove ${path}`,
    )
  fail(
    `${folder}: process ${pid} trains in this folder; wait until it ends, stop it, or choose ` +
      'another folder',
  )
}

/**
 * Where the process is that holds the lock of a folder; undefined: nobody holds it, or the process
 * was killed and ends. What is elsewhere may have ended.
 */
export async function whereHeld(folder: string): Promise<'here' | 'elsewhere' | undefined> {
  const holder = await holderOf(join(folder, LOCK)).catch(() => undefined)
  if (!holder) return undefined
  if (holder.host !== hostname()) return 'elsewhere'
  return (await isDead(holder)) || (await isEnding(holder)) ? undefined : 'here'
}

/** A process of that number may be a younger one. */
async function isDead({ pid, started }: Holder): Promise<boolean> {
  const now = await startOf(pid)
  // Where the system tells nothing of it, it may live.
  if (!isAlive(pid) || (started !== '' && now !== '' && now !== started)) return true
  return (await lifeOf(pid)) === 'dead'
}

/**
 * It was killed: nothing more is computed in it, but a last write may still come to its end. To
 * wait until its number is gone would not do: a parent that never asks for its end (process 1 of a
 * container often does not) keeps the number for good.
 */
const isEnding = async (holder: Holder): Promise<boolean> =>
  holder.host === hostname() && (await lifeOf(holder.pid)) === 'ending' && !(await isDead(holder))

/** What Linux tells of a process, '' on other systems. */
const toldOf = (pid: number, file: 'stat' | 'status'): Promise<string> =>
  readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')

const lifeOf = async (pid: number): Promise<'alive' | 'ending' | 'dead'> =>
  lifeIn(await toldOf(pid, 'stat'), await toldOf(pid, 'status'))

/** SIGKILL is signal 9. */
const KILLED = 1n << 8n

/**
 * What Linux tells of a process in its files `stat` and `status`. A process that was killed can be
 * seen for as long as its memory is freed, which may be seconds, and then until its parent asks for
 * its end, which some never do.
 */
export function lifeIn(stat: string, status: string): 'alive' | 'ending' | 'dead' {
  const fields = fieldsOf(stat)
  if (fields[0] === 'Z' || fields[0] === 'X') return Number(fields[17]) > 1 ? 'ending' : 'dead'
  // It is pending for all of the process, and nothing can hold it back.
  const pending = /^ShdPnd:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  return pending !== undefined && (BigInt(`0x${pending}`) & KILLED) !== 0n ? 'ending' : 'alive'
}

/** Behind the name, which may hold spaces and brackets: fields 3 and on. */
const fieldsOf = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ')

/** Whether a process of this number lives, as far as may be known. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Clock ticks from the start of the system, where /proc tells them. */
const startOf = async (pid: number): Promise<string> =>
  // The start is field 22.
  fieldsOf(await toldOf(pid, 'stat'))[19] ?? ''

/**
 * Removes the lock of a holder that is dead. Others may try the same at the same time, and a lock
 * that one of them has placed meanwhile must stay. So only who makes a file for this very lock
 * removes it.
 */
async function takeAway(path: string, dead: Holder | undefined, own: string): Promise<void> {
  const right = `${path}.${dead?.nonce ?? 'broken'}.old`
  if (!(await placed(own, right))) {
    // Who has the right may have died with it.
    const other = await holderOf(right)
    if (other && (await isDead(other))) await rm(right, { force: true })
    await new Promise((resolve) => setTimeout(resolve, 5))
    return
  }
  const now = await holderOf(path)
  if (now?.nonce === dead?.nonce) await rm(path, { force: true })
  await rm(right, { force: true })
}
