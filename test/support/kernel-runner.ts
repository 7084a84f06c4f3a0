/** Runs kernels of neurons from equations by themselves, over a memory of their own. */

import { keyOf } from '../../src/compile/emit/neuron-record.js'
import { backwardKernel } from '../../src/kernels/equations/backward.js'
import { type ForwardOptions, forwardKernel } from '../../src/kernels/equations/forward.js'
import { KernelSet } from '../../src/kernels/equations/kernel-set.js'
import type { Layer } from '../../src/kernels/equations/layer.js'
import { FIRST_LEARNT, neuronWords as word } from '../../src/kernels/records/neuron.js'

type Run = (record: number, first: number, end: number, t: number, scratch: number) => number

/** What a run gives: arrays [pixel][…][channel]. */
export interface KernelResults {
  /** 0 or 1, or numbers, [P][T][C]. */
  readonly output: Float32Array
  /** Spikes of each neuron, and of all. */
  readonly counts: Uint8Array
  readonly spikes: number
  readonly eligibility: Float32Array
  readonly surrogateOut: Float32Array
  /** [P][learnt][C] */
  readonly traces: Float32Array
}

export interface Sizes {
  readonly pixels: number
  readonly channels: number
  /** Channels that are no padding. */
  readonly real: number
  readonly steps: number
}

export class KernelRunner {
  private readonly memory = new WebAssembly.Memory({ initial: 64 })
  private next = 4096

  constructor(
    private readonly layer: Layer,
    private readonly sizes: Sizes,
    /** By the layer's order: one number, of each channel, or of each neuron [P][C]. */
    private readonly learnt: readonly Float32Array[] = [],
    private readonly given = new Float32Array(0),
  ) {}

  private floats(count: number): Float32Array {
    const floats = new Float32Array(this.memory.buffer, this.next, count)
    this.next = Math.ceil((this.next + count * 4) / 64) * 64
    return floats
  }

  private put(values: Float32Array): number {
    const floats = this.floats(values.length)
    floats.set(values)
    return floats.byteOffset
  }

  private record(words: Readonly<Record<number, number>>): number {
    const { pixels, channels, real, steps } = this.sizes
    const { buffer, byteOffset } = this.floats(64)
    const record = new Uint32Array(buffer, byteOffset, 64)
    const all = {
      ...{
        [word.pixels]: pixels,
        [word.channels]: channels,
        [word.realChannels]: real,
        [word.steps]: steps,
      },
      ...{ [word.planeBytes]: pixels * channels, [word.imagePixels]: pixels },
      ...words,
    }
    for (const [at, value] of Object.entries(all)) record[Number(at)] = value
    for (const [i, values] of this.learnt.entries()) record[FIRST_LEARNT + i] = this.put(values)
    record[word.given] = this.put(this.given)
    return record.byteOffset
  }

  private run(kernels: KernelSet): Run {
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 })
    const { module } = kernels.module(this.memory)
    new WebAssembly.Instance(module, { env: { memory: this.memory, table } })
    return table.get(0) as unknown as Run
  }

  /**
   * Forward in calls of so many steps, whose sum is T.
   * @param x [P][T][C]
   */
  forward(
    x: Float32Array,
    calls: readonly number[],
    options: Partial<ForwardOptions> = {},
  ): KernelResults {
    const { pixels, channels, steps } = this.sizes
    const n = pixels * channels
    const [learnt, carried] = [this.layer.learn.length, calls.length > 1]
    const output = new Float32Array(n * steps)
    const surrogateOut = new Float32Array(n * steps)
    const [eligibility, traces, state] = [n, n * Math.max(1, learnt), n * 64].map((count) =>
      this.floats(count).fill(Number.NaN),
    )
    const counts = new Uint8Array(this.memory.buffer, this.floats(n / 4).byteOffset, n)
    const scratch = this.floats(4096)
    let spikes = 0
    let t = 0
    for (const call of calls) {
      const [input, out, surrogate] = [0, 0, 0].map(() => this.floats(n * call))
      const planes = Math.ceil(call / 8)
      const masksAt = this.floats((n * planes) / 4 + 16).byteOffset
      for (let p = 0; p < pixels; p++)
        input.set(
          x.subarray((p * steps + t) * channels, (p * steps + t + call) * channels),
          p * call * channels,
        )
      const kernels = new KernelSet()
      const wanted = { steps: call, totalSteps: steps, carried, counts: true, eligibility: true }
      const all = { ...wanted, traces: learnt > 0, surrogateOut: true, ...options }
      kernels.take(keyOf('forward', this.layer, all), () => forwardKernel(this.layer, all))
      const record = this.record({
        ...{ [word.a]: input.byteOffset, [word.aPixelBytes]: call * channels * 4 },
        ...{ [word.aStepBytes]: channels * 4, [word.masks]: masksAt, [word.out]: out.byteOffset },
        ...{ [word.counts]: counts.byteOffset, [word.eligibility]: eligibility.byteOffset },
        ...{ [word.traces]: traces.byteOffset, [word.state]: state.byteOffset },
        [word.surrogateOut]: surrogate.byteOffset,
      })
      const run = this.run(kernels)
      const half = Math.ceil(pixels / 2)
      spikes += run(record, 0, half, t, scratch.byteOffset)
      if (half < pixels) spikes += run(record, half, pixels, t, scratch.byteOffset)
      const bytes = new Uint8Array(this.memory.buffer, masksAt, n * planes)
      for (let p = 0; p < pixels; p++)
        for (let step = 0; step < call; step++)
          for (let c = 0; c < channels; c++) {
            const to = (p * steps + t + step) * channels + c
            const from = (p * call + step) * channels + c
            const bit = (bytes[(step >> 3) * n + p * channels + c] >> (step & 7)) & 1
            output[to] = this.layer.equations.output === 'spike' ? bit : out[from]
            surrogateOut[to] = surrogate[from]
          }
      t += call
    }
    return { output, counts, spikes, eligibility, surrogateOut, traces }
  }

  /** Backward: δx [P][T][C] from δ, and derivatives by what is learnt [P][learnt][C]. */
  backward(x: Float32Array, delta: Float32Array): { delta: Float32Array; traces: Float32Array } {
    const { pixels, channels, steps } = this.sizes
    const learnt = this.layer.learn.length
    const gradient = this.floats(delta.length)
    gradient.set(delta)
    const traces = this.floats(pixels * channels * Math.max(1, learnt)).fill(Number.NaN)
    const kernels = new KernelSet()
    const made = backwardKernel(this.layer, { steps, traces: learnt > 0 })
    kernels.take(keyOf('backward', this.layer, { steps }), () => made)
    const scratch = this.floats(made.scratch / 4 + 16)
    const record = this.record({
      ...{ [word.a]: this.put(x), [word.aPixelBytes]: steps * channels * 4 },
      ...{ [word.aStepBytes]: channels * 4, [word.delta]: gradient.byteOffset },
      [word.traces]: traces.byteOffset,
    })
    this.run(kernels)(record, 0, pixels, 0, scratch.byteOffset)
    return { delta: gradient, traces }
  }
}
