/** Gradients that are clipped to a norm, and moving averages. */

import { StepGroup, StepNumbers } from '../../../assembly/opcodes.js'
import { checkOptions, describe, expect } from '../../errors.js'
import { emitAverage, emitClip, emitStepStart } from '../../plan/update.js'
import { type Buffer, ref } from '../../plan/words.js'
import { roundUp } from '../../round-up.js'
import type { Settings } from '../builder.js'
import { operation } from '../operation.js'
import { anyShape, sizeOf } from '../shapes.js'
import { type OpTensor, plainTensor, tensorOfBuffer, type Views } from '../tensor.js'
import type { Fixed } from '../types.js'

/** What a run of `ops.clipNorm` may change. */
export interface ClipNormSettings {
  /** The greatest norm, > 0; default 1. */
  readonly maxNorm?: number
}

/** Options of `ops.clipNorm`. */
export interface ClipNormOptions extends ClipNormSettings {
  /** Of the gradients: any shape. */
  readonly shape: readonly number[]
}

/** What a run of `ops.ema` may change. */
export interface EmaSettings {
  /** What the average keeps of itself, 0…1, 1 excluded; default 0.999. */
  readonly decay?: number
}

/** Options of `ops.ema`. */
export interface EmaOptions extends EmaSettings {
  /** Of the parameters: any shape. */
  readonly shape: readonly number[]
}

/** Floats that a kernel goes through together. */
const FLOATS = 16

/** Writes one number before each run. */
function writing(numbers: Buffer, offset: number, value: () => number): (views: Views) => void {
  return (views) => {
    const at = views(numbers, 'uint8', StepNumbers.Bytes)
    const view = new DataView(at.buffer, at.byteOffset, StepNumbers.Bytes)
    // A first step would copy.
    view.setFloat64(StepNumbers.Averaged, 1, true)
    view.setFloat64(offset, value(), true)
  }
}

/**
 * Scales gradients so that their norm is at most `maxNorm`, as PyTorch's clip_grad_norm_:
 *
 *     norm = √Σ gradients²
 *     gradients ← gradients · min(1, maxNorm / (norm + 1e-6))
 *
 * Sums are in float64. Where the norm is not finite, the gradients become not a number.
 *
 * Options of `plan`: shape, maxNorm, which is a setting of `run` too and holds until another is
 * given. Arguments: gradients, updated. Results: gradients, and norm [1].
 */
export const clipNorm = operation<
  ClipNormOptions,
  Fixed<
    unknown,
    [gradients: Float32Array],
    {
      /** Clipped, of `shape`. */
      readonly gradients: Float32Array
      /** Before they were clipped, [1]. */
      readonly norm: Float32Array
    },
    {
      /** The numbers of `shape` in order. */
      readonly gradients: Float32Array
      /** One number. */
      readonly norm: Float32Array
    },
    [],
    ClipNormSettings
  >
>('clipNorm', ['shape', 'maxNorm'], ({ b, op }, { shape, maxNorm = 1 }) => {
  anyShape(`${op}.shape`, shape)
  const count = roundUp(sizeOf(shape), FLOATS)
  const naming = { name: 'gradients', updated: true }
  const gradients = plainTensor(b, naming, [...shape], 'float32', count)
  const numbers = b.buffer('numbers', StepNumbers.Bytes, 'input')
  emitClip(b, [{ values: ref(gradients.buffer), count }], numbers)
  const norm: Buffer = {
    ...{ name: 'norm', bytes: 4, purpose: 'input', persistent: true, first: 0, last: 0 },
    get address() {
      return numbers.address + StepNumbers.SingleNorm
    },
  }
  let current = maxNorm
  return {
    inputs: [gradients],
    outputs: [gradients, tensorOfBuffer(norm, { name: 'norm' }, [1])],
    control(_, given: Settings) {
      checkOptions(`${op}.run`, given, ['maxNorm'])
      const { maxNorm: next = current } = given as ClipNormSettings
      expect(
        Number.isFinite(next) && Math.fround(next) > 0,
        () => `${op}.maxNorm must be > 0, got ${describe(next)}`,
      )
      current = next
    },
    before: writing(numbers, StepNumbers.ClipNorm, () => current),
  }
})

/**
 * An exponential moving average, as PyTorch's AveragedModel with get_ema_multi_avg_fn:
 *
 *     average ← decay · average + (1 − decay) · parameters
 *
 * Options of `plan`: shape, decay, which is a setting of `run` too and holds until another is
 * given. Arguments: parameters, average, updated. Result: average.
 */
export const ema = operation<
  EmaOptions,
  Fixed<
    unknown,
    [parameters: Float32Array, average: Float32Array],
    Float32Array,
    {
      /** The numbers of `shape` in order. */
      readonly parameters: Float32Array
      /** Their average, in their order. */
      readonly average: Float32Array
    },
    [],
    EmaSettings
  >
>('ema', ['shape', 'decay'], ({ b, op }, { shape, decay = 0.999 }) => {
  anyShape(`${op}.shape`, shape)
  const count = roundUp(sizeOf(shape), FLOATS)
  const tensor = (name: string, updated: boolean): OpTensor =>
    plainTensor(b, { name, updated }, [...shape], 'float32', count)
  const [parameters, average] = [tensor('parameters', false), tensor('average', true)]
  const numbers = b.buffer('numbers', StepNumbers.Bytes + StepGroup.Bytes, 'input')
  emitStepStart(b, numbers, StepNumbers.Bytes)
  emitAverage(b, average.buffer, parameters.buffer, count, numbers)
  let current = decay
  return {
    inputs: [parameters, average],
    outputs: [average],
    control(_, given: Settings) {
      checkOptions(`${op}.run`, given, ['decay'])
      const { decay: next = current } = given as EmaSettings
      expect(
        Number.isFinite(next) && next >= 0 && next < 1,
        () => `${op}.decay must lie in 0…1 (1 excluded), got ${describe(next)}`,
      )
      current = next
    },
    before: writing(numbers, StepNumbers.AverageDecay, () => current),
  }
})
