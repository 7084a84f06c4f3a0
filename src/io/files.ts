/** Files in Node: atomic writing, and reading with messages that say what is missing. */

import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { SpikewasmError } from '../errors.js'

const gunzipAsync = promisify(gunzip)

/**
 * Unpacking stops here. No data set is as large, and a damaged or hostile archive must not fill the
 * memory.
 */
const UNPACKED_LIMIT = 1 << 30

/**
 * Writes a file so that a crash at any moment leaves either the old content or the new, never a
 * part: temporary file in the same folder, fsync, rename.
 *
 * @throws SpikewasmError that names `path` if the folder is missing or not writable, or the disk is
 *   full; the temporary file is removed
 */
export function writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
  return writeFilesAtomic([{ path, bytes }])
}

/**
 * The same for files that belong together: none is renamed before all are written, so that a full
 * disk leaves the old ones as they were.
 *
 * @throws SpikewasmError that names the file that could not be written; the temporary files are
 *   removed
 */
export async function writeFilesAtomic(
  files: ReadonlyArray<{ readonly path: string; readonly bytes: Uint8Array }>,
): Promise<void> {
  const written: { path: string; temporary: string }[] = []
  const remaining = (): Promise<unknown> =>
    Promise.all(
      written.map(({ temporary }) => rm(temporary, { force: true }).catch(() => undefined)),
    )
  let current = ''
  try {
    for (const { path, bytes } of files) {
      current = path
      const temporary = join(
        dirname(path),
        `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`,
      )
      written.push({ path, temporary })
      const file = await open(temporary, 'wx')
      try {
        await file.writeFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
    }
    for (const { path, temporary } of written) {
      current = path
      await rename(temporary, path)
    }
  } catch (error) {
    await remaining()
    throw new SpikewasmError(
      `${current}: the file could not be written: ${explainWrite(error, dirname(current))}`,
      { cause: error },
    )
  }
  for (const folder of new Set(files.map(({ path }) => dirname(path)))) await syncFolder(folder)
}

/**
 * Reads a whole file.
 *
 * @param what what the file is to the user, for example `checkpoint` or `MNIST training images`
 * @throws SpikewasmError such as `checkpoint must be a file, got "runs/a.safetensors": the folder
 *   "runs" does not exist`
 */
export async function readFileClear(path: string, what: string): Promise<Uint8Array> {
  try {
    return plain(await readFile(path))
  } catch (error) {
    throw new SpikewasmError(
      `${what} must be a readable file, got "${path}": ${await explainRead(error, path)}`,
      { cause: error },
    )
  }
}

/** What is at a path; `undefined` if there is nothing. */
export async function kindOfPath(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file'
  } catch {
    return undefined
  }
}

/**
 * The content of a file that may be compressed with gzip (judged by its first two bytes, not by its
 * name).
 *
 * @param name what error messages call the file
 * @throws SpikewasmError if the gzip stream is damaged or unpacks to more than 1 GiB
 */
export async function unpack(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  try {
    return plain(await gunzipAsync(bytes, { maxOutputLength: UNPACKED_LIMIT }))
  } catch (error) {
    throw new SpikewasmError(
      `${name}: must be valid gzip of at most ${UNPACKED_LIMIT} bytes, got an error: ` +
        `${(error as Error).message}; download it again`,
      {
        cause: error,
      },
    )
  }
}

/** The same bytes as a plain array: the `slice` of a Buffer would not copy. */
function plain({ buffer, byteOffset, byteLength }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/**
 * Makes the rename itself durable. Some platforms cannot open a folder; the operating system then
 * decides when the rename is durable.
 */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {
    // The file is complete either way.
  }
}

async function explainRead(error: unknown, path: string): Promise<string> {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT': {
      const folder = dirname(path)
      return (await kindOfPath(folder)) === 'folder'
        ? 'there is no such file in the folder'
        : `the folder "${folder}" does not exist`
    }
    case 'EISDIR':
      return 'it is a folder; name a file in it'
    case 'EACCES':
      return 'reading it is not permitted; change its permissions'
    default:
      return (error as Error).message
  }
}

function explainWrite(error: unknown, folder: string): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return `the folder "${folder}" does not exist; make it first`
    case 'ENOTDIR':
      return `"${folder}" is not a folder; choose another path`
    case 'EISDIR':
    case 'ENOTEMPTY':
      return 'there is a folder of that name; choose another path'
    case 'EACCES':
    case 'EROFS':
      return (
        `writing in "${folder}" is not permitted; choose another folder or change its ` +
        'permissions'
      )
    case 'ENOSPC':
      return 'the disk is full; free some space'
    default:
      return (error as Error).message
  }
}
