/** What the ops of losses share: the end of a network with a loss. */

import { Control } from '../../../assembly/opcodes.js'
import { checkInteger, checkOptions, describe, expect } from '../../errors.js'
import { emitLoss, type LossKind } from '../../plan/emit-loss.js'
import type { ControlBlock, OpBuilder, Planned, Settings } from '../builder.js'
import { type Extent, still } from '../shapes.js'
import { type ClassTensor, classTensor, controlTensor } from '../special.js'
import { floatTensor, type OpTensor, plainTensor } from '../tensor.js'

/** What the ops of losses can compute. */
export type LossResults = {
  /** Mean over the valid samples, [1]. */
  readonly loss: Float32Array
  /** Gradient of the loss: of the time mean, [B, C]; of a loss of each step, of the input. */
  readonly gradient: Float32Array
  /** Class of the greatest time mean of each sample, the first of equals, [B]. */
  readonly predictions: Int32Array
  /** Valid samples whose prediction is their target, [1]; 0 where targets are numbers. */
  readonly correct: Int32Array
  /** Of each sample, [B]; 0 behind the valid ones. */
  readonly losses: Float32Array
  /** The time mean, [B, C]. */
  readonly output: Float32Array
}

/** Names of the results. */
export const lossResults = [
  'loss',
  'gradient',
  'predictions',
  'correct',
  'losses',
  'output',
] as const

/** Those without the option `outputs`. */
export const standardResults = ['loss', 'gradient', 'predictions', 'correct'] as const

/** What a gradient is divided by. */
export type Over = 'images' | 'imagesAndSteps'

/** Numbers of one run. */
export interface LossSettings {
  /** Samples that count; those behind them are padding. Default: all. */
  readonly valid?: number
}

export function checkOver(name: string, over: Over): void {
  expect(
    over === 'images' || over === 'imagesAndSteps',
    () => `${name} must be 'images' or 'imagesAndSteps', got ${describe(over)}`,
  )
}

/** Checks and writes `valid`. */
export function validControl(op: string, batch: number) {
  return (block: ControlBlock, settings: Settings): void => {
    checkOptions(`${op}.run`, settings, ['valid'])
    const { valid = batch } = settings as LossSettings
    checkInteger(`${op}.run: valid`, valid, 1, batch)
    block.word(Control.Valid, valid)
  }
}

/** Emits the output and a loss of it. */
export function planLoss(
  { b, op }: OpBuilder,
  {
    extent,
    steps,
    of,
    instantaneous,
    over,
    control,
  }: {
    readonly extent: Extent
    readonly steps: number
    readonly of: LossKind
    readonly instantaneous: boolean
    readonly over: Over
    readonly control: NonNullable<Planned['control']>
  },
  outputs: ReadonlySet<keyof LossResults>,
): Planned {
  const { B, C, T } = extent
  const values = of.ofValues
  const logits = floatTensor(b, { name: 'input' }, extent)
  const target: OpTensor & Partial<Pick<ClassTensor, 'checkOwn'>> = values
    ? plainTensor(b, { name: 'target' }, [B, C])
    : classTensor(b, op, { name: 'target' }, B, C)
  const output = floatTensor(b, { name: 'output' }, still(extent))
  const predictions = plainTensor(b, { name: 'predictions' }, [B], 'int32')
  const losses = plainTensor(b, { name: 'losses' }, [B])
  const gradient = outputs.has('gradient')
    ? floatTensor(b, { name: 'gradient' }, instantaneous ? extent : still(extent))
    : undefined
  emitLoss(b, {
    logits: logits.buffer,
    output: output.buffer,
    predictions: predictions.buffer,
    images: B,
    steps,
    totalSteps: steps,
    channels: logits.stored,
    classes: C,
    rows: T,
    loss: {
      losses: losses.buffer,
      delta: gradient?.buffer,
      gradientScale: 1 / B / (over === 'images' ? 1 : steps),
      instantaneous,
      of,
    },
  })
  const made: Readonly<Record<keyof LossResults, OpTensor | undefined>> = {
    loss: controlTensor({ name: 'loss' }, Control.Loss, 'float32'),
    gradient,
    predictions,
    correct: controlTensor({ name: 'correct' }, Control.Correct, 'int32'),
    losses,
    output,
  }
  return {
    inputs: [logits, target],
    outputs: [...outputs].map((name) => made[name] as OpTensor),
    start: (block) => block.address(Control.Target, target),
    before: target.checkOwn,
    control,
  }
}
