/**
 * Spoken words as spikes of a cochlea (Cramer et al., 2020): Spiking Heidelberg Digits and Spiking
 * Speech Commands (Node). Files are HDF5, whose times are float16 of variable length.
 */

import { join } from 'node:path'
import { checkPath, fail } from '../../base/errors.js'
import { complete, integer, optional, type Rules, range } from '../../base/rules.js'
import type { Group, NumbersLeaf, Tree } from '../../files/nir/graph.js'
import { readHdf5In } from '../../files/nir/hdf5.js'
import { fromBytes } from '../bytes.js'
import type { LabelledData, Split } from '../datasets/dataset.js'
import { bytesToShare } from '../plain.js'
import { refuse } from '../recordings/recording.js'

/** Options of `datasets.shd` and `datasets.ssc`; each has a default. */
export interface SpeechOptions {
  /** T, frames of a sample; default 100. Later spikes are left out. */
  readonly timeSteps?: number
  /** Milliseconds of a frame; default 1400 / timeSteps, which hold the longest digit: 14. */
  readonly dt?: number
  /** Neighbouring units whose spikes are added up, a divisor of 700; default 5: 140 inputs. */
  readonly bins?: number
}

const UNITS = 700
const TOTAL_MS = 1400
type Completed = SpeechOptions & Required<Omit<SpeechOptions, 'dt'>>
const rules: Rules<Completed> = {
  timeSteps: integer(1, 4096, 100),
  dt: optional(range('> 0')),
  bins: integer(1, UNITS, 5),
}

/** The number that 16 bits of IEEE 754 are. */
function half(bits: number): number {
  const [exponent, rest] = [(bits >> 10) & 31, bits & 1023]
  if (exponent === 31) return Number.NaN
  const size = exponent === 0 ? rest * 2 ** -24 : (1 + rest / 1024) * 2 ** (exponent - 15)
  return bits >> 15 ? -size : size
}

const inside = (tree: Group, key: string): Tree | undefined => tree.members.get(key)

/** Integers, one for each of `count` recordings. */
function integers(of: Tree | undefined, key: string, path: string, count?: number): Int32Array {
  if (of?.kind !== 'numbers') refuse(path, `hold numbers named ${key}`, 'none')
  if (count !== undefined && of.data.length !== count)
    refuse(path, `have one of ${key} for each of its ${count} labels`, `${of.data.length}`)
  const wrong = Array.from(of.data, Number).find((n) => n !== (n | 0))
  return wrong === undefined
    ? Int32Array.from(of.data as ArrayLike<number | bigint>, Number)
    : refuse(path, `have integers as ${key}`, `${wrong}`)
}

/** Lists of a piece: their values, and where each one ends. */
function lists(tree: Group, key: string, path: string, count: number) {
  const spikes = inside(tree, 'spikes')
  if (spikes?.kind !== 'group') refuse(path, 'hold a group spikes', 'none')
  const found = inside(spikes, key)
  const leaves = ['values', 'ends'].map((name) => found?.kind === 'group' && inside(found, name))
  const isList = leaves.every((leaf) => leaf && leaf.kind === 'numbers')
  if (!isList) refuse(path, `hold lists of 16 bits, spikes/${key}`, 'none')
  const [values, ends] = leaves.map((leaf) => (leaf as NumbersLeaf).data)
  if (ends.length !== count)
    refuse(
      path,
      `have a list of spikes/${key} for each label`,
      ends.length < count ? 'fewer' : 'more',
    )
  return { values, ends } as { values: Uint16Array; ends: Float64Array }
}

/** Recordings that are read at once. */
const PIECE = 1024

/** What a file holds: all but lists, or lists from one on and before another. */
export type ReadSpeech = (lists?: readonly [from: number, to: number]) => Promise<Group>

/** Data set of a file, and who speaks in each recording, where it says so. */
type Part = Awaited<ReturnType<typeof readPart>>

/** @param piece recordings that are read at once */
export async function readPart(
  read: ReadSpeech,
  path: string,
  [title, name, classes]: readonly [title: string, name: string, classes: number],
  { timeSteps, dt = TOTAL_MS / timeSteps, bins }: Completed,
  piece = PIECE,
) {
  const tree = await read()
  const labels = integers(inside(tree, 'labels'), 'labels', path)
  const { length } = labels
  const extra = inside(tree, 'extra')
  const speaker = extra?.kind === 'group' ? inside(extra, 'speaker') : undefined
  const speakers = speaker && integers(speaker, 'extra/speaker', path, length)
  const inputs = UNITS / bins
  const size = timeSteps * inputs
  const images = bytesFor(length * size, path)
  for (let first = 0; first < length; first += piece) {
    const count = Math.min(piece, length - first)
    // One more than there are labels tells of lists without one.
    const found = await read([first, first + count + (first + count === length ? 1 : 0)])
    const [times, units] = ['times', 'units'].map((key) => lists(found, key, path, count))
    for (let i = 0, at = 0; i < count; i++) {
      const where = `in recording ${first + i}`
      if (times.ends[i] !== units.ends[i])
        refuse(path, 'have as many times as units in each recording', `others ${where}`)
      if (!(times.ends[i] >= at))
        refuse(path, 'have lists one behind the other', `recording ${first + i} before another`)
      for (; at < times.ends[i]; at++) {
        const [time, unit] = [half(times.values[at]), units.values[at]]
        if (!(unit < UNITS && time >= 0))
          refuse(path, `have units 0 to ${UNITS - 1} at times ≥ 0 s`, `${unit} at ${time} ${where}`)
        const t = Math.floor((1000 * time) / dt)
        const to = (first + i) * size + t * inputs + Math.floor(unit / bins)
        // A byte holds no more.
        if (t < timeSteps && images[to] < 255) images[to]++
      }
    }
  }
  const [mean, std] = [0, 1].map((value) => Array<number>(inputs).fill(value))
  const described = { name: `${title} ${name}`, shape: [inputs] as const, classes, timeSteps }
  const data = fromBytes({ images, labels, ...described, normalization: { scale: 1, mean, std } })
  return { data, speakers }
}

function bytesFor(count: number, path: string): Uint8Array {
  try {
    return new Uint8Array(bytesToShare(count))
  } catch (error) {
    const mend = 'take fewer timeSteps, or more bins'
    fail(`${path}: its frames need ${count} bytes, which are not there; ${mend}`, error)
  }
}

/** What `datasets.shd` and `datasets.ssc` give. */
export interface SpeechSplit extends Split<LabelledData> {
  /** Who speaks in each recording, where both files say so: numbers of speakers. */
  readonly speakers?: Readonly<Record<'train' | 'test', Int32Array>>
}

/** A data set of files `<prefix>_<part>.h5`. */
const loaderOf =
  (title: string, classes: number, prefix: string) =>
  async (folder: string, given: SpeechOptions = {}): Promise<SpeechSplit> => {
    const options = complete<Completed>(prefix, rules, given)
    if (UNITS % options.bins !== 0)
      fail(`${prefix}.bins must divide the ${UNITS} units, got ${options.bins}; the paper has 5`)
    checkPath(`${title} folder`, folder, 'folder')
    const open = (name: string): Promise<Part> => {
      const path = join(folder, `${prefix}_${name}.h5`)
      const read: ReadSpeech = (lists) => readHdf5In({ path, lists }, title)
      return readPart(read, path, [title, name, classes], options)
    }
    const [train, test] = [await open('train'), await open('test')]
    const split = { train: train.data, test: test.data }
    if (!train.speakers || !test.speakers) return split
    return { ...split, speakers: { train: train.speakers, test: test.speakers } }
  }

/** `shd_train.h5` and `shd_test.h5`: digits in German and English, 20 classes. */
export const shd = loaderOf('SHD', 20, 'shd')

/** `ssc_train.h5` and `ssc_test.h5`: commands, 35 classes. */
export const ssc = loaderOf('SSC', 35, 'ssc')
