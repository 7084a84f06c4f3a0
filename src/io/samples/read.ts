/** A file's samples as a network takes them. */

import { stat } from 'node:fs/promises'
import { fail } from '../../errors.js'
import { readFileClear } from '../files.js'
import type { ModelData } from '../model-json.js'
import { parseJsonArray } from './json-array.js'
import { parseNpy } from './npy.js'
import { readPicture } from './picture.js'
import { parsePnm } from './pnm.js'
import type { SampleArray } from './sample.js'

const LARGEST_FILE = 2 ** 30

/** What a network takes. */
export interface SampleTarget {
  /** Of one sample: [C, H, W], or [T, C, H, W] of frames. */
  readonly shape: readonly number[]
  readonly normalization?: ModelData['normalization']
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
  { shape }: SampleTarget,
): Promise<SampleArray> {
  const begins = (...start: number[]): boolean => start.every((byte, i) => bytes[i] === byte)
  const ending = /\.(\w+)$/.exec(path)?.[1].toLowerCase()
  const isRaw = ending === 'bin' || ending === 'json'
  const picture = begins(0x89, 0x50, 0x4e) ? 'png' : begins(0xff, 0xd8, 0xff) ? 'jpeg' : undefined
  // A picture under the name of another kind is what it is.
  if (picture !== undefined && !isRaw) return readPicture(bytes, picture, shape.slice(-3), path)
  if (begins(0x93, 0x4e) || ending === 'npy') return parseNpy(bytes, path)
  if (ending === 'png') return readPicture(bytes, 'png', shape.slice(-3), path)
  if (ending === 'jpg' || ending === 'jpeg')
    return readPicture(bytes, 'jpeg', shape.slice(-3), path)
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
  const { scale, mean, std } = normalization
  if (mean.length !== channels || std.length !== channels)
    fail(
      `--mean and --std must have a number for each of ${channels} channels, got ` +
        `${mean.length} and ${std.length}`,
    )
  const out = new Float32Array(data.length)
  for (let i = 0; i < out.length; i++) {
    const c = Math.floor(i / (height * width)) % channels
    out[i] = (data[i] / scale - mean[c]) / std[c]
  }
  return out
}
