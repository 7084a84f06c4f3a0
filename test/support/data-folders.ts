/** Small data sets in folders, of pictures and of recordings, each made from a seed. */

import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { cifarNames } from '../../src/data/events/sets.js'
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
export function png(side: number, random: () => number): Buffer {
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

function recording(random: () => number): Buffer {
  const events = Array.from({ length: 60 }, (_, i): Event => {
    const [x, y] = [Math.floor(34 * random()), Math.floor(34 * random())]
    return [x, y, 500 * i, Math.floor(2 * random())]
  })
  return Buffer.from(nmnistFile(events))
}

export const digitClasses = Array.from({ length: 10 }, (_, i) => String(i))

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

const kindOf =
  (ending: string, make: Kind['make']) =>
  (args: string, parts: readonly string[], classes: readonly string[], samples: number): Kind => ({
    args: args.split(' '),
    parts,
    classes,
    samples,
    ending,
    make,
  })
const pictures = kindOf('.png', (random) => png(12, random))
const recordings = kindOf('.bin', recording)
const cut = '--time-steps 2 --event-size 8'
const share = '--train-share 0.7'
const two = ['cat', 'dog']

/** Pictures and recordings: with parts, without, and as a published data set is. */
export const folderKinds = {
  images: pictures('--dataset images --image-size 8 --augment', ['train', 'val'], two, 20),
  'images without parts': pictures(`--dataset images --image-size 8 ${share}`, [''], two, 30),
  'cifar10 as pictures': pictures('--dataset cifar10', ['train', 'test'], cifarNames, 4),
  events: recordings(`--dataset events ${cut} --roll 1`, ['train', 'test'], two, 20),
  'events without parts': recordings(`--dataset events ${cut} ${share}`, [''], two, 30),
  nmnist: recordings(`--dataset nmnist ${cut}`, ['Train', 'Test'], digitClasses, 4),
}

export type FolderKind = keyof typeof folderKinds

/** Files by their paths below a folder; an empty text is a folder. @param time of all, s */
export function writeFiles(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string>>,
  time = Date.now() / 1000,
): void {
  for (const [path, content] of Object.entries(files)) {
    const target = join(folder, path)
    mkdirSync(content === '' ? target : dirname(target), { recursive: true })
    if (content !== '') writeFileSync(target, content)
    utimesSync(target, time, time)
  }
}

export async function writeData(folder: string, kind: FolderKind, seed = 1): Promise<void> {
  const { parts, classes, samples, ending, make } = folderKinds[kind]
  const random = testRandom(seed)
  for (const part of parts)
    for (const name of classes)
      for (let i = 0; i < samples; i++)
        writeFiles(folder, { [join(part, name, `${i}${ending}`)]: make(random) })
}
