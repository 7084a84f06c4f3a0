/** Losses: what planning asks of each kind, and how it trains. */

import { expect } from '../../errors.js'
import type { GraphNode } from '../../graph/trace.js'
import type {
  CrossEntropy,
  LossOf,
  MeanSquaredError,
  SelfDistillation,
  Tet,
} from '../../loss/index.js'
import { isLong, type PlanOptions } from '../context.js'
import { emitLoss, type LossKind } from '../emit-loss.js'
import { giveTensorGradient, gradientRows } from '../gradients.js'
import { quoteMethodsWith, traitsOf } from '../methods.js'
import type { Pass } from '../pass.js'
import { crossEntropy, meanSquaredError, tet } from '../records/loss.js'
import type { FieldsOf } from '../records/schema.js'
import { selfDistillation } from '../records/self-distillation.js'
import type { Expression } from '../tensors.js'
import type { Buffer } from '../words.js'
import { floatsOf } from '../write-out.js'

/** An output besides the last. */
export interface Exit {
  readonly name: string
  readonly value: Expression
}

/** The end of a network. */
export interface End {
  readonly pass: Pass
  readonly node: GraphNode
  readonly x: Expression
  readonly others: readonly Exit[]
}

export interface LossPlan<L> {
  /** @throws SpikewasmError for a network or a method that it is not defined for */
  check?(loss: L, options: PlanOptions): void
  /** @param online whether each call of the network has a gradient of its own */
  kindOf(loss: L, options: PlanOptions, online: boolean): LossKind
  /** Where training is not by the last output alone. */
  lower?(end: End, loss: L): void
}

/** What an output is multiplied with, and wanted rates. */
function scalesOf(
  of: LossOf,
  options: PlanOptions,
  online: boolean,
): { readonly factor: number; readonly outputScale: number | undefined } {
  const { timeSteps } = options
  const factor = of === 'counts' && timeSteps > 1 ? timeSteps : 1
  const scale = factor / (isLong(options) && !online ? timeSteps : 1)
  return { factor, outputScale: scale === 1 ? undefined : scale }
}

export const crossEntropyKind = ({
  mseWeight,
  labelSmoothing,
  outputScale,
}: Pick<
  FieldsOf<typeof crossEntropy>,
  'mseWeight' | 'labelSmoothing' | 'outputScale'
>): LossKind => ({
  emit(b, fields, instantaneous) {
    const numbers = { mseWeight, instantaneous, labelSmoothing, outputScale }
    b.emit(crossEntropy, 1, { ...fields, ...numbers })
  },
})

export const crossEntropyPlan: LossPlan<CrossEntropy> = {
  kindOf: (loss, options, online) =>
    crossEntropyKind({
      mseWeight: online ? options.mseWeight : 0,
      labelSmoothing: loss.labelSmoothing || undefined,
      outputScale: scalesOf(loss.of, options, online).outputScale,
    }),
}

export const mseKind = (
  numbers: Pick<FieldsOf<typeof meanSquaredError>, 'outputScale' | 'low' | 'high' | 'values'>,
): LossKind => ({
  ofValues: numbers.values,
  emit: (b, fields, instantaneous) =>
    b.emit(meanSquaredError, 1, { ...fields, ...numbers, instantaneous }),
})

export const msePlan: LossPlan<MeanSquaredError> = {
  kindOf({ of, targets, incorrectRate, correctRate }, options, online) {
    const { factor, outputScale } = scalesOf(of, options, online)
    return targets === 'values'
      ? mseKind({ outputScale, values: true })
      : mseKind({ outputScale, low: incorrectRate * factor, high: correctRate * factor })
  },
}

export const tetKind = ({
  lambda,
  mean,
  allSteps,
}: Pick<FieldsOf<typeof tet>, 'lambda' | 'mean' | 'allSteps'>): LossKind => ({
  ofSteps: true,
  emit: (b, fields, instantaneous) =>
    b.emit(tet, 1, { ...fields, lambda, mean, allSteps, instantaneous }),
})

export const tetPlan: LossPlan<Tet> = {
  check(_loss, options) {
    expect(
      traitsOf(options).rows === 'steps',
      () =>
        `loss tet() needs a gradient of each step, which method '${options.method}' has not; use ` +
        quoteMethodsWith(({ rows }) => rows === 'steps'),
    )
  },
  kindOf: ({ lambda, mean }, _options, online) => tetKind({ lambda, mean, allSteps: !online }),
}

export const selfDistillationPlan: LossPlan<SelfDistillation> = {
  check(_loss, options) {
    expect(
      options.graph.exits !== undefined,
      () =>
        'loss selfDistillation() needs a network with two outputs or more: return them by name ' +
        'in its forward function, as in { early, output }',
    )
    const fitting = quoteMethodsWith(({ loop }) => loop === 'layers')
    expect(
      traitsOf(options).loop === 'layers' && options.stepMode === 'm',
      () =>
        `loss selfDistillation() needs method ${fitting} ` +
        `with stepMode 'm', got '${options.method}' with stepMode '${options.stepMode}'`,
    )
  },
  // Evaluation is of the last output.
  kindOf: () =>
    crossEntropyKind({ mseWeight: 0, labelSmoothing: undefined, outputScale: undefined }),
  lower({ pass, node, x, others }, { alpha, beta, temperature }) {
    const { b, context, options, images } = pass
    const { buffers, method } = context
    const classes = node.shape[0]
    const exits = [...others, { name: 'the network', value: x }].map(({ name, value }, i) => {
      const isLast = i === others.length
      const logits = floatsOf(pass, node, value)
      const bytes = images * logits.stored * 4
      const out = isLast ? buffers.output : b.buffer(`output of ${name}`, bytes)
      const predictions = isLast
        ? buffers.predictions
        : b.buffer(`predictions of ${name}`, images * 4)
      const delta = pass.imageBuffer(`gradient of the output of ${name}`, logits.stored * 4)
      emitLoss(b, {
        logits: logits.buffer,
        output: out,
        predictions,
        images,
        steps: pass.callSteps,
        totalSteps: options.timeSteps,
        channels: logits.stored,
        classes,
        rows: logits.steps,
      })
      return { logits, output: out, delta }
    })
    const over = method.lossOver === 'images' ? 1 : options.timeSteps
    b.emit(selfDistillation, 1, {
      predictions: buffers.predictions,
      losses: buffers.losses as Buffer,
      images,
      channels: exits[0].logits.stored,
      classes,
      gradientScale: 1 / images / over,
      exits: exits.map(({ output, delta }) => ({ output, delta })),
      exitCount: exits.length,
      alpha,
      beta,
      temperature,
    })
    pass.backward(node, () => {
      for (const { logits, delta } of exits)
        giveTensorGradient(logits, delta, 1, 1 / gradientRows(pass, logits))
    })
  },
}
