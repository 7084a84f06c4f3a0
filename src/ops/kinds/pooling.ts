/** Pooling and its gradients. Sums of one term are average pooling. */

import { fail } from '../../base/errors.js'
import { by } from '../../base/rules.js'
import { emitMaxPool, emitMaxPoolBackward, emitMaxPoolFloats } from '../../compile/emit/activity.js'
import { emitGradientSum } from '../../compile/emit/gradients.js'
import { emitTimeSum } from '../../compile/emit/sums.js'
import { storedChannels } from '../../compile/layout.js'
import * as records from '../../kernels/records/activity.js'
import type { Buffer } from '../../kernels/records/words.js'
import { pair, type Size } from '../../network/kind.js'
import { emitAdaptive } from '../../nn/layers/adaptive-pool.js'
import * as sampling from '../../nn/layers/upsample.js'
import * as windows from '../convolution.js'
import { asked, back, gives, op, takes, through } from '../op.js'
import * as is from '../options.js'
import { type Extent, imageOf, imagesOf, resized, still } from '../shapes.js'
import * as tensors from '../tensor.js'
import { emitSum } from './sums.js'

/** Places of a window that a byte can number. */
const MOST_PLACES = 256

/** Choices of windows: one for all steps, or one at each. */
function choices(op: string, { window, output }: windows.Windowed, choice: 'rate' | 'step') {
  const [height, width] = window.kernelSize
  if (!(height * width <= MOST_PLACES))
    fail(
      `${op}.kernelSize ${height}×${width} has more than the ${MOST_PLACES} places that a choice ` +
        'can tell apart',
    )
  return tensors.stepBytes(choice === 'step' ? output : still(output))
}

const poolOf = ({ window }: windows.Windowed, from: Extent, to: Extent) => {
  const images = imagesOf(from)
  return { ...images, window, from: images, to: imagesOf(to) }
}

/**
 * Max pooling with a network's kernels:
 *
 *     output[b, t, c, i, j] = max over p, q of
 *                             input[b, t, c, i·stride + p − padding, j·stride + q − padding]
 *
 * A window of spikes spikes when any of its neurons does. The choice is the place p·kernelW + q
 * that the gradient goes to: by 'rate' that of the largest mean over time, by 'step' that of the
 * largest value at the step; the first of equal ones (as PyTorch has it). A value that is not a
 * number is passed over, where PyTorch's result is NaN; without another one the output is −Infinity
 * and the choice 0, which may lie outside the image.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const shapes = { input: [1, 1, 2, 4], kernelSize: 2 }
 * const image = Float32Array.of(1, 2, 3, 4, 8, 7, 6, 5)
 * const { output, choice } = ops.maxPool2d({ ...shapes, outputs: ['output', 'choice'] }, image)
 * console.log(...output, ...choice) // 8 6 2 2
 * const delta = Float32Array.of(10, 20)
 * console.log(...ops.maxPool2dBackward(shapes, delta, choice)) // 0 0 0 0 10 0 20 0
 * ```
 */
export const maxPool2d = op('maxPool2d', {
  options: {
    /** [B, C, H, W], or that behind T. */
    input: is.image,
    /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
    spikes: is.flag(),
    /**
     * The result `choice` is by the time mean, 'rate' (the default, as the rate method has it), or
     * at each step, 'step'.
     */
    choice: is.oneOf(['rate', 'step']),
    ...windows.windowOf,
    /** Names of what to compute and return. Default ['output']. */
    outputs: is.outputs('output', 'choice', 'counts'),
  },
  returns: 'output',
  derive: ({ input, ...of }, { op }) => ({ to: windows.windowed(op, of, input) }),
  tensors({ input, spikes, choice, to }, { op, asked: names }) {
    if (!spikes && names.has('counts'))
      fail(`${op}.outputs: 'counts' are of spikes; set spikes to true`)
    return {
      ...through(tensors.activities(input, spikes), tensors.activities(to.output, spikes)),
      /** Number in its window, row by row, of the place that the gradient goes to. */
      choice: names.has('choice') && asked(choices(op, to, choice)),
      /** For spikes: those of each window over all steps, without T. */
      counts: asked(tensors.countsOf('output')),
    }
  },
  emit({ b }, at, { input: of, spikes, choice: by, to }, made) {
    const pool = poolOf(to, of, to.output)
    const perStep = by === 'step'
    const byMean = at.choice && !perStep
    if (spikes) {
      const [x, y] = [made.input, made.output] as tensors.SpikesTensor[]
      const [from, into] = [tensors.asSpikes(x, of), tensors.asSpikes(y, to.output)]
      emitMaxPool(b, pool, from, into, { choice: at.choice, perStep, loop: false })
      return { before: byMean ? x.count : undefined }
    }
    const { input, output: out, choice } = at
    let chooser: Buffer | undefined
    if (byMean && of.T > 1) {
      const pixels = of.B * of.H * of.W
      chooser = b.buffer('sum over time', pixels * pool.stored * 4)
      emitTimeSum(b, { in: input, out: chooser, pixels, channels: pool.stored, steps: of.T })
    }
    emitMaxPoolFloats(b, pool, { in: input, out, choice, chooser })
  },
})

/**
 * The gradient of max pooling goes to the places that were chosen:
 *
 *     inputGradient[b, t, c, y, x] = Σ of delta[b, t, c, i, j] over windows that chose (y, x)
 */
export const maxPool2dBackward = op('maxPool2dBackward', {
  options: {
    /** Shape of the gradient of the input: [B, C, H, W], or that behind T. */
    input: is.image,
    /** Choices are by 'rate' (one for all steps, the default) or by 'step'. */
    choice: is.oneOf(['rate', 'step']),
    ...windows.windowOf,
  },
  derive: ({ input, ...of }, { op }) => ({ from: windows.windowed(op, of, input) }),
  tensors: ({ input, choice, from }, { op }) => ({
    /** The gradient of the largest values. */
    delta: takes(tensors.floats(from.output)),
    /** Places of windows that `ops.maxPool2d` chose; by 'step' with T. */
    choice: takes(choices(op, from, choice)),
    /** The shape `input`. */
    inputGradient: gives(tensors.floats(input)),
  }),
  emit({ b, op }, { delta, choice: buffer, inputGradient }, { input, choice, from }, made) {
    const pool = poolOf(from, from.output, input)
    emitMaxPoolBackward(b, pool, delta, { buffer, perStep: choice === 'step' }, inputGradient)
    const [height, width] = from.window.kernelSize
    const [places, count] = [height * width, tensors.ownCount(made.choice)]
    return {
      // No pixel has another place: its gradient would be lost.
      before: (views, totals) => {
        if (totals.most(buffer, count) >= places)
          fail(
            `${op}: choice must hold places of a window of ${height}×${width}, 0 to ` +
              `${places - 1}, got ` +
              views(buffer, 'uint8', count).find((place) => place >= places),
          )
      },
    }
  },
})

const averaged = {
  ...windows.windowOf,
  /** Height and width of a window in pixels, or one number for both. */
  kernelSize: is.must(
    by<Size>((name, size) => {
      if (size === undefined) fail(`${name} is missing`)
    }),
  ),
}

/**
 * Average pooling, written out. In a network mostly nothing runs for it: who reads its output takes
 * the means (`pool` of `ops.conv2d` and `ops.linear`).
 *
 *     output[b, t, c, i, j] = 1/(kernelH·kernelW) · Σ over p, q of
 *                             input[b, t, c, i·stride + p − padding, j·stride + q − padding]
 *
 * Padded zeros count, as is PyTorch's default.
 */
export const avgPool2d = op('avgPool2d', {
  options: {
    /** [B, C, H, W], or that behind T. */
    input: is.image,
    /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
    spikes: is.flag(),
    /** The time mean as well. Default false. */
    mean: is.flag(),
    ...averaged,
  },
  derive: ({ input, ...window }, { op }) => windows.termWindow(op, window, input),
  tensors: ({ input, spikes, mean, output }) => ({
    /** Floats, or with `spikes` bytes. */
    input: takes(tensors.activities(input, spikes)),
    /** Means over windows; with `mean` without T. */
    output: gives(tensors.floats(mean ? still(output) : output)),
  }),
  emit: (o, _, term) => emitSum(o, [term], term.mean, false),
})

/**
 * The gradient of average pooling:
 *
 *     inputGradient[b, t, c, y, x] = 1/(kernelH·kernelW) ·
 *                                Σ of delta[b, t, c, i, j] over the windows that hold (y, x)
 */
export const avgPool2dBackward = op('avgPool2dBackward', {
  options: {
    /** Shape of the gradient of the input: [B, C, H, W], or that behind T. */
    input: is.image,
    ...averaged,
  },
  derive: ({ input, ...window }, { op }) => ({ arriving: windows.arrival(op, input, window) }),
  tensors: ({ input, arriving }) => back(arriving.from, input),
  emit({ b }, { inputGradient }, { input, arriving }, made) {
    const gradient = windows.contributions([arriving], false, made)
    const to = { ...imagesOf(input), gradient }
    emitGradientSum({ b, images: input.B }, to, input.T, inputGradient)
  },
})

const adaptive = {
  /** [B, C, H, W], or that behind T: of the input, backward of its gradient. */
  input: is.image,
  /** Height and width of the output, or one number for both. */
  outputSize: is.option((name, size: Size) => pair(name, size, 1)),
}
const adapted = ({ input, outputSize: [H, W] }: is.Checked<typeof adaptive>) => ({
  output: resized(input, { H, W }),
  sizes: {
    images: input.B,
    channels: storedChannels(input.C),
    steps: input.T,
    input: [input.H, input.W] as const,
    output: [H, W] as const,
  },
})

/**
 * Means over so many windows as asked for (PyTorch's adaptive average pooling): row i of the output
 * is that of the rows ⌊i·H/outH⌋ … ⌈(i + 1)·H/outH⌉ − 1, columns alike.
 */
export const adaptiveAvgPool2d = op('adaptiveAvgPool2d', {
  options: adaptive,
  derive: adapted,
  tensors: ({ input, output }) => through(tensors.floats(input), tensors.floats(output)),
  emit: ({ b }, { input, output: out }, { sizes }) =>
    emitAdaptive(b, records.adaptivePool, sizes, { in: input, out }),
})

/**
 * The gradient of `ops.adaptiveAvgPool2d`: each window's is shared out over its pixels.
 */
export const adaptiveAvgPool2dBackward = op('adaptiveAvgPool2dBackward', {
  options: adaptive,
  derive: adapted,
  tensors: ({ input, output }) => back(output, input),
  emit: ({ b }, { delta, inputGradient: out }, { sizes }) =>
    emitAdaptive(b, records.adaptivePoolBackward, sizes, { in: delta, out }),
})

const resampled = {
  /** [B, C, H, W], or that behind T: of the input, backward of its gradient. */
  input: is.image,
  ...is.ofLayer<sampling.UpsampleOptions>(['size', 'scale', 'mode', 'alignCorners']),
}
const sampled = ({ input, ...options }: is.Checked<typeof resampled>, { op }: { op: string }) => {
  const layer = sampling.upsample(options)
  const [, H, W] = sampling.upsampled(layer, { shape: imageOf(input), flat: false, node: 0 }, op)
  const output = resized(input, { H, W })
  return {
    output,
    axes: sampling.axesOf(layer, [input.H, input.W], [H, W]),
    sizes: { images: input.B, channels: storedChannels(input.C), steps: input.T },
  }
}

/**
 * Images of another size (PyTorch's Upsample): `size` of the output, or `scale`. By the mode
 * 'nearest' each pixel repeats one of the input, by 'bilinear' it lies between four.
 */
export const upsample = op('upsample', {
  options: resampled,
  derive: sampled,
  tensors: ({ input, output }) => through(tensors.floats(input), tensors.floats(output)),
  emit: ({ b }, { input, output }, { axes, sizes }) =>
    sampling.emitResample(b, axes, sizes, input, output),
})

/** The gradient of `ops.upsample`: each pixel's goes to those that it was made of. */
export const upsampleBackward = op('upsampleBackward', {
  options: resampled,
  derive: sampled,
  tensors: ({ input, output }) => back(output, input),
  emit: ({ b }, { delta, inputGradient }, { axes, sizes }) =>
    sampling.emitResample(b, sampling.exchanged(axes), sizes, delta, inputGradient),
})
