/** The digits of the package; MNIST and Fashion-MNIST from their files. */
import { type Dataset, datasets, type Split } from 'spikewasm'

export interface Data extends Split {
  readonly name: string
  readonly title: string
  readonly classNames: readonly string[]
  readonly batchSize: number
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

/** Share of white in the first images: clothes have more of it than digits. */
function whiteOf({ pixels, shape, length }: Dataset): number {
  const bytes = new Uint8Array(shape.reduce((a, b) => a * b, 1))
  const count = Math.min(200, length)
  let sum = 0
  for (let i = 0; i < count; i++) {
    pixels!.read(i, bytes)
    for (const byte of bytes) sum += byte
  }
  return sum / (255 * count * bytes.length)
}

/** Fashion-MNIST or MNIST, whose files have the same names. */
export async function fromFiles(files: readonly File[]): Promise<Data> {
  let split = await datasets.mnist(files)
  const isFashion = whiteOf(split.train) > 0.2
  if (isFashion) split = await datasets.fashionMnist(files)
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
    ink: isFashion ? { height: 26, width: 26, pen: 3 } : { height: 20, width: 20, pen: 2.5 },
  }
}
