/** What an optimizer does with parameters and gradients of any shape. */

import { Control, StepGroup, StepNumbers } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import { by, range, such } from '../../base/rules.js'
import * as updates from '../../compile/emit/update.js'
import * as kinds from '../../compile/optimizer-kind.js'
import { writeGroup } from '../../engine/run/update.js'
import { sumScalars } from '../../kernels/records/gradient.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import { checkRate } from '../../network/optimizer.js'
import * as optimizers from '../../nn/optimizers.js'
import type { OpBuilder, Planned } from '../builder.js'
import { all, changes, gives, op, setting, shows, takes } from '../op.js'
import * as is from '../options.js'
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
  shape: is.shaped(),
}

/** What all steps read and change. */
const stepped = (shape: readonly number[]) => ({
  /** What the step changes. */
  parameters: changes(flat(shape)),
  /** The gradients of the parameters. */
  gradients: takes(flat(shape)),
  /** 1 since a parameter was left as it was, until it is set to 0. */
  nonFinite: shows(nonFinite),
})

/** What an optimizer is told, but for what concerns a network. */
const toldTo = <O extends kinds.OptimizerOptions>(kind: kinds.Optimizer['kind']) => {
  const { decay: _, groups: __, ...numbers } = kinds.optimizerKind(kind).options
  return is.ofLayer<Omit<O, 'decay' | 'groups'>>(Object.keys(numbers) as never)
}

const sgdNumbers = toldTo<optimizers.SgdOptions>('sgd')
/**
 * Numbers of SGD, which a run may change.
 * @interface
 */
export type SgdSettings = is.OptionsIn<typeof sgdNumbers>

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
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const step = ops.sgd.plan({ shape: [2], lr: 0.5, momentum: 0.5 })
 * const [weight, velocity] = [Float32Array.of(1, 1), new Float32Array(2)]
 * step.run(weight, Float32Array.of(1, 0), velocity)
 * step.run(weight, Float32Array.of(1, 0), velocity, { lr: 0.1 })
 * console.log(weight[0].toFixed(2), weight[1], velocity[0]) // 0.35 1 1.5
 * ```
 */
export const sgd = op('sgd', {
  options: { ...shaped, ...sgdNumbers },
  returns: ['parameters', 'velocities'],
  tensors: ({ shape }) => ({
    ...stepped(shape),
    /** The sums of gradients that momentum keeps; zeros at first. */
    velocities: changes(flat(shape)),
  }),
  sets: () =>
    setting(sgdNumbers, (block, numbers) => {
      const rule = optimizers.sgd(numbers)
      block.float(Control.LearningRate, rule.lr)
      block.float(Control.Momentum, rule.momentum)
      block.float(Control.Decay, rule.weightDecay)
      block.word(Control.Nesterov, Number(rule.nesterov))
    }),
  emit({ b }, { parameters, gradients, velocities }, { shape }) {
    const count = roundUp(sizeOf(shape), FLOATS)
    updates.emitSgd(b, { parameters, gradients, velocities, count, otherDecay: false })
  },
})

/** Powers by one multiplication a step, as programs make them, until that changes nothing. */
function power(beta: number, steps: number): number {
  let [product, before] = [1, 0]
  for (let i = 0; i < steps && product !== before; i++) {
    before = product
    product *= beta
  }
  return product
}

/** Numbers of a step, which are written before each run. */
function written<W>(
  { b }: OpBuilder,
  bytes: number,
  write: (view: DataView, settings: W) => void,
): Required<Pick<Planned, 'before'>> & { readonly numbers: Buffer } {
  const numbers = b.buffer('numbers', bytes, 'input')
  return {
    numbers,
    before(views, _, settings) {
      const at = views(numbers, 'uint8', bytes)
      write(new DataView(at.buffer, at.byteOffset, bytes), settings as W)
    },
  }
}

const GROUPED = StepNumbers.Bytes + StepGroup.Bytes

/** Emits the step of an optimizer whose numbers follow from what a run sets. */
function emitStep<W>(
  o: OpBuilder,
  shape: readonly number[],
  kept: readonly string[],
  known: ReturnType<typeof kinds.kindOfRule>,
  stepOf: (settings: W) => { readonly step: number; readonly optimizer: kinds.Optimizer },
): Partial<Planned> {
  const { b, made } = o
  const { numbers, before } = written<W>(o, GROUPED, (view, settings) => {
    const { step, optimizer } = stepOf(settings)
    const { beta1 = 0, beta2 = 0 } = kinds.numbersOf(optimizer)
    view.setFloat64(StepNumbers.Power1, power(beta1, step - 1), true)
    view.setFloat64(StepNumbers.Power2, power(beta2, step - 1), true)
    view.setFloat32(StepNumbers.Steps, step - 1, true)
    writeGroup(view, StepNumbers.Bytes, optimizer, optimizer)
  })
  const [parameters, gradients, ...states] = ['parameters', 'gradients', ...kept].map(
    (name) => made[name].buffer,
  )
  const group = ref(numbers, StepNumbers.Bytes)
  const fields = { parameters, gradients, count: roundUp(sizeOf(shape), FLOATS), numbers, group }
  updates.emitStepStart(b, numbers, StepNumbers.Bytes)
  known.emit(b, { ...fields, otherDecay: false }, states, known)
  return { before }
}

const counted = {
  /** Which step it is, counted from 1; default 1. */
  step: is.integerIf(1, Number.MAX_SAFE_INTEGER, 1),
}

const toldAdam = toldTo<optimizers.AdamOptions>('adam')
const adamNumbers = {
  ...counted,
  ...toldAdam,
  /** Weight decay, ≥ 0; default 0, with `decoupled` too. */
  weightDecay: toldAdam.weightDecay,
  /** Whether the decay is no part of the gradient (AdamW); default false. */
  decoupled: is.flag(),
}
/**
 * Numbers of Adam, which a run may change.
 * @interface
 */
export type AdamSettings = is.OptionsIn<typeof adamNumbers>

function adamStep({ step, decoupled, ...rule }: is.Checked<typeof adamNumbers>) {
  const kind = decoupled ? 'adamW' : 'adam'
  return { step, optimizer: { ...optimizers.adam(rule), kind } as const }
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
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const step = ops.adam.plan({ shape: [1], lr: 0.5 })
 * const [weight, means, squares] = [Float32Array.of(1), new Float32Array(1), new Float32Array(1)]
 * step.run(weight, Float32Array.of(3), means, squares, { step: 1 })
 * step.run(weight, Float32Array.of(3), means, squares, { step: 2 })
 * console.log(weight[0].toFixed(2), means[0].toFixed(2)) // 0.00 0.57
 * ```
 */
export const adam = op('adam', {
  options: { ...shaped, ...adamNumbers },
  returns: ['parameters', 'means', 'squares'],
  tensors: ({ shape }) => ({
    ...stepped(shape),
    /** Running means of the gradients; zeros at first. */
    means: changes(flat(shape)),
    /** Running means of their squares; zeros at first. */
    squares: changes(flat(shape)),
  }),
  sets: () => setting(adamNumbers, (_, numbers) => void adamStep(numbers)),
  emit: (o, _, { shape }) =>
    emitStep(o, shape, ['means', 'squares'], kinds.optimizerKind('adam'), adamStep),
})

const updateNumbers = {
  ...counted,
  /** Learning rate, ≥ 0; default that of the optimizer. */
  lr: is.may(by(checkRate), undefined),
}
/**
 * What a run of `ops.update` may change.
 * @interface
 */
export type UpdateSettings = is.OptionsIn<typeof updateNumbers>

/**
 * A step of any optimizer, as training makes it: parameters and what the optimizer keeps for each,
 * under PyTorch's names, change in place. Weight decay is of all of them. Where a number would
 * become infinite or not a number, all of a parameter's stay as they were.
 */
export const update = op('update', {
  options: {
    ...shaped,
    /** The optimizer, for example `rmsprop({ lr: 0.01 })`; its groups are those of networks. */
    optimizer: is.must(by(kinds.checkOptimizer)),
  },
  returns: all<Readonly<Record<string, Float32Array>>>(),
  derive: ({ optimizer }) => ({ kept: kinds.kindOfRule(kinds.ruleOf(optimizer)).states }),
  tensors: ({ shape, kept }) => ({
    ...stepped(shape),
    ...Object.fromEntries(kept.map((name) => [name, changes(flat(shape))])),
  }),
  sets: () => setting(updateNumbers, () => {}),
  emit(o, _, { shape, optimizer, kept }) {
    type Numbers = is.Checked<typeof updateNumbers>
    const at = ({ step, lr = optimizer.lr }: Numbers) => ({ step, optimizer: { ...optimizer, lr } })
    const outputs = ['parameters', ...kept].map((name) => o.made[name])
    const known = kinds.kindOfRule(kinds.ruleOf(optimizer))
    return { outputs, ...emitStep(o, shape, kept, known, at) }
  },
})

const clipNumbers = {
  /** The greatest norm, > 0; default 1. */
  maxNorm: is.may(
    such<number>('> 0', (norm) => Number.isFinite(norm) && Math.fround(norm) > 0),
    1,
  ),
}
/**
 * What a run of `ops.clipNorm` may change.
 * @interface
 */
export type ClipNormSettings = is.OptionsIn<typeof clipNumbers>

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
  options: { ...shaped, ...clipNumbers },
  returns: ['gradients', 'norm'],
  tensors: ({ shape }) => ({
    /** Clipped, of `shape`. */
    gradients: changes(flat(shape)),
    /** Before they were clipped, [1]. */
    norm: gives<Float32Array>(),
  }),
  sets: () => setting(clipNumbers),
  emit(o, { gradients }, { shape }) {
    const { numbers, before } = written<{ maxNorm: number }>(o, StepNumbers.Bytes, (view, of) =>
      view.setFloat64(StepNumbers.ClipNorm, of.maxNorm, true),
    )
    const count = roundUp(sizeOf(shape), FLOATS)
    updates.emitClip(o.b, [{ values: ref(gradients), count }], numbers)
    const norm: Buffer = {
      ...numbers,
      get address() {
        return numbers.address + StepNumbers.SingleNorm
      },
    }
    o.made.norm = tensorOfBuffer(norm, { name: 'norm' }, [1])
    return { before }
  },
})

const averageNumbers = {
  /** What the average keeps of itself, 0…1, 1 excluded; default 0.999. */
  decay: is.may(range('0…1 (1 excluded)'), 0.999),
}
/**
 * What a run of `ops.ema` may change.
 * @interface
 */
export type EmaSettings = is.OptionsIn<typeof averageNumbers>

/**
 * An exponential moving average, as PyTorch's AveragedModel with get_ema_multi_avg_fn:
 *
 *     average ← decay · average + (1 − decay) · parameters
 *
 * `decay` is a setting of `run` too, and holds until another is given.
 */
export const ema = op('ema', {
  options: { ...shaped, ...averageNumbers },
  returns: 'average',
  tensors: ({ shape }) => ({
    /** What goes into the average. */
    parameters: takes(flat(shape)),
    /** The parameters' shape. */
    average: changes(flat(shape)),
  }),
  sets: () => setting(averageNumbers),
  emit(o, { parameters, average }, { shape }) {
    const { numbers, before } = written<{ decay: number }>(o, GROUPED, (view, { decay }) => {
      // A first step would copy.
      view.setFloat64(StepNumbers.Averaged, 1, true)
      view.setFloat64(StepNumbers.AverageDecay, decay, true)
    })
    updates.emitStepStart(o.b, numbers, StepNumbers.Bytes)
    updates.emitAverage(o.b, average, parameters, roundUp(sizeOf(shape), FLOATS), numbers)
    return { before }
  },
})

/** Floats of a vector. */
const LANES = 4

/**
 * Zeros, as gradients begin that are added up: values ← 0.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const values = Float32Array.of(1, 2, 3)
 * console.log(ops.sum({ shape: [3] }, values)[0], ...ops.clear({ shape: [3] }, values)) // 6 0 0 0
 * ```
 */
export const clear = op('clear', {
  options: shaped,
  returns: 'values',
  tensors: ({ shape }) => ({
    /** What becomes 0. */
    values: changes(flat(shape, LANES)),
  }),
  emit({ b }, { values }, { shape }) {
    updates.emitClear(b, values, roundUp(sizeOf(shape), LANES))
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
