/** Delays of floats and of spikes, whose history goes on from call to call, against loops. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { delay, delaySpikes } from '../../src/kernels/records/signals.js'
import type { RandomShapes } from '../support/ops.js'
import { list, masksOf, putRecord, testCases } from '../support/records.js'

/** Calls of a loop over t outside, and what each channel waits. */
function makeDelay(r: RandomShapes) {
  const [C, pixels, per] = [4 * r.int(1, 4), r.int(1, 7), r.int(1, 4)]
  const calls = r.pick([1, 1, 3])
  const T = r.int(1, calls > 1 ? 4 : 17)
  const by = r.int(0, 11)
  const delays = r.chance(0.5) ? list(C, () => r.int(0, 11)) : undefined
  const of = (c: number): number => delays?.[c] ?? by
  const most = Math.max(1, by, ...(delays ?? []))
  return { C, pixels, per, calls, T, by, delays, of, most }
}

testCases('delays of floats, there and back', 60, (r, engine) => {
  const { C, pixels, per, calls, T, by, delays, of, most } = makeDelay(r)
  const still = calls === 1 && r.chance(0.2)
  const back = calls === 1 && r.chance(0.4)
  const rows = still ? 1 : T
  const history = calls > 1 ? engine.alloc(pixels * most * C * 4) : undefined
  const signal = list(calls, () => r.floats(pixels * rows * C, 2))
  const value = (p: number, t: number, c: number): number =>
    t < 0 || t >= calls * T
      ? 0
      : signal[Math.floor(t / T)][(p * rows + (still ? 0 : t % T)) * C + c]
  for (let call = 0; call < calls; call++) {
    const out = engine.alloc(pixels * T * C * 4)
    const record = putRecord(engine, delay, Math.ceil(pixels / per), {
      in: engine.putFloats(signal[call]),
      out,
      inRows: rows,
      most,
      history,
      by: delays ? undefined : by,
      delays: delays && engine.putInts(delays),
      pixels,
      channels: C,
      steps: T,
      pixelsPerUnit: per,
      back,
    })
    engine.run(record, 0, call * T)
    const expected = Float32Array.from(
      list(pixels * T * C, (i) => {
        const [c, t] = [i % C, call * T + (Math.floor(i / C) % T)]
        return value(Math.floor(i / (T * C)), t + (back ? of(c) : -of(c)), c)
      }),
    )
    assert.equal(engine.floats(out, expected.length).slice(), expected, `call ${call}`)
  }
})

testCases('delays of spikes', 60, (r, engine) => {
  const { C, pixels, per, calls, T, by, delays, of, most } = makeDelay(r)
  const size = pixels * C
  const history = calls > 1 ? engine.alloc(size * Math.ceil(most / 8)) : undefined
  const signal = list(calls * T, () => list(size, () => r.chance(0.4)))
  const counts = engine.alloc(size)
  const total = new Uint8Array(size)
  for (let call = 0; call < calls; call++) {
    const planes = Math.ceil(T / 8)
    const out = engine.alloc(planes * size)
    const input = masksOf(T, size, (t, i) => signal[call * T + t][i])
    const record = putRecord(engine, delaySpikes, Math.ceil(pixels / per), {
      in: engine.putBytes(input),
      out,
      most,
      history,
      counts,
      by: delays ? undefined : by,
      delays: delays && engine.putInts(delays),
      pixels,
      channels: C,
      steps: T,
      pixelsPerUnit: per,
      planeBytes: size,
      inPlaneBytes: size,
    })
    engine.run(record, 0, call * T)
    const spike = (t: number, i: number): boolean => signal[call * T + t - of(i % C)]?.[i] ?? false
    const expected = masksOf(T, size, spike)
    for (let t = 0; t < T; t++) for (let i = 0; i < size; i++) if (spike(t, i)) total[i]++
    assert.equal(engine.bytes(out, expected.length).slice(), expected, `call ${call}`)
    assert.equal(engine.bytes(counts, size).slice(), total, `counts of call ${call}`)
  }
})

test.run()
