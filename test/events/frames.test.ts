import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OfficialResize } from '../../src/data/events/options.js'
import type { SliceOptions } from '../../src/data/recordings/slices.js'
import { events } from '../../src/index.js'

const path = new URL('../../../test/fixtures/events/expected.json', import.meta.url)
interface Expected {
  recording: { width: number; height: number } & Record<'x' | 'y' | 't' | 'p', number[]>
  cases: [SliceOptions, { shape: number[]; sum: number; code: number }][]
  denoised: [number, number, number][]
  official: { spots: [number, number][]; bytes: [string, string] }
}
const expected = JSON.parse(readFileSync(path, 'utf8')) as Expected
const { x, y, t, p, width, height } = expected.recording
const recording = events.from({ x, y, t, p, sensor: [width, height] })

test('frames are those that SpikingJelly and Tonic make of the recording', () => {
  for (const [options, { shape, sum, code }] of expected.cases) {
    const frames = events.toFrames(recording, options)
    const name = JSON.stringify(options)
    assert.equal([frames.timeSteps, ...frames.shape], shape, name)
    assert.is(
      frames.data.reduce((a, b) => a + b, 0),
      sum,
      name,
    )
    assert.is(
      frames.data.reduce((a, b, i) => a + b * ((i % 9973) + 1), 0),
      code,
      name,
    )
  }
  assert.is(expected.cases.length, 56)
})

test('frames by time do not depend on the order of the events', () => {
  const order = Array.from({ length: t.length }, (_, i) => (i * 7) % t.length)
  const shuffled = events.from({
    x: order.map((i) => x[i]),
    y: order.map((i) => y[i]),
    t: order.map((i) => t[i]),
    p: order.map((i) => p[i]),
    sensor: [width, height],
  })
  const options = { framesNumber: 6, splitBy: 'time' } as const
  assert.equal(events.toFrames(shuffled, options), events.toFrames(recording, options))
})

test('binary frames are 1 where there was an event', () => {
  const sums = events.toFrames(recording, { framesNumber: 4 }).data
  const binary = events.toFrames(recording, { framesNumber: 4, binary: true }).data
  assert.equal(
    binary,
    sums.map((n) => Math.min(n, 1)),
  )
  assert.ok(sums.some((n) => n > 1))
})

test('denoise keeps what Tonic keeps', () => {
  for (const [filterTime, length, code] of expected.denoised) {
    const kept = events.denoise(recording, filterTime)
    assert.is(kept.length, length)
    assert.is(
      kept.t.reduce((a, b, i) => a + b * (1 + (i % 97)), 0),
      code,
    )
  }
})

test('frames of CIFAR10-DVS are made smaller as by torchvision and Pillow, byte for byte', () => {
  const counts = new Float32Array(128 * 128 * 2)
  for (const [i, [row, column]] of expected.official.spots.entries())
    counts[((i % 2) * 128 + row) * 128 + column] += 1 + (i % 29 === 0 ? 3 : 0)
  const out = new Float32Array(48 * 48 * 2)
  new OfficialResize([128, 128], [48, 48]).run(counts, 0, out, 0)
  for (const channel of [0, 1]) {
    const bytes = Buffer.from(expected.official.bytes[channel], 'hex')
    const plane = out.subarray(channel * 48 * 48, (channel + 1) * 48 * 48)
    const ours = Uint8Array.from(plane, (value) => Math.round(255 * value))
    assert.equal(ours, new Uint8Array(bytes))
  }
})

test('fewer pixels lose no event', () => {
  const small = events.downsample(recording, [3, 5])
  const all = events.toFrames(small, { framesNumber: 1 })
  assert.equal(all.shape, [2, 3, 5])
  assert.is(
    all.data.reduce((a, b) => a + b, 0),
    recording.length,
  )
})

test('an empty recording gives frames of zeros', () => {
  const none = events.from({ x: [], y: [], t: [], p: [], sensor: [4, 3] })
  const ways: SliceOptions[] = [
    { framesNumber: 3 },
    { framesNumber: 3, splitBy: 'time' as const },
    { duration: 5 },
    { timeWindow: 5 },
    { eventCount: 5 },
    { nTimeBins: 2 },
    { nEventBins: 2 },
  ]
  const steps = ways.map((way) => events.toFrames(none, way).timeSteps)
  assert.equal(steps, [3, 3, 1, 1, 1, 2, 2])
})

test.run()
