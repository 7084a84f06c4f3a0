/**
 * Right and wrong uses of ops, for types.test.ts: each wrong one is marked, and nothing runs. The
 * compiler refuses marks of what is right.
 */
import * as ops from 'spikewasm/ops'

const f = new Float32Array(4)
const u = new Uint8Array(4)
const i8 = new Int8Array(4)
const i32 = new Int32Array(4)
const f64 = new Float64Array(4)
const flag = f[0] > 0
const conv = { input: [1, 1, 2, 2], weight: [1, 1, 1, 1] } as const

/** Whether two types are one. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <Wanted extends true>(..._: Wanted[]): void => undefined

export function results(): void {
  const y = ops.conv2d(conv, f, f)
  is<Same<typeof y, Float32Array>>()
  ops.conv2d({ ...conv, spikes: true, weightType: 'int8' }, u, i8, f)
  ops.conv2d({ ...conv, spikes: true, moments: true }, u, f).moments.fill(0)
  const known: ops.OptionsOf<typeof ops.conv2d> = conv
  ops.conv2d.plan(known)
  const slow = ops.conv2d.plan({ ...conv, threads: 2 })
  is<Same<ReturnType<(typeof slow)['run']>, Promise<Float32Array>>>()
  const made = ops.lif({ input: [4, 4] }, f)
  is<Same<typeof made.spikes, Uint8Array>>()
  const spikes = ops.lif({ input: [4, 4], outputs: ['spikes'] }, f)
  is<Same<typeof spikes, Uint8Array>>()
  const both = ops.relu({ input: [4, 4], outputs: ['counts', 'output'] }, f)
  is<Same<typeof both.counts, Uint8Array>>()
  const time = { mode: 'time', input: [1, 4, 4], learnable: true } as const
  ops.lifBackward(time, f, f, f).wGradient.fill(0)
  ops.crossEntropy({ input: [1, 4] }, f, i32, { valid: 1 }).loss.fill(0)
  const name = ({ opName }: ops.PlanInfo): string => opName
  name(ops.relu.plan({ input: [1, 2] }))

  // @ts-expect-error a result of several threads is a promise
  slow.run(f, f).fill(0)
  // @ts-expect-error counts that nobody asked for
  ops.relu({ input: [4, 4], outputs: ['output'] }, f).counts
}

export function plans(): void {
  const plan = ops.conv2d.plan({ ...conv, spikes: flag, sources: 2, bias: flag })
  plan.run(undefined, u, f, f)
  plan.run()
  const { input2 } = plan
  input2.fill(1)
  plan.bias?.fill(1)
  const sum = ops.add.plan({ terms: [{ input: [1, 4], affine: true }, { input: [1, 4] }] })
  const { input0, scale0, shift0, input1 } = sum
  sum.run(input0, scale0, shift0, input1)
  const carried = ops.lif.plan({ input: [4, 4], outputs: ['potential', 'spikes'] })
  carried.run(f, undefined, { step: 2 }).potential.fill(0)
  ops.sgd.plan({ shape: [4] }).run(f, f, f, { lr: 0.1 })

  // @ts-expect-error memory that options may not ask for
  ops.lif.plan({ input: [4, 4] }).scale.fill(0)
  // @ts-expect-error no such memory
  ops.relu.plan({ input: [1, 4] }).result
  // @ts-expect-error memory is written to, not replaced
  ops.relu.plan({ input: [1, 4] }).output = f
}

export function arguments_(): void {
  // @ts-expect-error bytes
  ops.scale({ input: [1, 4], factor: [1] }, u)
  // @ts-expect-error numbers of 64 bits
  ops.lif({ input: [4, 4] }, f64)
  // @ts-expect-error classes are integers
  ops.crossEntropy({ input: [1, 4] }, f, u)
  // @ts-expect-error no such setting
  ops.lif({ input: [4, 4], outputs: ['potential'] }, f, { stepp: 1 })
  // @ts-expect-error it has no settings
  ops.groupNorm({ input: [4, 4], groups: 1 }, f, f, f, { step: 1 })
}

export function options(): void {
  // @ts-expect-error no shape
  ops.relu.plan({})
  // @ts-expect-error no such option
  ops.relu.plan({ input: [1, 4], thread: 2 })
  // @ts-expect-error no such output
  ops.lif({ input: [4, 4], outputs: ['spike'] }, f)
  // @ts-expect-error no such algorithm
  ops.conv2d({ ...conv, algorithm: 'winogradd' }, f, f)
  // @ts-expect-error an algorithm of another op
  ops.conv2dInputGradient({ ...conv, algorithm: 'lists' }, f, f)
  // @ts-expect-error three strides
  ops.conv2d.plan({ ...conv, stride: [1, 1, 1] })
  // @ts-expect-error no such surrogate
  ops.lif({ input: [4, 4], surrogate: 'sigmoidd' }, f)
  // @ts-expect-error no mode
  ops.lifBackward.plan({ input: [1, 4] })
  // @ts-expect-error a term without a shape
  ops.add.plan({ terms: [{ spikes: true }] })
}
