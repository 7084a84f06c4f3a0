/**
 * Random numbers as a pure function of (seed, epoch, index, purpose, draw): no state is carried
 * from one sample to the next, so results repeat for any number of threads, any order of the
 * samples and after a resumed run.
 *
 * The function is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw, *Parallel random
 * numbers: as easy as 1, 2, 3*, SC 2011): key = (seed, epoch), counter = (index, purpose · 2²⁴ +
 * draw). One evaluation gives two 32-bit words.
 */
import { checkArguments, checkInteger } from './errors.js'

/** Keeps streams apart that have the same seed, epoch and index. */
export enum Purpose {
  Shuffle = 0,
  Augment = 1,
  Init = 2,
  Dropout = 3,
  Steps = 4,
  Encode = 5,
}

/**
 * A stream of numbers for one sample, from `start` on. One object serves all samples: it costs no
 * allocation.
 */
export class RandomStream {
  private seed!: number
  private epoch!: number
  private index!: number
  private counter!: number
  private word0!: number
  private word1!: number
  private spare!: boolean

  constructor(private readonly purpose: Purpose) {}

  /** Goes to the first number of the stream of (seed, epoch, index); each is taken modulo 2³². */
  start(seed: number, epoch: number, index: number): void {
    this.seed = seed | 0
    this.epoch = epoch | 0
    this.index = index | 0
    this.counter = this.purpose << 24
    this.spare = false
  }

  /** The next 32 random bits, as an integer in 0 … 2³² − 1. */
  next(): number {
    if (this.spare) {
      this.spare = false
      return this.word1
    }
    this.evaluate()
    this.spare = true
    return this.word0
  }

  /** A number in [0, 1) with 32 random bits. */
  uniform(): number {
    return this.next() / 2 ** 32
  }

  /** An integer in 0 … n − 1; its bias is below n / 2³². */
  below(n: number): number {
    return Math.floor(this.uniform() * n)
  }

  /** −1 or +1. */
  sign(): number {
    return this.next() & 1 ? 1 : -1
  }

  /**
   * Threefry: 20 rounds of add, rotate, xor; after every fourth two of the three keys go in, in
   * turns. Written out: in a loop it takes twice as long.
   */
  private evaluate(): void {
    const key0 = this.seed
    const key1 = this.epoch
    const key2 = 0x1bd11bda ^ key0 ^ key1
    let x = (this.index + key0) | 0
    let y = (this.counter++ + key1) | 0
    x = (x + y) | 0
    y = turn(y, 13) ^ x
    x = (x + y) | 0
    y = turn(y, 15) ^ x
    x = (x + y) | 0
    y = turn(y, 26) ^ x
    x = (x + y) | 0
    y = turn(y, 6) ^ x
    x = (x + key1) | 0
    y = (y + key2 + 1) | 0
    x = (x + y) | 0
    y = turn(y, 17) ^ x
    x = (x + y) | 0
    y = turn(y, 29) ^ x
    x = (x + y) | 0
    y = turn(y, 16) ^ x
    x = (x + y) | 0
    y = turn(y, 24) ^ x
    x = (x + key2) | 0
    y = (y + key0 + 2) | 0
    x = (x + y) | 0
    y = turn(y, 13) ^ x
    x = (x + y) | 0
    y = turn(y, 15) ^ x
    x = (x + y) | 0
    y = turn(y, 26) ^ x
    x = (x + y) | 0
    y = turn(y, 6) ^ x
    x = (x + key0) | 0
    y = (y + key1 + 3) | 0
    x = (x + y) | 0
    y = turn(y, 17) ^ x
    x = (x + y) | 0
    y = turn(y, 29) ^ x
    x = (x + y) | 0
    y = turn(y, 16) ^ x
    x = (x + y) | 0
    y = turn(y, 24) ^ x
    x = (x + key1) | 0
    y = (y + key2 + 4) | 0
    x = (x + y) | 0
    y = turn(y, 13) ^ x
    x = (x + y) | 0
    y = turn(y, 15) ^ x
    x = (x + y) | 0
    y = turn(y, 26) ^ x
    x = (x + y) | 0
    y = turn(y, 6) ^ x
    x = (x + key2) | 0
    y = (y + key0 + 5) | 0
    this.word0 = x >>> 0
    this.word1 = y >>> 0
  }
}

/** Bits moved to the left, those that fall out come in from the right. */
const turn = (bits: number, by: number): number => (bits << by) | (bits >>> (32 - by))

/**
 * A random order of 0 … n − 1 (Fisher–Yates) that depends on `seed` and `epoch` alone.
 *
 * @param n length, up to 2³² − 1
 * @param seed integer from 0 to 2³² − 1
 * @param epoch integer >= 0
 */
export function permutation(n: number, seed: number, epoch: number, ...more: []): Uint32Array {
  checkArguments('permutation', more)
  checkInteger('permutation.n', n, 0, 2 ** 32 - 1)
  checkInteger('permutation.seed', seed, 0, 2 ** 32 - 1)
  checkInteger('permutation.epoch', epoch, 0)
  const order = new Uint32Array(n)
  for (let i = 0; i < n; i++) order[i] = i
  const stream = new RandomStream(Purpose.Shuffle)
  for (let i = n - 1; i > 0; i--) {
    // A stream of its own for each place: 64 bits, of which 53 are used, leave no bias to speak of.
    stream.start(seed, epoch, i)
    const uniform = ((stream.next() >>> 5) * 2 ** 26 + (stream.next() >>> 6)) / 2 ** 53
    const j = Math.floor(uniform * (i + 1))
    const value = order[i]
    order[i] = order[j]
    order[j] = value
  }
  return order
}
