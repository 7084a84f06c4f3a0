/** The folder of a sweep: its results, its runs, and how far it is. */

import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fail, quote } from '../../errors.js'
import { writeFileAtomic } from '../../io/files.js'
import { FolderLock, whereHeld } from '../../io/folder/lock.js'
import { parseJsonBytes } from '../../io/json.js'
import { withFiles } from '../mistakes.js'
import { openOutFolder } from '../run-folder.js'
import { checkResult, type RunResult, type SweepStatus } from './rows.js'

const files = { spec: 'sweep.json', status: 'status.json', stop: 'stop', page: 'sweep.html' }

const encode = (value: unknown): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(value, undefined, 1)}\n`)

/** Names results, so that a rung of a run is not its end. */
export const taskName = (id: string, until: number | undefined): string =>
  until === undefined ? id : `${id}-${until}`

export class SweepFolder {
  private constructor(
    readonly path: string,
    private readonly lock: FolderLock,
  ) {}

  /** @throws SpikewasmError when it cannot be written, or another process drives this sweep */
  static async open(path: string): Promise<SweepFolder> {
    await openOutFolder(path, '--out')
    const lock = await withFiles(() => FolderLock.take(path))
    for (const name of ['runs', 'results']) await mkdir(join(path, name), { recursive: true })
    await rm(join(path, files.stop), { force: true })
    return new SweepFolder(path, lock)
  }

  runFolder = (id: string): string => join(this.path, 'runs', id)

  get page(): string {
    return join(this.path, files.page)
  }

  /** Results of this and of earlier sweeps in the folder, by their names. */
  async results(): Promise<Map<string, RunResult>> {
    const found = new Map<string, RunResult>()
    const folder = join(this.path, 'results')
    for (const file of await readdir(folder)) {
      const name = /^([0-9a-f]{24}(?:-\d+)?)\.json$/.exec(file)?.[1]
      if (name === undefined) continue
      const path = join(folder, file)
      const value = parseJsonBytes(await readFile(path), path, 'the result', { length: 100_000 })
      found.set(name, checkResult(value, path))
    }
    return found
  }

  keepResult = (name: string, result: RunResult): Promise<void> =>
    writeFileAtomic(join(this.path, 'results', `${name}.json`), encode(result))

  writeSpec = (bytes: Uint8Array): Promise<void> =>
    writeFileAtomic(join(this.path, files.spec), bytes)

  writeStatus = (status: SweepStatus): Promise<void> =>
    writeFileAtomic(join(this.path, files.status), encode(status))

  writePage = (html: string): Promise<void> =>
    writeFileAtomic(this.page, new TextEncoder().encode(html))

  /** Whether somebody has asked this sweep to stop. */
  async wasAskedToStop(): Promise<boolean> {
    return (await readFile(join(this.path, files.stop)).catch(() => undefined)) !== undefined
  }

  close = (): Promise<void> => this.lock.release()
}

/** Asks the process that drives a sweep to stop. */
export const askToStop = (path: string): Promise<void> =>
  writeFileAtomic(join(path, files.stop), new Uint8Array(0))

/** More than the status of the largest sweep. */
const MOST_BYTES = 24_000_000

/** @throws SpikewasmError for a folder without a sweep */
export async function readStatus(path: string): Promise<SweepStatus> {
  const file = join(path, files.status)
  const bytes = await readFile(file).catch(() => undefined)
  if (!bytes)
    fail(
      `the folder must be one that sweep --out has written, got ${quote(path)}, which has no ` +
        files.status,
    )
  const status = parseJsonBytes(bytes, file, 'the status', { length: MOST_BYTES }) as SweepStatus
  if (status?.format !== 1 || !Array.isArray(status.rows) || !Array.isArray(status.varied))
    fail(`${file}: must be the status of a sweep, got something else; run the sweep again`)
  return status
}

/**
 * Where the process that drives a sweep is; undefined where there is none. Another process may have
 * the number of one that was killed: the folder's lock tells them apart.
 */
export const whereRunning = async (
  path: string,
  { pid }: SweepStatus,
): Promise<'here' | 'elsewhere' | undefined> => (pid === null ? undefined : whereHeld(path))
