/**
 * The engine's kernels as functions over typed arrays in PyTorch's shapes: `ops.conv2d.plan({…})`,
 * then `run`. They call the records that a network is made of, so the results have the same bits.
 *
 * @module ops
 */

export { load } from './engine.js'
export type { Conv2dOptions } from './kinds/conv2d.js'
export { conv2d } from './kinds/conv2d.js'
export type { ReluOptions } from './kinds/relu.js'
export { relu } from './kinds/relu.js'
export type { MaybePromise, OneThread, Operation, Plan, PlanInfo } from './operation.js'
export type { CommonOptions } from './plan.js'
export type { TensorInfo, Values, ValueType } from './tensor.js'
