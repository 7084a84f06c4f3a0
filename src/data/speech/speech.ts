/**
 * Spoken words as spikes of a cochlea (Cramer et al., 2020): Spiking Heidelberg Digits and Spiking
 * Speech Commands (Node). Files are HDF5, whose times are float16 of variable length.
 */

import { join } from 'node:path'
import { checkPath, fail } from '../../base/errors.js'
import { complete, integer, type Rules, range } from '../../base/rules.js'
import { readFileClear } from '../../files/files.js'
import type { Group, NumbersLeaf } from '../../files/nir/graph.js'
import { readHdf5 } from '../../files/nir/hdf5.js'
import { fromBytes } from '../bytes.js'
import type { Dataset, Split } from '../datasets/dataset.js'
import { refuse } from '../recordings/recording.js'

/** Options of `datasets.shd` and `datasets.ssc`; each has a default. */
export interface SpeechOptions {
  /** T, frames of a sample; default 100. Later spikes are left out. */
  readonly timeSteps?: number
  /** Milliseconds of a frame; default 14, so that 100 hold the longest digit. */
  readonly dt?: number
  /** Neighbouring units whose spikes are added up, a divisor of 700; default 5: 140 inputs. */
  readonly bins?: number
}

const UNITS = 700
const rules: Rules<Required<SpeechOptions>> = {
  timeSteps: integer(1, 4096, 100),
  dt: range('> 0', 14),
  bins: integer(1, UNITS, 5),
}

/** The number that 16 bits of IEEE 754 are. */
function half(bits: number): number {
  const [exponent, rest] = [(bits >> 10) & 31, bits & 1023]
  const size = exponent === 0 ? rest * 2 ** -24 : (1 + rest / 1024) * 2 ** (exponent - 15)
  return (bits >> 15 ? -1 : 1) * (exponent === 31 ? Number.POSITIVE_INFINITY : size)
}

function leaf(group: Group, key: string, path: string): NumbersLeaf {
  const found = group.members.get(key)
  return found?.kind === 'numbers' ? found : refuse(path, `hold numbers named ${key}`, 'none')
}

function lists(group: Group, key: string, path: string) {
  const found = group.members.get(key)
  if (found?.kind !== 'group') refuse(path, `hold lists of 16 bits, spikes/${key}`, 'none')
  const [values, ends] = ['values', 'ends'].map((name) => leaf(found, name, path).data)
  return { values, ends } as { values: Uint16Array; ends: Float64Array }
}

async function part(
  [title, classes]: readonly [string, number],
  name: string,
  path: string,
  { timeSteps, dt, bins }: Required<SpeechOptions>,
): Promise<Dataset> {
  const tree = await readHdf5(await readFileClear(path, title), path, title)
  const spikes = tree.members.get('spikes')
  if (spikes?.kind !== 'group') refuse(path, 'hold a group spikes', 'none')
  const [times, units] = ['times', 'units'].map((key) => lists(spikes, key, path))
  const labels = Array.from(leaf(tree, 'labels', path).data, Number)
  if (times.ends.some((end, i) => end !== units.ends[i]) || times.ends.length !== labels.length)
    refuse(path, 'have as many times as units for each label', 'others')
  const inputs = UNITS / bins
  const size = timeSteps * inputs
  const pixels = new Uint8Array(labels.length * size)
  for (let i = 0, at = 0; i < labels.length; i++)
    for (; at < times.ends[i]; at++) {
      const [time, unit] = [half(times.values[at]), units.values[at]]
      if (!(unit < UNITS && time >= 0))
        refuse(path, `have units 0 to ${UNITS - 1} at times ≥ 0 s`, `unit ${unit} at ${time}`)
      const t = Math.floor((1000 * time) / dt)
      const to = i * size + t * inputs + Math.floor(unit / bins)
      // A byte holds no more.
      if (t < timeSteps && pixels[to] < 255) pixels[to]++
    }
  const shape = [inputs] as const
  const [mean, std] = [0, 1].map((value) => Array<number>(inputs).fill(value))
  const normalization = { scale: 1, mean, std }
  const described = { name: `${title} ${name}`, shape, classes, timeSteps, normalization }
  return fromBytes({ images: pixels, labels, ...described })
}

/** A data set of files `<prefix>_<part>.h5`. */
const loaderOf =
  (set: readonly [title: string, classes: number], prefix: string) =>
  async (folder: string, given: SpeechOptions = {}): Promise<Split> => {
    const [title] = set
    const options = complete(prefix, rules, given)
    if (UNITS % options.bins !== 0)
      fail(`${prefix}.bins must divide the ${UNITS} units, got ${options.bins}; the paper has 5`)
    checkPath(`${title} folder`, folder, 'folder')
    const open = (name: string): Promise<Dataset> =>
      part(set, name, join(folder, `${prefix}_${name}.h5`), options)
    return { train: await open('train'), test: await open('test') }
  }

/** `shd_train.h5` and `shd_test.h5`: digits in German and English, 20 classes. */
export const shd = loaderOf(['SHD', 20], 'shd')

/** `ssc_train.h5` and `ssc_test.h5`: commands, 35 classes. */
export const ssc = loaderOf(['SSC', 35], 'ssc')
