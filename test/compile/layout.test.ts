/** How parameters lie in memory, and what `summary()` says about a plan. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  blockWidth,
  groupedLayout,
  type ParameterLayout,
  pack,
  placesOf,
  storedChannels,
  unpack,
  vectorLayout,
  weightLayout,
  weightRows,
} from '../../src/compile/layout.js'
import {
  avgPool2d,
  batchNorm2d,
  conv2d,
  flatten,
  lif,
  linear,
  sequential,
} from '../../src/index.js'
import { sizeOf } from '../../src/network/value.js'
import { testRandom } from '../support/engine.js'
import { uniform } from '../support/measure.js'

const seed = Number(process.env.SEED ?? 41)

test('stored channels: whole vectors and whole blocks, at least the real ones', () => {
  for (let n = 1; n <= 300; n++) {
    assert.ok(
      storedChannels(n) >= n &&
        storedChannels(n) % blockWidth(n) === 0 &&
        storedChannels(n) % 4 === 0,
      `n=${n}`,
    )
    assert.ok([4, 8, 16, 32].includes(blockWidth(n)), `n=${n}`)
    assert.ok(
      storedChannels(n) <= Math.max(1.15 * Math.ceil(n / 16) * 16, 2 * n, 4),
      `n=${n} wastes little`,
    )
  }
})

/** Stored index of each element in PyTorch's order. */
const storedPlaces = (layout: ParameterLayout): number[] =>
  Array.from({ length: sizeOf(layout.shape) }, (_, i) => placesOf(layout)(i))

test('weights: pack and unpack are inverse, no two elements share a place, the last row of each block stays free', () => {
  const random = testRandom(seed)
  for (let round = 0; round < 60; round++) {
    const pick = (values: readonly number[]): number => values[Math.floor(random() * values.length)]
    const [out, inputs, kh, kw] = [
      pick([1, 3, 5, 17, 33, 40]),
      pick([1, 3, 5, 17]),
      pick([1, 2, 3]),
      pick([1, 3, 5]),
    ]
    const storedInput = random() < 0.5 ? inputs : storedChannels(inputs)
    const where = `[${out}, ${inputs}, ${kh}, ${kw}] seed=${seed}`
    const layout = weightLayout([out, inputs, kh, kw], out, inputs, kh * kw, storedInput)
    const values = uniform(out * inputs * kh * kw, 1, seed + round)
    const stored = new Float32Array(layout.stored)
    pack(layout, values, stored)
    assert.equal(unpack(layout, stored), values, where)
    const places = new Set(storedPlaces(layout))
    assert.is(places.size, values.length, where)
    assert.ok(Math.min(...places) >= 0 && Math.max(...places) < layout.stored, where)
    // The zero row that padded lists read.
    const [rows, width] = [weightRows(kh * kw, storedInput), blockWidth(out)]
    for (let block = 0; block < storedChannels(out) / width; block++)
      for (let n = 0; n < width; n++)
        assert.not(
          places.has((block * rows + rows - 1) * width + n),
          `${where} zero row of block ${block}`,
        )
  }
})

test('weights: element [n][c][ky][kx] lies at [block of n][(ky·kw + kx)·C + c][n in the block]', () => {
  const layout = weightLayout([33, 5, 3, 2], 33, 5, 6, 8)
  const rows = weightRows(6, 8)
  const width = blockWidth(33)
  const places = storedPlaces(layout)
  for (const [n, c, ky, kx] of [
    [0, 0, 0, 0],
    [32, 4, 2, 1],
    [17, 3, 1, 0],
  ])
    assert.is(
      places[((n * 5 + c) * 3 + ky) * 2 + kx],
      (Math.floor(n / width) * rows + (ky * 2 + kx) * 8 + c) * width + (n % width),
    )
})

test('weights by groups: pack and unpack are inverse, element [g·out + n][c][tap] lies at [g][tap][c][n]', () => {
  for (const [groups, groupIn, groupOut, taps] of [
    [2, 3, 5, 9],
    [4, 4, 4, 1],
    [3, 1, 2, 6],
    [1, 2, 1, 3],
  ]) {
    const where = `${groups} groups of ${groupIn} → ${groupOut}, ${taps} taps`
    const shape = [groups * groupOut, groupIn, taps, 1]
    const grouping = { groups, groupIn, groupOut, depthwise: false }
    const layout = groupedLayout(shape, taps, grouping)
    const values = uniform(groups * groupOut * groupIn * taps, 1, seed)
    const stored = new Float32Array(layout.stored)
    pack(layout, values, stored)
    assert.equal(unpack(layout, stored), values, where)
    const columns = Math.ceil(groupOut / 4) * 4
    assert.is(layout.stored, groups * taps * groupIn * columns, where)
    const places = storedPlaces(layout)
    for (let g = 0; g < groups; g++)
      for (let n = 0; n < groupOut; n++)
        for (let c = 0; c < groupIn; c++)
          for (let tap = 0; tap < taps; tap++)
            assert.is(
              places[((g * groupOut + n) * groupIn + c) * taps + tap],
              ((g * taps + tap) * groupIn + c) * columns + n,
              where,
            )
    assert.is(new Set(places).size, values.length, where)
  }
})

test('depthwise weights: pack and unpack are inverse, element [c][0][tap] lies at [tap][c]', () => {
  for (const [channels, taps] of [
    [1, 9],
    [5, 9],
    [17, 25],
    [64, 1],
  ]) {
    const layout = groupedLayout([channels, 1, taps, 1], taps, {
      groups: channels,
      groupIn: 1,
      groupOut: 1,
      depthwise: true,
    })
    const values = uniform(channels * taps, 1, seed)
    const stored = new Float32Array(layout.stored)
    pack(layout, values, stored)
    assert.equal(unpack(layout, stored), values)
    assert.is(layout.stored, taps * storedChannels(channels))
    const places = storedPlaces(layout)
    for (let c = 0; c < channels; c++)
      for (let tap = 0; tap < taps; tap++)
        assert.is(places[c * taps + tap], tap * storedChannels(channels) + c)
  }
})

test('vectors: pack and unpack are inverse, and scalars are one number', () => {
  for (const n of [1, 3, 17, 33]) {
    const layout = vectorLayout([n], n)
    const values = uniform(n, 1, seed + n)
    const stored = new Float32Array(layout.stored)
    pack(layout, values, stored)
    assert.equal(unpack(layout, stored), values)
    assert.ok(
      stored.subarray(n).every((v) => v === 0),
      'padding stays zero',
    )
  }
  assert.is(unpack(vectorLayout([], 1), Float32Array.of(2, 0, 0, 0)).length, 1)
})

test('summary: layers with shapes and parameters, totals, memory by purpose', async () => {
  const net = sequential({
    first: conv2d(3, 17, 3, { padding: 1 }),
    norm: batchNorm2d(17),
    fire: lif(),
    pool: avgPool2d(2),
    flat: flatten(),
    last: linear(17 * 9, 1000),
  })
  const model = await net.compile({ input: [3, 6, 6], batchSize: 5, timeSteps: 3, method: 'bptt' })
  const lines = model.summary().split('\n')
  const row = (...cells: string[]): void => {
    const pattern = new RegExp(`^${cells.map((c) => c.replace(/[[\].()]/g, '\\$&')).join(' +')}$`)
    assert.ok(
      lines.some((line) => pattern.test(line)),
      `no row ${cells.join(' | ')} in\n${lines.join('\n')}`,
    )
  }
  row('first', 'conv2d', '[17, 6, 6]', '476')
  row('norm', 'batchNorm2d', '[17, 6, 6]', '34')
  row('fire', 'lif', '[17, 6, 6]', '0')
  row('pool', 'avgPool2d', '[17, 3, 3]', '0')
  row('flat', 'flatten', '[153]', '0')
  row('last', 'linear', '[1000]', '154,000')
  row('parameters', '154,510; input [3, 6, 6], batch 5, T 3, method bptt m, purpose train')
  assert.is(model.parameterCount, 154510)
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(2)
  row('parameters', mib(model.memoryUse.parameters))
  row('gradients', mib(model.memoryUse.gradients))
  row('optimizer', mib(model.memoryUse.optimizer))
  row('kept for backward', mib(model.memoryUse.kept))
  row('total', mib(model.memoryUse.total))
  await model.dispose()
})

test.run()
