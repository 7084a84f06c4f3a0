/**
 * Ops of neurons are records of networks: for each record that networks plan there is an op whose
 * record has the same words, but for addresses. And what a network shows has the same bits.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { storedChannels } from '../../src/compile/layout.js'
import { type MethodOptions, methodOptions } from '../../src/compile/methods.js'
import { makePlan, type Plan } from '../../src/compile/plan.js'
import type { PlannedRecord } from '../../src/compile/program.js'
import {
  avgPool2d,
  batchNorm2d,
  type Cell,
  conv2d,
  dropout,
  flatten,
  type Layer,
  lif,
  linear,
  type NeuronOptions,
  plif,
  relu,
  sequential,
} from '../../src/index.js'
import { KernelSet } from '../../src/kernels/equations/kernel-set.js'
import { reluBackward } from '../../src/kernels/records/activity.js'
import type { ContributionFields } from '../../src/kernels/records/gradient.js'
import { neuronWords } from '../../src/kernels/records/neuron.js'
import { type ModelName, models } from '../../src/model/models/registry.js'
import { trace } from '../../src/network/trace.js'
import * as ops from '../../src/ops/index.js'
import { distinctRecords, expectSameRecord } from '../support/op-records.js'
import { nameOf, Op } from '../support/operations.js'
import { expectSameBits, randomShapes } from '../support/ops.js'

type Numbers = Readonly<Record<string, number>>

const present = (fields: object, name: string): boolean =>
  (fields as Record<string, unknown>)[name] !== undefined

/** Options of the neurons and of what they read. */
function chargeOptions(layer: Cell, fields: object, images: number, { kernels }: Plan) {
  const n = fields as Numbers
  // What stands in the kernel's code, no record has.
  const { spikes } = JSON.parse(kernels?.keys[n.kernel] as string)[3] as { spikes?: number }
  const affine = (scale: string, group: string) =>
    present(fields, scale) ? (n[group] > 0 ? ('steps' as const) : true) : false
  const { tau, decayInput, vThreshold, vReset, detachReset, surrogate, alpha } = layer
  const neuron = { tau, decayInput, vThreshold, vReset } as NeuronOptions
  const still = n.aStepBytes === 0 && n.steps > 1
  const [h, w] = present(fields, 'height') ? [n.height, n.width] : [n.pixels / images, 1]
  const one = [images, n.realChannels, h, w]
  return {
    ...neuron,
    detachReset,
    surrogate,
    alpha,
    learnable: layer.type === 'plif',
    input: still ? one : one.toSpliced(1, 0, n.steps),
    ...(still && { timeSteps: n.steps }),
    affine: affine('aScale', 'aGroupBytes'),
    residual: present(fields, 'b') && {
      affine: affine('bScale', 'bGroupBytes'),
      still: n.bStepBytes === 0 && n.steps > 1,
    },
    shortcut: spikes ?? false,
  }
}

function deltasOf(fields: object, time: boolean): ops.GradientTerm[] {
  const { contributions, steps } = fields as {
    contributions: readonly ContributionFields[]
    steps: number
  }
  const deltas = contributions.map((c): ops.GradientTerm => {
    const { kernelH, kernelW, strideH, strideW, padH, padW, scale } = c
    const pooled = kernelH * kernelW * strideH * strideW > 1
    return {
      scale: scale * kernelH * kernelW,
      ...(pooled && {
        kernelSize: [kernelH, kernelW],
        stride: [strideH, strideW],
        padding: [padH, padW],
      }),
      ...(time && steps > 1 && c.stepBytes === 0 && { still: true }),
    }
  })
  return time && deltas.length === 2 ? deltas.reverse() : deltas
}

/** Shape [B, T, C, 1, pixels / B] of a record that passes over rows. */
const rowsOf = (n: Numbers, images: number): number[] => [
  images,
  n.steps,
  n.channels,
  n.pixels / images,
  1,
]

const tauOf = (lambda: number): number =>
  lambda === 1 ? Number.POSITIVE_INFINITY : 1 / (1 - lambda)

/** Places of kernels, and what evaluation counts beside. */
const { kernel, activity, activityWanted, counting } = neuronWords
const ofNetworks = [kernel, activity, activityWanted, counting]

/** Words that ops have otherwise: also the factor of counts where there are none. */
const unread = ({ op, fields }: PlannedRecord): readonly number[] =>
  op === Op.Neuron || op === Op.NeuronBackwardTime
    ? ofNetworks
    : op === Op.ReluBackward && !present(fields, 'counts')
      ? [reluBackward.schema.factor.word]
      : []

/** The op of a record; undefined for a record that an op has no part in. */
function opOf(plan: Plan, { op, fields, layer: node }: PlannedRecord): object | undefined {
  const images = plan.options.batchSize
  const n = fields as unknown as Numbers
  const layer = plan.options.graph.nodes[node]?.layer
  switch (op) {
    case Op.Neuron: {
      // A normalisation that no neuron reads has silent neurons of its own.
      if (layer?.kind !== 'cell') return undefined
      const names: Partial<
        Record<string, NonNullable<ops.OptionsOf<typeof ops.lif>['outputs']>[number]>
      > = {
        counts: 'counts',
        eligibility: 'eligibilities',
        surrogateOut: 'surrogates',
        aXhat: 'xhat',
        bXhat: 'residualXhat',
        state: 'potential',
      }
      const outputs = Object.entries(names).flatMap(([field, name]) =>
        name && present(fields, field) ? [name] : [],
      )
      const options = {
        ...chargeOptions(layer, fields, images, plan),
        totalSteps: plan.options.timeSteps,
      }
      return ops.lif.plan({ ...options, outputs: ['spikes', ...outputs] })
    }
    case Op.NeuronBackwardTime: {
      const options = chargeOptions(layer as Cell, fields, images, plan)
      const deltas = deltasOf(fields, true)
      const asked = { ...options, mode: 'time', deltas } as const
      return ops.lifBackward.plan(asked as typeof asked & { learnable: false })
    }
    case Op.NeuronBackwardRate:
    case Op.NeuronBackwardOnline: {
      // To the kernel the steps of a pixel are more channels.
      const [C] = plan.options.graph.nodes[node].shape
      const input = [images, n.channels / storedChannels(C), C, n.height, n.width]
      const mode = op === Op.NeuronBackwardRate ? 'rate' : 'online'
      const shape = mode === 'rate' ? input.toSpliced(1, 1) : input
      return ops.lifBackward.plan({ mode, input: shape, deltas: deltasOf(fields, false) })
    }
    case Op.TimeSum:
      return ops.timeSum.plan({ input: rowsOf(n, images), carry: Boolean(n.loop) })
    case Op.Trace:
      return ops.trace.plan({ input: rowsOf(n, images), tau: tauOf(n.lambda) })
    case Op.TraceGradient: {
      const outputs = present(fields, 'before') ? (['before'] as const) : undefined
      return ops.traceGradient.plan({
        input: rowsOf(n, images),
        tau: tauOf(n.lambda),
        ...(outputs && { outputs }),
      })
    }
    case Op.Dropout:
    case Op.DropoutFloats: {
      const random = { p: n.probability, stream: n.stream }
      const input = rowsOf(n, images)
      return op === Op.Dropout
        ? ops.dropout.plan({ ...random, input, spikes: true })
        : ops.dropout.plan({ ...random, input })
    }
    case Op.Relu: {
      const input = rowsOf(n, images)
      return present(fields, 'counts')
        ? ops.relu.plan({ input, outputs: ['output', 'counts'] })
        : ops.relu.plan({ input })
    }
    case Op.ReluBackward: {
      const input = rowsOf(n, images)
      const one = input.toSpliced(1, 1)
      return present(fields, 'counts')
        ? ops.reluBackward.plan({ input: one, counts: true, timeSteps: Math.round(1 / n.factor) })
        : ops.reluBackward.plan({ input })
    }
    default:
      return undefined
  }
}

const chain = (neuron: () => Layer): Layer[] => [
  conv2d(3, 6, 3, { padding: 1 }),
  batchNorm2d(6),
  neuron(),
  avgPool2d(2),
  conv2d(6, 9, 3, { padding: 1 }),
  relu(),
  conv2d(9, 9, 3, { padding: 1 }),
  neuron(),
  dropout(0.2),
  flatten(),
  linear(9 * 16, 10),
]

type Network = ModelName | (() => Layer)

function planOf(network: Network, method: MethodOptions, timeSteps: number, batchSize = 2): Plan {
  const input = [3, 8, 8] as const
  const net =
    typeof network === 'string'
      ? models[network](input, 10, { tau: 2 })
      : sequential(...chain(network))
  const options = { graph: trace(net, input), input, frames: false, inspect: false }
  return makePlan(
    { ...methodOptions(method, timeSteps), ...options, timeSteps, batchSize, purpose: 'train' },
    1,
  )
}

const hard = (): Layer => lif({ vReset: 0, detachReset: false, decayInput: true, tau: 3 })

const networks: readonly [Network, MethodOptions, timeSteps: number][] = [
  ['resnet18', { method: 'rate' }, 4],
  ['resnet18', { method: 'rate', stepMode: 's' }, 10],
  ['resnet18', { method: 'bptt' }, 4],
  ['resnet18', { method: 'bptt', stepMode: 's' }, 3],
  ['resnet18', { method: 'sltt' }, 5],
  ['sewResnet34', { method: 'rate' }, 4],
  ['sewResnet34', { method: 'bptt' }, 2],
  [hard, { method: 'rate' }, 4],
  [hard, { method: 'rate', stepMode: 's' }, 12],
  [hard, { method: 'sltt' }, 5],
  [() => lif({ surrogate: 'erf' }), { method: 'bptt' }, 9],
  [() => plif(), { method: 'bptt' }, 4],
  ['mlp', { method: 'ottt' }, 6],
  ['cnn', { method: 'ottt' }, 6],
]

/** What the kernels of the last op follow from. */
const taken: string[] = []
const { take } = KernelSet.prototype
KernelSet.prototype.take = function (this: KernelSet, key, make) {
  taken.push(key)
  return take.call(this, key, make)
}

test('every record of a network has an op with the same words', () => {
  const seen = new Set<string>()
  for (const [network, method, timeSteps] of networks) {
    const plan = planOf(network, method, timeSteps)
    for (const { program, record } of distinctRecords(plan)) {
      taken.length = 0
      const op = opOf(plan, record)
      if (!op) continue
      const what = `${network} ${JSON.stringify(method)} T ${timeSteps} ${program} ${nameOf(record.op)}`
      expectSameRecord(what, op, record, unread(record))
      const { kernel } = record.fields as unknown as Numbers
      if (kernel !== undefined) assert.is(taken.at(-1), plan.kernels?.keys[kernel], what)
      seen.add(nameOf(record.op))
    }
  }
  assert.equal([...seen].sort(), [
    'Dropout',
    'DropoutFloats',
    'Neuron',
    'NeuronBackwardOnline',
    'NeuronBackwardRate',
    'NeuronBackwardTime',
    'Relu',
    'ReluBackward',
    'TimeSum',
    'Trace',
    'TraceGradient',
  ])
})

/** Neurons of each kind. */
const kinds: readonly NeuronOptions[] = [
  {},
  { tau: 2, surrogate: 'atan', vThreshold: 0.8 },
  { tau: 2, surrogate: 'triangle', decayInput: true, vThreshold: 0.3 },
  { tau: 3, surrogate: 'rectangle', vReset: 0 },
  { tau: 3, surrogate: 'fastSigmoid', vReset: -0.2, detachReset: false },
  { tau: Number.POSITIVE_INFINITY, surrogate: 'piecewiseExp', alpha: 2 },
  { tau: 1.5, surrogate: 'erf', detachReset: false, decayInput: true, vThreshold: 0.4 },
]

test('rates and eligibilities have the bits of a training step', async () => {
  for (const [i, options] of kinds.entries()) {
    const r = randomShapes(i + 1)
    const [T, B] = [i % 2 ? 4 : 9, 3]
    const net = sequential(conv2d(3, 6, 3, { padding: 1 }), lif(options), flatten(), linear(216, 4))
    const model = await net.compile({
      input: [3, 6, 6],
      timeSteps: T,
      batchSize: B,
      frames: true,
      inspect: true,
      seed: i,
    })
    try {
      const x = r.floats(T * B * 108, 3)
      await model.trainStep(x, [0, 1, 2], { update: false })
      const { rate, eligibility } = model.activity('1')
      const { '0.weight': weight, '0.bias': bias } = model.stateDict()
      const conv = ops.conv2d.plan({
        input: [B, T, 3, 6, 6],
        weight: [6, 3, 3, 3],
        padding: 1,
        bias: true,
      })
      const current = conv.run(x, weight.data, bias.data)
      const { counts, eligibilities, spikes } = ops.lif(
        { ...options, input: [B, T, 6, 6, 6], outputs: ['counts', 'eligibilities', 'spikes'] },
        current,
      )
      assert.ok(spikes.includes(1), 'nothing spikes')
      expectSameBits(
        'rates',
        Float32Array.from(counts, (n) => n * (1 / T)),
        rate,
      )
      expectSameBits('eligibilities', eligibilities, eligibility)
    } finally {
      await model.dispose()
    }
  }
})

test.run()
