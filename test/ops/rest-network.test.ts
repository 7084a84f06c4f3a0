/**
 * Ops of normalisation, pooling, sums, losses and SGD are records of networks: for each record that
 * networks plan there is an op whose record has the same words, but for addresses. And what a
 * network shows has the same bits.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { storedChannels } from '../../src/compile/layout.js'
import { makePlan, type Plan, type PlanOptions } from '../../src/compile/plan.js'
import type { PlannedRecord } from '../../src/compile/program.js'
import type { TrainingSpec } from '../../src/compile/training.js'
import {
  batchNorm2d,
  conv2d,
  flatten,
  lif,
  linear,
  type RatePenalty,
  sequential,
  sgd,
} from '../../src/index.js'
import { materialise as materialiseRecord } from '../../src/kernels/records/activity.js'
import type { BatchNorm2d } from '../../src/nn/layers/index.js'
import * as ops from '../../src/ops/index.js'
import { randomPlanOptions } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { distinctRecords, expectSameRecord } from '../support/op-records.js'
import { nameOf, Op } from '../support/operations.js'
import { expectSameBits, randomShapes } from '../support/ops.js'

type Fields = Readonly<Record<string, number | undefined>>
type Numbers = Readonly<Record<string, number>>
type Planned = object | undefined

/** A record of a network with what surrounds it. */
interface Found {
  readonly plan: Plan
  readonly record: PlannedRecord
  /** Records of the same layer in the same program. */
  readonly beside: readonly PlannedRecord[]
  /** Images of a run. */
  readonly images: number
  readonly fields: Fields
  readonly n: Numbers
  /** [C, H, W] of the layer's output. */
  readonly shape: readonly number[]
}

const besideOf = ({ beside }: Found, op: number): Fields | undefined =>
  beside.find((record) => record.op === op)?.fields as Fields | undefined

const timed = (T: number, B: number, ...shape: number[]): number[] => [
  B,
  ...(T > 1 ? [T] : []),
  ...shape,
]

/** Channels of the layer that are stored as so many: a linear layer's as one pixel. */
const channelsOf = ({ shape: [C] }: Found, stored: number): number =>
  storedChannels(C) === stored ? C : stored

function batchNorm(found: Found): Planned {
  const { n, fields, images, record, plan, shape } = found
  const [, h, w] = shape
  const layer = plan.options.graph.nodes[record.layer].layer as BatchNorm2d
  const options = { eps: layer.eps, momentum: layer.momentum }
  const C = channelsOf(found, n.channels)
  if (record.op === Op.NormEvaluate)
    return ops.batchNorm.plan({ ...options, input: [images, C, h, w], training: false })
  // Statistics over all time are another op's.
  if (record.op === Op.NormFinish && besideOf(found, Op.NormAllTime)) return undefined
  const finish = besideOf(found, Op.NormFinish) as Numbers
  const T = finish.rows / (images * h * w)
  const byStep = 'moves' in finish && finish.moves !== undefined
  const still = byStep ? finish.moves : finish.repeats
  // One call of several adds up to means over all of them.
  if (finish.totalSteps !== T * still) return undefined
  const fromSums = besideOf(found, Op.NormStatistics) === undefined
  return ops.batchNorm.plan({
    ...options,
    input: timed(T, images, C, h, w),
    stepMode: byStep ? 's' : 'm',
    ...(T === 1 && { timeSteps: still }),
    ...(fromSums && { moments: [finish.units, 4, n.channels] }),
    outputs: ['mean', 'invStd', ...(fields.meanInvStd ? (['meanInvStd'] as const) : [])],
  })
}

function batchNormBackward(found: Found): Planned {
  const { images, shape, n } = found
  const [, h, w] = shape
  const reduce = besideOf(found, Op.NormBackwardReduce) as Fields
  const finish = besideOf(found, Op.NormBackwardFinish) as Fields
  // Statistics over all time are those of the steps before.
  if (finish.used !== undefined) return undefined
  const T = (finish.rows as number) / (images * h * w)
  return ops.batchNormBackward.plan({
    input: timed(T, images, channelsOf(found, n.channels), h, w),
    normalised: reduce.xhat !== undefined,
    stepMode: n.groups > 1 || finish.meanInvStd !== undefined ? 's' : 'm',
    accumulate: Boolean(finish.accumulate),
  })
}

const windowsOf = (n: Numbers) => ({
  kernelSize: [n.kernelH, n.kernelW] as const,
  stride: [n.strideH, n.strideW] as const,
  padding: [n.padH, n.padW] as const,
})

function maxPool(found: Found): Planned {
  const { n, fields, images, record } = found
  // No op chooses by rates as the authors do.
  if (n.loop || n.countsOfRates) return undefined
  const C = channelsOf(found, n.channels)
  const window = windowsOf(n)
  const spikes = record.op === Op.MaxPool
  const back = record.op === Op.MaxPoolBackward
  const [h, w] = back ? [n.height, n.width] : [n.sourceH, n.sourceW]
  const perStep = record.op === Op.MaxPoolFloats ? !fields.chooser : Boolean(n.choicePerStep)
  const options = {
    ...window,
    input: timed(n.steps, images, C, h, w),
    choice: perStep ? ('step' as const) : ('rate' as const),
  }
  if (back) return ops.maxPool2dBackward.plan(options)
  // The sum of the calls of a loop chooses among floats of one step.
  if (n.steps === 1 && fields.chooser) return undefined
  const outputs = fields.choice ? (['output', 'choice'] as const) : (['output'] as const)
  return ops.maxPool2d.plan({ ...options, spikes, outputs })
}

/** Whether a window is one. */
const isPooled = (n: Numbers): boolean =>
  n.kernelH * n.kernelW * n.strideH * n.strideW > 1 || n.padH + n.padW > 0

/** Whether a sum reads counts of spikes, which are over `totalSteps`. */
const countsAre = ({ mean, terms }: Fields): boolean =>
  Boolean(mean) && (terms as unknown as Fields[]).some(({ counts }) => counts !== undefined)

function add({ n, fields, images, plan, record }: Found): Planned {
  const { timeSteps, graph } = plan.options
  // A mean within a network says its steps, which the kernel does not read.
  if (graph.nodes[record.layer].kind === 'timeMean') return undefined
  const mean = Boolean(n.mean)
  const T = mean ? timeSteps : n.steps
  const all = fields.terms as unknown as readonly Numbers[]
  // C as stored does, but beside an image, which has its own.
  const { channels } = all.find(({ indirect }) => indirect) ?? n
  const terms = all.map((of) => {
    const spikes = of.kind === 1
    const image = Boolean(of.indirect)
    const own = mean ? of.steps : of.stepBytes > 0 ? T : 1
    const [h, w] = [of.sourceH, of.sourceW]
    return {
      input: timed(spikes ? T : own, images, channels, h, w),
      spikes,
      image,
      scale: of.scale * of.kernelH * of.kernelW,
      affine: of.scaleVector ? (of.groupBytes > 0 ? ('steps' as const) : true) : false,
      ...(isPooled(of) && windowsOf(of)),
      isPart: of.loopBytes > 0 || (image && T === 1 && of.stepBytes > 0),
    }
  })
  // Frames of a loop outside, or a single one, which is no still image; counts over all calls.
  if (terms.some(({ isPart }) => isPart)) return undefined
  if (countsAre(fields) && n.totalSteps !== T) return undefined
  const few = terms.some(
    ({ image, input }) => image && storedChannels(input.at(-3) as number) > n.channels,
  )
  if (few) return undefined
  return ops.add.plan({ mean, terms: terms.map(({ isPart: _, ...term }) => term) })
}

function gradientSum({ n, fields, images }: Found): Planned {
  const terms = (fields.contributions as unknown as Numbers[]).map((of) => ({
    scale: of.scale * of.kernelH * of.kernelW,
    ...(isPooled(of) && windowsOf(of)),
    ...(n.steps > 1 && of.stepBytes === 0 && { still: true }),
  }))
  return ops.gradientSum.plan({
    input: timed(n.steps, images, n.channels, n.height, n.width),
    terms,
  })
}

function ends({ n, fields, images, record }: Found): Planned {
  if (n.totalSteps !== n.steps) return undefined
  const T = n.stepBytes > 0 ? n.steps : 1
  const options = { input: timed(T, images, n.classes), ...(T === 1 && { timeSteps: n.steps }) }
  if (record.op === Op.Output) return ops.timeMean.plan(options)
  const near = (a: number): boolean => Math.abs(n.gradientScale * a - 1) < 1e-6
  const over = near(images) ? 'images' : 'imagesAndSteps'
  const outputs = fields.delta ? (['loss', 'gradient'] as const) : (['loss'] as const)
  const of = n.outputScale ? 'counts' : 'rates'
  const factor = n.outputScale ?? 1
  if (record.op === Op.Tet)
    return n.allSteps
      ? ops.tet.plan({ ...options, lambda: n.lambda, mean: n.mean, outputs })
      : undefined
  if (record.op === Op.MeanSquaredError) {
    // Online methods have one of each step.
    if (n.instantaneous) return undefined
    const rates = fields.values
      ? ({ targets: 'values' } as const)
      : { correctRate: n.high / factor, incorrectRate: n.low / factor }
    return ops.mse.plan({ ...options, ...rates, of, over, outputs })
  }
  return ops.crossEntropy.plan({
    ...options,
    mseWeight: n.mseWeight,
    labelSmoothing: n.labelSmoothing,
    of,
    instantaneous: Boolean(n.instantaneous),
    over,
    outputs,
  })
}

function penalty({ n, fields, images, shape, plan }: Found): Planned {
  const neurons = shape[0] * shape[1] * shape[2]
  const norm = fields.absolute ? 'L1' : 'L2'
  // There is at most one of each.
  const { penalties } = plan.options.training as TrainingSpec
  const { weight } = penalties.find((one) => one.norm === norm) as RatePenalty
  const near = (a: number): boolean => Math.abs(n.scale / a - 1) < 1e-6
  return ops.ratePenalty.plan({
    input: [images, shape[0], shape[1], shape[2]],
    timeSteps: plan.options.timeSteps,
    weight,
    norm,
    target: n.target,
    over: near(weight / neurons) ? 'images' : 'imagesAndSteps',
  })
}

/** The op of a record; undefined where a network's loop over calls has it in parts. */
function opOf(found: Found): Planned | 'another' {
  const { n } = found
  switch (found.record.op) {
    case Op.NormStatistics:
    case Op.NormFinish:
    case Op.NormEvaluate:
      return batchNorm(found)
    case Op.NormBackwardReduce:
    case Op.NormBackwardFinish:
    case Op.NormBackwardApply:
      return batchNormBackward(found)
    case Op.MaxPool:
    case Op.MaxPoolFloats:
    case Op.MaxPoolBackward:
      return maxPool(found)
    case Op.Materialise:
      return add(found)
    case Op.GradientSum:
      return gradientSum(found)
    case Op.Output:
    case Op.CrossEntropy:
    case Op.MeanSquaredError:
    case Op.Tet:
      return ends(found)
    case Op.RatePenalty:
      return penalty(found)
    case Op.Sgd:
      return n.otherDecay ? undefined : ops.sgd.plan({ shape: [n.count] })
    case Op.Clear:
      return ops.clear.plan({ shape: [n.floats] })
    case Op.SumScalars:
      return ops.sum.plan({ shape: [n.count] })
    default:
      return 'another'
  }
}

/** Undefined for a network that the method does not train. */
function planOf(options: PlanOptions): Plan | undefined {
  try {
    return makePlan(options, 1)
  } catch (error) {
    if (error instanceof SpikewasmError) return undefined
    throw error
  }
}

test('every record of a network has an op with the same words', () => {
  const seen = new Map<string, { same: number; parts: number }>()
  for (let seed = 1; seed <= 160; seed++) {
    // Images in parts have words of their own.
    const options = { ...randomPlanOptions(testRandom(seed)), gradientCheckpoint: 'none' as const }
    if (options.purpose === 'stream') continue
    const plan = planOf(options)
    if (!plan) continue
    for (const { program, record, records } of distinctRecords(plan)) {
      const fields = record.fields as Fields
      const images = plan.passImages
      const shape = plan.options.graph.nodes[record.layer]?.shape ?? [1, 1, 1]
      const beside = records.filter(({ layer }) => layer === record.layer)
      const n = fields as Numbers
      const op = opOf({ plan, record, beside, images, fields, n, shape })
      if (op === 'another') continue
      const count = seen.get(nameOf(record.op)) ?? { same: 0, parts: 0 }
      seen.set(nameOf(record.op), count)
      if (!op) {
        count.parts++
        continue
      }
      count.same++
      const { method, stepMode, timeSteps } = options
      const what = `seed ${seed}, ${method} ${stepMode} T ${timeSteps}, ${program} ${nameOf(record.op)}`
      const unread =
        record.op === Op.Materialise && !countsAre(fields)
          ? [materialiseRecord.schema.totalSteps.word]
          : []
      expectSameRecord(what, op, record, unread)
    }
  }
  const names = ['Clear', 'CrossEntropy', 'GradientSum', 'Materialise', 'MaxPool']
  const more = ['MaxPoolBackward', 'MaxPoolFloats', 'NormBackwardApply', 'NormBackwardFinish']
  const others = ['NormBackwardReduce', 'NormEvaluate', 'NormFinish', 'NormStatistics', 'Output']
  const losses = ['MeanSquaredError', 'RatePenalty', 'Tet']
  assert.equal([...seen.keys()].sort(), [...names, ...more, ...others, ...losses, 'Sgd'].sort())
  // Outputs and losses of online methods come in parts, which are half of the methods.
  for (const [name, { same, parts }] of seen)
    assert.ok(3 * same >= parts, `${name}: ${same} the same, ${parts} in parts`)
})

test('two steps of SGD and of running statistics have the bits of a model', async () => {
  const r = randomShapes(5)
  const [T, B] = [4, 3]
  const net = sequential(
    conv2d(2, 6, 3, { padding: 1, bias: false }),
    batchNorm2d(6),
    lif(),
    flatten(),
    linear(6 * 25, 4),
  )
  const input = [2, 5, 5] as const
  const shared = { input, timeSteps: T, batchSize: B, frames: true } as const
  const model = await net.compile({ ...shared, method: 'bptt', stepMode: 's' })
  try {
    model.optimizer = sgd({
      lr: 0.3,
      momentum: 0.9,
      weightDecay: 0.01,
      nesterov: true,
      decay: 'all',
    })
    const { lr, momentum, weightDecay, nesterov } = model.optimizer
    const velocities = new Map<string, Float32Array>()
    for (const labels of [
      [0, 1, 2],
      [3, 0, 1],
    ]) {
      const before = model.stateDict()
      const x = r.floats(T * B * 50, 2)
      await model.trainStep(x, labels, { update: false })
      const gradients = model.gradients()
      // Statistics move once: they are those from before.
      model.loadStateDict(before)
      await model.trainStep(x, labels)
      const after = model.stateDict()
      const current = ops.conv2d(
        { input: [B, T, 2, 5, 5], weight: [6, 2, 3, 3], padding: 1 },
        x,
        before['0.weight'].data,
      )
      const running = ['mean', 'var'].map((name) => before[`1.running_${name}`].data.slice())
      ops.batchNorm(
        { input: [B, T, 6, 5, 5], stepMode: 's', outputs: ['scale'] },
        current,
        running[0],
        running[1],
        before['1.weight'].data,
        before['1.bias'].data,
      )
      expectSameBits('running mean', running[0], after['1.running_mean'].data)
      expectSameBits('running variance', running[1], after['1.running_var'].data)
      for (const [name, { data }] of Object.entries(gradients)) {
        const p = before[name].data.slice()
        const v = velocities.get(name) ?? new Float32Array(p.length)
        velocities.set(name, v)
        ops.sgd({ shape: [p.length], lr, momentum, weightDecay, nesterov }, p, data, v)
        expectSameBits(name, p, after[name].data)
        assert.ok(
          p.some((value, i) => value !== before[name].data[i]),
          `${name} has not moved`,
        )
      }
    }
  } finally {
    await model.dispose()
  }
})

test.run()
