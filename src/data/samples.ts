/** A file's samples as a network takes them. */

import { stat } from 'node:fs/promises'
import { describe, fail, quote } from '../base/errors.js'
import { readFileClear } from '../files/files.js'
import { type ModelData, parseJsonBytes } from '../files/json.js'
import { normalizationTable, normalize } from './bytes.js'
import { decodePicture, jpegHead, loadCodecs, planes, pngSize } from './pictures/decode.js'
import { centreCrop, resizeTo, toChannels } from './pictures/transforms.js'
import { parseNpy } from './recordings/arrays.js'
import { refuse } from './recordings/recording.js'

const LARGEST_FILE = 2 ** 30

/** What a file holds. */
interface SampleArray {
  /** Outermost first; [C, H, W] where it is an image. */
  readonly shape: readonly number[]
  /** Row by row. Bytes are not yet normalised; floats are what `predict` takes. */
  readonly data: Float32Array | Uint8Array
  /** The byte that stands for 1, where it is an image. */
  readonly most?: number
}

/** What a network takes. */
export interface SampleTarget {
  /** [C, H, W], or [T, C, H, W] where a sample has frames. */
  readonly shape: readonly number[]
  readonly normalization?: ModelData['normalization']
  /** Pictures of files are resized to it, as in training; absent: they must have the size. */
  readonly resized?: number | readonly [number, number]
}

/**
 * @returns one sample after the other, normalised
 * @throws SpikewasmError that names the file, for other shapes and formats, numbers that are not
 *   finite, and bytes where nobody says how they become numbers
 */
export async function readSamples(path: string, target: SampleTarget): Promise<Float32Array> {
  const status = await stat(path).catch(() => undefined)
  if (status?.isFile() === false && !status.isDirectory())
    fail(`${path}: must be a regular file, got a pipe or device`)
  if (status && status.size > LARGEST_FILE)
    fail(`${path}: must have at most ${LARGEST_FILE} bytes, got ${status.size}; split it`)
  const bytes = await readFileClear(path, 'the sample')
  return samplesOf(await arrayOf(bytes, path, target), path, target)
}

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** The format is told by the first bytes; JSON and raw numbers by the name. */
export async function arrayOf(
  bytes: Uint8Array,
  path: string,
  target: SampleTarget,
): Promise<SampleArray> {
  const { shape } = target
  const begins = (...start: number[]): boolean => start.every((byte, i) => bytes[i] === byte)
  const ending = /\.(\w+)$/.exec(path)?.[1].toLowerCase()
  const isRaw = ending === 'bin' || ending === 'json'
  const picture = begins(0x89, 0x50, 0x4e) ? 'png' : begins(0xff, 0xd8, 0xff) ? 'jpeg' : undefined
  // A picture under the name of another kind is what it is.
  if (picture !== undefined && !isRaw) return readPicture(bytes, picture, target, path)
  if (begins(0x93, 0x4e) || ending === 'npy') return numbersOf(bytes, path)
  if (ending === 'png') return readPicture(bytes, 'png', target, path)
  if (ending === 'jpg' || ending === 'jpeg') return readPicture(bytes, 'jpeg', target, path)
  if (ending === 'json') return parseJsonArray(bytes, path)
  if (ending === 'bin') return parseRaw(bytes, path, shape)
  if (begins(0x50, 0x35) || begins(0x50, 0x36) || ['pgm', 'ppm', 'pnm'].includes(ending ?? ''))
    return parsePnm(bytes, path)
  fail(`${path}: must be .npy, .json, .bin, .pgm, .ppm, .png or .jpg, got another file`)
}

/** Numbers alone: float32 or bytes, told apart by how many there are. */
function parseRaw(bytes: Uint8Array, path: string, shape: readonly number[]): SampleArray {
  const size = product(shape)
  if (bytes.length === size) return { shape, data: new Uint8Array(bytes) }
  if (bytes.length === 4 * size)
    return { shape, data: new Float32Array(new Uint8Array(bytes).buffer) }
  fail(
    `${path}: must have ${4 * size} bytes (float32) or ${size} (bytes) for a sample of ` +
      `[${shape.join(', ')}], got ${bytes.length}`,
  )
}

/** Numbers of a buffer, by NumPy's name of their type, and the bytes of each. */
const types: Readonly<Record<string, readonly [number, (of: ArrayBuffer) => SampleArray['data']]>> =
  {
    '<f4': [4, (of) => new Float32Array(of)],
    '<f8': [8, (of) => new Float32Array(new Float64Array(of))],
    '|u1': [1, (of) => new Uint8Array(of)],
    '|b1': [1, (of) => new Uint8Array(of)],
  }

/** A .npy file of float32, float64 or bytes. */
function numbersOf(bytes: Uint8Array, name: string): SampleArray {
  const { descr, shape, data } = parseNpy(bytes, name)
  const type = descr.replaceAll("'", '')
  if (!Object.hasOwn(types, type))
    refuse(name, "be of float32, float64 or uint8; save x.astype('float32')", quote(type))
  const [size, read] = types[type]
  const needed = shape.reduce((a, b) => a * b, size)
  if (needed !== data.length)
    refuse(name, `hold ${needed} bytes of data, as its shape says`, `${data.length}`)
  // A copy is aligned for any element.
  return { shape, data: read(new Uint8Array(data).buffer) }
}

/** Numbers; each takes several bytes as text. */
const MOST_NUMBERS = 4_000_000

/** Nested lists such as `[[0, 1], [2, 3]]`, as long in each place. */
function parseJsonArray(bytes: Uint8Array, name: string): SampleArray {
  const limits = { length: 64_000_000, depth: 8, values: MOST_NUMBERS }
  const value = parseJsonBytes(bytes, name, 'it', limits)
  const shape: number[] = []
  for (let inner: unknown = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length)
  const count = shape.reduce((product, size) => product * size, 1)
  if (shape.length === 0 || count > MOST_NUMBERS)
    fail(`${name}: must be an array of numbers, got ${describe(value)}`)
  const data = new Float32Array(count)
  let at = 0
  const fill = (item: unknown, depth: number): void => {
    if (depth < shape.length) {
      if (!Array.isArray(item) || item.length !== shape[depth])
        fail(
          `${name}: must be an array of [${shape.join(', ')}] throughout, got ` +
            `${Array.isArray(item) ? `a list of ${item.length}` : describe(item)} in it`,
        )
      for (const inner of item) fill(inner, depth + 1)
      return
    }
    if (typeof item !== 'number')
      fail(`${name}: must be an array of numbers, got ${describe(item)} in it`)
    data[at++] = item
  }
  fill(value, 0)
  return { shape, data }
}

// Binary PGM (P5, grey) and PPM (P6, colour):
// ```
// P5 or P6 | space | width | space | height | space | 255 | one space | bytes, row by row
// ```
// Between numbers may stand comments: from # to the end of the line.
// Source: https://netpbm.sourceforge.net/doc/ppm.html

/** A header with its comments is looked for in the first bytes alone. */
const LONGEST_HEAD = 4096
const BREAK = '(?:\\s|#[^\\n\\r]*[\\n\\r])+'
const PATTERN = new RegExp(`^P([56])${BREAK}(\\d{1,9})${BREAK}(\\d{1,9})${BREAK}(\\d{1,5})\\s`)

function parsePnm(bytes: Uint8Array, name: string): SampleArray {
  const head = Array.from(bytes.subarray(0, LONGEST_HEAD), (byte) => String.fromCharCode(byte))
  const text = head.join('')
  const found = PATTERN.exec(text)
  if (!found) return refuse(name, 'begin as a binary PGM or PPM (P5, P6)', quote(text.slice(0, 16)))
  const [header, kind, ...numbers] = found
  const [width, height, most] = numbers.map(Number)
  const channels = kind === '5' ? 1 : 3
  if (most < 1 || most > 255)
    refuse(name, 'have bytes up to 255 at most', `up to ${most}; convert it to 8 bits`)
  const data = bytes.subarray(header.length)
  const count = channels * width * height
  if (count === 0 || data.length !== count)
    refuse(
      name,
      `hold ${width} × ${height} × ${channels} = ${count} bytes, not 0`,
      `${data.length}`,
    )
  return { shape: [channels, height, width], data: planes(data, channels, width * height), most }
}

/** A PNG or JPEG of the size that the network takes, or that is resized to it. */
async function readPicture(
  bytes: Uint8Array,
  kind: 'png' | 'jpeg',
  { shape, resized }: SampleTarget,
  name: string,
): Promise<SampleArray> {
  const [channels, height, width] = shape.slice(-3)
  const found = kind === 'png' ? pngSize(bytes) : jpegHead(bytes)?.size
  if (!found) return refuse(name, `be a ${kind.toUpperCase()} image`, 'other bytes')
  if (resized === undefined && (found[0] !== width || found[1] !== height))
    refuse(
      name,
      `be an image of ${width} × ${height} pixels`,
      `${found.join(' × ')}; resize it first`,
    )
  if (channels !== 1 && channels !== 3)
    refuse(name, 'be an array', `an image; the network takes ${channels} channels`)
  await loadCodecs()
  const picture = decodePicture(bytes, name)
  if (resized !== undefined) {
    const { data } = centreCrop(resizeTo(toChannels(picture, channels), resized), [height, width])
    return {
      shape: [channels, height, width],
      data: planes(data, channels, width * height),
      most: 255,
    }
  }
  const { data, channels: stride } = picture
  for (let i = 0; i < data.length; i += stride) {
    if (stride === 4 && data[i + 3] !== 255)
      refuse(name, 'be opaque', 'transparent pixels; put it on a background')
    if (channels === 1 && (data[i] !== data[i + 1] || data[i] !== data[i + 2]))
      refuse(name, 'be grey', 'colours; convert it first')
  }
  const image = planes(data, channels, width * height, stride)
  return { shape: [channels, height, width], data: image, most: 255 }
}

/** Checked against what the network takes, and normalised. */
export function samplesOf(
  { shape: found, data, most }: SampleArray,
  path: string,
  { shape, normalization }: SampleTarget,
): Float32Array {
  const size = product(shape)
  const withoutOnes = (sizes: readonly number[]): string =>
    sizes.slice(sizes.findIndex((n) => n !== 1)).join()
  const isOne =
    data.length === size && (found.length === 1 || withoutOnes(found) === withoutOnes(shape))
  const isMany =
    found.length === shape.length + 1 && found.slice(1).join() === shape.join() && found[0] >= 1
  if (!isOne && !isMany)
    fail(
      `${path}: must be a sample of [${shape.join(', ')}], or a list of them, got ` +
        `[${found.slice(0, 8).join(', ')}]; nothing is resized or transposed`,
    )
  if (data instanceof Float32Array) {
    const at = data.findIndex((value) => !Number.isFinite(value))
    if (at >= 0) fail(`${path}: must hold finite numbers, got ${data[at]} at index ${at}`)
    return data
  }
  return normalised(data, path, shape, normalization && { ...normalization, ...scaleOf(most) })
}

/** Images say themselves which byte is white. */
const scaleOf = (most: number | undefined): { scale: number } | undefined =>
  most === undefined ? undefined : { scale: most }

function normalised(
  data: Uint8Array,
  path: string,
  shape: readonly number[],
  normalization: SampleTarget['normalization'],
): Float32Array {
  if (!normalization)
    fail(
      `${path}: holds bytes, and --mean and --std must say how they become numbers, got none; ` +
        "the model's file does not say it",
    )
  const [channels, height, width] = shape.slice(-3)
  const { mean, std } = normalization
  if (mean.length !== channels || std.length !== channels)
    fail(
      `--mean and --std must have a number for each of ${channels} channels, got ` +
        `${mean.length} and ${std.length}`,
    )
  const out = new Float32Array(data.length)
  normalize(out, data, normalizationTable(normalization, [channels, height, width]))
  return out
}
