/**
 * Max pooling, dropout, traces and sums against loops over plain arrays. Gradients are small
 * integers, whose sums are exact: results must be equal.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { dropout, dropoutFloats } from '../../src/plan/records/dropout.js'
import { clear } from '../../src/plan/records/optimizer.js'
import { maxPool, maxPoolBackward } from '../../src/plan/records/pool.js'
import { sumScalars, timeSum, trace, traceGradient } from '../../src/plan/records/sums.js'
import { type Fields, f32, isFor, TestEngine, testRandom, variants } from '../support/engine.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const CASES = 40
const NAN = 0xff

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const one = <V>(random: Random, values: readonly V[]): V =>
  values[integer(random, 0, values.length - 1)]

interface Shape {
  images: number
  /** Pooled and source size. */
  H: number
  W: number
  sourceH: number
  sourceW: number
  C: number
  T: number
  /** Calls of a loop over t outside, 1 without. */
  loops: number
  kernelH: number
  kernelW: number
  strideH: number
  strideW: number
  padH: number
  padW: number
  perStep: boolean
  pixelsPerUnit: number
}

function makeShape(random: Random): Shape {
  for (;;) {
    const [sourceH, sourceW] = [integer(random, 1, 9), integer(random, 1, 9)]
    const [kernelH, kernelW] = [integer(random, 1, 4), integer(random, 1, 4)]
    const [strideH, strideW] = [integer(random, 1, 4), integer(random, 1, 4)]
    // As in PyTorch, at most half of the kernel, so that every window meets the image.
    const [padH, padW] = [integer(random, 0, kernelH >> 1), integer(random, 0, kernelW >> 1)]
    const H = Math.floor((sourceH + 2 * padH - kernelH) / strideH) + 1
    const W = Math.floor((sourceW + 2 * padW - kernelW) / strideW) + 1
    if (H < 1 || W < 1) continue
    const images = integer(random, 1, 3)
    const loops = one(random, [1, 1, 4])
    return {
      images,
      H,
      W,
      sourceH,
      sourceW,
      C: 4 * integer(random, 1, 5),
      T: loops > 1 ? 1 : integer(random, 1, 17),
      loops,
      kernelH,
      kernelW,
      strideH,
      strideW,
      padH,
      padW,
      perStep: loops === 1 && random() < 0.5,
      pixelsPerUnit: integer(random, 1, images * H * W),
    }
  }
}

const describe = (s: Shape): string =>
  `${s.images}×${s.sourceH}×${s.sourceW}×${s.C} window ${s.kernelH}×${s.kernelW} stride ` +
  `${s.strideH}×${s.strideW} padding ${s.padH}×${s.padW}` +
  ` T=${s.T * s.loops} choice by ${s.perStep ? 'step' : 'rate'}`

function windowWords(s: Shape): Fields {
  return {
    steps: s.T,
    images: s.images,
    channels: s.C,
    kernelH: s.kernelH,
    kernelW: s.kernelW,
    strideH: s.strideH,
    strideW: s.strideW,
    padH: s.padH,
    padW: s.padW,
    choicePerStep: s.perStep ? 1 : 0,
    pixelsPerUnit: s.pixelsPerUnit,
  }
}

/** Neurons of one pooled pixel's window, as [position in the window, source pixel], in order. */
function windowOf(s: Shape, pooled: number): [number, number][] {
  const image = Math.floor(pooled / (s.H * s.W))
  const y0 = (Math.floor(pooled / s.W) % s.H) * s.strideH - s.padH
  const x0 = (pooled % s.W) * s.strideW - s.padW
  const list: [number, number][] = []
  for (let ky = 0; ky < s.kernelH; ky++)
    for (let kx = 0; kx < s.kernelW; kx++) {
      const [y, x] = [y0 + ky, x0 + kx]
      if (y >= 0 && y < s.sourceH && x >= 0 && x < s.sourceW)
        list.push([ky * s.kernelW + kx, (image * s.sourceH + y) * s.sourceW + x])
    }
  return list
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, x) => total + x, 0)

/** Masks of spikes given as [neuron][step], planes `planeBytes` apart. */
function masksOf(spikes: readonly (readonly number[])[], planeBytes: number): Uint8Array {
  const steps = spikes[0].length
  const masks = new Uint8Array((Math.ceil(steps / 8) - 1) * planeBytes + spikes.length)
  for (const [neuron, train] of spikes.entries())
    for (const [step, spike] of train.entries())
      masks[(step >> 3) * planeBytes + neuron] |= spike << (step & 7)
  return masks
}

function equal(actual: ArrayLike<number>, expected: ArrayLike<number>, message: string): void {
  for (let i = 0; i < expected.length; i++)
    if (actual[i] !== expected[i])
      assert.unreachable(`${message}, element ${i}: got ${actual[i]}, expected ${expected[i]}`)
}

/**
 * Position in its window that each pooled neuron chose, [pooled][steps of the choice][C], for
 * spikes [neuron][step] seen so far.
 */
function choices(s: Shape, spikes: readonly (readonly number[])[]): Uint8Array {
  const rows = s.perStep ? s.T : 1
  const list = new Uint8Array(s.images * s.H * s.W * rows * s.C)
  for (let pooled = 0; pooled < s.images * s.H * s.W; pooled++)
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < s.C; c++) {
        const value = (pixel: number) =>
          s.perStep ? spikes[pixel * s.C + c][row] : sum(spikes[pixel * s.C + c])
        const candidates = windowOf(s, pooled)
        const highest = Math.max(...candidates.map(([, pixel]) => value(pixel)))
        const chosen = candidates.find(([, pixel]) => value(pixel) === highest)
        list[(pooled * rows + row) * s.C + c] = chosen ? chosen[0] : 0
      }
  return list
}

for (const variant of variants) {
  const engine = new TestEngine(variant, 256)
  const noScratch = () => engine.alloc(0)

  for (let seed = base; seed < base + CASES; seed++) {
    if (!isFor(variant, seed)) continue
    const random = testRandom(seed * 5227 + 1)
    const s = makeShape(random)
    const [pixels, sources] = [s.images * s.H * s.W, s.images * s.sourceH * s.sourceW]
    const rate = random()

    test(`${variant} maxPool ${describe(s)} ORs spikes and chooses the most active (seed ${seed})`, () => {
      engine.reset()
      const steps = s.T * s.loops
      const spikes = Array.from({ length: sources * s.C }, () =>
        Array.from({ length: steps }, () => Number(random() < rate)),
      )
      const gap = one(random, [0, 64])
      const [inPlane, outPlane] = [sources * s.C + gap, pixels * s.C + gap]
      const planes = Math.ceil(s.T / 8)
      const outBytes = (planes - 1) * outPlane + pixels * s.C
      const [masks, counts] = [
        engine.alloc((planes - 1) * inPlane + sources * s.C),
        engine.alloc(sources * s.C),
      ]
      const [out, outCounts] = [engine.alloc(outBytes), engine.alloc(pixels * s.C)]
      const choiceCount = pixels * s.C * (s.perStep ? s.T : 1)
      const choice = random() < 0.8 ? engine.alloc(choiceCount) : 0
      const record = engine.record(maxPool, Math.ceil(pixels / s.pixelsPerUnit), {
        ...windowWords(s),
        out,
        counts: outCounts,
        choice,
        in: masks,
        inCounts: counts,
        planeBytes: outPlane,
        inPlaneBytes: inPlane,
        height: s.H,
        width: s.W,
        sourceH: s.sourceH,
        sourceW: s.sourceW,
        loop: s.loops > 1 ? 1 : 0,
      })
      const pooled = Array.from({ length: pixels * s.C }, (_, i) =>
        Array.from({ length: steps }, (_, step) =>
          Math.max(
            0,
            ...windowOf(s, Math.floor(i / s.C)).map(
              ([, pixel]) => spikes[pixel * s.C + (i % s.C)][step],
            ),
          ),
        ),
      )
      for (let t = 0; t < s.loops; t++) {
        const [from, to] = [t * s.T, (t + 1) * s.T]
        const message = `${JSON.stringify(s)} t=${t} seed ${seed}`
        const now = spikes.map((train) => train.slice(from, to))
        engine.bytes(masks, (planes - 1) * inPlane + sources * s.C).set(masksOf(now, inPlane))
        engine.bytes(counts, sources * s.C).set(spikes.map((train) => sum(train.slice(0, to))))
        engine.run(record, noScratch(), t)
        engine.checkGuards(message)
        const expected = masksOf(
          pooled.map((train) => train.slice(from, to)),
          outPlane,
        )
        for (let plane = 0; plane < planes; plane++)
          equal(
            engine.bytes(out + plane * outPlane, pixels * s.C),
            expected.subarray(plane * outPlane, plane * outPlane + pixels * s.C),
            `plane ${plane} ${message}`,
          )
        equal(
          engine.bytes(outCounts, pixels * s.C),
          pooled.map((train) => sum(train.slice(0, to))),
          `counts ${message}`,
        )
        if (choice)
          equal(
            engine.bytes(choice, choiceCount),
            choices(
              s,
              spikes.map((train) => train.slice(0, to)),
            ),
            `choice ${message}`,
          )
      }
    })

    test(`${variant} maxPoolBackward ${describe(s)} gives the chosen their gradient (seed ${seed})`, () => {
      engine.reset()
      const spikes = Array.from({ length: sources * s.C }, () =>
        Array.from({ length: s.T }, () => Number(random() < rate)),
      )
      const choice = choices(s, spikes)
      const gradient = Array.from({ length: pixels * s.T * s.C }, () => integer(random, -9, 9))
      const expected = new Float64Array(sources * s.T * s.C)
      for (let pooled = 0; pooled < pixels; pooled++)
        for (const [position, pixel] of windowOf(s, pooled))
          for (let step = 0; step < s.T; step++)
            for (let c = 0; c < s.C; c++)
              if (choice[(s.perStep ? pooled * s.T + step : pooled) * s.C + c] === position)
                expected[(pixel * s.T + step) * s.C + c] +=
                  gradient[(pooled * s.T + step) * s.C + c]
      const out = engine.alloc(expected.length * 4, NAN)
      const perUnit = integer(random, 1, sources)
      const record = engine.record(maxPoolBackward, Math.ceil(sources / perUnit), {
        ...windowWords(s),
        out,
        in: engine.putFloats(gradient),
        choice: engine.putBytes(choice),
        height: s.sourceH,
        width: s.sourceW,
        sourceH: s.H,
        sourceW: s.W,
        pixelsPerUnit: perUnit,
      })
      engine.run(record, noScratch())
      const message = `${JSON.stringify(s)} seed ${seed}`
      engine.checkGuards(message)
      equal(engine.floats(out, expected.length), expected, message)
    })
  }

  /** Sizes of elementwise operations and the words that give them. */
  const makePixels = (random: Random) => {
    const [images, H, W, C, T] = [
      integer(random, 1, 4),
      integer(random, 1, 6),
      integer(random, 1, 6),
      4 * integer(random, 1, 8),
      integer(random, 1, 17),
    ]
    const pixels = images * H * W
    const perUnit = integer(random, 1, pixels)
    return {
      pixels,
      C,
      T,
      perUnit,
      units: Math.ceil(pixels / perUnit),
      title: `${images}×${H}×${W}×${C} T=${T}`,
    }
  }

  type Pixels = Pick<ReturnType<typeof makePixels>, 'pixels' | 'C' | 'T' | 'perUnit' | 'units'>
  const dropoutWords = ({ pixels, C, T, perUnit }: Pixels, p: number, stream: number): Fields => ({
    pixels,
    channels: C,
    steps: T,
    pixelsPerUnit: perUnit,
    probability: f32(p),
    stream,
  })

  const random64 = engine.exports.random64 as unknown as (
    seed: number,
    stream: number,
    index: bigint,
  ) => bigint
  /** A neuron's uniform random number: the upper 24 bits. */
  const uniform = (seed: number, stream: number, neuron: number): number =>
    Number(BigInt.asUintN(64, random64(seed, stream, BigInt(neuron))) >> 40n) / 2 ** 24

  /**
   * Which neurons dropout keeps, from a run on neurons that always spike; checks that all planes
   * and counts agree.
   */
  const keptBy = (size: Pixels, p: number, seed: number, stream: number): boolean[] => {
    engine.reset()
    engine.ints(Control.Seed, 1)[0] = seed
    const { pixels, C, T, units } = size
    const count = pixels * C
    const planes = Math.ceil(T / 8)
    const [out, outCounts] = [engine.alloc(planes * count), engine.alloc(count)]
    const always = masksOf(
      Array.from({ length: count }, () => new Array<number>(T).fill(1)),
      count,
    )
    const record = engine.record(dropout, units, {
      ...dropoutWords(size, p, stream),
      out,
      counts: outCounts,
      in: engine.putBytes(always),
      inCounts: engine.alloc(count, T),
      planeBytes: count,
      inPlaneBytes: count,
    })
    engine.run(record, noScratch())
    engine.checkGuards()
    const kept = [...engine.bytes(outCounts, count)].map((spikes) => spikes > 0)
    equal(
      engine.bytes(outCounts, count),
      kept.map((keep) => (keep ? T : 0)),
      'counts',
    )
    equal(
      engine.bytes(out, planes * count),
      always.map((mask, i) => (kept[i % count] ? mask : 0)),
      'masks',
    )
    return kept
  }

  for (let seed = base; seed < base + 12; seed++) {
    const random = testRandom(seed * 4421 + 2)
    const size = makePixels(random)
    const { pixels, C, T, perUnit, units, title } = size
    const [runSeed, stream] = [Math.floor(random() * 2 ** 32), integer(random, 0, 9)]
    // Now and then exactly the number of a neuron, which is kept.
    const p =
      seed % 2
        ? Math.fround(random())
        : uniform(runSeed, stream, integer(random, 0, pixels * C - 1))

    test(`${variant} dropout ${title} drops the same neurons at every step and backward (seed ${seed})`, () => {
      const kept = keptBy(size, p, runSeed, stream)
      equal(
        kept.map(Number),
        kept.map((_, i) => Number(uniform(runSeed, stream, i) >= p)),
        `kept seed ${seed}`,
      )
      equal(keptBy(size, p, runSeed, stream).map(Number), kept.map(Number), `again seed ${seed}`)
      engine.reset()
      const count = pixels * C
      const spikes = masksOf(
        Array.from({ length: count }, () => Array.from({ length: T }, () => integer(random, 0, 1))),
        count,
      )
      const counts = Array.from({ length: count }, () => integer(random, 0, 255))
      const [masks, outCounts] = [engine.alloc(spikes.length), engine.alloc(count)]
      const forward = engine.record(dropout, units, {
        ...dropoutWords(size, p, stream),
        out: masks,
        counts: outCounts,
        in: engine.putBytes(spikes),
        inCounts: engine.putBytes(counts),
        planeBytes: count,
        inPlaneBytes: count,
      })
      engine.run(forward, noScratch())
      equal(
        engine.bytes(masks, spikes.length),
        spikes.map((mask, i) => (kept[i % count] ? mask : 0)),
        `masks seed ${seed}`,
      )
      equal(
        engine.bytes(outCounts, count),
        counts.map((spikes, i) => (kept[i] ? spikes : 0)),
        `counts seed ${seed}`,
      )

      const gradient = Float32Array.from({ length: pixels * T * C }, () => integer(random, 1, 9))
      const input = engine.putFloats(gradient)
      // Out may be In.
      const out = random() < 0.5 ? input : engine.alloc(gradient.byteLength, NAN)
      const record = engine.record(dropoutFloats, units, {
        ...dropoutWords(size, p, stream),
        out,
        in: input,
      })
      engine.run(record, noScratch())
      engine.checkGuards(`seed ${seed}`)
      const neuron = (i: number) => Math.floor(i / (T * C)) * C + (i % C)
      equal(
        engine.floats(out, gradient.length),
        gradient.map((x, i) => (kept[neuron(i)] ? x : 0)),
        `backward seed ${seed}`,
      )
    })

    test(`${variant} timeSum ${title} equals the sum, and adds up over calls (seed ${seed})`, () => {
      engine.reset()
      const loop = random() < 0.5
      const [out, input] = [engine.alloc(pixels * C * 4, NAN), engine.alloc(pixels * T * C * 4)]
      const record = engine.record(timeSum, units, {
        pixels,
        channels: C,
        steps: T,
        pixelsPerUnit: perUnit,
        out,
        in: input,
        loop: Number(loop),
      })
      const expected = new Float64Array(pixels * C)
      for (let t = 0; t < 2 * T; t += T) {
        const now = Array.from({ length: pixels * T * C }, () => integer(random, -99, 99))
        engine.floats(input, now.length).set(now)
        if (!loop) expected.fill(0)
        for (const [i, x] of now.entries()) expected[Math.floor(i / (T * C)) * C + (i % C)] += x
        engine.run(record, noScratch(), t)
        engine.checkGuards(`seed ${seed}`)
        equal(engine.floats(out, pixels * C), expected, `t=${t} seed ${seed}`)
      }
    })

    test(`${variant} trace ${title} decays and adds, from what comes first (seed ${seed})`, () => {
      engine.reset()
      const lambda = Math.fround(random())
      const count = pixels * C
      const [out, input] = [engine.alloc(count * 4, NAN), engine.alloc(count * T * 4)]
      const record = engine.record(trace, units, {
        pixels,
        channels: C,
        steps: T,
        pixelsPerUnit: perUnit,
        out,
        in: input,
        lambda: f32(lambda),
      })
      const expected = new Float32Array(count)
      for (let t = 0; t < 4 * T; t += T) {
        const now = Float32Array.from({ length: count * T }, () => random() - 0.5)
        engine.floats(input, now.length).set(now)
        engine.run(record, noScratch(), t)
        engine.checkGuards(`seed ${seed}`)
        for (let i = 0; i < count; i++)
          for (let step = 0; step < T; step++) {
            const x = now[(Math.floor(i / C) * T + step) * C + (i % C)]
            expected[i] = x + Math.fround(lambda * expected[i])
          }
        equal(engine.floats(out, count), expected, `t=${t} seed ${seed}`)
      }
    })

    test(`${variant} traceGradient ${title}: products with spikes are those with traces (seed ${seed})`, () => {
      engine.reset()
      const lambda = Math.fround(random())
      const withBefore = random() < 0.7
      const delta = Float32Array.from({ length: pixels * T * C }, () => random() - 0.5)
      const [out, before] = [engine.alloc(delta.byteLength, NAN), engine.alloc(pixels * C * 4, NAN)]
      engine.run(
        engine.record(traceGradient, units, {
          pixels,
          channels: C,
          steps: T,
          pixelsPerUnit: perUnit,
          delta: engine.putFloats(delta),
          out,
          before: withBefore ? before : 0,
          lambda: f32(lambda),
        }),
        noScratch(),
      )
      engine.checkGuards(`seed ${seed}`)
      const bySpikes = engine.floats(out, delta.length)
      for (let neuron = 0; neuron < pixels * C; neuron++) {
        const at = (step: number) => (Math.floor(neuron / C) * T + step) * C + (neuron % C)
        const start = withBefore ? random() : 0
        let trace = start
        let expected = 0
        let actual = withBefore ? engine.floats(before, pixels * C)[neuron] * start : 0
        for (let step = 0; step < T; step++) {
          const spike = random() < 0.4 ? 1 : 0
          trace = lambda * trace + spike
          expected += delta[at(step)] * trace
          actual += bySpikes[at(step)] * spike
        }
        if (!(Math.abs(actual - expected) <= 1e-6 * T * T))
          assert.unreachable(`neuron ${neuron}: got ${actual}, expected ${expected} (seed ${seed})`)
      }
    })

    test(`${variant} clear zeroes what it should and no more (seed ${seed})`, () => {
      engine.reset()
      const count = 4 * integer(random, 1, 100)
      const perUnit = 4 * integer(random, 1, 40)
      const out = engine.alloc(count * 4, NAN)
      const record = engine.record(clear, Math.ceil(count / perUnit), {
        out,
        floats: count,
        perUnit,
      })
      engine.run(record, noScratch())
      engine.checkGuards(`n=${count} seed ${seed}`)
      equal(engine.floats(out, count), new Float32Array(count), `n=${count} seed ${seed}`)
    })

    test(`${variant} sumScalars adds up in float64, in order (seed ${seed})`, () => {
      engine.reset()
      // Large numbers that cancel would swallow the small ones in float32.
      const small = Array.from({ length: integer(random, 1, 50) }, () => Math.fround(random()))
      const values = seed % 2 ? small : [1e9, ...small, -1e9]
      const out = engine.alloc(4, NAN)
      engine.run(
        engine.record(sumScalars, 1, {
          out,
          in: engine.putFloats(values),
          count: values.length,
        }),
        noScratch(),
      )
      engine.checkGuards(`seed ${seed}`)
      assert.is(engine.floats(out, 1)[0], Math.fround(sum(values)))
    })
  }

  test(`${variant} dropout drops about a share p, other neurons for another seed or stream`, () => {
    const many = { pixels: 4096, C: 4, T: 9, perUnit: 1000, units: 5 }
    const count = 4096 * 4
    for (const p of [0, 0.1, 0.5, 0.9, 1]) {
      const runs = [keptBy(many, p, 1, 1), keptBy(many, p, 2, 1), keptBy(many, p, 1, 2)]
      const sigma = Math.sqrt(count * p * (1 - p))
      for (const kept of runs) {
        const dropped = kept.filter((keep) => !keep).length
        assert.ok(
          Math.abs(dropped - count * p) <= 5 * sigma,
          `p=${p}: ${dropped} of ${count} dropped`,
        )
      }
      // Independent draws agree on p² + (1 − p)² of the neurons.
      const agree = p * p + (1 - p) * (1 - p)
      for (const other of runs.slice(1)) {
        const same = runs[0].filter((keep, i) => keep === other[i]).length
        assert.ok(
          Math.abs(same - count * agree) <= 5 * Math.sqrt(count * agree * (1 - agree)),
          `p=${p}: ${same} of ${count} agree`,
        )
      }
    }
  })
}

test.run()
