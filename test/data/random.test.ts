import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Purpose, permutation, RandomStream } from '../../src/base/random.js'
import { expectRefusals } from '../files/temporary.js'

const anySeed = fc.nat(2 ** 32 - 1)

test('random: the words are those of Threefry-2x32-20', () => {
  // The published known answer for key and counter 0.
  const stream = new RandomStream(Purpose.Shuffle)
  stream.start(0, 0, 0)
  assert.equal([stream.next(), stream.next()], [0x6b200159, 0x99ba4efe])
  // Recorded runs rest on how seed, epoch, index and purpose are laid out in key and counter.
  const augment = new RandomStream(Purpose.Augment)
  augment.start(1, 2, 3)
  assert.equal(
    [augment.next(), augment.next(), augment.next()],
    [0x6d6372bf, 0xdb48b023, 0x2d692b27],
  )
})

test('random: a stream depends on seed, epoch, index and purpose, and on nothing else', () => {
  const stream = new RandomStream(Purpose.Augment)
  const draw = (seed: number, epoch: number, index: number): number[] => {
    stream.start(seed, epoch, index)
    return [stream.next(), stream.next(), stream.next()]
  }
  fc.assert(
    fc.property(anySeed, fc.nat(1000), fc.nat(60_000), (seed, epoch, index) => {
      const first = draw(seed, epoch, index)
      const others = [
        draw(seed ^ 1, epoch, index),
        draw(seed, epoch + 1, index),
        draw(seed, epoch, index + 1),
        draw(epoch, seed, index + 2),
      ]
      assert.equal(draw(seed, epoch, index), first)
      for (const other of others) assert.not.equal(other, first)
      const shuffle = new RandomStream(Purpose.Shuffle)
      shuffle.start(seed, epoch, index)
      assert.is.not(shuffle.next(), first[0])
    }),
  )
})

test('random: below, uniform and sign are even (chi-square at seeds 0 … 19)', () => {
  const stream = new RandomStream(Purpose.Augment)
  for (let seed = 0; seed < 20; seed++) {
    const counts = new Float64Array(9)
    let signs = 0
    let sum = 0
    for (let index = 0; index < 9000; index++) {
      stream.start(seed, 3, index)
      counts[stream.below(9)]++
      signs += stream.sign()
      sum += stream.uniform()
    }
    const chi = counts.reduce((total, count) => total + (count - 1000) ** 2 / 1000, 0)
    assert.ok(chi < 40, `seed ${seed}: chi-square ${chi} at 8 degrees of freedom`)
    assert.ok(Math.abs(signs) < 5 * Math.sqrt(9000), `seed ${seed}: signs ${signs}`)
    assert.ok(
      Math.abs(sum / 9000 - 0.5) < 5 * Math.sqrt(1 / 12 / 9000),
      `seed ${seed}: mean ${sum / 9000}`,
    )
  }
})

test('permutation: holds each index once, repeats, and differs by seed and epoch', () => {
  fc.assert(
    fc.property(fc.nat(200), anySeed, fc.nat(1000), (n, seed, epoch) => {
      const order = permutation(n, seed, epoch)
      assert.equal(
        [...order].sort((a, b) => a - b),
        Array.from({ length: n }, (_, i) => i),
      )
      assert.equal(order, permutation(n, seed, epoch))
      if (n < 20) return
      assert.not.equal(order, permutation(n, seed, epoch + 1))
      assert.not.equal(order, permutation(n, (seed + 1) % 2 ** 32, epoch))
    }),
  )
})

test('permutation: all orders of 4 are equally likely', () => {
  const counts = new Map<string, number>()
  for (let epoch = 0; epoch < 24_000; epoch++) {
    const key = permutation(4, 7, epoch).join()
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  assert.is(counts.size, 24)
  const chi = [...counts.values()].reduce((total, count) => total + (count - 1000) ** 2 / 1000, 0)
  assert.ok(chi < 65, `chi-square ${chi} at 23 degrees of freedom`)
})

test('permutation: what is out of range is refused', () =>
  expectRefusals([
    [() => permutation(-1, 0, 0), 'n must be an integer from 0 to 4294967295, got -1'],
    [() => permutation(3, 0.5, 0), /permutation\.seed must be .*, got 0\.5/],
    [() => permutation(3, 0, -1), 'permutation.epoch must be an integer ≥ 0, got -1'],
  ]))

test.run()
