/**
 * The engine's kernels as functions over typed arrays in PyTorch's shapes: `ops.conv2d.plan({…})`,
 * then `run`. They call the records that a network is made of, so the results have the same bits.
 *
 * @module ops
 */

export type { GradientTerm, TermWindow, WindowOptions } from './convolution.js'
export * from './kinds/activity.js'
export * from './kinds/batch-norm.js'
export * from './kinds/integers.js'
export * from './kinds/lif.js'
export * from './kinds/losses.js'
export * from './kinds/neurons.js'
export * from './kinds/normalisation.js'
export * from './kinds/optimizer.js'
export * from './kinds/pooling.js'
export { type AddTerm, add, concat, gradientSum, matmul, split } from './kinds/sums.js'
export { bmm, mul, slice, sliceBackward, softmax } from './kinds/values.js'
export * from './kinds/weighted.js'
export * from './kinds/weighted-gradients.js'
export type { ResidualOptions } from './neurons.js'
export type { StepSettings } from './op.js'
export type { Axes, Checked, GivenOf, Option, OptionsIn } from './options.js'
export type { CommonOptions, PlanInfo } from './plan.js'
export { load } from './runner.js'
export type { Extent } from './shapes.js'
export type { TensorInfo, Values, ValueType } from './tensor.js'
export type * from './types.js'
