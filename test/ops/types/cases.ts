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
const shape: readonly number[] = [1, 1, 2, 2]
const conv = { input: [1, 1, 2, 2], weight: [1, 1, 1, 1] } as const

/** Whether two types are one. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <Wanted extends true>(..._: Wanted[]): void => undefined

export function convolutions(): void {
  const y = ops.conv2d(conv, f, f)
  is<Same<typeof y, Float32Array>>()
  ops.conv2d({ ...conv, input: shape, stride: [1, 1], bias: true }, f, f, f)
  ops.conv2d({ ...conv, spikes: true }, u, f)
  ops.conv2d({ ...conv, spikes: true, weightType: 'int8' }, u, i8, f)
  ops.conv2d({ ...conv, spikes: true, sources: 3 }, u, u, u, f)
  const both = ops.conv2d({ ...conv, spikes: true, moments: true }, u, f)
  is<Same<typeof both, ops.ForwardResults>>()
  const plan = ops.conv2d.plan({ ...conv, spikes: true, sources: 2, bias: true })
  is<Same<typeof plan.input2, Uint8Array>>()
  plan.run(undefined, u, f, f).fill(plan.bias[0] ?? 0)
  plan.run()
  const either = ops.conv2d.plan({ ...conv, spikes: flag, bias: flag })
  either.run(flag ? u : f, f, f)
  either.bias?.fill(1)
  const known: ops.Conv2dOptions = conv
  ops.conv2d.plan(known).run(u, f)
  ops.linear({ input: [2, 3], weight: [4, 3] }, f, f)
  ops.conv2dWeightGradient({ ...conv, counts: true, timeSteps: 4 }, u, f)
  ops.conv2dWeightGradient({ ...conv, spikes: true, accumulate: true }, u, f, f)
  is<Same<ReturnType<(typeof slow)['run']>, Promise<Float32Array>>>()

  // @ts-expect-error bytes without spikes
  ops.conv2d(conv, u, f)
  // @ts-expect-error floats with spikes
  ops.conv2d({ ...conv, spikes: true }, f, f)
  // @ts-expect-error a weight of bytes without its type
  ops.conv2d({ ...conv, spikes: true }, u, i8)
  // @ts-expect-error a weight of floats with the type of bytes
  ops.conv2d({ ...conv, spikes: true, weightType: 'int8' }, u, f, f)
  // @ts-expect-error bytes as weights need spikes
  ops.conv2d({ ...conv, weightType: 'int8' }, f, i8, f)
  // @ts-expect-error pooling is of spikes
  ops.conv2d({ ...conv, pool: { kernelSize: 2 } }, f, f)
  // @ts-expect-error a bias that no option asks for
  ops.conv2d(conv, f, f, f)
  // @ts-expect-error no weight
  ops.conv2d(conv, f)
  // @ts-expect-error no such algorithm
  ops.conv2d({ ...conv, algorithm: 'winogradd' }, f, f)
  // @ts-expect-error an algorithm of another op
  ops.conv2dInputGradient({ ...conv, algorithm: 'lists' }, f, f)
  // @ts-expect-error three strides
  ops.conv2d.plan({ ...conv, stride: [1, 1, 1] })
  // @ts-expect-error a wrong rank
  ops.conv2d.plan({ ...conv, input: [1, 1] })
  // @ts-expect-error an input of a source that there is not
  ops.conv2d.plan({ ...conv, spikes: true, sources: 2 }).input3
  // @ts-expect-error counts without steps
  ops.conv2dWeightGradient({ ...conv, counts: true }, u, f)
  // @ts-expect-error spikes and counts
  ops.conv2dWeightGradient({ ...conv, spikes: true, counts: true, timeSteps: 4 }, u, f)
  // @ts-expect-error steps without counts
  ops.conv2dWeightGradient({ ...conv, timeSteps: 4 }, f, f)
  // @ts-expect-error floats as counts
  ops.linearWeightGradient({ input: [2, 3], weight: [4, 3], counts: true, timeSteps: 2 }, f, f)
}
const slow = ops.conv2d.plan({ ...conv, threads: 2 })

export function neurons(): void {
  const made = ops.lif({ input: [4, 4] }, f)
  is<Same<typeof made.spikes, Uint8Array>>()
  const spikes = ops.lif({ input: [4, 4], outputs: ['spikes'] }, f)
  is<Same<typeof spikes, Uint8Array>>()
  const all = { input: [4, 4], affine: true, learnable: true, shortcut: true } as const
  const plan = ops.lif.plan({ ...all, residual: { affine: true } })
  for (const own of [plan.scale, plan.shift, plan.residual, plan.residualScale, plan.w]) own.fill(1)
  is<Same<typeof plan.shortcut, Uint8Array>>()
  plan.run(f, f, f, f, f, f, u, f).eligibilities.fill(0)
  const carried = ops.lif.plan({ input: [4, 4], outputs: ['potential', 'spikes'] })
  carried.run({ step: 0 }).potential.fill(0)
  carried.run(f, undefined, { step: 2 })
  const options: ops.LifOptions = { input: [1, 4], affine: flag }
  ops.lif.plan(options).scale?.fill(1)
  const rate = ops.lifBackward.plan({ mode: 'rate', input: [1, 4], deltas: [{}, {}] })
  rate.run(rate.delta0, rate.delta1, rate.eligibilities)
  const time = { mode: 'time', input: [1, 4, 4], learnable: true } as const
  ops.lifBackward(time, f, f, f).wGradient.fill(0)

  // @ts-expect-error bytes
  ops.lif({ input: [4, 4] }, u)
  // @ts-expect-error numbers of 64 bits
  ops.lif({ input: [4, 4] }, f64)
  // @ts-expect-error no such setting
  ops.lif({ input: [4, 4], outputs: ['potential'] }, f, { stepp: 1 })
  // @ts-expect-error a run that does not go on has no step
  ops.lif({ input: [4, 4] }, f, { step: 1 })
  // @ts-expect-error no such output
  ops.lif({ input: [4, 4], outputs: ['spike'] }, f)
  // @ts-expect-error no output
  ops.lif({ input: [4, 4], outputs: [] }, f)
  // @ts-expect-error no such surrogate
  ops.lif({ input: [4, 4], surrogate: 'sigmoidd' }, f)
  // @ts-expect-error memory that no option asks for
  ops.lif.plan({ input: [4, 4] }).scale
  // @ts-expect-error no eligibilities
  ops.lifBackward({ mode: 'rate', input: [1, 4] }, f)
  // @ts-expect-error eligibilities are floats
  ops.lifBackward({ mode: 'rate', input: [1, 4] }, f, u)
  // @ts-expect-error of another mode
  ops.lifBackward({ mode: 'rate', input: [1, 4], learnable: true }, f, f)
  // @ts-expect-error no gradient
  ops.lifBackward.plan({ mode: 'rate', input: [1, 4], deltas: [] })
}

export function others(): void {
  const sum = ops.add.plan({ terms: [{ input: [1, 4], affine: true }, { input: [1, 4] }] })
  sum.run(sum.input0, sum.scale0, sum.shift0, sum.input1)
  ops.dropout.plan({ input: [1, 4], spikes: true }).counts.fill(0)
  ops.dropout.plan({ input: [1, 4] }).run({ seed: 3 })
  ops.trace.plan({ input: [1, 4, 4] }).run(f, { step: 3 })
  ops.timeSum.plan({ input: [1, 4, 4], carry: true }).run({ step: 0 })
  ops.relu.plan({ input: [4, 4], outputs: ['counts'] }).run({ step: 0 })
  const normalise = ops.batchNorm.plan({ input: [4, 4] })
  normalise.run(f, f, f, f, undefined)
  normalise.weight.fill(1)
  ops.batchNorm({ input: [4, 4], affine: false }, f)
  const back = ops.batchNormBackward.plan({ input: [1, 4] })
  back.run(back.delta, back.input, back.mean, back.invStd, back.weight)
  ops.reluBackward.plan({ input: [1, 4] }).output.fill(0)
  const largest = ops.maxPool2d({ input: [1, 1, 2, 2], kernelSize: 2 }, f)
  is<Same<typeof largest, Float32Array>>()
  const pooled = { input: [1, 1, 2, 2], kernelSize: 2, spikes: true } as const
  ops.maxPool2d.plan({ ...pooled, outputs: ['choice'] }).choice.fill(0)
  const step = ops.sgd.plan({ shape: [4] })
  step.run({ lr: 0.1 })
  step.run(f, f, f, undefined)
  step.run(f, f, f, { lr: 0.1 })
  const loss = ops.crossEntropy.plan({ input: [1, 4] })
  loss.run(f, i32, { valid: 1 }).loss.fill(0)
  const name = ({ opName }: ops.PlanInfo): string => opName
  name(ops.relu.plan({ input: [1, 2] }))

  // @ts-expect-error no term
  ops.add.plan({ terms: [] })
  // @ts-expect-error no term
  ops.gradientSum.plan({ input: [1, 4], terms: [] })
  // @ts-expect-error a term of a wrong rank
  ops.add.plan({ terms: [{ input: [4] }] })
  // @ts-expect-error no such option of a term
  ops.add.plan({ terms: [{ input: [1, 4], scal: 2 }] })
  // @ts-expect-error no such option of a gradient
  ops.lifBackward.plan({ mode: 'time', input: [1, 4, 4], deltas: [{ stil: true }] })
  // @ts-expect-error counts without the option
  ops.reluBackward({ input: [1, 4] }, f, u)
  // @ts-expect-error spikes without the option
  ops.maxPool2d(largestOf, u)
  // @ts-expect-error counts of floats
  ops.dropout.plan({ input: [1, 4], outputs: ['counts'] })
  // @ts-expect-error classes are integers
  ops.crossEntropy({ input: [1, 4] }, f, f)
  // @ts-expect-error neither weight nor bias
  ops.batchNorm({ input: [1, 4], affine: false }, f, f, f, f, f)
  // @ts-expect-error it runs on one thread
  ops.matmul.plan({ a: [1, 1], b: [1, 1], threads: 2 })
  // @ts-expect-error no such option
  ops.relu.plan({ input: [1, 4], thread: 2 })
  // @ts-expect-error memory is written to, not replaced
  ops.relu.plan({ input: [1, 4] }).output = f
  // @ts-expect-error a result of several threads is a promise
  slow.run(f, f).fill(0)
}
const largestOf = { input: [1, 1, 2, 2], kernelSize: 2 } as const
