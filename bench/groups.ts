/** Convolutions by groups of channels beside the one without: 3×3, as the planner runs them. */

import { type Budget, measure } from '../src/bench/measure.js'
import { peakGflops } from '../src/bench/peak.js'
import type { Report } from '../src/bench/report.js'
import { fillNormal, makeSpikes } from '../src/bench/spikes.js'
import { conv2d } from '../src/nn/layers/conv2d.js'
import { type Geometry, geometryOf, kRowsOf } from '../src/plan/convolution/geometry.js'
import {
  emitForwardOnFloats,
  emitForwardOnSpikes,
  emitInputGradient,
  emitWeightGradient,
  fitsSpikes,
} from '../src/plan/convolution/index.js'
import type { ProgramBuilder } from '../src/plan/program.js'
import { type DenseInput, noPool, type SpikeTensor } from '../src/plan/tensors.js'
import { type Buffer, ref } from '../src/plan/words.js'
import { KernelTable } from './kernel-report.js'
import { makeRig, type Rig } from './rig.js'

const T = 4
const KERNEL = 3
const RATE = 0.15

function geometry(channels: number, size: number, groups: number, images: number): Geometry {
  const shape = [channels, size, size] as const
  const layer = conv2d(channels, channels, KERNEL, { padding: 1, groups })
  return geometryOf(layer, shape, channels, shape, images)
}

const dense = (buffer: Buffer, inC: number, rows: number): DenseInput => ({
  address: ref(buffer),
  indirect: false,
  pixelBytes: rows * inC * 4,
  stepBytes: rows > 1 ? inC * 4 : 0,
  loopBytes: 0,
  meanSteps: 1,
})

/** The buffers of a case; input and output have `rows` for each pixel. */
function buffersOf(b: ProgramBuilder, g: Geometry, rows: number) {
  const pixels = g.images * g.inH * g.inW
  // As many as without groups are enough for any of them.
  const weights = g.outC * kRowsOf(g) * 4
  return {
    input: b.buffer('input', pixels * rows * g.inC * 4, 'input'),
    output: b.buffer('output', pixels * rows * g.outC * 4, 'input'),
    masks: b.buffer('masks', pixels * g.inC, 'input'),
    counts: b.buffer('counts', pixels * g.inC, 'input'),
    weight: b.buffer('weight', weights, 'parameters'),
    gradient: b.buffer('gradient', weights, 'gradients'),
    zeros: b.buffer('zeros', 4 * KERNEL * g.inC, 'statistics'),
  }
}
type Buffers = ReturnType<typeof buffersOf>

function spikesOf(g: Geometry, { masks, counts }: Buffers) {
  const shape = [g.inC, g.inH, g.inW] as const
  const shared = { kind: 'spikes', name: 'spikes', lambda: 0.2, gradient: [] } as const
  const tensor: SpikeTensor = { ...shared, shape, stored: g.inC, masks, counts, gradient: [] }
  return { sources: [tensor], pool: noPool, scale: 1 }
}

interface Case {
  readonly kernel: string
  readonly rows: number
  readonly density?: string
  emit(b: ProgramBuilder, g: Geometry, of: Buffers): void
}

const forward: Case = {
  kernel: 'forward, spikes',
  rows: T,
  density: `rate ${RATE}`,
  emit(b, g, of) {
    const { weight, output: out, zeros, input } = of
    const spikes = spikesOf(g, of)
    const job = { name: 'conv', g, steps: T, weight: ref(weight), bias: undefined, out }
    if (fitsSpikes({ g, steps: T, spikes }))
      emitForwardOnSpikes(b, { ...job, spikes, withMoments: false })
    // Without the time that writing them out takes.
    else emitForwardOnFloats(b, { ...job, input: dense(input, g.inC, T), zeros })
  },
}

const gradients = (rows: number): Case[] => [
  {
    kernel: `input gradient, rows ${rows}`,
    rows,
    emit: (b, g, { input, output, weight, zeros }) =>
      emitInputGradient(b, {
        name: 'conv',
        g,
        steps: rows,
        delta: output,
        weight: ref(weight),
        out: input,
        zeros,
      }),
  },
  {
    kernel: `weight gradient, rows ${rows}`,
    rows,
    emit: (b, g, { input, output, gradient }) =>
      emitWeightGradient(b, {
        name: 'conv',
        g,
        steps: rows,
        input: dense(input, g.inC, rows),
        delta: output,
        out: ref(gradient),
        accumulate: false,
      }),
  },
]

function rigOf(g: Geometry, { rows, emit }: Case): Rig<Buffers> {
  const rig = makeRig((b) => {
    const of = buffersOf(b, g, rows)
    emit(b, g, of)
    return of
  })
  const { input, output, weight, masks } = rig.made
  // Only what a case reads has a place in memory.
  for (const [i, buffer] of [input, output, weight].entries())
    if (buffer.address > 0) fillNormal(rig.floats(buffer), i + 1)
  if (masks.address > 0) rig.bytes(masks).set(makeSpikes(masks.bytes, T, RATE, 7).masks)
  return rig
}

export function benchGroups(
  channels: number,
  size: number,
  images: number,
  budget: Budget,
  label: string,
  progress: (text: string) => void,
): Report {
  const notes = [
    `${channels} channels @${size}, 3×3, ${images} images, T = ${T}. Speed counts the ` +
      `products within groups. Few large groups run by the kernels without groups.`,
  ]
  const table = new KernelTable('Convolutions by groups', notes, 'groups', label)
  for (const { kernel, rows, density = '', emit } of [forward, ...gradients(1), ...gradients(T)])
    for (const groups of [1, 2, 8, channels / 4, channels]) {
      const g = geometry(channels, size, groups, images)
      const shape = groups === channels ? 'depthwise' : `${groups} group${groups > 1 ? 's' : ''}`
      progress(`${kernel} ${shape}`)
      const rig = rigOf(g, { kernel, rows, emit })
      const products = images * size ** 2 * KERNEL ** 2 * channels * (channels / groups)
      table.add({
        kernel,
        shape,
        density,
        timing: measure(() => rig.run(), budget),
        work: (2 * products * rows) / 1e9,
        unit: 'GFLOP/s',
        peak: peakGflops(),
      })
    }
  return table.report()
}
