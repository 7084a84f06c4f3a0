/** The digits of the package; MNIST and Fashion-MNIST from their files. */
import { type Dataset, datasets, type Split } from 'spikewasm'

export interface Data extends Split {
  readonly name: string
  readonly title: string
  readonly classNames: readonly string[]
  readonly batchSize: number
  /** A learning rate of Adam that suits it. */
  readonly lr: number
  /** How a drawing becomes an image: largest height and width of its ink, and of the pen. */
  readonly ink: { readonly height: number; readonly width: number; readonly pen: number }
}

const ten = Array.from({ length: 10 }, (_, digit) => String(digit))

export async function digits(): Promise<Data> {
  return {
    ...(await datasets.digits()),
    name: 'digits',
    title: 'Handwritten digits, 8×8: 1,442 to train, 355 to test',
    classNames: ten,
    batchSize: 32,
    lr: 0.01,
    ink: { height: 8, width: 6.4, pen: 1.5 },
  }
}

/** Values of a data set as shades 0…1, and the other way round. */
export const gray = (data: Dataset, values: Float32Array): Float32Array => {
  const { mean, std } = data.pixels!.normalization
  return values.map((value) => value * std[0] + mean[0])
}
export const normalised = (data: Dataset, shades: Float32Array): Float32Array => {
  const { mean, std } = data.pixels!.normalization
  return shades.map((shade) => (shade - mean[0]) / std[0])
}

const IMAGES = 200
const [HEADER, PIXELS] = [16, 28 * 28]

/** The first bytes of a file, which may be packed; fewer where it is short. */
async function headOf(file: Blob, length: number): Promise<Uint8Array> {
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer())
  const isPacked = start[0] === 0x1f && start[1] === 0x8b
  const stream: ReadableStream<Uint8Array> = isPacked
    ? file.stream().pipeThrough(new DecompressionStream('gzip'))
    : file.stream()
  const reader = stream.getReader()
  const head = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const { done, value } = await reader.read()
    if (done) break
    head.set(value.subarray(0, length - filled), filled)
    filled += Math.min(value.length, length - filled)
  }
  void reader.cancel().catch(() => undefined)
  return head.subarray(0, filled)
}

/** Whether they are of Fashion-MNIST: clothes have more white than digits. */
async function areClothes(files: readonly File[]): Promise<boolean> {
  const images = files.find(({ name }) => name.startsWith('t10k-images'))
  if (!images) return false
  try {
    const pixels = (await headOf(images, HEADER + IMAGES * PIXELS)).subarray(HEADER)
    return pixels.reduce((sum, pixel) => sum + pixel, 0) / (255 * pixels.length) > 0.2
  } catch {
    // The package says what is wrong with the file.
    return false
  }
}

/** Fashion-MNIST or MNIST, whose files have the same names. */
export async function fromFiles(files: readonly File[]): Promise<Data> {
  const isFashion = await areClothes(files)
  const split = await datasets[isFashion ? 'fashionMnist' : 'mnist'](files)
  const { train, test } = split
  const count = (part: Dataset): string => part.length.toLocaleString('en')
  return {
    ...split,
    name: isFashion ? 'fashion-mnist' : 'mnist',
    title:
      `${isFashion ? 'Fashion-MNIST' : 'MNIST'}, ${train.shape.slice(1).join('×')}: ` +
      `${count(train)} to train, ${count(test)} to test`,
    classNames: train.classNames ?? ten,
    batchSize: 64,
    lr: 0.002,
    ink: isFashion ? { height: 26, width: 26, pen: 3 } : { height: 20, width: 20, pen: 2.5 },
  }
}
