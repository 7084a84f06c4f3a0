/**
 * A folder whose files are written all or none. New files get names of their generation
 * (`.run.7.weights.safetensors`). The manifest names them with their hashes; that it is replaced is
 * the one moment at which all of them change. Then they are renamed to their own names. Who reads
 * in between, or after a crash in between, finds them under the one name or the other.
 *
 * A generation that failed is never written again: what it may have left behind has a name that
 * nobody reads.
 */

import { type FileHandle, open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fail, SpikewasmError } from '../../base/errors.js'
import { explainFolder, explainRead, makeFolder, writeError, writeSynced } from '../files.js'
import { FolderLock, LOCK } from './lock.js'
import * as saved from './read.js'

export { readManifest, readRunFile, readRunFiles } from './read.js'

/** Names that our temporary files have, and nobody else's. */
const LEFT_BEHIND = /^(\.run\.\d+\.[\w-][\w.-]*|run\.lock\.\w+\.old)$/

/** Another process may be about to take the lock with it. */
const LOCK_LEFT_BEHIND = /^\.run\.lock\.[0-9a-f]+\.tmp$/
const OLD_MS = 3_600_000

/** Errors of systems that do not open or flush folders. */
const CANNOT_SYNC = ['EINVAL', 'EISDIR', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EBADF']

/** The folder of one writer. */
export class RunFolder {
  private constructor(
    readonly path: string,
    private readonly lock: FolderLock,
    private readonly made: readonly string[],
    private manifest: saved.Manifest,
  ) {
    this.attempt = manifest.generation
  }

  /** The last generation that was begun. */
  private attempt: number
  /** The last one whose files have their own names. */
  private settled: saved.Manifest | undefined
  private closed = false
  /** The folder itself, open for `sync`. */
  private handle: FileHandle | undefined

  /**
   * Makes the folder where there is none, takes its lock, and ends what a writer that was killed
   * has left.
   *
   * @param name what error messages call the folder
   * @throws SpikewasmError when it cannot be made or written, or another process writes in it
   */
  static async open(path: string, name = "the run's folder"): Promise<RunFolder> {
    const made: string[] = []
    try {
      makeFolder(resolve(path), made)
      const lock = await FolderLock.take(path)
      try {
        const manifest = (await saved.readManifest(path)) ?? { format: 1, generation: 0, files: {} }
        const folder = new RunFolder(path, lock, made, manifest)
        await folder.settle()
        await folder.clean()
        return folder
      } catch (error) {
        await lock.release()
        throw error
      }
    } catch (error) {
      for (const folder of made.toReversed()) await rmdir(folder).catch(() => undefined)
      if (error instanceof SpikewasmError) throw error
      fail(
        `${name} must be a folder that can be written, got ${JSON.stringify(path)}: ` +
          (await explainFolder(error, path)),
        error,
      )
    }
  }

  /** Goes on where another thread of this process has handed a folder over. */
  static takeOver({ path, lock, made, manifest, attempt }: HandedFolder): RunFolder {
    const folder = new RunFolder(path, FolderLock.of(lock), made, manifest)
    folder.attempt = attempt
    return folder
  }

  /** For another thread: here the folder is closed from now on, but its lock is held. */
  async handOver() {
    const { path, lock, made, manifest, attempt } = this
    this.closed = true
    await this.handle?.close().catch(() => undefined)
    this.handle = undefined
    return { path, lock: lock.held, made, manifest, attempt }
  }

  /** Names of the files that the last commit has left. */
  get names(): readonly string[] {
    return Object.keys(this.manifest.files)
  }

  /** How often it was written; 0: it holds no run. */
  get generation(): number {
    return this.manifest.generation
  }

  read(name: string): Promise<Uint8Array> {
    return saved.readRunFile(this.path, name)
  }

  /** Which of these names are taken, by files of a commit or by others. */
  async taken(names: readonly string[]): Promise<string[]> {
    const found = await readdir(this.path).catch(async (error: unknown) => {
      const why = await explainRead(error, this.path)
      fail(`${this.path} must be a folder that can be read: ${why}`)
    })
    return names.filter((name) => found.includes(name) || this.names.includes(name))
  }

  /**
   * Writes files, all or none. Those that are not given stay, but for those `without`; with
   * `alone` none stays.
   *
   * @throws SpikewasmError when they cannot be written; the folder is then as it was, or as it was
   *   to be, but never in between
   */
  async commit(
    files: Readonly<Record<string, Uint8Array>>,
    { alone = false, without = [] }: { alone?: boolean; without?: readonly string[] } = {},
  ): Promise<void> {
    const { path } = this
    if (this.closed) fail(`${path}: was closed by who writes it; open it again to write there`)
    const before = this.manifest
    const generation = ++this.attempt
    const stays = ([name]: [string, saved.FileEntry]): boolean => !alone && !without.includes(name)
    const entries = Object.fromEntries(Object.entries(before.files).filter(stays))
    const fresh: string[] = []
    const temporary = saved.generationName(generation, saved.MANIFEST)
    await this.expectLock()
    let current = saved.MANIFEST
    try {
      await this.settle()
      for (const [name, bytes] of Object.entries(files)) {
        const entry = saved.entryOf(bytes)
        const old = before.files[name]
        entries[name] = entry
        current = name
        if (!alone && old?.sha256 === entry.sha256 && (await this.hasSize(name, entry))) continue
        fresh.push(name)
        await writeSynced(join(path, saved.generationName(generation, name)), bytes)
      }
      current = saved.MANIFEST
      const dropped = Object.fromEntries(
        Object.entries(before.files).filter(([name]) => !Object.hasOwn(entries, name)),
      )
      const manifest: saved.Manifest = { format: 1, generation, files: entries, dropped }
      fresh.push(saved.MANIFEST)
      await writeSynced(join(path, temporary), saved.serializeManifest(manifest))
      // What the manifest names must be there before it, also behind a power cut.
      await this.sync()
      await this.replaceManifest(temporary, manifest)
    } catch (error) {
      if (this.manifest === before)
        for (const name of fresh)
          await rm(join(path, saved.generationName(generation, name)), { force: true }).catch(
            () => {},
          )
      throw error instanceof SpikewasmError ? error : await writeError(join(path, current), error)
    }
    // The old files must not go before the new manifest is there for good.
    await this.sync()
    await this.settle(fresh)
  }

  /** @throws SpikewasmError when the lock is gone, or cannot be read */
  private async expectLock(): Promise<void> {
    try {
      await this.lock.check()
    } catch (error) {
      throw error instanceof SpikewasmError
        ? error
        : new SpikewasmError(
            `${join(this.path, LOCK)}: the lock of this run must be a readable file: ` +
              `${(error as Error).message}`,
            { cause: error },
          )
    }
  }

  /** The one moment at which all files change. */
  private async replaceManifest(temporary: string, manifest: saved.Manifest): Promise<void> {
    try {
      await rename(join(this.path, temporary), join(this.path, saved.MANIFEST))
    } catch (error) {
      // A network file system may have done what it says has failed. Who does not know removes
      // nothing that the manifest may name.
      const now = await saved.readManifest(this.path).catch(() => manifest)
      if (now?.generation === manifest.generation) this.manifest = manifest
      throw error
    }
    this.manifest = manifest
  }

  /** Names in the folder are on the disk from here on, where the system can do that. */
  private async sync(): Promise<void> {
    try {
      this.handle ??= await open(this.path, 'r')
      await this.handle.sync()
    } catch (error) {
      // Not every system can do that with a folder; what a disk says is something else.
      if (!CANNOT_SYNC.includes((error as NodeJS.ErrnoException).code ?? ''))
        throw await writeError(this.path, error)
    }
  }

  private async hasSize(name: string, { bytes }: saved.FileEntry): Promise<boolean> {
    const found = await stat(join(this.path, name)).catch(() => undefined)
    return found?.isFile() === true && found.size === bytes
  }

  /** Gives files of the last commit their own names, and removes those that it has dropped. */
  private async settle(names?: readonly string[]): Promise<void> {
    if (this.settled === this.manifest) return
    const { generation, files, dropped = {} } = this.manifest
    for (const name of (names ?? Object.keys(files)).filter((name) => Object.hasOwn(files, name))) {
      try {
        await rename(join(this.path, saved.generationName(generation, name)), join(this.path, name))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
          throw await writeError(join(this.path, name), error)
      }
    }
    for (const [name, entry] of Object.entries(dropped)) {
      const file = join(this.path, name)
      try {
        // A user may have put another one there since.
        if ((await this.hasSize(name, entry)) && saved.matches(await readFile(file), entry))
          await rm(file, { force: true })
      } catch (error) {
        throw await writeError(file, error)
      }
    }
    this.settled = this.manifest
  }

  /** Removes what a writer that was killed has left. */
  private async clean(): Promise<void> {
    // A server's clock may be another than ours: our lock has just been written by it.
    const now = await stat(join(this.path, LOCK)).catch(() => undefined)
    for (const name of await readdir(this.path)) {
      const file = join(this.path, name)
      if (LEFT_BEHIND.test(name)) await rm(file, { force: true })
      if (!LOCK_LEFT_BEHIND.test(name)) continue
      const found = await stat(file).catch(() => undefined)
      if (found && now && now.mtimeMs - found.mtimeMs > OLD_MS) await rm(file, { force: true })
    }
  }

  /** Removes what was written. `close` then removes the folder too, if it was made. */
  async discard(): Promise<void> {
    await this.commit({}, { alone: true })
    const file = join(this.path, saved.MANIFEST)
    await rm(file, { force: true }).catch(async (error: unknown) => {
      throw await writeError(file, error)
    })
    this.manifest = { format: 1, generation: 0, files: {} }
  }

  /** Gives the lock back. Folders that were made for nothing are removed. */
  async close(): Promise<void> {
    this.closed = true
    await this.handle?.close().catch(() => undefined)
    this.handle = undefined
    await this.lock.release()
    if (this.manifest.generation === 0)
      for (const folder of this.made.toReversed()) await rmdir(folder).catch(() => undefined)
  }
}

/** What a thread must know to write in a folder that another one has opened. */
export type HandedFolder = Awaited<ReturnType<RunFolder['handOver']>>

/**
 * Gives files their own names where a writer was killed between its last commit and that. Where it
 * cannot, readers find them all the same.
 */
export async function settleRunFolder(path: string): Promise<void> {
  const manifest = await saved.readManifest(path)
  const found = await readdir(path)
  const isSettled = Object.keys(manifest?.files ?? {}).every(
    (name) => !found.includes(saved.generationName(manifest?.generation ?? 0, name)),
  )
  if (isSettled) return
  await RunFolder.open(path).then(
    (folder) => folder.close(),
    () => undefined,
  )
}
