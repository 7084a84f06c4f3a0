/**
 * Max pooling of currents: the kernel against loops over plain arrays, and what a network makes of
 * it. Small integers make ties frequent.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  conv2d,
  flatten,
  lif,
  linear,
  type MethodOptions,
  maxPool2d,
  type StateDict,
  sequential,
} from '../../src/index.js'
import { maxPoolFloats } from '../../src/kernels/records/activity.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)

for (const variant of variants) {
  const engine = new TestEngine(variant, 64)
  for (let seed = base; seed < base + 40; seed++) {
    const random = testRandom(seed * 7129 + 3)
    const pick = (low: number, high: number) => low + Math.floor(random() * (high - low + 1))
    const [images, sourceH, sourceW, C, T] = [
      pick(1, 3),
      pick(2, 9),
      pick(2, 9),
      4 * pick(1, 5),
      pick(1, 6),
    ]
    const [kernelH, kernelW, strideH, strideW] = [pick(1, 3), pick(1, 3), pick(1, 3), pick(1, 3)]
    const [padH, padW] = [pick(0, kernelH >> 1), pick(0, kernelW >> 1)]
    const [H, W] = [
      Math.floor((sourceH + 2 * padH - kernelH) / strideH) + 1,
      Math.floor((sourceW + 2 * padW - kernelW) / strideW) + 1,
    ]
    if (H < 1 || W < 1) continue
    const mode = (['by step', 'by sum', 'none'] as const)[seed % 3]
    const title =
      `${images}×${sourceH}×${sourceW}×${C} T=${T} window ` +
      `${kernelH}×${kernelW} stride ${strideH}×${strideW} padding ${padH}×${padW}`

    test(`${variant} maxPoolFloats ${title} choice ${mode} (seed ${seed})`, () => {
      engine.reset()
      const pixels = images * H * W
      const source = Array.from({ length: images * sourceH * sourceW * T * C }, () => pick(-3, 3))
      const chooser = Array.from({ length: images * sourceH * sourceW * C }, () => pick(-3, 3))
      const out = engine.alloc(pixels * T * C * 4)
      const choices = mode === 'by step' ? T : 1
      const choice = mode === 'none' ? 0 : engine.alloc(pixels * choices * C)
      const pixelsPerUnit = pick(1, pixels)
      const record = engine.record(maxPoolFloats, Math.ceil(pixels / pixelsPerUnit), {
        out,
        choice,
        in: engine.putFloats(source),
        chooser: mode === 'by sum' ? engine.putFloats(chooser) : 0,
        steps: T,
        images,
        height: H,
        width: W,
        channels: C,
        sourceH,
        sourceW,
        kernelH,
        kernelW,
        strideH,
        strideW,
        padH,
        padW,
        pixelsPerUnit,
      })
      engine.run(record, engine.alloc(0))
      engine.checkGuards(title)
      /** Largest value of a window and the first position that has it. */
      const window = (pixel: number, value: (sourcePixel: number) => number): [number, number] => {
        const image = Math.floor(pixel / (H * W))
        let best: [number, number] = [Number.NEGATIVE_INFINITY, -1]
        for (let ky = 0; ky < kernelH; ky++)
          for (let kx = 0; kx < kernelW; kx++) {
            const y = (Math.floor(pixel / W) % H) * strideH - padH + ky
            const x = (pixel % W) * strideW - padW + kx
            if (y < 0 || y >= sourceH || x < 0 || x >= sourceW) continue
            const v = value((image * sourceH + y) * sourceW + x)
            if (v > best[0]) best = [v, ky * kernelW + kx]
          }
        return best
      }
      const [values, positions] = [
        engine.floats(out, pixels * T * C),
        engine.bytes(choice, mode === 'none' ? 0 : pixels * choices * C),
      ]
      for (let pixel = 0; pixel < pixels; pixel++)
        for (let c = 0; c < C; c++) {
          for (let step = 0; step < T; step++) {
            const [largest, position] = window(pixel, (p) => source[(p * T + step) * C + c])
            assert.is(
              values[(pixel * T + step) * C + c],
              largest,
              `pixel ${pixel} step ${step} channel ${c} seed ${seed}`,
            )
            if (mode === 'by step')
              assert.is(
                positions[(pixel * T + step) * C + c],
                position,
                `choice, pixel ${pixel} step ${step} channel ${c} seed ${seed}`,
              )
          }
          if (mode === 'by sum')
            assert.is(
              positions[pixel * C + c],
              window(pixel, (p) => chooser[p * C + c])[1],
              `choice, pixel ${pixel} channel ${c} seed ${seed}`,
            )
        }
    })
  }
}

/** Gradients of a network with pooled currents, in front of and behind neurons. */
async function gradients(
  options: MethodOptions & { timeSteps: number; frames: boolean },
  seed: number,
): Promise<StateDict> {
  const random = testRandom(seed)
  const batch = 3
  const net = sequential(
    conv2d(2, 5, 3),
    maxPool2d(3, { stride: 2, padding: 1 }),
    lif(),
    conv2d(5, 6, 2),
    maxPool2d(2, { stride: 1 }),
    lif(),
    flatten(),
    linear(12, 4),
  )
  const model = await net.compile({ input: [2, 9, 8], batchSize: batch, seed, ...options })
  const state = model.stateDict()
  for (const { data } of Object.values(state)) data.set(data.map((v) => 3 * v))
  model.loadStateDict(state)
  const x = Float32Array.from(
    { length: batch * 144 * (options.frames ? options.timeSteps : 1) },
    () => 2 * random() - 0.5,
  )
  await model.trainStep(x, [0, 3, 1], { update: false })
  const rates = Object.values(model.firingRates())
  assert.ok(
    rates.every((rate) => rate > 0.02 && rate < 1),
    `rates ${rates} seed=${seed}`,
  )
  const result = model.gradients()
  await model.dispose()
  return result
}

function close(actual: StateDict, expected: StateDict, factor: number, message: string): void {
  for (const name of Object.keys(expected)) {
    const distance = Math.hypot(
      ...actual[name].data.map((v, i) => v * factor - expected[name].data[i]),
    )
    const size = Math.hypot(...expected[name].data)
    assert.ok(
      size > 0 && distance <= 1e-4 * size,
      `${message} ${name}: ${distance} away of ${size}`,
    )
  }
}

for (let seed = base; seed < base + 3; seed++) {
  test(`pooled currents, T = 1: rate m, rate s and bptt agree (seed ${seed})`, async () => {
    const bptt = await gradients({ method: 'bptt', timeSteps: 1, frames: false }, seed)
    for (const stepMode of ['m', 's'] as const)
      close(await gradients({ stepMode, timeSteps: 1, frames: false }, seed), bptt, 1, stepMode)
  })

  test(`pooled currents of frames: rate m and rate s choose by the same mean (seed ${seed})`, async () => {
    const options = { timeSteps: 5, frames: true }
    close(
      await gradients({ stepMode: 's', ...options }, seed),
      await gradients({ stepMode: 'm', ...options }, seed),
      1,
      's against m',
    )
  })
}

test.run()
