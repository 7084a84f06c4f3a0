/**
 * How long two threads take to hand one cache line to and fro: it says whether the processors they
 * run on share a cache, which a virtual machine may change at any time.
 */
import { availableParallelism } from 'node:os'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { type Figure, handOverOf } from './figures.js'

/** Round trips of a burst: so few that both threads run from its start to its end, most often. */
const BURST = 32
/** How long to measure, and how long to wait for the second thread at most. */
const [MEASURE_MS, START_MS] = [60, 2000]
/** Looks at the word before the clock is asked whether to give up. */
const SPINS = 4096
/** Word of the worker's greeting, on a line of its own. */
const READY = 16
const END = -1

/**
 * Nanoseconds of a round trip, the median of short bursts. Refused where threads have to share a
 * processor: it would be as long as they wait for it.
 */
export async function measureHandOver(): Promise<Figure> {
  if (availableParallelism() < 2) return { refused: 'there is one processor' }
  const words = new Int32Array(new SharedArrayBuffer(128))
  const worker = new Worker(new URL(import.meta.url), { workerData: words })
  try {
    const failed = new Promise<never>((_, reject) => worker.once('error', reject))
    failed.catch(() => {})
    const end = performance.now() + START_MS
    while (Atomics.load(words, READY) === 0 && performance.now() < end)
      await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 2))])
    return handOverOf(Atomics.load(words, READY) === 0 ? [] : bursts(words))
  } finally {
    Atomics.store(words, 0, END)
    await worker.terminate()
  }
}

/** Nanoseconds of a round trip, the mean of each burst. */
function bursts(words: Int32Array): number[] {
  const means: number[] = []
  const end = performance.now() + MEASURE_MS
  let turn = 0
  while (performance.now() < end) {
    const start = performance.now()
    for (let left = BURST; left > 0; left--, turn += 2) {
      Atomics.store(words, 0, turn + 1)
      let spins = SPINS
      while (Atomics.load(words, 0) !== turn + 2) {
        if (--spins > 0) continue
        if (performance.now() > end) return means
        spins = SPINS
      }
    }
    means.push(((performance.now() - start) / BURST) * 1e6)
  }
  return means
}

/** The other side: answers each odd number with the next one. */
function answer(words: Int32Array): void {
  Atomics.store(words, READY, 1)
  for (let i = 1; ; i += 2) {
    let seen = Atomics.load(words, 0)
    while (seen !== i) {
      if (seen === END) return
      seen = Atomics.load(words, 0)
    }
    Atomics.store(words, 0, i + 1)
  }
}

if (!isMainThread && workerData instanceof Int32Array) answer(workerData)
