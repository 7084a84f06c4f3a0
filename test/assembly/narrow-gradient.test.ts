/**
 * The gradient of an input that keeps its own channels, which no plan has yet: rows of one to seven
 * channels, of which the kernel writes no number more. The rest is test/ops.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Dense } from '../../assembly/opcodes.js'
import { convInputGradient, transposeWeight } from '../../src/kernels/records/dense.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'
import { expectClose, uniform } from '../support/measure.js'
import { inputGradientReference } from '../support/ops-convolution.js'

for (const variant of variants)
  test(`${variant}: the input gradient of few channels leaves what lies behind each pixel`, () => {
    const random = testRandom(5)
    for (const channels of [1, 2, 3, 5, 6, 7]) {
      const [B, H, W, N, kernel, T] = [2, 3, 4, 4, 2, 2]
      const c = { T, timed: true, B, C: channels, H, W, N, groups: 1 } as const
      const all = { ...c, kernel: [kernel, kernel], stride: [1, 1], padding: [0, 0] } as const
      const [outH, outW] = [H - kernel + 1, W - kernel + 1]
      const w = uniform(N * channels * kernel ** 2, 1, channels)
      // [B][T][N][outH][outW], and as the kernel has it, [B][outH][outW][T][N].
      const delta = uniform(B * T * N * outH * outW, 1, channels + 9)
      const engine = new TestEngine(variant, 64)
      const kRows = Math.ceil((kernel ** 2 * channels + 1) / 4) * 4
      const rows = new Float32Array(kRows * N)
      for (let n = 0; n < N; n++)
        for (let c = 0; c < channels; c++)
          for (let tap = 0; tap < kernel ** 2; tap++)
            rows[(tap * channels + c) * N + n] = w[(n * channels + c) * kernel ** 2 + tap]
      const stored = delta.map((_, i) => {
        const [n, t, pixel] = [i % N, Math.floor(i / N) % T, Math.floor(i / N / T)]
        const [b, place] = [Math.floor(pixel / outH / outW), pixel % (outH * outW)]
        return delta[((b * T + t) * N + n) * outH * outW + place]
      })
      const sizes = { images: B, inH: H, inW: W, inC: channels, outH, outW, outC: N, steps: T }
      const window = { kernelH: kernel, kernelW: kernel, strideH: 1, strideW: 1, padH: 0, padW: 0 }
      const shared = { ...sizes, ...window, blockWidth: 4, kRows }
      const transposed = engine.alloc(Dense.TransposedChannels * kernel ** 2 * N * 4)
      const places = { weight: engine.putFloats(rows), transposed }
      engine.run(engine.recordOf(transposeWeight, 1, { ...shared, ...places }), engine.alloc(0))
      // Units in an order of their own: what one writes too much, another has written before.
      const out = engine.alloc(B * H * W * T * channels * 4)
      const rowsPerUnit = 5
      const units = Math.ceil((B * H * W * T) / rowsPerUnit)
      const zeros = engine.putFloats(new Float32Array(N))
      const gradient = { ...places, delta: engine.putFloats(stored), zeros, out, rowsPerUnit }
      const record = engine.recordOf(convInputGradient, units, { ...shared, ...gradient })
      const scratch = engine.alloc(Dense.TileBytes + rowsPerUnit * (Dense.OriginBytes + 4 * N))
      const order = Array.from({ length: units }, (_, i) => i).sort(() => random() - 0.5)
      for (const unit of order) engine.exports.execute(record, unit, 0, scratch)
      engine.checkGuards(`${channels} channels`)
      const expected = inputGradientReference(all, w, delta)
      const found = expected.map((_, i) => {
        const [place, plane] = [i % (H * W), Math.floor(i / (H * W))]
        const [c, t] = [plane % channels, Math.floor(plane / channels) % T]
        const image = Math.floor(plane / channels / T)
        return engine.floats(out, expected.length)[((image * H * W + place) * T + t) * channels + c]
      })
      expectClose(`${channels} channels`, found, expected, 1e-6)
      assert.ok(expected.some((value) => value !== 0))
    }
  })

test.run()
