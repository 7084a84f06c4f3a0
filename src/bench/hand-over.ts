/**
 * How long two threads take to hand one cache line to and fro: it says whether the processors they
 * run on share a cache, which a virtual machine may change at any time.
 */
import { isMainThread, Worker, workerData } from 'node:worker_threads'

const ROUNDS = 5
const ROUND_MS = 20
/** Word of the worker's greeting, on a line of its own. */
const READY = 16
const END = -1

/**
 * Nanoseconds of a round trip, the fastest of a few rounds. Where threads have to share a processor
 * it is as long as they wait for it.
 */
export async function measureRoundTrip(): Promise<number> {
  const words = new Int32Array(new SharedArrayBuffer(128))
  const worker = new Worker(new URL(import.meta.url), { workerData: words })
  const failed = new Promise<never>((_, reject) => worker.once('error', reject))
  while (Atomics.load(words, READY) === 0)
    await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 2))])
  let turn = 0
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const [first, start] = [turn, performance.now()]
    let elapsed = 0
    for (; elapsed < ROUND_MS; elapsed = performance.now() - start) {
      for (let left = 16; left > 0; left--, turn += 2) {
        Atomics.store(words, 0, turn + 1)
        while (Atomics.load(words, 0) !== turn + 2);
      }
    }
    times.push((elapsed / (turn - first)) * 2e6)
  }
  Atomics.store(words, 0, END)
  await worker.terminate()
  return Math.min(...times)
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
