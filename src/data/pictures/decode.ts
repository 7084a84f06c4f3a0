/**
 * Pictures from the bytes of their files, by decoders that are installed on their own: `loadCodecs`
 * reads them once, then decoding waits for nothing, in any thread. Which decoder it is follows from
 * the content of a file, never from its name.
 */

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { fail } from '../../base/errors.js'

// Pictures, on bytes alone: what their first bytes say, and how their pixels lie.

/** [width, height] as a PNG's header says; undefined where the bytes are no PNG. */
export function pngSize(bytes: Uint8Array): readonly [number, number] | undefined {
  const magic = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
  if (bytes.length < 24 || magic.some((byte, i) => bytes[i] !== byte)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return [view.getUint32(16), view.getUint32(20)]
}

/**
 * [width, height] and colours (1 grey, 3, or 4 as for print), of the first frame header: SOF0 to
 * SOF15 without DHT, JPG and DAC.
 */
export function jpegHead(bytes: Uint8Array) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 2; at + 10 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]
    // Markers may be padded.
    if (marker === 0xff) {
      at++
      continue
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) {
      const size = [view.getUint16(at + 7), view.getUint16(at + 5)] as const
      return { size, components: bytes[at + 9] }
    }
    at += 2 + view.getUint16(at + 2)
  }
  return undefined
}

/** [H][W][C], of `stride` bytes a pixel → [C][H][W] */
export function planes(
  pixels: ArrayLike<number>,
  channels: number,
  count: number,
  stride = channels,
): Uint8Array {
  const out = new Uint8Array(channels * count)
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < count; p++) out[c * count + p] = pixels[p * stride + c]
  return out
}

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
interface PngExports {
  readonly memory: WebAssembly.Memory
  decode(at: number, length: number): number
  __wbindgen_malloc(bytes: number, align: number): number
  __wbindgen_free(at: number, bytes: number, align: number): void
}
/**
 * Pixels that a byte of a file can stand for at most: a block of 8 × 8 takes a bit in JPEG, and
 * deflate packs 1,032 bytes of 8 pixels each into one. A head that claims more is a lie, which
 * would cost time and memory to find out.
 */
const PIXELS_OF_BYTE = { jpeg: 8 * 64, png: 8 * 1032 }

/**
 * What decodes pictures, and `print` JPEG in the four colours of print, which the other does not
 * know. Null where a package is not installed.
 */
type Codecs = Readonly<Record<'jpeg' | 'png' | 'print', ((bytes: Uint8Array) => Picture) | null>>

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

const { resolve } = createRequire(import.meta.url)

async function compile(kind: keyof typeof files): Promise<WebAssembly.Module> {
  const { readFile } = await import('node:fs/promises')
  const [name, , wasm] = files[kind]
  return WebAssembly.compile(new Uint8Array(await readFile(resolve(`${name}/${wasm}`))))
}

async function loadJpeg(): Promise<Codecs['jpeg']> {
  const compiled = await compile('jpeg')
  const [name, code] = files.jpeg
  const script = await import(pathToFileURL(resolve(`${name}/${code}`)).href)
  const { default: make } = script as { default(options: object): Promise<unknown> }
  /** What the decoder says of the picture at hand. */
  const said: string[] = []
  // The module is complete when `make` returns, since it need not wait for its code.
  const fresh = (): JpegModule => {
    const module = {
      noInitialRun: true,
      print: () => undefined,
      printErr: (text: unknown) => said.push(String(text)),
      instantiateWasm(
        imports: WebAssembly.Imports,
        done: (instance: WebAssembly.Instance) => void,
      ) {
        const instance = new WebAssembly.Instance(compiled, imports)
        done(instance)
        return instance.exports
      },
    }
    make(module).catch(() => undefined)
    return module as unknown as JpegModule
  }
  let module = fresh()
  return (bytes) => {
    said.length = 0
    let picture: Picture | null
    try {
      picture = module.decode(bytes, false)
    } catch (error) {
      const why = said.at(-1) ?? String((error as Error)?.message ?? error)
      // It stopped halfway: its memory is not to be trusted, and what it holds is never let go of.
      module = fresh()
      throw new Error(why)
    }
    // It fills the rest with grey.
    const cut = said.find((text) => /premature end/i.test(text))
    if (picture === null || cut !== undefined) throw new Error(cut ?? 'it cannot be decoded')
    const { width, height, data } = picture
    return { width, height, data, channels: 4 }
  }
}

/**
 * The package's own code makes one instance for good, which is of no use once it has stopped
 * halfway. So instances are made here, with what its code (wasm-bindgen) gives them.
 */
async function loadPng(): Promise<Codecs['png']> {
  const compiled = await compile('png')
  let picture: Picture | undefined
  const fresh = (): PngExports => {
    const imports: Record<string, WebAssembly.ImportValue> = {}
    let memory: WebAssembly.Memory | undefined
    const bytesAt = (at: number, length: number): Uint8Array =>
      new Uint8Array(memory!.buffer, at >>> 0, length)
    for (const { name } of WebAssembly.Module.imports(compiled))
      imports[name] = name.startsWith('__wbg_newwithownedu8clampedarray')
        ? (at: number, length: number, width: number, height: number): number => {
            picture = { data: bytesAt(at, length).slice(), width, height, channels: 4 }
            own.__wbindgen_free(at, length, 1)
            return 0
          }
        : () => {
            throw new Error('it cannot be decoded')
          }
    const instance = new WebAssembly.Instance(compiled, { wbg: imports })
    const own = instance.exports as unknown as PngExports
    memory = own.memory
    return own
  }
  let module = fresh()
  return (bytes) => {
    picture = undefined
    try {
      const at = module.__wbindgen_malloc(bytes.length, 1) >>> 0
      new Uint8Array(module.memory.buffer, at, bytes.length).set(bytes)
      module.decode(at, bytes.length)
    } catch {
      module = fresh()
      picture = undefined
    }
    if (picture === undefined) throw new Error('it cannot be decoded')
    return picture
  }
}

async function loadPrint(): Promise<Codecs['print']> {
  const name = 'jpeg-js'
  const module = (await import(name)) as {
    default: { decode(bytes: Uint8Array, options: object): Picture }
  }
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
  fail(`${path}: needs the decoder ${name}, got none; run npm install ${name}, or convert ${what}`)
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
    fail(
      `${path}: must be a jpg or png picture, got ` +
        `${bytes.length === 0 ? 'an empty file' : isJpeg ? 'a damaged jpg' : 'another file'}; ` +
        'repair or remove it',
    )
  }
  const [width, height] = found
  if (width < 1 || height < 1 || width * height > MOST_PIXELS)
    fail(
      `${path}: must have from 1 to ${MOST_PIXELS} pixels, got ${width} × ${height}; make it ` +
        'smaller',
    )
  if (width * height > 4096 + PIXELS_OF_BYTE[png ? 'png' : 'jpeg'] * bytes.length)
    fail(
      `${path}: must be a whole ${png ? 'png' : 'jpg'} picture, got ${bytes.length} bytes for ` +
        `${width} × ${height} pixels; repair or remove it`,
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
    fail(
      `${path}: must be a whole ${png ? 'png' : 'jpg'} picture, got one that is damaged ` +
        `(${(error as Error).message}); repair or remove it`,
      error,
    )
  }
  if (picture.width !== width || picture.height !== height)
    fail(
      `${path}: must be a picture of ${width} × ${height} as its head says, got ` +
        `${picture.width} × ${picture.height}; repair or remove it`,
    )
  return picture
}
