/** What an optimizer does with parameters and gradients of any shape. */

import { Control, StepGroup, StepNumbers } from '../../../assembly/opcodes.js'
import { checkBoolean, checkInteger, describe, expect, fail } from '../../errors.js'
import { checkRate } from '../../optimizer/index.js'
import { checkOptimizer, numbersOf, type Optimizer, optimizerKind } from '../../optimizer/kind.js'
import * as optimizers from '../../optimizer/kinds.js'
import { sumScalars } from '../../plan/records/sums.js'
import {
  emitAdam,
  emitAverage,
  emitClear,
  emitClip,
  emitSgd,
  emitStepStart,
} from '../../plan/update.js'
import { type Buffer, ref } from '../../plan/words.js'
import { roundUp } from '../../round-up.js'
import { writeGroup } from '../../runtime/update.js'
import type { Planned } from '../builder.js'
import { all, changes, gives, op, type Setting, shows, takes } from '../op.js'
import { anything, given, option } from '../options.js'
import { sizeOf } from '../shapes.js'
import { type Make, nonFinite, numbers, tensorOfBuffer } from '../tensor.js'

/** Floats that these kernels go through together. */
const FLOATS = 16

/** Numbers in order, with room up to a whole vector. */
const flat = (shape: readonly number[], together = FLOATS): Make<Float32Array> =>
  numbers(shape, roundUp(sizeOf(shape), together))

/** Options of these ops. */
const shaped = {
  /** For the parameters, or what takes their place: any shape. */
  shape: anything,
}

/** Numbers of SGD, which a run may change. */
export type SgdSettings = Readonly<Omit<optimizers.SgdOptions, 'decay'>>

/**
 * A step of stochastic gradient descent, by PyTorch's rule:
 *
 *     g = gradients + weightDecay · parameters
 *     velocities ← momentum · velocities + g
 *     parameters ← parameters − lr · velocities,  or with `nesterov`
 *                  parameters − lr · (g + momentum · velocities)
 *
 * A parameter that would become infinite or not a number stays as it was, and its velocity too.
 * All options but `shape` are settings of `run` too, where they hold until others are given.
 */
export const sgd = op('sgd', {
  options: {
    ...shaped,
    /** Learning rate, ≥ 0; default 0.1. */
    lr: given<number>(),
    /** How much of the velocities is kept, 0…1; default 0.9. */
    momentum: given<number>(),
    /** Weight decay, ≥ 0; default 0. */
    weightDecay: given<number>(),
    /** Looks ahead by the momentum; default false. */
    nesterov: given<boolean>(),
  },
  returns: ['parameters', 'velocities'],
  tensors: ({ shape }) => ({
    /** What the step changes. */
    parameters: changes(flat(shape)),
    /** The gradients of the parameters. */
    gradients: takes(flat(shape)),
    /** The sums of gradients that momentum keeps; zeros at first. */
    velocities: changes(flat(shape)),
    /** 1 since a parameter was left as it was, until it is set to 0. */
    nonFinite: shows(nonFinite),
  }),
  sets: ({ lr, momentum, weightDecay, nesterov }): Setting<SgdSettings> => ({
    names: ['lr', 'momentum', 'weightDecay', 'nesterov'],
    write(block, more) {
      const rule = optimizers.sgd({ lr, momentum, weightDecay, nesterov, ...more })
      block.float(Control.LearningRate, rule.lr)
      block.float(Control.Momentum, rule.momentum)
      block.float(Control.Decay, rule.weightDecay)
      block.word(Control.Nesterov, Number(rule.nesterov))
    },
  }),
  emit({ b }, { parameters, gradients, velocities }, { shape }) {
    const count = roundUp(sizeOf(shape), FLOATS)
    emitSgd(b, { parameters, gradients, velocities, count, otherDecay: false })
  },
})

/** Numbers of Adam, which a run may change. */
export type AdamSettings = Readonly<Omit<optimizers.AdamOptions, 'decay' | 'groups'>> & {
  /** Which step it is, counted from 1; default 1. */
  readonly step?: number
  /** Whether the decay is no part of the gradient (AdamW); default false. */
  readonly decoupled?: boolean
}

/** Powers by one multiplication a step, as programs make them, until that changes nothing. */
function power(beta: number, steps: number): number {
  let [product, before] = [1, 0]
  for (let i = 0; i < steps && product !== before; i++) {
    before = product
    product *= beta
  }
  return product
}

function complete(op: string, { step = 1, decoupled, ...numbers }: AdamSettings) {
  if (!(Number.isInteger(step) && step >= 1))
    fail(`${op}.step must be an integer ≥ 1, got ${describe(step)}`)
  const found = Object.entries(numbers).filter(([, value]) => value !== undefined)
  const rule = optimizers.adam(Object.fromEntries(found))
  return { ...rule, step, decoupled: checkBoolean(`${op}.decoupled`, decoupled, false) }
}

/** Writes numbers of a step before each run. */
const writing =
  (numbers: Buffer, bytes: number, write: (view: DataView, settings: object) => void) =>
  (...[views, , settings]: Parameters<NonNullable<Planned['before']>>): void => {
    const at = views(numbers, 'uint8', bytes)
    write(new DataView(at.buffer, at.byteOffset, bytes), settings)
  }

const GROUPED = StepNumbers.Bytes + StepGroup.Bytes

/** The numbers of a step of an optimizer. */
function writeNumbers(view: DataView, optimizer: Optimizer, step: number): void {
  const { beta1 = 0, beta2 = 0 } = numbersOf(optimizer)
  view.setFloat64(StepNumbers.Power1, power(beta1, step - 1), true)
  view.setFloat64(StepNumbers.Power2, power(beta2, step - 1), true)
  writeGroup(view, StepNumbers.Bytes, optimizer, optimizer)
}

/**
 * A step of Adam, or of AdamW with `decoupled`, by PyTorch's rule at step n:
 *
 *     g = gradients + weightDecay · parameters,  or with `decoupled`
 *         parameters ← parameters − lr · weightDecay · parameters
 *     means ← β₁ · means + (1 − β₁) · g
 *     squares ← β₂ · squares + (1 − β₂) · g²
 *     parameters ← parameters − lr · (means / (1 − β₁ⁿ)) / (√(squares / (1 − β₂ⁿ)) + eps)
 *
 * Where a number would become infinite or not a number, parameter, mean and square stay as they
 * were. All options but `shape` are settings of `run` too, where they hold until others are given:
 * give `step` with each run.
 */
export const adam = op('adam', {
  options: {
    ...shaped,
    /** Which step it is, counted from 1; default 1. */
    step: given<number>(),
    /** Learning rate, ≥ 0; default 0.001. */
    lr: given<number>(),
    /** How much of the means and of the squares is kept; default [0.9, 0.999]. */
    betas: given<readonly [number, number]>(),
    /** Added to the root of the mean square, > 0; default 1e-8. */
    eps: given<number>(),
    /** Weight decay, ≥ 0; default 0. */
    weightDecay: given<number>(),
    /** Whether the decay is no part of the gradient (AdamW); default false. */
    decoupled: given<boolean>(),
  },
  returns: ['parameters', 'means', 'squares'],
  tensors: ({ shape }) => ({
    /** What the step changes. */
    parameters: changes(flat(shape)),
    /** The gradients of the parameters. */
    gradients: takes(flat(shape)),
    /** Running means of the gradients; zeros at first. */
    means: changes(flat(shape)),
    /** Running means of their squares; zeros at first. */
    squares: changes(flat(shape)),
    /** 1 since a parameter was left as it was, until it is set to 0. */
    nonFinite: shows(nonFinite),
  }),
  sets: ({ shape: _, ...own }, { op }): Setting<AdamSettings> => ({
    names: ['step', 'lr', 'betas', 'eps', 'weightDecay', 'decoupled'],
    write: (_block, more) => void complete(op, { ...own, ...more }),
  }),
  emit({ b, op }, { parameters, gradients, means, squares }, { shape, ...own }) {
    const count = roundUp(sizeOf(shape), FLOATS)
    const numbers = b.buffer('numbers', GROUPED, 'input')
    const group = ref(numbers, StepNumbers.Bytes)
    emitStepStart(b, numbers, StepNumbers.Bytes)
    emitAdam(b, { parameters, gradients, means, squares, count, numbers, group })
    return {
      before: writing(numbers, GROUPED, (view, more) => {
        const { step, decoupled, ...rule } = complete(op, { ...own, ...more })
        writeNumbers(view, decoupled ? { ...rule, kind: 'adamW' } : rule, step)
      }),
    }
  },
})

/** What a run of `ops.update` may change. */
export interface UpdateSettings {
  /** Which step it is, counted from 1; default 1. */
  readonly step?: number
  /** Learning rate, ≥ 0; default that of the optimizer. */
  readonly lr?: number
}

/**
 * A step of any optimizer, as training makes it: parameters and what the optimizer keeps for each,
 * under PyTorch's names, change in place. Weight decay is of all of them. Where a number would
 * become infinite or not a number, all of a parameter's stay as they were.
 */
export const update = op('update', {
  options: {
    ...shaped,
    /** The optimizer, for example `rmsprop({ lr: 0.01 })`; its groups are those of networks. */
    optimizer: option((name, optimizer: Optimizer) => {
      checkOptimizer(name, optimizer)
      return optimizer
    }),
  },
  returns: all<Readonly<Record<string, Float32Array>>>(),
  tensors: ({ shape, optimizer: { kind } }) => ({
    /** What the step changes. */
    parameters: changes(flat(shape)),
    /** The gradients of the parameters. */
    gradients: takes(flat(shape)),
    ...Object.fromEntries(optimizerKind(kind).states.map((name) => [name, changes(flat(shape))])),
    /** 1 since a parameter was left as it was, until it is set to 0. */
    nonFinite: shows(nonFinite),
  }),
  sets: ({ optimizer }, { op }): Setting<UpdateSettings> => ({
    names: ['step', 'lr'],
    write: (_, { step = 1, lr = optimizer.lr }) => {
      checkInteger(`${op}.step`, step, 1)
      checkRate(`${op}.lr`, lr)
    },
  }),
  emit({ b, made }, { parameters, gradients, ...others }, { shape, optimizer }) {
    const known = optimizerKind(optimizer.kind)
    const { states } = known
    const numbers = b.buffer('numbers', GROUPED, 'input')
    const group = ref(numbers, StepNumbers.Bytes)
    const count = roundUp(sizeOf(shape), FLOATS)
    const kept = states.map((name) => (others as Readonly<Record<string, Buffer>>)[name])
    emitStepStart(b, numbers, StepNumbers.Bytes)
    known.emit(b, { parameters, gradients, count, otherDecay: false, numbers, group }, kept, known)
    return {
      outputs: ['parameters', ...states].map((name) => made[name]),
      before: writing(numbers, GROUPED, (view, { step = 1, lr = optimizer.lr }: UpdateSettings) =>
        writeNumbers(view, { ...optimizer, lr }, step),
      ),
    }
  },
})

/** What a run of `ops.clipNorm` may change. */
export interface ClipNormSettings {
  /** The greatest norm, > 0; default 1. */
  readonly maxNorm?: number
}

/**
 * Scales gradients so that their norm is at most `maxNorm`, as PyTorch's clip_grad_norm_:
 *
 *     norm = √Σ gradients²
 *     gradients ← gradients · min(1, maxNorm / (norm + 1e-6))
 *
 * Sums are in float64. Where the norm is not finite, the gradients become not a number. `maxNorm`
 * is a setting of `run` too, and holds until another is given.
 */
export const clipNorm = op('clipNorm', {
  options: {
    ...shaped,
    /** The greatest norm, > 0; default 1. */
    maxNorm: given<number>(),
  },
  returns: ['gradients', 'norm'],
  tensors: ({ shape }) => ({
    /** Clipped, of `shape`. */
    gradients: changes(flat(shape)),
    /** Before they were clipped, [1]. */
    norm: gives<Float32Array>(),
  }),
  sets: ({ maxNorm: own = 1 }, { op }): Setting<ClipNormSettings> => ({
    names: ['maxNorm'],
    write: (_, { maxNorm = own }) =>
      expect(
        Number.isFinite(maxNorm) && Math.fround(maxNorm) > 0,
        () => `${op}.maxNorm must be > 0, got ${describe(maxNorm)}`,
      ),
  }),
  emit({ b, made }, { gradients }, { shape, maxNorm: own = 1 }) {
    const numbers = b.buffer('numbers', StepNumbers.Bytes, 'input')
    emitClip(b, [{ values: ref(gradients), count: roundUp(sizeOf(shape), FLOATS) }], numbers)
    const norm: Buffer = {
      ...{ name: 'norm', bytes: 4, purpose: 'input', persistent: true, first: 0, last: 0 },
      get address() {
        return numbers.address + StepNumbers.SingleNorm
      },
    }
    made.norm = tensorOfBuffer(norm, { name: 'norm' }, [1])
    return {
      before: writing(numbers, StepNumbers.Bytes, (view, { maxNorm = own }: ClipNormSettings) =>
        view.setFloat64(StepNumbers.ClipNorm, maxNorm, true),
      ),
    }
  },
})

/** What a run of `ops.ema` may change. */
export interface EmaSettings {
  /** What the average keeps of itself, 0…1, 1 excluded; default 0.999. */
  readonly decay?: number
}

/**
 * An exponential moving average, as PyTorch's AveragedModel with get_ema_multi_avg_fn:
 *
 *     average ← decay · average + (1 − decay) · parameters
 *
 * `decay` is a setting of `run` too, and holds until another is given.
 */
export const ema = op('ema', {
  options: {
    ...shaped,
    /** What the average keeps of itself, 0…1, 1 excluded; default 0.999. */
    decay: given<number>(),
  },
  returns: 'average',
  tensors: ({ shape }) => ({
    /** What goes into the average. */
    parameters: takes(flat(shape)),
    /** The parameters' shape. */
    average: changes(flat(shape)),
  }),
  sets: ({ decay: own = 0.999 }, { op }): Setting<EmaSettings> => ({
    names: ['decay'],
    write: (_, { decay = own }) =>
      expect(
        Number.isFinite(decay) && decay >= 0 && decay < 1,
        () => `${op}.decay must lie in 0…1 (1 excluded), got ${describe(decay)}`,
      ),
  }),
  emit({ b }, { parameters, average }, { shape, decay: own = 0.999 }) {
    const numbers = b.buffer('numbers', GROUPED, 'input')
    emitStepStart(b, numbers, StepNumbers.Bytes)
    emitAverage(b, average, parameters, roundUp(sizeOf(shape), FLOATS), numbers)
    return {
      before: writing(numbers, StepNumbers.Bytes, (view, { decay = own }: EmaSettings) => {
        // A first step would copy.
        view.setFloat64(StepNumbers.Averaged, 1, true)
        view.setFloat64(StepNumbers.AverageDecay, decay, true)
      }),
    }
  },
})

/** Floats of a vector. */
const LANES = 4

/**
 * Zeros, as gradients begin that are added up: values ← 0.
 */
export const clear = op('clear', {
  options: shaped,
  returns: 'values',
  tensors: ({ shape }) => ({
    /** What becomes 0. */
    values: changes(flat(shape, LANES)),
  }),
  emit({ b }, { values }, { shape }) {
    emitClear(b, values, roundUp(sizeOf(shape), LANES))
  },
})

/**
 * A sum, in order and in float64: output = Σ values. In a network it adds up the gradient of a
 * learnable τ.
 */
export const sum = op('sum', {
  options: shaped,
  returns: 'output',
  tensors: ({ shape }) => ({
    /** What is added up. */
    values: takes(numbers(shape)),
    /** The sum, [1]. */
    output: gives(numbers([1])),
  }),
  emit({ b }, { values, output }, { shape }) {
    b.emit(sumScalars, 1, { in: values, out: output, count: sizeOf(shape) })
  },
})
