/**
 * The thread of hdf5.ts: reads and writes HDF5 by h5wasm, the HDF5 library as WebAssembly. Files
 * lie in its memory, or are one that is read in place, so that a file cannot name others.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type * as H5 from 'h5wasm'
import { serveThread } from '../../engine/node/thread.js'
import {
  type Group,
  group,
  hdf5Package,
  most,
  type Numbers,
  type NumbersLeaf,
  numbers,
  type TextsLeaf,
  type Tree,
  texts,
} from './graph.js'

type Library = typeof H5
type Dataset = H5.Dataset

/** Lists of an array, from one on and before another. */
export type Range = readonly [from: number, to: number]

/** A file that is read where it lies; `lists`: these alone, of arrays of lists. */
export interface Place {
  readonly path: string
  readonly lists?: Range
}

/** What is wrong with the file; other errors are the library's. */
class Refused extends Error {}

function refuse(why: string): never {
  throw new Refused(why)
}

const FILE = 'file'

/** Bytes of arrays that are packed, each as one chunk. */
const PACKED_FROM = 512
const MOST_CHUNK = 1 << 28

/** Classes of types in HDF5 that are read. */
const [INTEGER, FLOAT, STRING, LISTS] = [0, 1, 3, 9]

class Reader {
  private members = 0
  private bytes = 0

  constructor(
    private readonly h5: Library,
    private readonly range?: Range,
  ) {}

  read(): Group {
    const file = new this.h5.File(FILE, 'r')
    try {
      return this.group(file, 'the file', 0)
    } finally {
      file.close()
    }
  }

  private group(of: H5.Group, path: string, depth: number): Group {
    if (depth > most.depth) refuse(`${path} lies too deep: ${most.depth} groups at most`)
    const names = of.keys()
    this.members += names.length
    if (this.members > most.members)
      refuse(`it holds too much: ${most.members} groups and arrays at most`)
    const members: [string, Tree][] = []
    for (const name of names) {
      if (name === '' || name === '.' || name.length > most.text || name.includes('/'))
        refuse(`${path} has a member without a usable name`)
      const inner = `${path === 'the file' ? '' : path}/${name}`
      members.push([name, this.member(of, name, inner, depth)])
    }
    return group(members)
  }

  private member(of: H5.Group, name: string, path: string, depth: number): Tree {
    const found = of.get(name)
    if (found instanceof this.h5.Group) return this.group(found, path, depth + 1)
    if (found instanceof this.h5.Dataset) return this.array(found, path)
    return { kind: 'other', what: found !== null && 'type' in found ? found.type : 'nothing' }
  }

  private array(from: Dataset, path: string): Tree {
    const { type, size, shape, chunks, littleEndian, vlen, virtual_sources } = from.metadata
    if (virtual_sources !== undefined) return { kind: 'other', what: 'a virtual array' }
    if (shape === null || ![INTEGER, FLOAT, STRING, LISTS].includes(type) || !(size > 0))
      return { kind: 'other', what: shape === null ? 'an empty array' : `a type of class ${type}` }
    if (shape.length > most.dimensions || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
      refuse(`${path} has sizes that no array has`)
    const count = shape.reduce((a, b) => a * b, 1)
    if (type === LISTS || this.range) return this.lists(from, path)
    const chunk = (chunks ?? []).reduce((a, b) => a * b, size)
    this.bytes += Math.max(count * size, chunk)
    if (!(this.bytes <= most.unpacked && count * size <= most.unpacked))
      refuse(`it unpacks to more than ${most.unpacked} bytes`)
    if (type === STRING) {
      if (count > most.texts || !(vlen || size <= most.text))
        refuse(`${path} holds more than ${most.texts} texts, or too long ones`)
      return this.texts(from, path, shape, count)
    }
    if (!littleEndian && size !== 1) refuse(`${path} must be little-endian; write it so`)
    const [known, kind] =
      type === FLOAT ? [[4, 8], 'float32 or float64'] : [[1, 2, 4, 8], 'integers of 8 to 64 bits']
    if (!known.includes(size)) refuse(`${path} must hold ${kind}, got ${8 * size} bits a number`)
    const value = count === 0 ? new Float32Array(0) : (from.value as Numbers | number | bigint)
    if (ArrayBuffer.isView(value)) {
      if (value.length !== count) refuse(`${path} holds ${value.length} numbers, not ${count}`)
      return numbers(value.slice() as Numbers, shape)
    }
    if (typeof value !== 'number' && typeof value !== 'bigint') refuse(`${path} cannot be read`)
    const data = typeof value === 'bigint' ? BigInt64Array.of(value) : Float64Array.of(value)
    return numbers(data, shape)
  }

  /**
   * Lists of numbers of 16 bits that are asked for, bits as they are: `values` of all, and where
   * each list `ends`.
   */
  private lists(from: Dataset, path: string): Tree {
    const { vlen_type: of, shape } = from.metadata
    if (of?.size !== 2 || ![INTEGER, FLOAT].includes(of.type) || !of.littleEndian)
      return { kind: 'other', what: 'no lists of 16 bits' }
    // The library throws at floats of 16 bits, and gives integers as they lie.
    Object.assign(of, { type: INTEGER, signed: false })
    const [first, end] = (this.range ?? [0, 0]).map((at) => Math.min(at, shape?.[0] ?? 0))
    // Its `value` would never free them.
    const found = shape?.length === 1 && first < end ? from.slice([[first, end]]) : []
    if (!Array.isArray(found) || !found.every((list) => list instanceof Uint16Array))
      refuse(`${path} cannot be read as lists`)
    const ends = new Float64Array(found.length)
    let size = 0
    for (const [i, { length }] of (found as Uint16Array[]).entries()) {
      size += length
      ends[i] = size
    }
    const values = new Uint16Array(size)
    for (const [i, list] of (found as Uint16Array[]).entries())
      values.set(list, ends[i] - list.length)
    const members: [string, Tree][] = [
      ['values', numbers(values, [size])],
      ['ends', numbers(ends, [found.length])],
    ]
    return group(members)
  }

  private texts(from: Dataset, path: string, shape: number[], count: number): Tree {
    const value = count === 0 ? [] : from.value
    const data = Array.isArray(value) ? value : [value]
    if (data.length !== count || !data.every((text) => typeof text === 'string'))
      refuse(`${path} cannot be read as text`)
    const length = (data as string[]).reduce((sum, text) => sum + text.length, 0)
    this.bytes += length
    if (this.bytes > most.unpacked || (data as string[]).some(({ length }) => length > most.text))
      refuse(`${path} holds too long texts`)
    return texts(data as string[], shape)
  }
}

function write(h5: Library, tree: Group): void {
  const file = new h5.File(FILE, 'w')
  try {
    writeGroup(file, tree)
  } finally {
    file.close()
  }
}

function writeGroup(into: H5.Group, { members }: Group): void {
  for (const [name, member] of members) {
    if (member.kind === 'group') writeGroup(into.create_group(name), member)
    else if (member.kind !== 'other') writeLeaf(into, name, member)
  }
}

function writeLeaf(into: H5.Group, name: string, leaf: NumbersLeaf | TextsLeaf): void {
  const shape = [...leaf.shape]
  // Variable length and UTF-8, as h5py's string type.
  if (leaf.kind === 'texts') into.create_dataset({ name, data: [...leaf.data], shape, dtype: 'S' })
  else if (leaf.data.byteLength < PACKED_FROM || leaf.data.byteLength > MOST_CHUNK)
    into.create_dataset({ name, data: leaf.data, shape })
  else {
    // Parameters of neurons are the same for most of them.
    into.create_dataset({ name, data: leaf.data, shape, chunks: shape, compression: 'gzip' })
  }
}

let library: Promise<Library | undefined> | undefined

async function load(): Promise<Library | undefined> {
  try {
    const h5 = (await import(hdf5Package)) as Library
    await h5.ready
    return h5
  } catch {
    return undefined
  }
}

/** What goes wrong with a file is told; a trap of the library leaves its memory as it was. */
async function using<R>(use: (h5: Library, fs: Awaited<Library['ready']>['FS']) => R): Promise<R> {
  library ??= load()
  const h5 = await library
  if (h5 === undefined) throw Object.assign(new Error('there is no library'), { code: 'MISSING' })
  const { FS: fs } = await h5.ready
  try {
    return use(h5, fs)
  } catch (error) {
    if (error instanceof Refused) throw error
    const isFaulty = error instanceof WebAssembly.RuntimeError || error instanceof RangeError
    const told = new Error('the HDF5 library cannot read it')
    throw Object.assign(told, isFaulty && { code: 'FAULTY' })
  }
}

type FileSystem = Awaited<Library['ready']>['FS']

/** Reads a file where it lies, piece by piece: the library's own would have it in memory. */
function readInPlace(h5: Library, fs: FileSystem, { path, lists }: Place): Group {
  const file = openSync(path, 'r')
  try {
    fs.writeFile(FILE, new Uint8Array(0))
    const node = fs.lookupPath(FILE, {}).node as unknown as FileNode
    node.usedBytes = fstatSync(file).size
    const read = (_: unknown, ...[into, at, length, from]: ReadArguments): number =>
      readSync(file, into, at, length, from)
    node.stream_ops = { ...node.stream_ops, read }
    return new Reader(h5, lists).read()
  } finally {
    closeSync(file)
    fs.unlink(FILE)
  }
}

/** What the library's file system has of a file, and how a stream of it reads. */
interface FileNode {
  usedBytes: number
  stream_ops: object
}
type ReadArguments = [into: Int8Array, at: number, length: number, from: number]

const calls = {
  read: (file: Uint8Array | Place) =>
    using((h5, fs) => {
      if ('path' in file) return readInPlace(h5, fs, file)
      fs.writeFile(FILE, file)
      return new Reader(h5).read()
    }),
  write: (tree: Group) =>
    using((h5, fs) => {
      write(h5, tree)
      return new Uint8Array(fs.readFile(FILE))
    }),
}

export type Hdf5Calls = typeof calls

serveThread(calls)
