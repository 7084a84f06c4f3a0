/**
 * Convolutions: forward on spikes and dense, gradients of the input and of the weight, by the
 * kernels and units that the planner chooses.
 */

import { type Budget, measure } from '../src/bench/measure.js'
import { peakGflops } from '../src/bench/peak.js'
import type { Report } from '../src/bench/report.js'
import { fillNormal, makeSpikes, type Spikes } from '../src/bench/spikes.js'
import { type Geometry, kRowsOf } from '../src/plan/convolution/geometry.js'
import {
  emitForwardOnFloats,
  emitForwardOnSpikes,
  emitInputGradient,
  emitListGradient,
  emitPatternGradient,
  emitWeightGradient,
  strategies,
} from '../src/plan/convolution/index.js'
import { emitForwardOnBytes } from '../src/plan/convolution/spike-bytes.js'
import { cheapest, type SpikeForward, type Task } from '../src/plan/convolution/strategy.js'
import { blockWidth, storedChannels } from '../src/plan/layout.js'
import type { ProgramBuilder } from '../src/plan/program.js'
import type { DenseInput } from '../src/plan/tensors.js'
import { noPool, type SpikeTensor } from '../src/plan/tensors.js'
import { type Buffer, ref } from '../src/plan/words.js'
import { type KernelResult, KernelTable } from './kernel-report.js'
import * as naive from './naive.js'
import { makeRig, type Rig } from './rig.js'
import { denseFlops, describeShape, type LayerShape, outSize, paddingOf } from './shapes.js'

/** Steps of the kernels that run over time. */
export const T = 4
/**
 * Multiplications and additions of one call of a naive loop: enough to be timed, few enough not to
 * be waited for.
 */
const NAIVE_FLOPS = 2e7

function geometryOf(s: LayerShape, images: number): Geometry {
  const [pad, out] = [paddingOf(s), outSize(s)]
  return {
    images,
    inH: s.inH,
    inW: s.inH,
    inC: s.inC,
    outH: out,
    outW: out,
    outC: storedChannels(s.outC),
    blockWidth: blockWidth(s.outC),
    kernelH: s.kernel,
    kernelW: s.kernel,
    strideH: s.stride,
    strideW: s.stride,
    padH: pad,
    padW: pad,
  }
}

/** The buffers that a convolution reads and writes; every record touches some of them. */
class Tensors {
  readonly weight: Buffer
  readonly weightGradient: Buffer
  readonly zeros: Buffer

  constructor(
    private readonly b: ProgramBuilder,
    private readonly g: Geometry,
  ) {
    const bytes = g.outC * kRowsOf(g) * 4
    this.weight = b.buffer('weight', bytes, 'parameters')
    this.weightGradient = b.buffer('weight gradient', bytes, 'gradients')
    this.zeros = b.buffer('zeros', 4 * Math.max(g.kernelW * g.inC, g.outC), 'statistics')
  }

  input(name: string, rows: number): Buffer {
    return this.b.buffer(
      name,
      this.g.images * this.g.inH * this.g.inW * rows * this.g.inC * 4,
      'input',
    )
  }
  output(name: string, rows: number): Buffer {
    return this.b.buffer(
      name,
      this.g.images * this.g.outH * this.g.outW * rows * this.g.outC * 4,
      'input',
    )
  }
  spikes(): SpikeTensor {
    const { g, b } = this
    const neurons = g.images * g.inH * g.inW * g.inC
    const masks = b.buffer('masks', neurons, 'input')
    const counts = b.buffer('counts', neurons, 'input')
    return {
      kind: 'spikes',
      name: 'spikes',
      shape: [g.inC, g.inH, g.inW],
      stored: g.inC,
      masks,
      counts,
      lambda: 0.2,
      gradient: [],
    }
  }
  fillWeight(rig: Rig<unknown>): void {
    const { g } = this
    const width = g.blockWidth
    const kRows = kRowsOf(g)
    const used = g.kernelH * g.kernelW * g.inC
    const floats = rig.floats(this.weight)
    fillNormal(floats, 3)
    for (let block = 0; block < g.outC / width; block++)
      floats.fill(0, (block * kRows + used) * width, (block + 1) * kRows * width)
  }
}

const dense = (buffer: Buffer, inC: number, rows: number): DenseInput => ({
  address: ref(buffer),
  indirect: false,
  pixelBytes: rows * inC * 4,
  stepBytes: rows > 1 ? inC * 4 : 0,
  loopBytes: 0,
  meanSteps: 1,
})

const densityOf = ({ rate, active }: Spikes): string =>
  `rate ${rate.toFixed(2)}, active ${active.toFixed(2)}`

interface Case {
  readonly kernel: string
  readonly density: string
  /** Rows per pixel. */
  readonly rows: number
  readonly naive: keyof NaiveSpeeds
  rig(): Rig<unknown>
}

interface NaiveSpeeds {
  readonly forward: number
  readonly inputGradient: number
  readonly weightGradient: number
}

/** GFLOP/s of the naive loops, on as many rows of one image as they get through. */
function naiveSpeeds(s: LayerShape, budget: Budget): NaiveSpeeds {
  const shape: naive.ConvShape = {
    inC: s.inC,
    inH: s.inH,
    outC: s.outC,
    outH: outSize(s),
    kernel: s.kernel,
    stride: s.stride,
    pad: paddingOf(s),
  }
  const rows = Math.max(
    1,
    Math.min(shape.outH, Math.round((shape.outH * NAIVE_FLOPS) / denseFlops(s, 1))),
  )
  const work = (denseFlops(s, 1) * rows) / shape.outH / 1e6
  const [input, output, weight] = [
    s.inH ** 2 * s.inC,
    shape.outH ** 2 * s.outC,
    s.kernel ** 2 * s.inC * s.outC,
  ].map((n) => new Float32Array(n))
  for (const [i, floats] of [input, output, weight].entries()) fillNormal(floats, i + 1)
  const speed = (call: () => void): number => work / measure(call, budget).median
  return {
    forward: speed(() => naive.convForward(shape, rows, output, input, weight)),
    inputGradient: speed(() => naive.convInputGradient(shape, rows, input, output, weight)),
    weightGradient: speed(() => naive.convWeightGradient(shape, rows, weight, output, input)),
  }
}

function casesOf(s: LayerShape, images: number, rates: readonly number[]): Case[] {
  const g = geometryOf(s, images)
  const neurons = images * s.inH ** 2 * s.inC
  const cases: Case[] = []
  // An image: its kernels read floats, and nobody wants its gradient.
  const image = s.inC % 4 > 0
  const spikes = image ? [] : rates.map((rate) => makeSpikes(neurons, T, rate, 7))
  const set = (rig: Rig<unknown>, tensor: SpikeTensor, values: Spikes): void => {
    rig.bytes(tensor.masks).set(values.masks)
    rig.bytes(tensor.counts).set(values.counts)
  }

  const spikeCase = (
    kernel: string,
    values: Spikes,
    emit: (b: ProgramBuilder, t: Tensors, job: Omit<SpikeForward, 'weight'>) => void,
  ): Case => ({
    kernel,
    density: densityOf(values),
    rows: T,
    naive: 'forward',
    rig() {
      const rig = makeRig((b) => {
        const t = new Tensors(b, g)
        const tensor = t.spikes()
        emit(b, t, {
          name: 'conv',
          g,
          steps: T,
          spikes: { sources: [tensor], pool: noPool, scale: 1 },
          out: t.output('out', T),
          bias: undefined,
          withMoments: false,
        })
        return { t, tensor }
      })
      rig.made.t.fillWeight(rig)
      set(rig, rig.made.tensor, values)
      return rig
    },
  })
  for (const values of spikes)
    cases.push(
      spikeCase('forward, spikes', values, (b, t, job) =>
        emitForwardOnSpikes(b, { ...job, weight: ref(t.weight) }),
      ),
      // Any bytes take the same time.
      spikeCase('forward, spikes, int8', values, (b, t, job) => {
        const weightScale = ref(b.buffer('scale', g.outC * 4, 'parameters'))
        emitForwardOnBytes(b, { ...job, weight: ref(t.weight), weightScale })
      }),
    )

  const floatCase = (
    kernel: string,
    rows: number,
    loop: Case['naive'],
    emit: (b: ProgramBuilder, t: Tensors, input: Buffer, output: Buffer) => void,
  ): Case => ({
    kernel,
    density: '',
    rows,
    naive: loop,
    rig() {
      const rig = makeRig((b) => {
        const t = new Tensors(b, g)
        const [input, output] = [t.input('input', rows), t.output('output', rows)]
        emit(b, t, input, output)
        return { t, input, output }
      })
      rig.made.t.fillWeight(rig)
      fillNormal(rig.floats(rig.made.input), 1)
      fillNormal(rig.floats(rig.made.output), 2)
      return rig
    },
  })
  const inputGradient =
    (rows: number): Parameters<typeof floatCase>[3] =>
    (b, t, input, output) =>
      emitInputGradient(b, {
        name: 'conv',
        g,
        steps: rows,
        delta: output,
        weight: ref(t.weight),
        out: input,
        zeros: t.zeros,
      })
  const weightGradient =
    (rows: number): Parameters<typeof floatCase>[3] =>
    (b, t, input, output) =>
      emitWeightGradient(b, {
        name: 'conv',
        g,
        steps: rows,
        input: dense(input, g.inC, rows),
        delta: output,
        out: ref(t.weightGradient),
        accumulate: false,
      })
  cases.push(
    floatCase('forward, dense', T, 'forward', (b, t, input, output) =>
      emitForwardOnFloats(b, {
        name: 'conv',
        g,
        steps: T,
        input: dense(input, g.inC, T),
        weight: ref(t.weight),
        bias: undefined,
        out: output,
        zeros: t.zeros,
      }),
    ),
  )
  // Gradients through time have a row for each step.
  for (const rows of [1, T]) {
    const task = { g, steps: rows }
    const over = rows > 1 ? ' over T' : ''
    const input = cheapest<never, Task, void>(strategies.inputGradient, task).name
    const weight = cheapest<never, Task, void>(strategies.weightGradient, task).name
    if (!image)
      cases.push(
        floatCase(`input gradient${over}, ${input}`, rows, 'inputGradient', inputGradient(rows)),
      )
    cases.push(
      floatCase(`weight gradient${over}, ${weight}`, rows, 'weightGradient', weightGradient(rows)),
    )
  }

  const onSpikes = (
    kernel: string,
    rows: number,
    values: Spikes,
    emit: (b: ProgramBuilder, tensor: SpikeTensor, delta: Buffer, out: Buffer) => void,
  ): Case => ({
    kernel,
    density: densityOf(values),
    rows,
    naive: 'weightGradient',
    rig() {
      const rig = makeRig((b) => {
        const t = new Tensors(b, g)
        const [tensor, delta] = [t.spikes(), t.output('delta', rows)]
        emit(b, tensor, delta, t.weightGradient)
        return { tensor, delta }
      })
      set(rig, rig.made.tensor, values)
      fillNormal(rig.floats(rig.made.delta), 2)
      return rig
    },
  })
  for (const values of spikes)
    cases.push(
      onSpikes('weight gradient, lists', 1, values, (b, tensor, delta, out) =>
        emitListGradient(b, {
          name: 'conv',
          g,
          steps: T,
          tensor,
          scale: 1,
          delta,
          out: ref(out),
        }),
      ),
      onSpikes('weight gradient through time, patterns', T, values, (b, tensor, delta, out) =>
        emitPatternGradient(b, {
          name: 'conv',
          g,
          steps: T,
          spikes: { sources: [tensor], pool: noPool, scale: 1 },
          delta,
          out: ref(out),
          accumulate: false,
        }),
      ),
    )
  return cases
}

/** Measures every kernel on every shape; `densities` are rates of spikes. */
export function benchConvolutions(
  shapes: readonly LayerShape[],
  images: number,
  densities: readonly number[],
  budget: Budget,
  label: string,
  progress: (text: string) => void,
): { report: Report; results: KernelResult[] } {
  const notes = [
    `${images} images, T = ${T}. Speed counts the operations of the dense convolution, ` +
      `over all ${T} steps where a kernel has a row for each of them (forward, gradients ` +
      `over T).`,
    'rate: spikes per neuron and step; active: neurons that fire at least once. Lists ' +
      'are built within the time. More than 100 % of the peak means operations left out.',
  ]
  const table = new KernelTable('Convolutions', notes, 'convolution', label)
  const results: KernelResult[] = []
  for (const s of shapes) {
    const speeds = naiveSpeeds(s, budget)
    for (const c of casesOf(s, images, densities)) {
      progress(`${c.kernel} ${describeShape(s)} ${c.density}`)
      const rig = c.rig()
      const timing = measure(() => rig.run(), budget)
      const shape = `${describeShape(s)} (${s.network})`
      const work = denseFlops(s, images * c.rows) / 1e9
      results.push(
        table.add({
          kernel: c.kernel,
          shape,
          density: c.density,
          timing,
          work,
          unit: 'GFLOP/s',
          peak: peakGflops(),
          naive: speeds[c.naive],
        }),
      )
    }
  }
  return { report: table.report(), results }
}
