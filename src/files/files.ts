/** Files in Node: atomic writing, and reading with messages that say what is missing. */

import { constants, type Dirent, mkdirSync, type Stats, statSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, fail, SpikewasmError } from '../base/errors.js'
import { randomHex } from '../base/hash.js'
import { collectUnpacked, isGzip, type Measure, plain } from './unpack.js'

/** Bytes that are unpacked at a time. */
const CHUNK = 1 << 18

/**
 * Writes a file so that a crash at any moment leaves either the old content or the new, never a
 * part: temporary file in the same folder, fsync, rename.
 *
 * Only a regular file is replaced. Where `path` is a symbolic link to one, the link stays and the
 * file that it leads to is replaced.
 *
 * @throws SpikewasmError that names `path` if something else than a regular file is there, the
 *   folder is missing or not writable, or the disk is full; the temporary file is removed
 */
export const writeFileAtomic = (path: string, bytes: Uint8Array): Promise<void> =>
  writeFilesAtomic([{ path, bytes }])

/**
 * The same for files that belong together: all are written, or an error leaves the old ones as they
 * were. A crash between two renames may leave some of each.
 *
 * @throws SpikewasmError that names the file that could not be written; the temporary files are
 *   removed
 */
export async function writeFilesAtomic(
  files: ReadonlyArray<{ readonly path: string; readonly bytes: Uint8Array }>,
): Promise<void> {
  const targets = await checkTargets(files.map(({ path }) => path))
  const written = targets.map((target) => ({ target, temporary: besides(target, 'tmp') }))
  let current = ''
  try {
    for (const [i, { temporary }] of written.entries()) {
      current = files[i].path
      await writeSynced(temporary, files[i].bytes, 'wx')
    }
    await renameAll(written, (i) => {
      current = files[i].path
    })
  } catch (error) {
    await Promise.all(written.map(({ temporary }) => remove(temporary)))
    throw await writeError(current, error)
  }
  for (const folder of new Set(targets.map(dirname))) await syncFolder(folder)
}

/**
 * Checks that each path is free, or that of a regular file.
 *
 * @returns the paths, symbolic links followed
 * @throws SpikewasmError that names the first path where something else is, or that comes twice
 */
export async function checkTargets(paths: readonly string[]): Promise<string[]> {
  const targets: string[] = []
  for (const path of paths) {
    const target = await targetOf(path)
    if (targets.includes(target))
      fail(`${path}: must be a file of its own, got "${target}" twice; choose another path`)
    targets.push(target)
  }
  return targets
}

/** Where a file is written: the path itself, or what a symbolic link leads to. */
async function targetOf(path: string): Promise<string> {
  try {
    const status = await fs.lstat(path)
    if (!status.isSymbolicLink()) {
      expectRegular(path, status)
      return path
    }
    const target = await fs.realpath(path)
    expectRegular(path, await fs.stat(target))
    return target
  } catch (error) {
    if (error instanceof SpikewasmError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw await writeError(path, error)
    const dangling = await fs.readlink(path).catch(() => undefined)
    if (dangling !== undefined)
      fail(
        `${path}: the file could not be written: it is a symbolic link to "${dangling}", which ` +
          'does not exist; remove the link or choose another path',
      )
    return path
  }
}

/** What can be in the place of a file. */
const kinds = [
  ['isDirectory', 'there is a folder of that name'],
  ['isFIFO', 'it is a pipe, no regular file'],
  ['isSocket', 'it is a socket, no regular file'],
  ['isBlockDevice', 'it is a device, no regular file'],
  ['isCharacterDevice', 'it is a device, no regular file'],
] as const

const whyIrregular = (status: Stats): string =>
  kinds.find(([is]) => status[is]())?.[1] ?? 'it is no regular file'

function expectRegular(path: string, status: Stats): void {
  const why = whyIrregular(status)
  if (!status.isFile()) fail(`${path}: the file could not be written: ${why}; choose another path`)
}

/** A name in the same folder that nobody has. */
const besides = (path: string, ending: string): string =>
  join(dirname(path), `.${basename(path)}.${randomHex(6)}.${ending}`)

const remove = (path: string): Promise<void> => fs.rm(path, { force: true }).catch(() => undefined)

/** Writes a file; it is on the disk from here on. `wx`: a new one. */
export async function writeSynced(path: string, bytes: Uint8Array, flag = 'w'): Promise<void> {
  const file = await fs.open(path, flag)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Renames all, or none: what was replaced before one fails is put back. */
async function renameAll(
  files: readonly { readonly target: string; readonly temporary: string }[],
  onFile: (index: number) => void,
): Promise<void> {
  const done: { target: string; old: string | undefined }[] = []
  try {
    for (const [i, { target, temporary }] of files.entries()) {
      onFile(i)
      // Nothing can fail after the last.
      const old = i < files.length - 1 ? await keepOld(target) : undefined
      done.push({ target, old })
      try {
        await fs.rename(temporary, target)
      } catch (error) {
        done.pop()
        if (old !== undefined) await remove(old)
        throw error
      }
    }
  } catch (error) {
    for (const { target, old } of done.toReversed())
      await (old === undefined ? remove(target) : fs.rename(old, target).catch(() => undefined))
    throw error
  }
  for (const { old } of done) if (old !== undefined) await remove(old)
}

/** A second name for a file, or a copy where there are no links; undefined if there is no file. */
async function keepOld(path: string): Promise<string | undefined> {
  if ((await kindOfPath(path)) === undefined) return undefined
  const old = besides(path, 'old')
  try {
    await fs.link(path, old)
  } catch {
    await fs.copyFile(path, old, constants.COPYFILE_EXCL)
  }
  return old
}

/**
 * Reads a whole file, which must be a regular one.
 *
 * @param what what the file is to the user, for example `checkpoint` or `MNIST training images`
 * @param most reads its first bytes alone
 * @throws SpikewasmError such as `checkpoint must be a file, got "runs/a.safetensors": the folder
 *   "runs" does not exist`
 */
export async function readFileClear(
  path: string,
  what: string,
  most?: number,
): Promise<Uint8Array> {
  try {
    // A pipe may never end, nor begin; a device may have no end.
    const status = await fs.stat(path)
    if (!status.isFile() && !status.isDirectory())
      throw new Error(`${whyIrregular(status)}; write its content to a file first`)
    if (most === undefined) return plain(await fs.readFile(path))
    const file = await fs.open(path)
    const { buffer, bytesRead } = await file.read(new Uint8Array(most)).finally(() => file.close())
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    fail(`${what} must be a readable file, got "${path}": ${await explainRead(error, path)}`, error)
  }
}

/** @throws SpikewasmError for a URL that is not of a file here */
export function pathOfUrl(option: string, url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    fail(
      `${option} must be a path or a file: URL, got ${describe(url.href)}; download it first`,
      error,
    )
  }
}

/** What is at a path; `undefined` if there is nothing. */
export async function kindOfPath(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    return (await fs.stat(path)).isDirectory() ? 'folder' : 'file'
  } catch {
    return undefined
  }
}

/** What an entry of a folder is, or what it links to; undefined where a link leads nowhere. */
export function kindOfEntry(folder: string, entry: Dirent): 'file' | 'folder' | undefined {
  const found = entry.isSymbolicLink()
    ? statSync(join(folder, entry.name), { throwIfNoEntry: false })
    : entry
  return found && (found.isDirectory() ? 'folder' : 'file')
}

/** A list of the 50,000 pictures of ImageNet has some 10 MB with all their boxes. */
const MOST_LIST = 1 << 26

/** Lines of a list that comes with data, without space around them; empty ones are left out. */
export function linesOf(bytes: Uint8Array, path: string): string[] {
  if (bytes.length > MOST_LIST)
    fail(`${path}: must have at most ${MOST_LIST} bytes, got ${bytes.length}`)
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/**
 * Makes a folder and those above it. (mkdir's own `recursive` never returns where the system denies
 * a folder with ENOENT, as /proc does.)
 *
 * @param made gets those that were missing, outermost first
 */
export function makeFolder(path: string, made: string[] = []): void {
  const above = dirname(path)
  if (above !== path) makeFolder(above, made)
  const isFolder = (): boolean | undefined =>
    statSync(path, { throwIfNoEntry: false })?.isDirectory()
  const found = isFolder()
  if (found) return
  if (found === false) throw new Error(`"${path}" is a file`)
  try {
    mkdirSync(path)
    made.push(path)
  } catch (error) {
    // Another process may have been faster.
    if (!isFolder()) throw error
  }
}

/**
 * The content of a file that may be compressed with gzip (judged by its first two bytes, not by its
 * name). Unpacking stops as soon as there is too much.
 *
 * @param name what error messages call the file
 * @param expected how many bytes there may be; without it at most 1 GiB
 * @throws SpikewasmError if the gzip stream is damaged, or unpacks to more than that, or to more
 *   than 60 MB and four times the file
 */
export async function unpack(
  bytes: Uint8Array,
  name: string,
  expected?: number | Measure,
): Promise<Uint8Array> {
  if (!isGzip(bytes)) return bytes
  const { createGunzip } = await import('node:zlib')
  const stream = createGunzip({ chunkSize: CHUNK })
  stream.end(bytes)
  return collectUnpacked(stream, bytes.length, name, expected)
}

/**
 * Makes the rename itself durable. Some platforms cannot open a folder; the operating system then
 * decides when the rename is durable.
 */
async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, 'r').catch(() => undefined)
  // The file is complete either way.
  await handle?.sync().catch(() => undefined)
  await handle?.close().catch(() => undefined)
}

/** Why a file cannot be read, and how to mend it. */
export async function explainRead(error: unknown, path: string): Promise<string> {
  const { code, message } = error as NodeJS.ErrnoException
  const folder = dirname(path)
  if (code === 'ENOENT')
    return (await kindOfPath(folder)) === 'folder'
      ? 'there is no such file in the folder'
      : `the folder "${folder}" does not exist`
  if (code === 'EISDIR') return 'it is a folder; name a file in it'
  return code === 'EACCES' ? 'reading it is not permitted; change its permissions' : message
}

export async function writeError(path: string, error: unknown): Promise<SpikewasmError> {
  const why = await explainWrite(error, dirname(path))
  return new SpikewasmError(`${path}: the file could not be written: ${why}`, { cause: error })
}

/** Why a folder could not be made or written, and what to do. */
export async function explainFolder(error: unknown, path: string): Promise<string> {
  if (/ is a file$/.test(String(error))) return `${(error as Error).message}; choose another path`
  if ((error as NodeJS.ErrnoException).code === 'EEXIST')
    return 'something of that name is no folder (a link to nothing?); choose another path'
  return explainWrite(error, (await kindOfPath(path)) === 'folder' ? path : dirname(resolve(path)))
}

async function explainWrite(error: unknown, folder: string): Promise<string> {
  const { code = '', message } = error as NodeJS.ErrnoException
  const mend = 'choose another folder or change its permissions'
  const denied = `writing in "${folder}" is not permitted; ${mend}`
  const taken = 'there is a folder of that name; choose another path'
  // Some folders of the system, such as /proc, deny new files with this code.
  if (code === 'ENOENT')
    return (await kindOfPath(folder)) === 'folder'
      ? `no file can be made in "${folder}"; choose another folder`
      : `the folder "${folder}" does not exist; make it first`
  const known: Partial<Record<string, string>> = {
    ENOTDIR: `"${folder}" is not a folder; choose another path`,
    EISDIR: taken,
    ENOTEMPTY: taken,
    EACCES: denied,
    EROFS: denied,
    EFBIG: 'a file would be larger than the process may write (ulimit -f)',
    ENOSPC: 'the disk is full; free some space',
  }
  return known[code] ?? message
}
