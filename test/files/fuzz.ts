/** Mutated files through every reader: each ends in a value or in one SpikewasmError. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { SpikewasmError } from '../../src/base/errors.js'
import { parseRunOptions } from '../../src/cli/run-folder.js'
import { parseCifar, parseClassNames } from '../../src/data/datasets/cifar.js'
import { parseIdx } from '../../src/data/datasets/mnist-files.js'
import { cacheKey, SampleCache } from '../../src/data/pictures/cache.js'
import { decodePicture, loadCodecs } from '../../src/data/pictures/decode.js'
import { classNamesOf, parseSolution } from '../../src/data/pictures/imagenet.js'
import { toChannels } from '../../src/data/pictures/transforms.js'
import { unpackLz4, xxHash32 } from '../../src/data/recordings/aedat4.js'
import { arrayOf, samplesOf } from '../../src/data/samples.js'
import { netInfo } from '../../src/edge/net.js'
import { parseCheckpoint, serializeCheckpoint } from '../../src/files/checkpoint.js'
import { unpack } from '../../src/files/files.js'
import { entryOf, parseManifest, serializeManifest } from '../../src/files/folder/read.js'
import { modelKey } from '../../src/files/json.js'
import { serializeState } from '../../src/files/state.js'
import { readTar } from '../../src/files/tar.js'
import * as api from '../../src/index.js'
import { readModel } from '../../src/model/load.js'
import { hostileBytes, readHostile } from '../kernels/hostile.js'
import { nirReaders } from '../nir/fuzz.js'
import { changed, checkpoints, readers as readersOfCheckpoints } from '../support/checkpoints.js'
import { testRandom } from '../support/engine.js'
import { joined, npyHeader, npyOf, text } from '../support/event-files.js'
import { eventReaders } from './fuzz-events.js'
import { graphReaders } from './fuzz-graphs.js'
import { picture, tarEnd, tarMember } from './writers.js'

export interface Reader {
  readonly bytes: Uint8Array
  read(bytes: Uint8Array): unknown
  /** Instead of its bytes; what has a hash needs the right one to be read. */
  mutate?(random: () => number): Promise<Uint8Array>
  close?(): Promise<void>
}

const options = {
  version: '0.1.0',
  model: 'cnn',
  dataset: 'digits',
  augment: false,
  input: [1, 8, 8],
  classes: 10,
  timeSteps: 4,
  tau: 1.25,
  method: 'rate',
  stepMode: 'm',
  epochs: 1,
  gradientCheckpoint: 'none',
  optimizer: 'sgd',
  loss: 'crossEntropy',
  update: 'afterwards',
  backwardSteps: 4,
  batchSize: 32,
  lr: 0.1,
  momentum: 0.9,
  weightDecay: 0,
  schedule: 'cosine',
  seed: 0,
  threads: 1,
}

export async function readersOf(): Promise<Record<string, Reader>> {
  const network = api.sequential(api.conv2d(1, 2, 3), api.lif(), api.flatten(), api.linear(8, 3))
  const model = await network.compile({ input: [1, 4, 4] })
  const json = JSON.stringify({
    ...model.toJSON(),
    data: { classNames: ['a', 'b', 'c'], normalization: { scale: 255, mean: [0.5], std: [1] } },
  })
  const state = model.stateDict()
  const wasm = (await api.exportWasm(model)) as Uint8Array
  await model.dispose()
  const about = { records: [{ epoch: 1, of: 'a line of 32 bytes' }], setting: { a: [1, 2] } }
  const sample = async (bytes: Uint8Array, path: string) => {
    const target = { shape: [1, 4, 4], normalization: { scale: 255, mean: [0], std: [1] } }
    return samplesOf(await arrayOf(bytes, path, target), path, target)
  }
  const tar = joined([tarMember('a.bin', '00000000010\0', new Uint8Array(8)), tarEnd])
  return {
    model: {
      bytes: serializeState(state, { [modelKey]: json }),
      read(bytes) {
        const found = readModel(bytes, 'it')
        if (found.json) api.networkFromJSON(found.json, 'it')
        return found
      },
    },
    network: {
      bytes: text(json),
      read: (bytes) => api.networkFromJSON(new TextDecoder().decode(bytes), 'it'),
    },
    checkpoint: {
      bytes: await serializeCheckpoint({ tensors: state, about }),
      read: (bytes) => parseCheckpoint(bytes, 'it'),
    },
    manifest: {
      bytes: serializeManifest({ format: 1, generation: 3, files: { a: entryOf(text('a')) } }),
      read: (bytes) => parseManifest(bytes, 'it'),
    },
    options: {
      bytes: text(JSON.stringify(options)),
      read: (bytes) => parseRunOptions(bytes, 'it'),
    },
    npy: {
      bytes: npyOf(`${npyHeader("'|u1'", '1, 4, 4')}\n`, new Uint8Array(16)),
      read: (bytes) => sample(bytes, 'it.npy'),
    },
    pnm: {
      bytes: joined([text('P5\n# x\n4 4 255\n'), new Uint8Array(16)]),
      read: (bytes) => sample(bytes, 'it.pgm'),
    },
    array: {
      bytes: text('[[1,2,3,4],[1,2,3,4],[1,2,3,4],[1,2,3,4]]'),
      read: (b) => sample(b, 'a.json'),
    },
    idx: {
      bytes: new Uint8Array([0, 0, 8, 1, 0, 0, 0, 4, 1, 2, 3, 4]),
      read: (bytes) => parseIdx(bytes, 1, 'it'),
    },
    cifar: { bytes: new Uint8Array(2 * 3073), read: (bytes) => parseCifar(bytes, 1, 10, 'it') },
    names: { bytes: text('a\nb\nc\n'), read: (bytes) => parseClassNames(bytes, 3, 'it') },
    tar: { bytes: tar, read: (bytes) => readTar(bytes, 'it') },
    gz: { bytes: new Uint8Array(gzipSync(tar)), read: (bytes) => unpack(bytes, 'it') },
    net: { bytes: wasm, read: (bytes) => netInfo(bytes) },
    ...graphReaders(),
    equations: { bytes: text('spike = x > 1'), read: readHostile, mutate: hostileBytes },
    ...eventReaders(),
    lz4: {
      bytes: sealed(lz4Frame),
      read: (bytes) => unpackLz4(bytes, 1 << 16, 'it'),
      mutate: async (random) => sealed(mutated(lz4Frame, random)),
    },
    ...(await nirReaders()),
    ...(await goingOn()),
    ...(await picturesOf()),
  }
}

/** Two sequences, eight letters and 4 + 19 bytes from four before; then four literals. */
const lz4Frame = joined([
  [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0, 17, 0, 0, 0, 0x8f],
  text('abcdefgh'),
  [4, 0, 4, 0x40],
  text('wxyz'),
  [0, 0, 0, 0],
])

/** With the right checksum of the header, so that what is behind it is read. */
function sealed(frame: Uint8Array): Uint8Array {
  const out = new Uint8Array(frame)
  const end = 4 + (out[4] & 8 ? 10 : 2)
  if (end < out.length) out[end] = (xxHash32(out.subarray(4, end)) >>> 8) & 255
  return out
}

/** Pictures, and what lies beside them. */
async function picturesOf(): Promise<Record<string, Reader>> {
  await loadCodecs()
  const decoded = (name: string): Reader => ({
    bytes: picture(name),
    read: (bytes) => toChannels(decodePicture(bytes, 'it'), 3),
  })
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-fuzz-'))
  const of = { folder, title: 'it', key: cacheKey(['a']), samples: 3, size: 13 }
  const sample = (index: number): Uint8Array => new Uint8Array(13).fill(index + 1)
  const whole = SampleCache.open(of)
  for (const index of [0, 1, 2]) whole.write(index, sample(index))
  const [name] = readdirSync(folder)
  const order = new Map(['n01', 'n02'].map((synset, label) => [synset, label]))
  return {
    jpeg: decoded('rgb.jpg'),
    progressive: decoded('progressive.jpg'),
    print: decoded('cmyk.jpg'),
    png: decoded('rgb.png'),
    palette: decoded('palette.png'),
    cache: {
      bytes: new Uint8Array(readFileSync(join(folder, name))),
      read(bytes) {
        writeFileSync(join(folder, name), bytes)
        const cache = SampleCache.open(of)
        const kept: boolean[] = []
        for (const index of [0, 1, 2]) {
          const found = cache.read(index)
          if (found && !found.every((byte) => byte === index + 1)) throw new Error('wrong bytes')
          if (!found) cache.write(index, sample(index))
          if (!cache.read(index)?.every((byte) => byte === index + 1)) throw new Error('not kept')
          kept.push(found === undefined)
        }
        cache.close()
        return kept
      },
      close: () => rm(folder, { recursive: true }),
    },
    solution: {
      bytes: text('ImageId,PredictionString\na_1,n01 1 2 3 4\na_2,n02 5 6 7 8\n'),
      read: (bytes) => parseSolution(bytes, 'it', ['a_1.JPEG', 'a_2.JPEG'], order),
    },
    synsets: {
      bytes: text('n01 a dog\nn02 a cat, house cat\n'),
      read: (bytes) => classNamesOf(bytes, 'it', [...order.keys()]),
    },
  }
}

/** Trainings that go on from checkpoints whose hash is right. */
async function goingOn(): Promise<Record<string, Reader>> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-fuzz-'))
  const { fit, model: saved } = await checkpoints()
  const { model, resume, load } = await readersOfCheckpoints(folder)
  const mutate = (bytes: Uint8Array) => (random: () => number) =>
    changed(bytes, (about) => spoilt(about, random))
  const close = async (): Promise<void> => {
    await model.dispose()
    await rm(folder, { recursive: true, force: true })
  }
  return {
    'a checkpoint of fit': { bytes: fit, read: resume, mutate: mutate(fit) },
    'a checkpoint of a model': { bytes: saved, read: load, mutate: mutate(saved), close },
  }
}

const nothing: readonly unknown[] = [
  null,
  undefined,
  true,
  '',
  '__proto__',
  'a'.repeat(40),
  {},
  { $: 'NaN' },
  [],
  [null],
  [[]],
  -1,
  0,
  1,
  0.5,
  1e9,
  1e300,
  Number.MAX_SAFE_INTEGER,
]

/** Plain data with other values at one to three places. */
function spoilt(about: unknown, random: () => number): unknown {
  const below = (n: number): number => Math.floor(random() * n)
  const places: { readonly of: Record<string, unknown>; readonly key: string }[] = []
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const key of Object.keys(value)) {
      const of = value as Record<string, unknown>
      // Another version is a warning each time.
      if (key !== 'version') places.push({ of, key })
      walk(of[key])
    }
  }
  walk(about)
  for (let i = below(3); i >= 0; i--) {
    const { of, key } = places[below(places.length)]
    const other = places[below(places.length)]
    // What belongs to another place, or nowhere.
    of[key] = structuredClone(below(3) === 0 ? other.of[other.key] : nothing[below(nothing.length)])
  }
  return about
}

/** Bytes that mean something to a reader. */
const odd = [0, 0xff, 0x7f, 0x80, 0x22, 0x2c, 0x2d, 0x30, 0x39, 0x5b, 0x5d, 0x65, 0x7b, 0x7d]

function mutated(bytes: Uint8Array, random: () => number): Uint8Array {
  const below = (n: number): number => Math.floor(random() * n)
  let out = new Uint8Array(bytes)
  for (let i = 1 + below(4); i > 0; i--) {
    const at = below(out.length)
    const kind = below(5)
    if (kind === 0) out[at] ^= 1 << below(8)
    else if (kind === 1) out[at] = odd[below(odd.length)]
    else if (kind === 2) out = out.slice(0, at + 1)
    else {
      // A piece is left out, or comes twice.
      const end = Math.min(out.length, at + 1 + below(12))
      const from = kind === 3 ? end : at
      out = new Uint8Array([...out.subarray(0, kind === 3 ? at : end), ...out.subarray(from)])
      if (out.length === 0) out = new Uint8Array(1)
    }
  }
  return out
}

/**
 * @param only words, each of some readers' names; default: all
 * @returns how many were read, how many refused, and what ended otherwise
 */
export async function fuzz(count: number, seed: number, only?: readonly string[]) {
  const all = Object.entries(await readersOf())
  const isMeant = (name: string): boolean => only?.some((word) => name.includes(word)) ?? true
  const unknown = only?.filter((word) => !all.some(([name]) => name.includes(word))) ?? []
  if (unknown.length > 0)
    throw new Error(
      `--only must be words of ${all.map(([name]) => name).join(', ')}, got ${unknown.join(', ')}`,
    )
  const readers = all.filter(([name]) => isMeant(name))
  for (const [name, { close }] of all) if (!isMeant(name)) await close?.()
  const random = testRandom(seed)
  const result = { read: 0, refused: 0, faults: [] as string[] }
  for (const [name, { bytes, read, mutate, close }] of readers) {
    // What is not mutated must be read: else nothing is tested.
    await read(bytes)
    for (let i = 0; i < Math.ceil(count / readers.length); i++)
      try {
        await read(await (mutate?.(random) ?? mutated(bytes, random)))
        result.read++
      } catch (error) {
        if (error instanceof SpikewasmError && error.message.length < 2000) result.refused++
        else result.faults.push(`${name}: ${String((error as Error).stack).slice(0, 400)}`)
      }
    await close?.()
  }
  return result
}
