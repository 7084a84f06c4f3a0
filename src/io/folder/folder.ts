/**
 * A folder whose files are written all or none. New files get names of their generation
 * (`.7.weights.safetensors`). The manifest names them with their hashes; that it is replaced is the
 * one moment at which all of them change. Then they are renamed to their own names. Who reads in
 * between, or after a crash in between, finds them under the one name or the other.
 */

import { mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { SpikewasmError } from '../../errors.js'
import { kindOfPath, readFileClear, syncFolder, writeError } from '../files.js'
import { FolderLock } from './lock.js'
import {
  entryOf,
  type FileEntry,
  MANIFEST,
  type Manifest,
  matches,
  parseManifest,
  serializeManifest,
} from './manifest.js'

/** Names that our temporary files have, and nobody else's. */
const LEFT_BEHIND =
  /^(\.\d+\.[\w.-]+\.(safetensors|jsonl?|html)|\.manifest\.json\.tmp|run\.lock\.\w+\.old)$/

/** How often a reader begins anew because a writer was faster. */
const TRIES = 20

const generationName = (generation: number, name: string): string => `.${generation}.${name}`

/** The folder of one writer. */
export class RunFolder {
  private constructor(
    readonly path: string,
    private readonly lock: FolderLock,
    private readonly made: readonly string[],
    private manifest: Manifest,
  ) {}

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
      await makeFolder(resolve(path), made)
      const lock = await FolderLock.take(path)
      try {
        const manifest = (await readManifest(path)) ?? { format: 1, generation: 0, files: {} }
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
      throw new SpikewasmError(
        `${name} must be a folder that can be written, got ${JSON.stringify(path)}: ` +
          `${(error as Error).message}`,
        { cause: error },
      )
    }
  }

  /** Names of the files that the last commit has left. */
  get names(): readonly string[] {
    return Object.keys(this.manifest.files)
  }

  read(name: string): Promise<Uint8Array> {
    return readRunFile(this.path, name)
  }

  /**
   * Writes files, all or none. Those that are not given stay, unless `alone`.
   *
   * @throws SpikewasmError when they cannot be written; the folder is then as it was, or as it was
   *   to be, but never in between
   */
  async commit(files: Readonly<Record<string, Uint8Array>>, { alone = false } = {}): Promise<void> {
    await this.lock.check()
    const { path } = this
    const before = this.manifest
    const generation = before.generation + 1
    const entries: Record<string, FileEntry> = alone ? {} : { ...before.files }
    const fresh: string[] = []
    let current = ''
    try {
      await this.settle()
      for (const [name, bytes] of Object.entries(files)) {
        const entry = entryOf(bytes)
        const old = before.files[name]
        entries[name] = entry
        if (old?.sha256 === entry.sha256 && old.bytes === entry.bytes) continue
        current = name
        fresh.push(name)
        await writeSynced(join(path, generationName(generation, name)), bytes)
      }
      current = MANIFEST
      const manifest: Manifest = { format: 1, generation, files: entries }
      const temporary = join(path, `.${MANIFEST}.tmp`)
      await writeSynced(temporary, serializeManifest(manifest))
      await rename(temporary, join(path, MANIFEST))
      this.manifest = manifest
    } catch (error) {
      for (const name of fresh)
        await rm(join(path, generationName(generation, name)), { force: true }).catch(() => {})
      await rm(join(path, `.${MANIFEST}.tmp`), { force: true }).catch(() => {})
      throw error instanceof SpikewasmError ? error : await writeError(join(path, current), error)
    }
    await syncFolder(path)
    await this.settle()
    for (const name of Object.keys(before.files))
      if (!Object.hasOwn(entries, name)) await rm(join(path, name), { force: true })
    await syncFolder(path)
  }

  /** Gives files of the last commit their own names. */
  private async settle(): Promise<void> {
    const { generation, files } = this.manifest
    for (const name of Object.keys(files)) {
      try {
        await rename(join(this.path, generationName(generation, name)), join(this.path, name))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
          throw await writeError(join(this.path, name), error)
      }
    }
  }

  /** Removes what a writer that was killed has left. */
  private async clean(): Promise<void> {
    for (const name of await readdir(this.path))
      if (LEFT_BEHIND.test(name)) await rm(join(this.path, name), { force: true })
  }

  /** Removes what was written. `close` then removes the folder too, if it was made. */
  async discard(): Promise<void> {
    await this.lock.check()
    const names = this.names
    await rm(join(this.path, MANIFEST), { force: true })
    for (const name of names) await rm(join(this.path, name), { force: true })
    this.manifest = { format: 1, generation: 0, files: {} }
  }

  /** Gives the lock back. Folders that were made for nothing are removed. */
  async close(): Promise<void> {
    await this.lock.release()
    if (this.manifest.generation === 0)
      for (const folder of this.made.toReversed()) await rmdir(folder).catch(() => undefined)
  }
}

/**
 * Makes a folder and those above it. (mkdir's own `recursive` never returns where the system denies
 * a folder with ENOENT, as /proc does.)
 */
async function makeFolder(path: string, made: string[]): Promise<void> {
  const kind = await kindOfPath(path)
  if (kind === 'folder') return
  if (kind === 'file')
    throw new SpikewasmError(`"${path}" must be a folder, got a file; choose another path`)
  await makeFolder(dirname(path), made)
  await mkdir(path)
  made.push(path)
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The manifest of a folder; undefined when it has none. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const path = join(folder, MANIFEST)
  try {
    return parseManifest(await readFile(path), path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * A file of a run's folder, as the last commit has left it, whether or not somebody writes there.
 * Of a folder without a manifest: the file as it is.
 *
 * @throws SpikewasmError when there is none, or it is not what the manifest says
 */
export async function readRunFile(folder: string, name: string): Promise<Uint8Array> {
  for (let tries = 0; tries < TRIES; tries++) {
    const manifest = await readManifest(folder)
    if (!manifest) return readFileClear(join(folder, name), `the run's ${name}`)
    const entry = manifest.files[name]
    if (!entry)
      throw new SpikewasmError(
        `${folder}: the run must have a file ${name}, got one with ` +
          `${Object.keys(manifest.files).join(', ') || 'none'}; it has not come that far`,
      )
    for (const place of [name, generationName(manifest.generation, name)]) {
      const bytes = await readFile(join(folder, place)).catch(() => undefined)
      if (bytes && matches(bytes, entry))
        return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    const now = await readManifest(folder)
    if (now?.generation === manifest.generation) break
  }
  throw new SpikewasmError(
    `${join(folder, name)}: must be the file that the run has written (manifest.json has its ` +
      'hash), got another or none; put it back, or train again',
  )
}
