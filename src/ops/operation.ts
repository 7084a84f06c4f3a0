/** How an op is made from what it plans. */

import { checkOptions, expect } from '../errors.js'
import { OpBuilder, type Planned } from './builder.js'
import { type CommonOptions, commonOptions, OpPlan, type PlanInfo } from './plan.js'
import type { CallArguments, OpTypes, Returned, RunArguments, TypeOf, Valid } from './types.js'

/**
 * A planned op with options `O`. The plan's own memory is there by name: writing there and running
 * without arguments copies nothing.
 */
export type Plan<Types extends OpTypes, O> = PlanInfo &
  TypeOf<Types, O, 'memory'> & {
    /**
     * Runs the op. Arguments are in PyTorch's order; one that is left out stays what it was.
     *
     * @throws SpikewasmError for an array of another type or length, naming it
     */
    run(...args: RunArguments<Types, O>): Returned<Types, O>
  }

/**
 * A kernel as a function. `ops.relu({ input: [2, 3] }, x)` plans and runs it once; `plan` is for
 * more runs of one shape. With several threads results are promises.
 */
export interface Operation<Options, Types extends OpTypes> {
  /** Plans the op for its shapes, runs it once on arrays and returns the result. */
  <const O extends Options & CommonOptions>(
    options: O & Valid<O, Options & CommonOptions, Types>,
    ...args: CallArguments<Types, O>
  ): Returned<Types, O>
  /** As it is exported. */
  readonly opName: string
  /**
   * Plans the op for its shapes and reserves memory.
   *
   * @throws SpikewasmError for an option or a shape that does not fit, naming it
   */
  plan<const O extends Options & CommonOptions>(
    options: O & Valid<O, Options & CommonOptions, Types>,
  ): Plan<Types, O>
}

/** @param known names of the options, besides those that all ops have */
export function operation<Options extends object, Types extends OpTypes>(
  opName: string,
  known: readonly (keyof Options & string)[],
  build: (o: OpBuilder, options: Options) => Planned,
): Operation<Options, Types> {
  const plan = (options: Options & CommonOptions): OpPlan => {
    checkOptions(`ops.${opName}`, options, [...known, ...commonOptions])
    const o = new OpBuilder(`ops.${opName}`)
    return new OpPlan(o, build(o, options), options)
  }
  const once = (options: Options & CommonOptions, ...args: unknown[]): unknown => {
    const planned = plan(options)
    const result = runOnce(planned, args)
    if (!(result instanceof Promise)) return result
    return result.finally(() => planned.dispose())
  }
  return Object.assign(once, { opName, plan }) as unknown as Operation<Options, Types>
}

/** A single call has no run before it whose arguments could stay. */
function runOnce(plan: OpPlan, args: readonly unknown[]): unknown {
  const missing = OpPlan.required(plan).find((_, i) => args[i] === undefined)
  expect(
    missing === undefined,
    () =>
      `ops.${plan.opName}: ${missing} is missing; a single call needs ` +
      `${OpPlan.required(plan).join(', ')}`,
  )
  return plan.run(...args)
}
