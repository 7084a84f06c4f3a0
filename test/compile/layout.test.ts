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

/** A layout, and where number [n][c][tap] of a tensor in PyTorch's order lies in it. */
interface Row {
  readonly what: string
  readonly layout: ParameterLayout
  readonly inputs: number
  readonly taps: number
  readonly place: (n: number, c: number, tap: number) => number
}

function* weightRowsOf(): Generator<Row> {
  for (const out of [1, 3, 5, 17, 33, 40])
    for (const inputs of [1, 3, 5, 17])
      for (const [kh, kw] of [
        [1, 1],
        [2, 1],
        [2, 3],
        [3, 5],
      ])
        for (const inC of [inputs, storedChannels(inputs)]) {
          const taps = kh * kw
          const layout = weightLayout([out, inputs, kh, kw], out, inputs, taps, inC)
          const [rows, width] = [weightRows(taps, inC), blockWidth(out)]
          assert.ok(rows > taps * inC, 'the zero row that padded lists read')
          assert.is(layout.stored, storedChannels(out) * rows)
          const place: Row['place'] = (n, c, tap) =>
            (Math.floor(n / width) * rows + tap * inC + c) * width + (n % width)
          yield { what: `${out}×${inputs}×${kh}×${kw} in ${inC}`, layout, inputs, taps, place }
        }
}

function* groupRows(): Generator<Row> {
  for (const [groups, inputs, groupOut, taps] of [
    [2, 3, 5, 9],
    [4, 4, 4, 1],
    [3, 1, 2, 6],
    [1, 2, 1, 3],
  ]) {
    const grouping = { groups, groupIn: inputs, groupOut, depthwise: false }
    const layout = groupedLayout([groups * groupOut, inputs, taps, 1], taps, grouping)
    const columns = Math.ceil(groupOut / 4) * 4
    assert.is(layout.stored, groups * taps * inputs * columns)
    const place: Row['place'] = (n, c, tap) =>
      ((Math.floor(n / groupOut) * taps + tap) * inputs + c) * columns + (n % groupOut)
    yield { what: `${groups} groups of ${inputs} → ${groupOut}`, layout, inputs, taps, place }
  }
}

function* channelRows(): Generator<Row> {
  for (const [channels, taps] of [
    [1, 9],
    [5, 9],
    [17, 25],
    [64, 1],
  ]) {
    const grouping = { groups: channels, groupIn: 1, groupOut: 1, depthwise: true }
    const layout = groupedLayout([channels, 1, taps, 1], taps, grouping)
    const stored = storedChannels(channels)
    assert.is(layout.stored, taps * stored)
    const what = `${channels} channels by themselves`
    yield { what, layout, inputs: 1, taps, place: (n, _, tap) => tap * stored + n }
    const vector = vectorLayout([channels], channels)
    yield { what: `${channels} numbers`, layout: vector, inputs: 1, taps: 1, place: (n) => n }
  }
}

test('numbers lie where their layout says, others stay zero, and unpacked they are the same', () => {
  for (const { what, layout, inputs, taps, place } of [
    ...weightRowsOf(),
    ...groupRows(),
    ...channelRows(),
  ]) {
    const values = uniform(sizeOf(layout.shape), 1, seed)
    const expected = new Float32Array(layout.stored)
    for (const [i, value] of values.entries()) {
      const [n, k] = [Math.floor(i / (inputs * taps)), i % (inputs * taps)]
      const at = place(n, Math.floor(k / taps), k % taps)
      assert.is(placesOf(layout)(i), at, what)
      expected[at] = value
    }
    const stored = new Float32Array(layout.stored)
    pack(layout, values, stored)
    assert.equal(stored, expected, what)
    assert.equal(unpack(layout, stored), values, what)
  }
  assert.is(unpack(vectorLayout([], 1), Float32Array.of(2, 0, 0, 0)).length, 1, 'a scalar')
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
