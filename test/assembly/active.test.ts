/** What evaluation counts of inputs, and spikes that are recorded, against loops over everything. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { activeFloats, activeSpikes, recordSpikes } from '../../src/kernels/records/activity.js'
import { source } from '../../src/kernels/records/spikes.js'
import type { TestEngine } from '../support/engine.js'
import type { RandomShapes } from '../support/ops.js'
import { list, masksOf, putRecord, testCases } from '../support/records.js'

/** Some images are padding, or run in a later pass. Returns how many of `images` count. */
function setValid(r: RandomShapes, engine: TestEngine, images: number): number {
  const [valid, first] = [r.int(0, images + 2), r.int(0, 2)]
  engine.ints(Control.Valid, 1)[0] = valid
  engine.ints(Control.FirstImage, 1)[0] = first
  return Math.max(0, Math.min(images, valid - first))
}

/** Places for counts and for what is no 0 and no ±1, from garbage-free memory on. */
function outputs(engine: TestEngine, size: number, units: number) {
  const [out, others] = [engine.alloc(size * 4, 0), engine.alloc(units * 4, 0)]
  return {
    out,
    others,
    /** As the kernel left them. */
    counts: (): number[] => [...engine.ints(out, size)],
    other: (): boolean => engine.ints(others, units).some((n) => n !== 0),
  }
}

testCases('floats that are not 0', 80, (r, engine) => {
  const [images, pixels, C] = [r.int(1, 4), r.int(1, 9), r.int(1, 9)]
  const T = r.int(1, 5)
  // Beside each other, with room behind a pixel, or the same at every step.
  const [still, gap] = [r.chance(0.4), r.pick([0, 0, 3])]
  const loop = r.chance(0.3) ? r.int(1, 2) : 0
  const rows = still ? 1 : T
  const pixelFloats = rows * C + gap
  const loopFloats = images * pixels * pixelFloats
  const values = r.chance(0.5) ? [0, 1, -1] : [0, 0.5, 1, -1]
  const x = Float32Array.from({ length: loopFloats * (loop + 1) }, () => r.pick(values))
  const per = r.int(1, pixels)
  const units = Math.ceil(pixels / per)
  const valid = setValid(r, engine, images)
  const { out, others, counts, other } = outputs(engine, pixels * C, units)
  const place = engine.putFloats(x)
  const indirect = r.chance(0.5)
  const record = putRecord(engine, activeFloats, units, {
    out,
    others,
    images,
    pixels,
    channels: C,
    steps: T,
    pixelsPerUnit: per,
    indirect,
    in: indirect ? engine.putInts([place]) : place,
    pixelBytes: pixelFloats * 4,
    stepBytes: still ? 0 : C * 4,
    loopBytes: loopFloats * 4,
  })
  const expected = new Array<number>(pixels * C).fill(0)
  let isOther = false
  // Counts go on from one run to the next.
  for (let run = 0; run < 2; run++) {
    engine.run(record, 0, loop)
    for (let image = 0; image < valid; image++)
      for (let i = 0; i < pixels * C; i++)
        for (let t = 0; t < T; t++) {
          const [p, c] = [Math.floor(i / C), i % C]
          const at = loop * loopFloats + (image * pixels + p) * pixelFloats
          const v = x[at + (still ? 0 : t * C) + c]
          if (v !== 0) expected[i]++
          if (v !== 0 && Math.abs(v) !== 1) isOther = true
        }
    assert.equal(counts(), expected, `run ${run}`)
    assert.is(other(), isOther, 'other values')
  }
})

testCases('spikes, through windows too', 80, (r, engine) => {
  // Many images with nearly all their spikes: counters of bytes pass 127, and are carried over.
  const many = r.chance(0.3)
  const images = many ? 80 : r.pick([1, 2, 3, 40])
  const C = 4 * r.int(1, 6)
  const T = r.int(1, 11)
  const plain = r.chance(0.4)
  // A window of one pixel, with a stride along one side.
  const small = plain || r.chance(0.5)
  const upward = r.chance(0.5)
  const [sourceH, sourceW] = [r.int(1, 5), r.int(1, 5)]
  const size = (strides: boolean): [number, number, number] => {
    const kernel = small ? 1 : r.int(1, 3)
    return [kernel, strides ? r.int(1, 3) : 1, r.int(0, kernel >> 1)]
  }
  const [kernelH, strideH, padH] = size(!small || (!plain && upward))
  const [kernelW, strideW, padW] = size(!small || (!plain && !upward))
  const H = Math.floor((sourceH + 2 * padH - kernelH) / strideH) + 1
  const W = Math.floor((sourceW + 2 * padW - kernelW) / strideW) + 1
  if (H < 1 || W < 1) return
  const count = small ? 1 : r.int(1, 3)
  const planeBytes = images * sourceH * sourceW * C
  const rate = many ? 0.9 : r.pick([0.02, 0.3])
  const sources = list(count, () => masksOf(T, planeBytes, () => r.chance(rate)))
  const per = r.int(1, H * W)
  const units = Math.ceil((H * W) / per)
  const valid = setValid(r, engine, images)
  const { out, others, counts, other } = outputs(engine, H * W * C, units)
  const record = putRecord(engine, activeSpikes, units, {
    out,
    others,
    images,
    pixels: H * W,
    channels: C,
    steps: T,
    pixelsPerUnit: per,
    width: W,
    sources: engine.table(
      source,
      sources.map((masks) => ({ masks: engine.putBytes(masks) })),
    ),
    sourceCount: count,
    planeBytes,
    sourceH,
    sourceW,
    kernelH,
    kernelW,
    strideH,
    strideW,
    padH,
    padW,
    mostCounted: many ? 255 : r.pick([1, 16, 255]),
  })
  engine.run(record, engine.alloc(per * C + 16))
  const expected = new Array<number>(H * W * C).fill(0)
  let twice = false
  for (let image = 0; image < valid; image++)
    for (let i = 0; i < H * W * C; i++) {
      const [c, x, y] = [i % C, Math.floor(i / C) % W, Math.floor(i / C / W)]
      for (let t = 0; t < T; t++) {
        let spikes = 0
        for (const masks of sources)
          for (let ky = 0; ky < kernelH; ky++)
            for (let kx = 0; kx < kernelW; kx++) {
              const [sy, sx] = [y * strideH + ky - padH, x * strideW + kx - padW]
              if (sy < 0 || sy >= sourceH || sx < 0 || sx >= sourceW) continue
              const at = ((image * sourceH + sy) * sourceW + sx) * C + c
              spikes += (masks[(t >> 3) * planeBytes + at] >> (t & 7)) & 1
            }
        if (spikes > 0) expected[i]++
        if (spikes > 1) twice = true
      }
    }
  assert.equal(counts(), expected)
  assert.is(other(), twice, 'other values')
})

testCases('spikes of calls, put together', 80, (r, engine) => {
  const [T, calls] = [r.int(1, 9), r.int(1, 5)]
  const size = 4 * r.int(1, 17)
  const per = 4 * r.int(1, 10)
  const all = list(calls * T * size, () => r.chance(0.4))
  const expected = masksOf(calls * T, size, (t, i) => all[t * size + i])
  const out = engine.alloc(expected.length)
  for (let call = 0; call < calls; call++) {
    const masks = masksOf(T, size, (t, i) => all[(call * T + t) * size + i])
    const record = putRecord(engine, recordSpikes, Math.ceil(size / per), {
      in: engine.putBytes(masks),
      out,
      planeBytes: size,
      bytesPerUnit: per,
      steps: T,
    })
    engine.run(record, 0, call * T)
  }
  assert.equal(engine.bytes(out, expected.length).slice(), expected)
})

test.run()
