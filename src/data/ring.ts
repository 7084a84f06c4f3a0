/**
 * Memory in which one thread lays batches down and another takes them up, in the order of their
 * numbers. Batch n lies in slot n mod `SLOTS`. All words are read and written by `Atomics`.
 */

/** Batches that are made ahead. */
const SLOTS = 2

enum Word {
  /** Batches that the other side has taken or made itself: the number of the one it needs next. */
  Taken = 0,
  /** One more than the number of the batch that is being made. */
  Making = 1,
  /** One more than the number of the batch that could not be made. */
  Failed = 2,
  /** One more than the number of the batch that the other side waits for. */
  Wanted = 3,
  /** Slots: one more than the number of the batch that lies there. */
  Ready = 4,
}

/** What both sides have. */
export interface RingMemory {
  readonly words: Int32Array
  /** [slot][B · C · H · W] */
  readonly images: Float32Array
  /** [slot][B] */
  readonly labels: Int32Array
  /** [slot][B][numbers of a sample]; empty where targets are not needed. */
  readonly targets: Float32Array
}

/** What there is of a batch. */
export type BatchState = 'ready' | 'making' | 'failed' | 'not begun'

const shared = (words: number): SharedArrayBuffer => new SharedArrayBuffer(4 * words)

/** @param targetSize numbers that are wanted of a sample; 0 where there are labels alone */
export function makeRing(batchSize: number, sampleSize: number, targetSize = 0): RingMemory {
  return {
    words: new Int32Array(shared(Word.Ready + SLOTS)),
    images: new Float32Array(shared(SLOTS * batchSize * sampleSize)),
    labels: new Int32Array(shared(SLOTS * batchSize)),
    targets: new Float32Array(shared(SLOTS * batchSize * targetSize)),
  }
}

/** Either side of the memory. */
export class Ring {
  constructor(readonly memory: RingMemory) {}

  get bytes(): number {
    return Object.values(this.memory).reduce((sum, { byteLength }) => sum + byteLength, 0)
  }

  /** The place of a batch. */
  slot(batch: number): { images: Float32Array; labels: Int32Array; targets?: Float32Array } {
    const { images, labels, targets } = this.memory
    const at = batch % SLOTS
    const [size, count] = [images.length / SLOTS, labels.length / SLOTS]
    const wanted = targets.length / SLOTS
    return {
      images: images.subarray(at * size, (at + 1) * size),
      labels: labels.subarray(at * count, (at + 1) * count),
      ...(wanted > 0 ? { targets: targets.subarray(at * wanted, (at + 1) * wanted) } : {}),
    }
  }

  /** Of the side that makes: the first batch from `next` on that is of use; waits for its slot. */
  awaitRoom(next: number): number {
    const { words } = this.memory
    for (;;) {
      const taken = Atomics.load(words, Word.Taken)
      if (next < taken + SLOTS) return Math.max(next, taken)
      Atomics.wait(words, Word.Taken, taken)
    }
  }

  making(batch: number): void {
    Atomics.store(this.memory.words, Word.Making, batch + 1)
  }

  /** @returns whether the other side waits for it */
  made(batch: number): boolean {
    Atomics.store(this.memory.words, Word.Ready + (batch % SLOTS), batch + 1)
    return Atomics.load(this.memory.words, Word.Wanted) === batch + 1
  }

  failed(batch: number): void {
    Atomics.store(this.memory.words, Word.Failed, batch + 1)
  }

  /** Of the side that takes: it goes on to a batch, and needs none before it. */
  goOn(batch: number): void {
    if (Atomics.exchange(this.memory.words, Word.Taken, batch) !== batch)
      Atomics.notify(this.memory.words, Word.Taken)
  }

  /** What there is of a batch; who asks waits for it then. */
  want(batch: number): BatchState {
    const { words } = this.memory
    Atomics.store(words, Word.Wanted, batch + 1)
    if (Atomics.load(words, Word.Ready + (batch % SLOTS)) === batch + 1) return 'ready'
    if (Atomics.load(words, Word.Failed) === batch + 1) return 'failed'
    return Atomics.load(words, Word.Making) === batch + 1 ? 'making' : 'not begun'
  }
}
