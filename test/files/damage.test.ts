/**
 * Files damaged at one place after another, through every reader: cut off there, or with another
 * byte there. Hashes of what is read or refused.
 */
import { test } from 'uvu'
import { testRandom } from '../support/engine.js'
import { outcomeOf, partsOf } from '../support/hashed-tables.js'
import { Hashes } from '../support/hashes.js'
import { type Reader, readersOf } from './fuzz.js'

const hashes = new Hashes('files/damage.json')
const changes: readonly ((byte: number) => number)[] = [
  (byte) => byte + 1,
  (byte) => byte - 1,
  (byte) => byte ^ 128,
  () => 0,
  () => 255,
]

/** Files for a reader: few of a slow one. */
function* damaged(bytes: Uint8Array, most: number): Generator<Uint8Array> {
  const step = Math.ceil((bytes.length * (1 + changes.length)) / most)
  let place = 0
  for (let at = 0; at < bytes.length; at++)
    for (let way = 0; way <= changes.length; way++) {
      // The beginning of a file is its head.
      if (at > 32 && place++ % step > 0) continue
      const out = bytes.slice()
      if (way > 0) out[at] = changes[way - 1](bytes[at])
      yield way > 0 ? out : out.subarray(0, at)
    }
}

/** Seeds in the place of bytes. */
const drawn = ['lz4', 'nir graph']
/** What trains, whose end says more than its outcome, and what holds the engine. */
const left = ['graph', 'a checkpoint of fit', 'a checkpoint of a model', 'net']
/** What takes a decoder long. */
const slow = /jpeg|progressive|print|png|palette|nir|cache|zstd/

async function* filesOf({ bytes, mutate }: Reader, name: string): AsyncGenerator<Uint8Array> {
  yield bytes
  const random = testRandom(3)
  if (mutate) for (let i = 0; i < 1000; i++) yield await mutate(random)
  if (!drawn.includes(name)) yield* damaged(bytes, slow.test(name) ? 150 : 4000)
}

for (const [name, reader] of Object.entries(await readersOf()))
  test(`${name}: what is read of it and refused`, async () => {
    if (!left.includes(name)) {
      const parts: (string | Uint8Array)[] = []
      for await (const file of filesOf(reader, name))
        parts.push(...partsOf(await outcomeOf(() => reader.read(file))))
      hashes.is(name, parts)
    }
    await reader.close?.()
  })

test('damage.json holds these alone', () => hashes.finish())

test.run()
