/** Small data sets in folders, of pictures and of recordings, each made from a seed. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { testRandom } from './engine.js'
import { type Event, nmnistFile } from './event-files.js'

function crc32(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1))
  }
  return ~crc >>> 0
}

function chunk(name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name), data])
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  size.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([size, body, sum])
}

/** A picture of 3 × 8 bits a pixel, as PNG. */
function png(side: number, random: () => number): Buffer {
  const head = Buffer.alloc(13)
  head.writeUInt32BE(side, 0)
  head.writeUInt32BE(side, 4)
  head.set([8, 2], 8)
  const rows = Buffer.alloc(side * (1 + 3 * side))
  for (let i = 0; i < rows.length; i++)
    if (i % (1 + 3 * side) > 0) rows[i] = Math.floor(256 * random())
  const chunks = [
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', head.subarray(13)),
  ]
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks])
}

const recording = (random: () => number): Buffer =>
  Buffer.from(
    nmnistFile(
      Array.from(
        { length: 60 },
        (_, i): Event => [
          ...([Math.floor(34 * random()), Math.floor(34 * random()), 500 * i] as const),
          Math.floor(2 * random()),
        ],
      ),
    ),
  )

const cifarClasses = [
  ...['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
]
const digits = Array.from({ length: 10 }, (_, i) => String(i))

interface Kind {
  /** The data set of the command, and how a sample becomes a small one. */
  readonly args: readonly string[]
  readonly parts: readonly string[]
  readonly classes: readonly string[]
  /** How many each class has in each part. */
  readonly samples: number
  readonly ending: string
  make(random: () => number): Buffer
}

const pictures = { ending: '.png', make: (random: () => number) => png(12, random) }
const recordings = { ending: '.bin', make: recording }
const cut = ['--time-steps', '2', '--event-size', '8']
const two = ['cat', 'dog']

/** Pictures and recordings: with parts, without, and as a published data set is. */
export const folderKinds = {
  images: {
    ...pictures,
    ...{ args: ['--dataset', 'images', '--image-size', '8', '--augment'], samples: 20 },
    ...{ parts: ['train', 'val'], classes: two },
  },
  'images without parts': {
    ...pictures,
    args: ['--dataset', 'images', '--image-size', '8', '--train-share', '0.7'],
    ...{ parts: [''], classes: two, samples: 30 },
  },
  'cifar10 as pictures': {
    ...pictures,
    args: ['--dataset', 'cifar10'],
    ...{ parts: ['train', 'test'], classes: cifarClasses, samples: 4 },
  },
  events: {
    ...recordings,
    args: ['--dataset', 'events', ...cut, '--roll', '1'],
    ...{ parts: ['train', 'test'], classes: two, samples: 20 },
  },
  'events without parts': {
    ...recordings,
    args: ['--dataset', 'events', ...cut, '--train-share', '0.7'],
    ...{ parts: [''], classes: two, samples: 30 },
  },
  nmnist: {
    ...recordings,
    args: ['--dataset', 'nmnist', ...cut],
    ...{ parts: ['Train', 'Test'], classes: digits, samples: 4 },
  },
} as const satisfies Record<string, Kind>

export type FolderKind = keyof typeof folderKinds

export async function writeData(folder: string, kind: FolderKind, seed = 1): Promise<void> {
  const { parts, classes, samples, ending, make }: Kind = folderKinds[kind]
  const random = testRandom(seed)
  for (const part of parts)
    for (const name of classes) {
      await mkdir(join(folder, part, name), { recursive: true })
      for (let i = 0; i < samples; i++)
        await writeFile(join(folder, part, name, `${i}${ending}`), make(random))
    }
}
