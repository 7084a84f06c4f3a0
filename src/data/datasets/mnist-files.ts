/** MNIST and Fashion-MNIST from the bytes of the four IDX files, in Node or in a page. */

import { describe, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { gunzip, type Measure } from '../../files/unpack.js'
import { fromBytes } from '../bytes.js'
import { sharedBytes } from '../plain.js'
import { checkLabels, type LabelledData, type Split } from './dataset.js'

// The IDX format of MNIST, on bytes alone.
// ```
// 0 0 type rank | rank sizes, u32 big-endian | elements, row-major
// ```

const UNSIGNED_BYTE = 0x08

/**
 * Reads an IDX array of unsigned bytes.
 *
 * @param rank number of dimensions: 3 for images [N, H, W], 1 for labels
 * @param name what error messages call the file, usually its path
 * @returns the sizes, and a view of the bytes that were read
 * @throws SpikewasmError that names the file and what is wrong in it
 */
export function parseIdx(bytes: Uint8Array, rank: number, name: string) {
  const { shape, header, count } = parseHeader(bytes, rank, name)
  const [sizes, found] = [shape.join(' × '), bytes.length - header]
  const why = count > found ? 'it is truncated' : 'there is something behind the data'
  if (count !== found)
    fail(
      `${name}: must hold ${sizes} = ${count} bytes of data, got ${found}; ${why}, download it ` +
        'again',
    )
  if (count === 0) fail(`${name}: must hold at least one element, got ${sizes}`)
  return { shape, data: bytes.subarray(header) }
}

/**
 * How many bytes a file has, by its header.
 * @throws SpikewasmError when it is no header
 */
export function idxBytes(head: Uint8Array, rank: number, name: string): number {
  const { header, count } = parseHeader(head, rank, name)
  return header + count
}

/** The sizes, the bytes of the header, and of the elements behind it. */
function parseHeader(bytes: Uint8Array, rank: number, name: string) {
  const header = 4 + 4 * rank
  const [first, second, type, dimensions] = bytes
  const cut = `got a file of ${bytes.length} bytes; it is truncated`
  if (bytes.length < 4) fail(`${name}: must start with 4 bytes 0 0 type rank, ${cut}`)
  if (first !== 0 || second !== 0)
    fail(`${name}: must start with two bytes 0, got ${first} ${second}; is it an IDX file?`)
  if (type !== UNSIGNED_BYTE)
    fail(`${name}: type must be 8 (unsigned byte), got ${type}; is it another data set?`)
  if (dimensions !== rank)
    fail(
      `${name}: must have ${rank} dimensions, got ${dimensions}; are images and labels mixed up?`,
    )
  if (bytes.length < header) fail(`${name}: must have a header of ${header} bytes, ${cut}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  return { shape, header, count: shape.reduce((product, size) => product * size, 1) }
}

const CLASSES = 10

/** Which of the data sets. */
export interface Flavour {
  readonly title: string
  readonly mean: number
  readonly std: number
  readonly classNames?: readonly string[]
}

export const mnistFlavour: Flavour = { title: 'MNIST', mean: 0.1307, std: 0.3081 }

export const fashionFlavour: Flavour = {
  title: 'Fashion-MNIST',
  mean: 0.286,
  std: 0.353,
  classNames: [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ],
}

/**
 * Files by their names, plain or gzipped: dropped onto a page or chosen in it (`input.files`,
 * `dataTransfer.files`), or their bytes.
 */
export type NamedFiles = Iterable<host.File> | Readonly<Record<string, Uint8Array | host.Blob>>

/**
 * Finds a file by its name without `.gz`, and unpacks it; its own name is for messages.
 *
 * @param what it is to the user
 * @param measure how many bytes a file has, by its head; see `idxBytes`
 */
export type FindFile = (
  name: string,
  what: string,
  measure: (name: string) => Measure,
) => Promise<{ readonly name: string; readonly bytes: Uint8Array }>

/** @throws SpikewasmError that names the file that is missing or damaged, and how */
export async function mnistOfFiles(
  loader: string,
  files: NamedFiles,
  flavour: Flavour,
): Promise<Split<LabelledData>> {
  const given = byName(loader, files)
  return readSplit(flavour, 'the files', async (name, what, measure) => {
    const key = [name, `${name}.gz`].find((key) => given.has(key))
    if (key === undefined)
      fail(
        `${loader} needs a file ${name} or ${name}.gz (${what}), got ` +
          `${[...given.keys()].slice(0, 8).map(describe).join(', ') || 'none'}; give all four`,
      )
    const file = given.get(key) as Uint8Array | host.Blob
    const packed = file instanceof Blob ? new Uint8Array(await file.arrayBuffer()) : file
    return { name: key, bytes: await gunzip(packed, key, measure(key)) }
  })
}

function byName(loader: string, files: NamedFiles): Map<string, Uint8Array | host.Blob> {
  if (typeof files !== 'object' || files === null)
    fail(`${loader} must be given a folder (in Node) or its four files, got ${describe(files)}`)
  const named: [string, unknown][] =
    Symbol.iterator in files
      ? Array.from(files as Iterable<host.File>, (file) => [file?.name, file])
      : Object.entries(files)
  for (const [name, file] of named)
    if (!(typeof name === 'string' && (file instanceof Uint8Array || file instanceof Blob)))
      fail(`${loader}: each file must be a File, a Blob or a Uint8Array, got ${describe(file)}`)
  return new Map(named as [string, Uint8Array | host.Blob][])
}

/**
 * @param where the files are, for messages
 * @throws SpikewasmError that names the file that is damaged, and how
 */
export async function readSplit(
  flavour: Flavour,
  where: string,
  find: FindFile,
): Promise<Split<LabelledData>> {
  const { title } = flavour
  const train = await readPart(find, 'train', `${title} train`, flavour)
  const test = await readPart(find, 't10k', `${title} test`, flavour)
  if (train.shape.join() !== test.shape.join()) {
    fail(
      `${where}: test images must be as large as the training images, got ` +
        `${test.shape.join('×')} and ${train.shape.join('×')}`,
    )
  }
  return { train, test }
}

async function readPart(
  find: FindFile,
  prefix: string,
  name: string,
  { mean, std, classNames }: Flavour,
): Promise<LabelledData> {
  const read = async (file: string, rank: number, what: string) => {
    const found = await find(
      `${prefix}-${file}`,
      `${name} ${what}`,
      (path) => (head) => idxBytes(head, rank, path),
    )
    return { ...parseIdx(found.bytes, rank, found.name), path: found.name }
  }
  const images = await read('images-idx3-ubyte', 3, 'images')
  const labels = await read('labels-idx1-ubyte', 1, 'labels')
  const [count, height, width] = images.shape
  if (labels.shape[0] !== count) {
    fail(
      `${labels.path}: must have as many labels as there are images, ${count}, got ` +
        `${labels.shape[0]}; are the files of one data set?`,
    )
  }
  checkLabels(labels.path, labels.data, CLASSES)
  return fromBytes({
    name,
    images: sharedBytes(images.data),
    labels: labels.data,
    shape: [1, height, width],
    classes: CLASSES,
    classNames,
    normalization: { scale: 255, mean: [mean], std: [std] },
  })
}
