/** A hash of a data set, so that a run goes on with the data that it has begun with. */

import { type Dataset, sampleFloats } from '../data/datasets/dataset.js'
import { hashOf, isOurs } from '../data/plain.js'

/** Samples that are looked at where reading one may be slow. */
const LOOKED_AT = 16
/** Data sets do not change. */
const fingerprints = new WeakMap<Dataset, string>()

/**
 * A hash of samples, labels and targets, without augmentation; 16 hexadecimal digits. Of data sets
 * of this package all samples count, or what stands for them. Of one's own, whose `read` may be
 * slow, 16 do that lie evenly.
 */
export function fingerprint(data: Dataset): string {
  const known = fingerprints.get(data)
  if (known !== undefined) return known
  const whole = hashOf(data)?.()
  if (whole !== undefined) {
    fingerprints.set(data, whole)
    return whole
  }
  const sample = new Float32Array(sampleFloats(data))
  const wanted = new Float32Array(data.targets?.size ?? 0)
  const [sampleBits, wantedBits] = [sample, wanted].map(({ buffer }) => new Uint32Array(buffer))
  const count = isOurs(data) ? data.length : Math.min(LOOKED_AT, data.length)
  const hash = new Hash()
  for (let i = 0; i < count; i++) {
    const index = Math.floor((i * data.length) / count)
    hash.add(Uint32Array.of(data.read(index, sample)))
    hash.add(sampleBits)
    data.targets?.read(index, wanted)
    hash.add(wantedBits)
    if (data.weightOf) hash.add(new Uint32Array(Float32Array.of(data.weightOf(index)).buffer))
  }
  fingerprints.set(data, hash.text)
  return hash.text
}

/** The hash of data whose samples lie in files; undefined for others, which a name tells apart. */
export const identityOfFiles = (data: Dataset): string | undefined =>
  hashOf(data) && fingerprint(data)

/** For data whose samples must be got first: does so, and notes the hash for `fingerprint`. */
export async function prepareFingerprint(data: Dataset | undefined): Promise<void> {
  if (!data?.prepare || fingerprints.has(data)) return
  const count = isOurs(data) ? data.length : Math.min(LOOKED_AT, data.length)
  const looked = Array.from({ length: count }, (_, i) => Math.floor((i * data.length) / count))
  await data.prepare(looked)
  fingerprint(data)
}

/** Two hashes like FNV-1a side by side, of words of 32 bits. */
class Hash {
  private a = 0x811c9dc5
  private b = 0x9747b28c

  add(words: Uint32Array): void {
    let { a, b } = this
    for (let i = 0; i < words.length; i++) {
      a = Math.imul(a ^ words[i], 0x01000193)
      b = Math.imul(b ^ words[i], 0x85ebca6b)
      // What differs in high bits alone must reach the low ones.
      a ^= a >>> 15
      b ^= b >>> 13
    }
    this.a = a
    this.b = b
  }

  get text(): string {
    return [this.a, this.b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
