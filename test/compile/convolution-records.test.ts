/** Sizes of convolutions in records. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sizesOf } from '../../src/compile/convolution/geometry.js'
import { strategies } from '../../src/compile/convolution/index.js'
import { convDense, convNarrow } from '../../src/kernels/records/dense.js'
import { wordsOf } from '../../src/kernels/records/schema.js'

test('sizes are those that a kind names; a name that it has not is an error', () => {
  const size = { inH: 5, inW: 6, inC: 3, outH: 7, outW: 8, outC: 16, blockWidth: 16 }
  const window = { kernelH: 1, kernelW: 2, strideH: 3, strideW: 4, padH: 0, padW: 1 }
  const g = { images: 2, ...size, ...window }
  const all = { ...g, steps: 9, kRows: 8 }
  assert.equal(sizesOf(convDense, g, 9), all)
  const { images, ...narrow } = all
  assert.is(images, 2)
  assert.equal(sizesOf(convNarrow, g, 9), narrow)
  assert.throws(
    // @ts-expect-error a narrow record has no word for the images
    () => wordsOf(convNarrow.schema, { images: 2 }),
    /a record has no field images/,
  )
})

test('floats always have a strategy: the last of each list', () => {
  const size = { inH: 1, inW: 1, inC: 4, outH: 1, outW: 1, outC: 4, blockWidth: 4 }
  const window = { kernelH: 1, kernelW: 1, strideH: 1, strideW: 1, padH: 0, padW: 0 }
  const task = { g: { images: 1, ...size, ...window }, steps: 3, indirect: true }
  const { forwardOnFloats, inputGradient, weightGradient } = strategies
  for (const list of [forwardOnFloats, inputGradient, weightGradient])
    assert.ok(list.at(-1)?.fits(task))
})

test.run()
