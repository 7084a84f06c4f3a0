/** Random numbers of the engine against big integers, and rough checks that they look random. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TestEngine, testRandom, variants } from '../support/engine.js'

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)

/** One round of the finaliser of SplitMix64. */
function mix(z: bigint): bigint {
  z = u64((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
  z = u64((z ^ (z >> 27n)) * 0x94d049bb133111ebn)
  return z ^ (z >> 31n)
}

const reference = (seed: number, stream: number, index: bigint): bigint =>
  mix(
    mix(
      u64(
        ((BigInt(seed) << 32n) | BigInt(stream)) * 0x9e3779b97f4a7c15n +
          (index + 1n) * 0xd1342543de82ef95n,
      ),
    ),
  )

/** Within five standard deviations of a fair count. */
function fair(count: number, trials: number, probability: number, message: string): void {
  const sigma = Math.sqrt(trials * probability * (1 - probability))
  assert.ok(
    Math.abs(count - trials * probability) < 5 * sigma,
    `${message}: ${count} of ${trials}, expected ${trials * probability} ± ${sigma}`,
  )
}

for (const variant of variants) {
  const { exports } = new TestEngine(variant, 1)
  const random64 = exports.random64 as unknown as (
    seed: number,
    stream: number,
    index: bigint,
  ) => bigint
  const draw = (seed: number, stream: number, index: bigint): bigint =>
    u64(random64(seed, stream, index))

  test(`${variant} random64 equals the big integers`, () => {
    const random = testRandom(17)
    const word = () => Math.floor(random() * 2 ** 32)
    const cases: [number, number, bigint][] = [
      [0, 0, 0n],
      [1, 0, 0n],
      [0, 1, 0n],
      [0xffffffff, 0xffffffff, 0xffffffffffffffffn],
      [0x80000000, 0x7fffffff, 0x8000000000000000n],
    ]
    while (cases.length < 500)
      cases.push([word(), word(), (BigInt(word()) << 32n) | BigInt(word())])
    for (const [seed, stream, index] of cases)
      assert.is(
        draw(seed, stream, index),
        reference(seed, stream, index),
        `seed ${seed} stream ${stream} index ${index}`,
      )
  })

  test(`${variant} random64 is uniform over consecutive indices, streams and seeds`, () => {
    const trials = 1 << 13
    for (const [what, at] of [
      ['index', (i: number) => draw(1, 2, BigInt(i))],
      ['stream', (i: number) => draw(1, i, 3n)],
      ['seed', (i: number) => draw(i, 2, 3n)],
    ] as const) {
      const ones = new Array<number>(64).fill(0)
      const buckets = new Array<number>(16).fill(0)
      const same = new Array<number>(64).fill(0)
      let previous = at(trials)
      for (let i = 0; i < trials; i++) {
        const value = at(i)
        for (let bit = 0; bit < 64; bit++) {
          ones[bit] += Number((value >> BigInt(bit)) & 1n)
          same[bit] += 1 - Number(((value ^ previous) >> BigInt(bit)) & 1n)
        }
        buckets[Number(value >> 60n)]++
        previous = value
      }
      for (const [bit, count] of ones.entries())
        fair(count, trials, 1 / 2, `ones at bit ${bit} over ${what}`)
      for (const [bit, count] of same.entries())
        fair(count, trials, 1 / 2, `bit ${bit} unchanged from one ${what} to the next`)
      for (const [bucket, count] of buckets.entries())
        fair(count, trials, 1 / 16, `sixteenth ${bucket} over ${what}`)
    }
  })
}

test.run()
