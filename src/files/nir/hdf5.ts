/**
 * HDF5 files, the container of NIR, read and written in a thread of their own: a damaged or hostile
 * file can make the library run without end, or fail. Both end in one clear error.
 */

import { SpikewasmError } from '../../base/errors.js'
import { Thread } from '../../engine/node/thread.js'
import { codeFile } from '../../package-files.js'
import { readFileClear } from '../files.js'
import { type Group, hdf5Package, most } from './graph.js'
import type { Hdf5Calls, Place } from './hdf5-worker.js'

const workerFile = codeFile('files/nir/hdf5-worker.js')

/** What files are, unless it is said. */
const NIR = 'NIR'

/** The first bytes of every HDF5 file without a user block. */
const magic = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]

/**
 * Seconds of the processor that a file of usual size may take, the start of the thread included. On
 * a machine that is busy with other programs the clock runs on meanwhile, but no more than so many
 * times as long.
 */
const SECONDS = 30
const WALL = 20

/** More for large files: so many bytes are read in a second on any machine. */
const BYTES_A_SECOND = 4e6

/** Reads and writes one file after another; a thread that has failed is replaced. */
export class Hdf5Thread {
  private thread: Thread<Hdf5Calls> | undefined
  private ending: NodeJS.Timeout | undefined

  /** @param seconds of the processor that a small file may take */
  constructor(private readonly seconds = SECONDS) {}

  /**
   * @param bytes all of it, or its first ones where it is read in its place
   * @param name what messages call the file
   * @throws SpikewasmError for what is no HDF5 file, is damaged, too large, or takes too long, and
   *   when the library is not installed
   */
  async read(bytes: Uint8Array, name: string, what = NIR, place?: Place): Promise<Group> {
    if (bytes.length > most.file)
      throw new SpikewasmError(
        `${name}: must be at most ${most.file} bytes, got ${bytes.length}; is it a ${what} file?`,
      )
    if (magic.some((byte, i) => bytes[i] !== byte))
      throw new SpikewasmError(
        `${name}: must be a ${what} file, which is HDF5, got other bytes; ` +
          (what === NIR ? 'write it with nir.write' : 'download it again'),
      )
    return this.ask(name, bytes.length, (thread) => thread.call('read', place ?? bytes), what)
  }

  /**
   * The bytes of a file.
   * @throws SpikewasmError when the library is not installed
   */
  write(tree: Group, name: string, size = 0): Promise<Uint8Array> {
    return this.ask(name, size, (thread) => thread.call('write', tree))
  }

  /** Ends the thread when nobody has asked for a while. */
  waits(onEnd: () => void): void {
    this.ending = setTimeout(() => {
      onEnd()
      void this.close()
    }, IDLE_MS)
    this.ending.unref()
  }

  /** Ends the thread, whatever it is at. */
  async close(): Promise<void> {
    const { thread } = this
    clearTimeout(this.ending)
    this.thread = undefined
    await thread?.kill()
  }

  private async ask<R>(
    name: string,
    size: number,
    call: (thread: Thread<Hdf5Calls>) => Promise<R>,
    what = NIR,
  ): Promise<R> {
    clearTimeout(this.ending)
    // The library prints its errors: they are ours to tell.
    this.thread ??= await Thread.start<Hdf5Calls>(workerFile, {
      execArgv: [],
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: 2048 },
    })
    const { thread } = this
    const seconds = this.seconds + size / BYTES_A_SECOND
    let timer: NodeJS.Timeout | undefined
    const began = process.cpuUsage()
    const last = performance.now() + WALL * 1000 * seconds
    const look = (): void => {
      const { user, system } = process.cpuUsage(began)
      const left = seconds - (user + system) / 1e6
      if (left <= 0 || performance.now() >= last) thread.fail(late(name, seconds, what))
      else timer = setTimeout(look, 1000 * Math.max(0.1, left))
    }
    timer = setTimeout(look, 1000 * seconds)
    try {
      return await call(thread)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (thread.failure || code === 'FAULTY') await this.close()
      if (thread.failure instanceof SpikewasmError) throw thread.failure
      throw thread.failure ? died(name, message, what) : refusal(name, message, code, what)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** A thread that waits for the next file: to start one takes longer than to read most files. */
let idle: Hdf5Thread | undefined

/** Milliseconds that it waits. */
const IDLE_MS = 3000

/** A file that was read or written well leaves the thread for the next one. */
async function inThread<T>(use: (thread: Hdf5Thread) => Promise<T>): Promise<T> {
  const thread = idle ?? new Hdf5Thread()
  idle = undefined
  try {
    const result = await use(thread)
    const other = idle as Hdf5Thread | undefined
    idle = thread
    await other?.close()
    thread.waits(() => {
      if (idle === thread) idle = undefined
    })
    return result
  } catch (error) {
    await thread.close()
    throw error
  }
}

/** On a thread, which can be ended where a file makes it hang. */
export const readHdf5 = (bytes: Uint8Array, name: string): Promise<Group> =>
  inThread((thread) => thread.read(bytes, name))

/**
 * Reads a file of any size where it lies: all but lists of numbers, or some of these lists.
 *
 * @param what what the file is to the user, such as 'SHD'
 */
export async function readHdf5In(place: Place, what: string): Promise<Group> {
  const begin = await readFileClear(place.path, what, magic.length)
  return inThread((thread) => thread.read(begin, place.path, what, place))
}

/**
 * The bytes of a file.
 *
 * @param size bytes of its numbers, about
 */
export const writeHdf5 = (tree: Group, name: string, size: number): Promise<Uint8Array> =>
  inThread((thread) => thread.write(tree, name, size))

/** What is done with a file that cannot be read. */
const again = (what: string): string =>
  what === NIR ? 'write it again with nir.write' : 'download it again'

const late = (name: string, seconds: number, what: string): SpikewasmError =>
  new SpikewasmError(
    `${name}: must be read within ${Math.round(seconds)} s, got no end: it was stopped; the file ` +
      `is damaged, or hostile: ${again(what)}`,
  )

const died = (name: string, why: string, what: string): SpikewasmError =>
  new SpikewasmError(
    `${name}: must be a valid HDF5 file, got one at which the HDF5 library failed (${why}); ` +
      again(what),
  )

function refusal(
  name: string,
  why: string,
  code: string | undefined,
  what: string,
): SpikewasmError {
  if (code === 'MISSING')
    return new SpikewasmError(
      `${name}: ${what} files need the HDF5 library ${hdf5Package}, got none; run npm install ` +
        hdf5Package,
    )
  return new SpikewasmError(
    `${name}: must be a valid ${what} file, got one that cannot be read: ${why}; ${again(what)}`,
  )
}
