/** How an op is made from what it plans. */

import { checkOptions, expect } from '../errors.js'
import { OpBuilder, type Planned } from './builder.js'
import { type CommonOptions, commonOptions, OpPlan, type PlanInfo } from './plan.js'
import type { Values } from './tensor.js'

/** With one thread, which is what no word about it means too. */
export type OneThread = {
  /** 1, or left out: the calling thread. */
  readonly threads?: 1
}

/** A result, or with several threads a promise of it. */
export type MaybePromise<V> = V | Promise<V>

/**
 * A planned op. `Args`: the arrays of a run; `Result`: what it returns; `Own`: the plan's own
 * memory by name. Writing there and running without arguments copies nothing.
 */
export type Plan<
  Args extends readonly unknown[],
  Result,
  Own extends Readonly<Record<string, Values | undefined>>,
> = PlanInfo &
  Own & {
    /**
     * Runs the op. Arguments are in PyTorch's order; one that is left out stays what it was.
     *
     * @throws SpikewasmError for an array of another type or length, naming it
     */
    run(...args: Partial<Args>): Result
  }

/**
 * A kernel as a function. `ops.relu({ input: [2, 3] }, x)` plans and runs it once; `plan` is for
 * more runs of one shape.
 */
export interface Operation<
  Options,
  Args extends readonly unknown[],
  Result,
  Own extends Readonly<Record<string, Values | undefined>>,
> {
  /** Plans the op for its shapes, runs it once on arrays and returns the result. */
  (options: Options & CommonOptions & OneThread, ...args: Partial<Args>): Result
  (options: Options & CommonOptions, ...args: Partial<Args>): MaybePromise<Result>
  /** As it is exported. */
  readonly opName: string
  /**
   * Plans the op for its shapes and reserves memory.
   *
   * @throws SpikewasmError for an option or a shape that does not fit, naming it
   */
  plan(options: Options & CommonOptions & OneThread): Plan<Args, Result, Own>
  /**
   * The same for any number of threads: with more than one `run` returns a promise.
   *
   * @throws SpikewasmError for an option or a shape that does not fit, naming it
   */
  plan(options: Options & CommonOptions): Plan<Args, MaybePromise<Result>, Own>
}

/** @param known names of the options, besides those that all ops have */
export function operation<
  Options extends object,
  Args extends readonly unknown[],
  Result,
  Own extends Readonly<Record<string, Values | undefined>>,
>(
  opName: string,
  known: readonly (keyof Options & string)[],
  build: (o: OpBuilder, options: Options) => Planned,
): Operation<Options, Args, Result, Own> {
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
  return Object.assign(once, { opName, plan }) as unknown as Operation<Options, Args, Result, Own>
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
