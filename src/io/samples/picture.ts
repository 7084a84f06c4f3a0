/** PNG and JPEG, by decoders that are installed on their own. */

import { createRequire } from 'node:module'
import { fail } from '../../errors.js'
import { readFileClear } from '../files.js'
import { jpegHead, pngSize } from './picture-head.js'
import { planes } from './pnm.js'
import { refuse, type SampleArray } from './sample.js'

/** What a decoder gives: four bytes a pixel, red, green, blue, alpha. */
interface Pixels {
  readonly data: Uint8ClampedArray
  readonly width: number
  readonly height: number
}

interface Decoder {
  init(module: WebAssembly.Module): Promise<unknown>
  default(data: ArrayBuffer): Promise<Pixels>
}

interface Format {
  readonly title: string
  readonly package: string
  readonly wasm: string
  /** [width, height] as the header says; undefined where it has none. */
  readonly size: (bytes: Uint8Array) => readonly [number, number] | undefined
}

const formats: Readonly<Record<'png' | 'jpeg', Format>> = {
  png: {
    title: 'PNG',
    package: '@jsquash/png',
    wasm: 'codec/pkg/squoosh_png_bg.wasm',
    size: pngSize,
  },
  jpeg: {
    title: 'JPEG',
    package: '@jsquash/jpeg',
    wasm: 'codec/dec/mozjpeg_dec.wasm',
    size: (bytes) => jpegHead(bytes)?.size,
  },
}

/**
 * @param wanted [C, H, W] that the network takes; nothing else is decoded
 * @returns bytes [C, H, W]
 * @throws SpikewasmError for an image of another size, with transparency, or with colours where the
 *   network takes grey; and when the decoder is not installed
 */
export async function readPicture(
  bytes: Uint8Array,
  kind: 'png' | 'jpeg',
  [channels, height, width]: readonly number[],
  name: string,
): Promise<SampleArray> {
  const { title, size, package: from, wasm } = formats[kind]
  const found = size(bytes)
  if (!found) return refuse(name, `be a ${title} image`, 'other bytes')
  if (found[0] !== width || found[1] !== height)
    refuse(
      name,
      `be an image of ${width} × ${height} pixels`,
      `${found.join(' × ')}; resize it first`,
    )
  if (channels !== 1 && channels !== 3)
    refuse(name, 'be an array', `an image; the network takes ${channels} channels`)
  const { data } = await decode(bytes, from, wasm, name)
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] !== 255) refuse(name, 'be opaque', 'transparent pixels; put it on a background')
    if (channels === 1 && (data[i] !== data[i + 1] || data[i] !== data[i + 2]))
      refuse(name, 'be grey', 'colours; convert it first')
  }
  const image = planes(data, channels, width * height, 4)
  return { shape: [channels, height, width], data: image, most: 255 }
}

async function decode(
  bytes: Uint8Array,
  from: string,
  wasm: string,
  name: string,
): Promise<Pixels> {
  let decoder: Decoder
  try {
    decoder = (await import(`${from}/decode.js`)) as Decoder
    const path = createRequire(import.meta.url).resolve(`${from}/${wasm}`)
    const module = await WebAssembly.compile(new Uint8Array(await readFileClear(path, from)))
    // Pages have such a class, Node has none.
    Object.assign(globalThis, { ImageData: Image })
    await decoder.init(module)
  } catch (error) {
    fail(
      `${name}: needs the decoder ${from}, got none; run npm install ${from}, or convert the ` +
        'image to PGM or PPM',
      error,
    )
  }
  try {
    return await decoder.default(new Uint8Array(bytes).buffer)
  } catch (error) {
    fail(`${name}: must be a valid image, got one that is damaged`, error)
  }
}

class Image implements Pixels {
  constructor(
    readonly data: Uint8ClampedArray,
    readonly width: number,
    readonly height: number,
  ) {}
}
