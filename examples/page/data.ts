/** The digits of the package; MNIST and Fashion-MNIST from their files. */
import { type Dataset, datasets, fromBytes, type Split } from 'spikewasm'

export interface Data extends Split {
  readonly name: string
  readonly title: string
  readonly classNames: readonly string[]
  readonly batchSize: number
  /** How a drawing becomes an image: largest height and width of its ink, and of the pen. */
  readonly ink: { readonly height: number; readonly width: number; readonly pen: number }
}

const ten = Array.from({ length: 10 }, (_, digit) => String(digit))
const clothes =
  'T-shirt,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot'.split(',')

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

interface Idx {
  readonly file: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** No file of the four is larger, nor what it unpacks to. */
const MOST_BYTES = 2 ** 27

async function unpacked(file: File): Promise<Uint8Array> {
  const head = new Uint8Array(await file.slice(0, 2).arrayBuffer())
  if (file.size > MOST_BYTES) throw new Error(`${file.name} is too large to be one of the four`)
  if (head[0] !== 0x1f || head[1] !== 0x8b) return new Uint8Array(await file.arrayBuffer())
  const parts: BlobPart[] = []
  let size = 0
  const reader = file.stream().pipeThrough(new DecompressionStream('gzip')).getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      size += value.length
      if (size > MOST_BYTES) throw new Error('it unpacks to more than any of the four')
      parts.push(value as Uint8Array<ArrayBuffer>)
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined)
    throw new Error(`${file.name} cannot be unpacked: ${(error as Error).message}`)
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer())
}

/** Two zeros, the type 8 of bytes, the number of sizes; the sizes; the bytes. */
async function readIdx(file: File): Promise<Idx> {
  const all = await unpacked(file)
  const rank = all[3]
  if (all[0] || all[1] || all[2] !== 8 || (rank !== 1 && rank !== 3) || all.length < 16)
    throw new Error(
      `${file.name} is no file of MNIST or Fashion-MNIST: those begin with the bytes 0 0 8 and 1 or 3`,
    )
  const view = new DataView(all.buffer)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  const [got, wanted] = [all.length - 4 - 4 * rank, shape.reduce((a, b) => a * b)]
  if (got !== wanted || wanted === 0)
    throw new Error(
      `${file.name} holds ${got} bytes of data, its header says ${wanted}; download it again`,
    )
  return { file: file.name, shape, bytes: all.subarray(4 + 4 * rank) }
}

/** Mean and deviation of a sample of the pixels, 0…1. */
function moments(bytes: Uint8Array): { mean: number; std: number } {
  let [sum, squares, count] = [0, 0, 0]
  for (let i = 0; i < bytes.length; i += 37, count++) {
    sum += bytes[i]
    squares += bytes[i] ** 2
  }
  const mean = sum / count / 255
  return { mean, std: Math.sqrt(squares / count / 255 ** 2 - mean ** 2) || 1 }
}

/** @throws Error in words for the user, when they are not the four files */
export async function fromFiles(files: readonly File[]): Promise<Data> {
  const read: Idx[] = []
  for (const file of files) read.push(await readIdx(file))
  const of = (rank: number): Idx[] =>
    read
      .filter(({ shape }) => shape.length === rank)
      .sort((a, b) => b.shape[0] - a.shape[0])
  const [images, labels] = [of(3), of(1)]
  if (images.length !== 2 || labels.length !== 2)
    throw new Error(
      'Four files are needed together: images and labels to train with, images and labels to test ' +
        `with. These are ${images.length} of images and ${labels.length} of labels.`,
    )
  const { mean, std } = moments(images[0].bytes)
  // Clothes have more ink than digits.
  const isFashion = mean > 0.2
  const name = isFashion ? 'fashion-mnist' : 'mnist'
  const classNames = isFashion ? clothes : ten
  const [train, test] = images.map(({ file, shape: [count, height, width], bytes }, i) => {
    if (labels[i].shape[0] !== count)
      throw new Error(
        `${file} has ${count} images, ${labels[i].file} has ${labels[i].shape[0]} labels`,
      )
    return fromBytes({
      name,
      images: bytes,
      labels: labels[i].bytes,
      shape: [1, height, width],
      classes: 10,
      classNames,
      normalization: { scale: 255, mean: [mean], std: [std] },
    })
  })
  if (String(train.shape) !== String(test.shape))
    throw new Error('Images to train and to test with are not of one size.')
  const count = (part: Dataset): string => part.length.toLocaleString('en')
  return {
    train,
    test,
    name,
    title:
      `${isFashion ? 'Fashion-MNIST' : 'MNIST'}, ${train.shape.slice(1).join('×')}: ` +
      `${count(train)} to train, ${count(test)} to test`,
    classNames,
    batchSize: 64,
    ink: isFashion ? { height: 26, width: 26, pen: 3 } : { height: 20, width: 20, pen: 2.5 },
  }
}
