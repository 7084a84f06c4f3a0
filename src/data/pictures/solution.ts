/** Lists that come with ImageNet, on bytes alone. */

import { fail } from '../../errors.js'

/** A list of 50,000 pictures has some 10 MB with all their boxes. */
const MOST_BYTES = 1 << 26

function linesOf(bytes: Uint8Array, path: string): string[] {
  if (bytes.length > MOST_BYTES)
    fail(`${path}: must have at most ${MOST_BYTES} bytes, got ${bytes.length}`)
  return new TextDecoder()
    .decode(bytes)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

const stem = (name: string): string => name.slice(name.lastIndexOf('/') + 1).replace(/\.\w+$/, '')

/**
 * Labels of pictures, in the order of `names`. A line is one of
 *
 * ```
 * ILSVRC2012_val_00000001,n01751748 111 108 230 366     Kaggle's LOC_val_solution.csv, with a head
 * ILSVRC2012_val_00000001.JPEG 65                       a class by its number, as Caffe's val.txt
 * ILSVRC2012_val_00000001.JPEG n01751748
 * n01751748                                             the synset of the next picture
 * ```
 *
 * @param path what error messages call the file
 * @param order the label of each synset
 * @throws SpikewasmError that names the first line that is none of these, and a picture that no
 *   line names
 */
export function parseSolution(
  bytes: Uint8Array,
  path: string,
  names: readonly string[],
  order: ReadonlyMap<string, number>,
): Int32Array {
  const lines = linesOf(bytes, path)
  if (/^ImageId,/i.test(lines[0] ?? '')) lines.shift()
  const labelOf = (text: string, line: number): number => {
    const label = /^\d+$/.test(text) ? Number(text) : order.get(text)
    if (label === undefined || label >= order.size)
      fail(
        `${path}: line ${line + 1} must name a class of the training pictures, by its synset or ` +
          `a number below ${order.size}, got ${JSON.stringify(text.slice(0, 40))}`,
      )
    return label
  }
  const out = new Int32Array(names.length)
  if (lines.every((line) => !/[\s,]/.test(line))) {
    if (lines.length !== names.length)
      fail(`${path}: must have a line for each of ${names.length} pictures, got ${lines.length}`)
    for (const [i, line] of lines.entries()) out[i] = labelOf(line, i)
    return out
  }
  const labels = new Map<string, number>()
  for (const [i, line] of lines.entries()) {
    const [name, label] = line.split(/[\s,]+/, 2)
    if (label === undefined)
      fail(
        `${path}: line ${i + 1} must be a picture and its class, got ` +
          JSON.stringify(line.slice(0, 40)),
      )
    labels.set(stem(name), labelOf(label, i))
  }
  for (const [i, name] of names.entries()) {
    const label = labels.get(stem(name))
    if (label === undefined) fail(`${path}: must name every picture, got no line for ${name}`)
    out[i] = label
  }
  return out
}

/** Words for each synset: `n01440764 tench, Tinca tinca`; those that have none keep their name. */
export function classNamesOf(
  bytes: Uint8Array,
  path: string,
  synsets: readonly string[],
): string[] {
  const words = new Map<string, string>()
  for (const line of linesOf(bytes, path)) {
    const at = line.search(/\s/)
    if (at > 0) words.set(line.slice(0, at), line.slice(at).trim())
  }
  return synsets.map((synset) => words.get(synset) ?? synset)
}
