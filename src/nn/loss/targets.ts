/** What losses have in common: their targets, and what a method must have for them. */

import { fail } from '../../base/errors.js'
import { finite, oneOf, type Rule, such } from '../../base/rules.js'
import type { PlanOptions } from '../../compile/context.js'
import { isOfSteps, type LossFields, type LossNumbers } from '../../compile/loss-kind.js'
import { quoteMethodsWith, traitsOf } from '../../compile/methods.js'
import { hasTargetSteps } from '../../compile/training.js'
import type { Loss } from '../../network/optimizer.js'

/** A rule of what may be left out. */
export const optional = <T>(rule: Rule<T>): Rule<T> => ({ ...rule, optional: true })

/** @throws SpikewasmError for options of one kind of targets that are given with another */
export function expectOf(
  kind: string,
  all: { readonly targets?: string },
  given: object,
  keys: readonly string[],
  kinds: readonly string[],
): void {
  const { targets = 'labels' } = all
  for (const key of keys)
    if (Object.entries(given).some(([name, value]) => name === key && value !== undefined))
      if (!kinds.includes(targets))
        fail(
          `${kind}.${key} is an option of targets '${kinds.join("' or '")}', got it with ` +
            `'${targets}'`,
        )
}

/**
 * @param what messages call the loss
 * @throws SpikewasmError where the method has no gradient of each step and the loss is of it
 */
export function expectStepGradients(
  loss: Loss,
  options: PlanOptions,
  what = `${loss.kind}(${hasTargetSteps(loss) ? "{ targets: 'steps' }" : ''})`,
): void {
  if (!isOfSteps(loss) || traitsOf(options).rows === 'steps') return
  fail(
    `loss ${what} needs a gradient of each step, which method '${options.method}' has not; use ` +
      quoteMethodsWith(({ rows }) => rows === 'steps'),
  )
}

/** @throws SpikewasmError where the method has no gradient of what `custom` is of */
export function checkOwn(loss: Loss & { readonly of?: string }, options: PlanOptions): void {
  const key = hasTargetSteps(loss) ? 'targets' : 'of'
  expectStepGradients(loss, options, `custom(…, { ${key}: 'steps' })`)
  if (loss.of === 'mean' && traitsOf(options).backward === 'everyCall')
    fail(
      `loss custom(…, { of: 'mean' }) needs all steps before its gradient, which method ` +
        `'${options.method}' has not; use { of: 'steps' }, or method ` +
        quoteMethodsWith((its) => its.backward === 'afterwards'),
    )
}

/** What records say of all this. */
export const targetFields = (
  loss: { readonly ignore?: number | 'NaN'; readonly classWeights?: readonly number[] } & Loss,
  { totalSteps }: LossFields,
  { allSteps }: LossNumbers,
) => ({
  ...(hasTargetSteps(loss) && { targetSteps: totalSteps, allSteps }),
  ...(loss.ignore !== undefined && { ignores: true, ignore: Number(loss.ignore) }),
  ...(loss.classWeights && {
    classWeights: new Uint8Array(Float32Array.from(loss.classWeights).buffer),
  }),
})

type NumberOptions = { targets?: 'labels' | 'values' | 'steps'; ignore?: number | 'NaN' }

/** Rules of what losses of numbers share. */
export const numberRules = () => ({
  targets: oneOf<'labels' | 'values' | 'steps'>(['labels', 'values', 'steps'], 'labels'),
  ignore: optional(
    such<number | 'NaN'>("a number or 'NaN'", (value) => value === 'NaN' || finite().fits(value)),
  ),
})

export const numberTargets = {
  ofValues: ({ targets }: NumberOptions) => targets !== 'labels',
  targetFloats({ targets }: NumberOptions, { graph, timeSteps }: PlanOptions) {
    const [outputs] = graph.nodes[graph.output].shape
    return targets === 'labels' ? 0 : outputs * (targets === 'steps' ? timeSteps : 1)
  },
  targetRule: ({ ignore }: NumberOptions) =>
    ignore === 'NaN'
      ? such('finite numbers or NaN', (x: number) => Number.isNaN(x) || finite().fits(x))
      : undefined,
}

/** JSON has no NaN. */
export const withoutNaN = <O extends NumberOptions>(options: O): O =>
  Number.isNaN(options?.ignore) ? { ...options, ignore: 'NaN' } : options
