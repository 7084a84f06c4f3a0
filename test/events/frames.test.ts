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
    const found = {
      shape: [frames.timeSteps, ...frames.shape],
      sum: frames.data.reduce((a, b) => a + b, 0),
      code: frames.data.reduce((a, b, i) => a + b * ((i % 9973) + 1), 0),
    }
    assert.equal(found, { shape, sum, code }, JSON.stringify(options))
  }
  assert.is(expected.cases.length, 56)
})

test('denoise keeps what Tonic keeps', () => {
  for (const [filterTime, length, code] of expected.denoised) {
    const kept = events.denoise(recording, filterTime)
    const found = kept.t.reduce((a, b, i) => a + b * (1 + (i % 97)), 0)
    assert.equal([kept.length, found], [length, code])
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

test.run()
