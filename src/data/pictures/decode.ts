/**
 * Pictures from the bytes of their files, by decoders that are installed on their own: `loadCodecs`
 * reads them once, then decoding waits for nothing, in any thread. Which decoder it is follows from
 * the content of a file, never from its name.
 */

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { SpikewasmError } from '../../errors.js'
import { jpegHead, pngSize } from '../../io/samples/picture-head.js'

/** A decoded picture, [H][W][channels]. */
export interface Picture {
  readonly width: number
  readonly height: number
  /** 3 (red, green, blue) or 4, of which the fourth does not count. */
  readonly channels: 3 | 4
  readonly data: Uint8Array | Uint8ClampedArray
}

/** Larger ones are refused before they are decoded: they would fill the memory. */
export const MOST_PIXELS = 1 << 26

interface JpegModule {
  decode(bytes: Uint8Array, preserveOrientation: boolean): Picture | null
}
interface PngModule {
  initSync(module: WebAssembly.Module): unknown
  decode(bytes: Uint8Array): Picture | undefined
}
interface JpegJs {
  decode(bytes: Uint8Array, options: object): Picture
}

/** What decodes pictures. Null where a package is not installed. */
export interface Codecs {
  readonly jpeg: ((bytes: Uint8Array) => Picture) | null
  readonly png: ((bytes: Uint8Array) => Picture) | null
  /** For JPEG in the four colours of print, which the other does not know. */
  readonly print: ((bytes: Uint8Array) => Picture) | null
}

const files = {
  jpeg: ['@jsquash/jpeg', 'codec/dec/mozjpeg_dec.js', 'codec/dec/mozjpeg_dec.wasm'],
  png: ['@jsquash/png', 'codec/pkg/squoosh_png.js', 'codec/pkg/squoosh_png_bg.wasm'],
} as const

let loading: Promise<Codecs> | undefined
let loaded: Codecs | undefined

/** Reads the decoders that are installed. */
export async function loadCodecs(): Promise<void> {
  loading ??= load()
  loaded = await loading
}

async function load(): Promise<Codecs> {
  const [jpeg, png, print] = await Promise.all(
    [loadJpeg, loadPng, loadPrint].map((load) => load().catch(() => null)),
  )
  return { jpeg, png, print }
}

/** The code of a package and its module. */
async function parts(kind: keyof typeof files): Promise<[unknown, WebAssembly.Module]> {
  const { readFile } = await import('node:fs/promises')
  const [name, code, wasm] = files[kind]
  const { resolve } = createRequire(import.meta.url)
  const script = await import(pathToFileURL(resolve(`${name}/${code}`)).href)
  const bytes = await readFile(resolve(`${name}/${wasm}`))
  return [script, await WebAssembly.compile(new Uint8Array(bytes))]
}

async function loadJpeg(): Promise<Codecs['jpeg']> {
  const [script, compiled] = await parts('jpeg')
  const { default: make } = script as { default(options: object): Promise<JpegModule> }
  /** What the decoder says of the picture at hand. */
  const said: string[] = []
  const module = await make({
    noInitialRun: true,
    print: () => undefined,
    printErr: (text: unknown) => said.push(String(text)),
    instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) {
      const instance = new WebAssembly.Instance(compiled, imports)
      done(instance)
      return instance.exports
    },
  })
  return (bytes) => {
    said.length = 0
    let picture: Picture | null
    try {
      picture = module.decode(bytes, false)
    } catch (error) {
      throw new Error(said.at(-1) ?? String((error as Error)?.message ?? error))
    }
    // It fills the rest with grey.
    const cut = said.find((text) => /premature end/i.test(text))
    if (picture === null || cut !== undefined) throw new Error(cut ?? 'it cannot be decoded')
    const { width, height, data } = picture
    return { width, height, data, channels: 4 }
  }
}

async function loadPng(): Promise<Codecs['png']> {
  const [script, compiled] = await parts('png')
  const module = script as PngModule
  // Pages have such a class, Node has none.
  const scope = globalThis as { ImageData?: unknown }
  scope.ImageData ??= class {
    constructor(
      readonly data: Uint8ClampedArray,
      readonly width: number,
      readonly height: number,
    ) {}
  }
  module.initSync(compiled)
  return (bytes) => {
    let picture: Picture | undefined
    try {
      picture = module.decode(bytes)
    } catch (error) {
      // It stopped halfway: its memory is not to be trusted.
      module.initSync(compiled)
      const { message } = error as Error
      throw new Error(/unreachable|unwrap/.test(message) ? 'it cannot be decoded' : message)
    }
    if (picture === undefined) throw new Error('it cannot be decoded')
    const { width, height, data } = picture
    return { width, height, data, channels: 4 }
  }
}

async function loadPrint(): Promise<Codecs['print']> {
  const name = 'jpeg-js'
  const module = (await import(name)) as { default: JpegJs }
  const options = {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: MOST_PIXELS / 1e6,
    maxMemoryUsageInMB: 2048,
  }
  return (bytes) => {
    const { width, height, data } = module.default.decode(bytes, options)
    return { width, height, data, channels: 3 }
  }
}

const install = (name: string, path: string, what: string): never => {
  throw new SpikewasmError(
    `${path}: needs the decoder ${name}, got none; run npm install ${name}, or convert ${what}`,
  )
}

/**
 * Decodes a picture; `loadCodecs` must have been awaited. Transparency does not count, and of 16
 * bits the upper 8 do.
 *
 * @param path what error messages call the file
 * @throws SpikewasmError for a file that is no jpg or png, is damaged or larger than 2²⁶ pixels,
 *   and when its decoder is not installed
 */
export function decodePicture(bytes: Uint8Array, path: string): Picture {
  if (loaded === undefined) throw new Error('loadCodecs must be awaited first')
  const png = pngSize(bytes)
  const jpeg = png ? undefined : jpegHead(bytes)
  const found = png ?? jpeg?.size
  if (found === undefined) {
    const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8
    throw new SpikewasmError(
      `${path}: must be a jpg or png picture, got ` +
        `${bytes.length === 0 ? 'an empty file' : isJpeg ? 'a damaged jpg' : 'another file'}; ` +
        'repair or remove it',
    )
  }
  const [width, height] = found
  if (width < 1 || height < 1 || width * height > MOST_PIXELS)
    throw new SpikewasmError(
      `${path}: must have from 1 to ${MOST_PIXELS} pixels, got ${width} × ${height}; make it ` +
        'smaller',
    )
  const decode = png
    ? (loaded.png ?? install(files.png[0], path, 'it to jpg'))
    : jpeg?.components === 4
      ? (loaded.print ?? install('jpeg-js', path, 'it from CMYK to RGB'))
      : (loaded.jpeg ?? install(files.jpeg[0], path, 'it to png'))
  let picture: Picture
  try {
    picture = decode(bytes)
  } catch (error) {
    throw new SpikewasmError(
      `${path}: must be a whole ${png ? 'png' : 'jpg'} picture, got one that is damaged ` +
        `(${(error as Error).message}); repair or remove it`,
      { cause: error },
    )
  }
  if (picture.width !== width || picture.height !== height)
    throw new SpikewasmError(
      `${path}: must be a picture of ${width} × ${height} as its head says, got ` +
        `${picture.width} × ${picture.height}; repair or remove it`,
    )
  return picture
}
