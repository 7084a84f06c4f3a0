/** How the work of convolutions is divided: passes, units and slots, and what they have room for. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Pattern } from '../../assembly/opcodes.js'
import { budgets } from '../../src/compile/budgets.js'
import {
  type Geometry,
  narrowForwardPays,
  narrowGradientPays,
  narrowPlan,
  splitImages,
} from '../../src/compile/convolution/geometry.js'
import {
  listPlan,
  listsApply,
  patternPlan,
  patternsApply,
} from '../../src/compile/convolution/patterns.js'
import {
  type SpikeShape,
  spikeForwardGeometry,
  spikeGeometry,
  spikeListsFit,
} from '../../src/compile/convolution/spike-geometry.js'
import { byteGeometry, whyNotIntegers } from '../../src/compile/convolution/spikes.js'
import {
  sharedTilesPlan,
  strideApplies,
  stridePays,
  winogradApplies,
  winogradInputPlan,
  winogradPays,
  winogradStride,
} from '../../src/compile/convolution/winograd.js'
import { weightRows } from '../../src/compile/layout.js'
import type { SpikeTensor } from '../../src/compile/tensors.js'
import { convNarrow, narrowWeightGradient } from '../../src/kernels/records/dense.js'
import * as ops from '../../src/ops/index.js'
import { OpPlan } from '../../src/ops/plan.js'
import { scratchOf } from '../support/records.js'

/** A convolution of 3×3 with padding 1 of 16 images of 32×32×64; output sizes follow. */
function conv(of: Partial<Geometry> = {}): Geometry {
  const g = {
    images: 16,
    inH: 32,
    inW: 32,
    inC: 64,
    outC: 64,
    blockWidth: 32,
    kernelH: 3,
    kernelW: 3,
    strideH: 1,
    strideW: 1,
    padH: 1,
    padW: 1,
    ...of,
  }
  const outH = Math.floor((g.inH + 2 * g.padH - g.kernelH) / g.strideH) + 1
  const outW = Math.floor((g.inW + 2 * g.padW - g.kernelW) / g.strideW) + 1
  return { outH, outW, ...g }
}

/** The same on the spikes of one tensor in 4 steps. */
const onSpikes = (of: Partial<SpikeShape> = {}): SpikeShape => ({
  ...conv(of),
  timeSteps: 4,
  sourceCount: 1,
  poolKernelH: of.poolKernelH ?? 1,
  poolKernelW: of.poolKernelW ?? 1,
})

/** A linear layer over a pixel. */
const features = (of: Partial<SpikeShape>): SpikeShape =>
  onSpikes({ inH: 1, inW: 1, kernelH: 1, kernelW: 1, padH: 0, padW: 0, images: 1, ...of })

const square = (size: number): Partial<Geometry> => ({ inH: size, inW: size })

test('Winograd: large batches run in passes that cover each image once, within the budget', () => {
  for (const [images, steps] of [
    [431, 1],
    [108, 4],
  ]) {
    const g = conv({ images, ...square(8), inC: 256, outC: 256 })
    for (const { passes, sharedBytes } of [
      winogradInputPlan(g, steps),
      sharedTilesPlan(g, steps),
    ]) {
      assert.ok(passes.length > 1)
      assert.ok(sharedBytes < budgets.tileBytes * 1.01, `${sharedBytes} bytes`)
      let next = 0
      for (const pass of passes) {
        assert.is(pass.firstImage, next)
        next += pass.images
      }
      assert.is(next, images)
    }
  }
})

test('Winograd is for kernels of 3×3 with padding 1, channels by fours, images that fill tiles', () => {
  const g = conv()
  for (const other of [
    { kernelH: 1 },
    { kernelW: 5 },
    { strideH: 2 },
    { strideW: 2 },
    { padH: 0 },
    { padW: 2 },
    { inC: 6 },
  ])
    assert.not.ok(winogradApplies({ ...g, ...other }), JSON.stringify(other))
  assert.ok(winogradApplies(g) && winogradPays(g))
  assert.not.ok(winogradPays({ ...g, inH: 1, inW: 1 }))
  assert.not.ok(winogradPays({ ...g, inC: 4 }))
})

test('Winograd of stride 2 is for a row at each step, enough channels, and whole tiles', () => {
  const g = conv({ outC: 128, strideH: 2, strideW: 2 })
  assert.ok(winogradStride.fits({ g, steps: 4 }))
  assert.not(winogradStride.fits({ g, steps: 1 }), 'one row per pixel')
  for (const other of [
    { kernelH: 1, kernelW: 1, padH: 0, padW: 0 },
    { strideW: 1 },
    { padH: 0 },
    { inC: 3 },
  ])
    assert.not(strideApplies({ ...g, ...other }), JSON.stringify(other))
  assert.not(stridePays({ ...g, inC: 4 }), 'few channels')
  assert.not(stridePays({ ...g, outH: 5, outW: 5 }), 'tiles that are mostly margin')
})

/** Records of gradients of a convolution of 3×3 with padding 1: kernels, and units of each. */
function gradients(images: number, size: number, C: number, N = C) {
  const input = [images, C, size, size]
  const given = { input, weight: [N, C, 3, 3], padding: 1 } as const
  return [ops.conv2dInputGradient.plan(given), ops.conv2dWeightGradient.plan(given)].map(
    (plan) => OpPlan.insides(plan as unknown as OpPlan).records,
  )
}

test('few channels have tiles in each unit, few tiles have kernels there', () => {
  const names = (...of: Parameters<typeof gradients>): string[][] =>
    gradients(...of).map((records) => records.map(({ name }) => name))
  assert.equal(names(64, 14, 16, 32), [
    ['WinogradKernelTransform', 'WinogradInputGradient'],
    ['WinogradWeightGradient', 'ReduceSplits'],
  ])
  assert.equal(names(16, 4, 512), [
    ['WinogradInputTransform', 'WinogradInputGradient'],
    ['WinogradWeightTransform', 'WinogradWeightGradient'],
  ])
})

test('every layer of a ResNet-18 at batch 16 has units for 16 workers', () => {
  for (const [channels, size] of [
    [64, 32],
    [128, 16],
    [256, 8],
    [512, 4],
  ])
    for (const [, { name, units }] of gradients(16, size, channels))
      assert.ok(units >= 32, `${name} of ${channels} channels: ${units} units`)
  const lists = listPlan(conv(), 4)
  const [patterns] = patternPlan({ g: conv(), steps: 4, neurons: 1 }).passes
  const forward = spikeGeometry(onSpikes())
  for (const units of [lists, patterns, forward].flatMap(Object.entries))
    if (/Units$/.test(units[0])) assert.ok(units[1] >= 32, units.join())
  const least = spikeGeometry(features({ inC: 4, outC: 4, blockWidth: 4 }))
  assert.equal([least.listUnits, least.convUnits], [1, 1], 'a small layer has none that are empty')
})

test('what outruns the 16 bits of an entry of a list is refused', () => {
  const small = { images: 1, inC: 4, outC: 4, blockWidth: 4 }
  assert.ok(listsApply(conv({ ...small, ...square(224) }), 4))
  assert.not.ok(listsApply(conv({ ...small, ...square(256) }), 4))
  assert.not.ok(listsApply(conv({ ...small, ...square(8) }), 256))

  const long = conv({ ...small, inH: 5000, inW: 1000 })
  const wide = conv({ ...small, inH: 1, inW: 2000 })
  assert.ok(patternsApply(long, 4))
  assert.not.ok(patternsApply(wide, 4))
  assert.ok(patternsApply(wide, 1), 'fewer steps have fewer patterns')
  const { grid } = patternPlan({ g: long, steps: 4, neurons: 1 })
  assert.is(grid.rowsPerGroup, 1)
  assert.ok(grid.rows <= Pattern.MostRows)

  assert.ok(spikeListsFit(features({ inC: 65534 })))
  assert.not.ok(spikeListsFit(features({ inC: 65535 })))

  const why = (
    inC: number,
    kernelSize: readonly [number, number] = [1, 1],
    more: Partial<Geometry> = {},
  ): string | undefined => {
    const pool = { kernelSize, stride: [1, 1], padding: [0, 0] } as const
    const { timeSteps: steps, ...g } = features({ inC, ...more })
    const source = { shape: [inC, 1, 1] } as unknown as SpikeTensor
    return whyNotIntegers({ g, steps, spikes: { sources: [source], pool, scale: 1 } })
  }
  assert.is(why(65534), undefined)
  assert.is(why(65535), 'an output has 65535 inputs as stored, of at most 65534')
  assert.is(why(2 ** 14, [32, 32]), undefined, 'sums fit 32 bits')
  assert.is(why(2 ** 14 + 1, [32, 32]), 'an output sums 16778240 neurons, of at most 16777216')
  assert.is(why(8, [1, 1], { dilationH: 2 }), 'it has a dilation')
})

test('patterns run in strips, in passes over images, by parts of the channels', () => {
  const plan = (g: Geometry, steps = 4) => patternPlan({ g, steps, neurons: 1 })
  const strips = plan(conv({ images: 2, inH: 40, inW: 31, inC: 8, outC: 20, blockWidth: 4 }))
  assert.ok(strips.grid.rowsPerGroup < 40 && strips.passes[0].splits > 1)
  const { grid } = plan(conv({ images: 3, ...square(8), inC: 20, outC: 24, blockWidth: 4 }))
  assert.is(grid.rowsPerGroup, 8)
  assert.ok(grid.imagesPerGroup > 1)
  assert.ok(plan(features({ images: 16, inC: 40000 })).inCPerUnit < 40000)
  assert.ok(plan(conv(), 255).passes.length > 1)
  const convolution = { input: [5, 6, 8, 4, 3], weight: [20, 8, 4, 3], spikes: true } as const
  const whole = ops.conv2dWeightGradient.plan({ ...convolution, algorithm: 'patterns' })
  const [{ fields }] = OpPlan.insides(whole as unknown as OpPlan).records
  assert.is(fields.inC, 4 * 3 * 8, 'a kernel as large as the image is one of features')
})

test('few input channels: copied rows fit the second-level cache wherever kernels are chosen', () => {
  let chosen = 0
  for (const size of [7, 28, 32, 64, 224, 512])
    for (const kernel of [1, 3, 5, 7, 11])
      for (const stride of [1, 2, 4])
        for (let inC = 1; inC <= 16; inC++) {
          const window = { kernelH: kernel, kernelW: kernel, strideH: stride, strideW: stride }
          const out = Math.floor((size - 1) / stride) + 1
          const sizes = { images: 4, inC, outC: 16, blockWidth: 16, outH: out, outW: out }
          const g = { ...conv({ ...square(size), ...window }), ...sizes }
          const what = JSON.stringify(g)
          if (!narrowGradientPays(g)) {
            assert.not(narrowForwardPays(g), what)
            continue
          }
          chosen++
          assert.ok(kernel > stride && inC <= 8, what)
          const { forward, gradient } = narrowPlan(g, 4)
          const kRows = weightRows(kernel * kernel, inC)
          assert.ok(scratchOf(convNarrow, { ...g, ...forward }) <= 300 * 1024, what)
          const bytes = scratchOf(narrowWeightGradient, { ...g, ...gradient, kRows })
          assert.ok(bytes <= 600 * 1024, what)
        }
  assert.ok(chosen > 50)
})

test('sums over lists: units of whole slots of moments', () => {
  for (const [images, size] of [
    [1, 3],
    [7, 5],
    [3, 14],
    [16, 32],
    [33, 19],
  ]) {
    const shape = onSpikes({ images, ...square(size), inC: 8, outC: 16, blockWidth: 16 })
    const { pixelsPerUnit, momentPixels, momentSlots, convUnits } = spikeGeometry(shape)
    const isWhole = pixelsPerUnit % momentPixels === 0 || convUnits === 1
    assert.ok(momentPixels <= 64 && isWhole, JSON.stringify(shape))
    assert.is(momentSlots, Math.ceil((images * size * size) / momentPixels))
  }
})

test('sums by rows: whole slots of moments, where the weight is small and units are many', () => {
  for (const [images, inH, inW] of [
    [16, 32, 32],
    [64, 14, 14],
    [5, 17, 23],
    [9, 40, 96],
  ]) {
    const geometry = spikeForwardGeometry(onSpikes({ images, inH, inW }))
    assert.ok(geometry, `${images} ${inH} ${inW}`)
    const { momentPixels, momentSlots, rowsPerUnit, units } = geometry
    assert.ok(momentPixels <= 64 && (rowsPerUnit * inW) % momentPixels === 0)
    assert.is(units, Math.ceil((images * inH) / rowsPerUnit))
    assert.is(momentSlots, Math.ceil((images * inH * inW) / momentPixels))
  }
  for (const images of [16, 32, 64, 96])
    for (const size of [7, 11, 13, 14, 16])
      assert.ok(spikeForwardGeometry(onSpikes({ images, ...square(size) })))
  const [few, ...rows] = [64, 256, 1024].map(
    (images) =>
      spikeForwardGeometry(onSpikes({ images, poolKernelH: 2, poolKernelW: 2 }))?.rowsPerUnit,
  )
  assert.ok(few !== undefined && few < 16)
  assert.equal(rows, [few, few], 'units do not grow with the batch')
  assert.not.ok(spikeForwardGeometry(onSpikes({ inC: 256, outC: 256 })), 'a large weight')
  assert.not.ok(spikeForwardGeometry(onSpikes({ images: 1 })), 'few rows')
  assert.not.ok(spikeForwardGeometry(onSpikes({ images: 9, inW: 97 })), 'no slots of moments')
})

test('weights of one byte: units of a few rows; of more where the weight is large', () => {
  const layer = (channels: number, size: number) => {
    const shape = { images: 1, inC: channels, outC: channels, ...square(size) }
    const { rowsPerUnit, listBytes, units } = byteGeometry(onSpikes(shape))
    return { rowsPerUnit, units, bytes: rowsPerUnit * size * listBytes }
  }
  assert.is(layer(64, 32).rowsPerUnit, 4)
  assert.is(layer(512, 4).rowsPerUnit, 4)
  assert.ok(layer(512, 4).bytes < 2 ** 21)
  const large = layer(256, 14)
  assert.ok(large.units < 14 && large.bytes < 2 ** 20, JSON.stringify(large))
})

test('splitImages: all images in order, sizes that differ by one at most, no group over the budget but of one image', () => {
  for (let images = 1; images < 40; images++)
    for (const most of [0.5, 1, 2, 3.5, 7, 64]) {
      const groups = splitImages(images, 10, 10 * most)
      let next = 0
      for (const group of groups) {
        assert.is(group.firstImage, next)
        next += group.images
      }
      assert.is(next, images)
      const sizes = groups.map((group) => group.images)
      assert.ok(
        Math.min(...sizes) >= 1 && Math.max(...sizes) <= Math.max(1, most),
        `${images}, ${most}: ${sizes}`,
      )
      assert.ok(
        sizes[0] === Math.max(...sizes) && Math.max(...sizes) - Math.min(...sizes) <= 1,
        `${images}, ${most}: ${sizes}`,
      )
      assert.is(groups.length, Math.ceil(images / Math.max(1, Math.floor(most))))
    }
})

test.run()
