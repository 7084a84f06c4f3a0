/**
 * Memory in which threads lay batches down and another takes them up, in the order of their
 * numbers. Batch n lies in slot n mod (number of slots). All words are read and written by
 * `Atomics`.
 */

enum Word {
  /** Batches that the other side has taken or made itself: the number of the one it needs next. */
  Taken = 0,
  /** The number of the first batch that nobody has begun. */
  Next = 1,
  /** One more than the number of the batch that the other side waits for. */
  Wanted = 2,
  /** Words before those of the slots. */
  Count = 3,
}

/** Words of each slot. */
enum SlotWord {
  /** One more than the number of the batch that lies there. */
  Ready = 0,
  /** One more than the number of the batch that could not be made. */
  Failed = 1,
  /** Whether a thread writes there. */
  Busy = 2,
  Count = 3,
}

/** What there is of a batch. */
export type BatchState = 'ready' | 'making' | 'failed' | 'not begun'

const shared = (words: number): SharedArrayBuffer => new SharedArrayBuffer(4 * words)

/**
 * @param targetSize numbers that are wanted of a sample; 0 where there are labels alone
 * @param slots batches that are made ahead: one for each thread, and one that is ready
 */
export function makeRing(
  batchSize: number,
  sampleSize: number,
  targetSize = 0,
  slots = 2,
  weighted = false,
) {
  return {
    words: new Int32Array(shared(Word.Count + slots * SlotWord.Count)),
    /** [slot][numbers of a batch's samples] */
    images: new Float32Array(shared(slots * batchSize * sampleSize)),
    /** [slot][B] */
    labels: new Int32Array(shared(slots * batchSize)),
    /** [slot][B][numbers of a sample]; empty where targets are not needed. */
    targets: new Float32Array(shared(slots * batchSize * targetSize)),
    /** [slot][B]; empty where samples have no weights. */
    weights: new Float32Array(shared(weighted ? slots * batchSize : 0)),
  }
}

/** Where a batch lies: samples, labels, and where they are wanted targets and weights. */
export interface Batch {
  readonly images: Float32Array
  readonly labels: Int32Array
  readonly targets?: Float32Array
  readonly weights?: Float32Array
}

/** What both sides have. */
export type RingMemory = Readonly<ReturnType<typeof makeRing>>

/** Either side of the memory. */
export class Ring {
  private readonly slots: number

  constructor(readonly memory: RingMemory) {
    this.slots = (memory.words.length - Word.Count) / SlotWord.Count
  }

  get bytes(): number {
    return Object.values(this.memory).reduce((sum, { byteLength }) => sum + byteLength, 0)
  }

  private wordOf(batch: number, word: SlotWord): number {
    return Word.Count + (batch % this.slots) * SlotWord.Count + word
  }

  /** The place of a batch. */
  slot(batch: number): Batch {
    const { images, labels, targets, weights } = this.memory
    const at = batch % this.slots
    const part = <A extends Float32Array | Int32Array>(of: A): A =>
      of.subarray((at * of.length) / this.slots, ((at + 1) * of.length) / this.slots) as A
    return {
      images: part(images),
      labels: part(labels),
      ...(targets.length > 0 ? { targets: part(targets) } : {}),
      ...(weights.length > 0 ? { weights: part(weights) } : {}),
    }
  }

  /**
   * For a side that makes: begins the next batch that nobody has begun and that is of use; waits
   * for room.
   */
  begin(): number {
    const { words } = this.memory
    for (;;) {
      const next = Atomics.load(words, Word.Next)
      const taken = Atomics.load(words, Word.Taken)
      const batch = Math.max(next, taken)
      if (batch >= taken + this.slots) Atomics.wait(words, Word.Taken, taken)
      else if (Atomics.compareExchange(words, Word.Next, next, batch + 1) === next) return batch
    }
  }

  /**
   * Makes a batch that was begun, once nobody else writes in its slot; not where the other side
   * has gone on meanwhile, since the slot may then be of a later batch.
   *
   * @param make fills the slot; where it throws, the batch counts as one that cannot be made
   * @returns whether the other side waits for what has become of it
   */
  make(batch: number, make: () => void): boolean {
    const { words } = this.memory
    const busy = this.wordOf(batch, SlotWord.Busy)
    while (Atomics.compareExchange(words, busy, 0, 1) !== 0) Atomics.wait(words, busy, 1)
    try {
      if (Atomics.load(words, Word.Taken) > batch) return false
      let outcome = SlotWord.Ready
      try {
        make()
      } catch {
        outcome = SlotWord.Failed
      }
      Atomics.store(words, this.wordOf(batch, outcome), batch + 1)
    } finally {
      Atomics.store(words, busy, 0)
      Atomics.notify(words, busy)
    }
    return Atomics.load(words, Word.Wanted) === batch + 1
  }

  /** For the side that takes: it goes on to a batch, and needs none before it. */
  goOn(batch: number): void {
    if (Atomics.exchange(this.memory.words, Word.Taken, batch) !== batch)
      Atomics.notify(this.memory.words, Word.Taken)
  }

  /**
   * What there is of a batch; who asks waits for it then. One that nobody has begun is for who
   * asks to make: no thread begins it any more.
   */
  want(batch: number): BatchState {
    const { words } = this.memory
    Atomics.store(words, Word.Wanted, batch + 1)
    for (;;) {
      if (Atomics.load(words, this.wordOf(batch, SlotWord.Ready)) === batch + 1) return 'ready'
      if (Atomics.load(words, this.wordOf(batch, SlotWord.Failed)) === batch + 1) return 'failed'
      const next = Atomics.load(words, Word.Next)
      if (next > batch) return 'making'
      if (Atomics.compareExchange(words, Word.Next, next, batch + 1) === next) return 'not begun'
    }
  }
}
