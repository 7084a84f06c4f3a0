/**
 * Schemas against the kernels: a record reads, writes and needs what its fields say, and nothing
 * else. Each record of random networks' programs runs twice from the same state, with different
 * garbage in all memory that its fields do not call readable, in the worker's scratch too. Both
 * runs must write the same, and no byte beside what may be written.
 */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control, ProgramWord, Rec, SectionWord } from '../../assembly/opcodes.js'
import { SpikewasmError } from '../../src/base/errors.js'
import { methodOptions } from '../../src/compile/methods.js'
import { makePlan, type Plan, type PlanOptions } from '../../src/compile/plan.js'
import type { PlannedRecord } from '../../src/compile/program.js'
import { standardTraining } from '../../src/compile/training.js'
import { instantiateEngine } from '../../src/engine/load.js'
import {
  adaptiveAvgPool2d,
  alif,
  avgPool2d,
  type Block,
  batchNorm2d,
  block,
  conv2d,
  delay,
  dropout,
  flatten,
  groupNorm,
  type Layer,
  layerNorm,
  leakyIntegrator,
  lif,
  linear,
  type Method,
  maxPool2d,
  mse,
  plif,
  ratePenalty,
  recurrent,
  relu,
  scale,
  selfDistillation,
  sequential,
  stabilizedLif,
  tet,
  timeMean,
} from '../../src/index.js'
import { kinds } from '../../src/kernels/records/index.js'
import { accesses } from '../../src/kernels/records/schema.js'
import type { Buffer as PlannedBuffer } from '../../src/kernels/records/words.js'
import type { Module } from '../../src/network/module.js'
import { trace } from '../../src/network/trace.js'
import { randomPlanOptions } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { ofLong } from '../support/long.js'
import { nameOf, Op } from '../support/operations.js'

const seed = Number(process.env.SEED ?? 53)
const PLANS = ofLong(14, 30)
const GARBAGE = [0x00, 0xff]
/** Vectors are stored whole into lists: what stands behind an end is anything, and nobody's. */
const WITH_GAPS: readonly string[] = ['lists']

const module = new WebAssembly.Module(
  readFileSync(new URL('../../wasm/engine.wasm', import.meta.url)),
)

type Execute = (record: number, unit: number, t: number, scratch: number) => void

interface Range {
  readonly from: number
  readonly to: number
}
const rangeOf = ({ address, bytes }: PlannedBuffer): Range => ({
  from: address,
  to: address + bytes,
})

/** What a record may do to a buffer, over all its fields. */
interface Effect extends Range {
  readonly name: string
  reads: boolean
  writes: boolean
}

function effectsOf(record: PlannedRecord, t: number): Effect[] {
  const effects = new Map<PlannedBuffer, Effect>()
  for (const { name, buffer, use } of accesses(record.schema, record.fields)) {
    const effect = effects.get(buffer) ?? { ...rangeOf(buffer), name, reads: false, writes: false }
    // State that is carried on starts from anything.
    effect.reads ||= use === 'reads' || use === 'updates' || (use === 'carries' && t > 0)
    effect.writes ||= use !== 'reads'
    effects.set(buffer, effect)
  }
  return [...effects.values()]
}

class Machine {
  private readonly memory: WebAssembly.Memory
  private readonly execute: Execute
  private readonly bytes: Buffer
  private readonly view: DataView
  /** How many records were checked, by operation. */
  readonly checked = new Map<number, number>()
  /** Images of the memory, taken again for each record: to make one takes longer than to fill it. */
  private readonly state: Buffer
  private readonly expected: Buffer
  private readonly runs: readonly { garbage: number; before: Buffer; after: Buffer }[]

  constructor(
    private readonly plan: Plan,
    random: () => number,
  ) {
    const { named, encoded, encodedAt, memory, options } = plan
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(memory.total / 65536) })
    const engine = instantiateEngine(module, this.memory)
    engine.take(plan.kernels?.module(this.memory))
    this.execute = engine.execute
    this.bytes = Buffer.from(this.memory.buffer)
    this.view = new DataView(this.memory.buffer)
    const image = (): Buffer => Buffer.alloc(this.bytes.length)
    this.state = image()
    this.expected = image()
    this.runs = GARBAGE.map((garbage) => ({ garbage, before: image(), after: image() }))
    this.bytes.set(encoded.bytes, encodedAt)
    const fill = (buffer: PlannedBuffer, next: () => number): void => {
      const floats = new Float32Array(this.memory.buffer, buffer.address, buffer.bytes / 4)
      floats.forEach((_, i) => {
        floats[i] = next()
      })
    }
    fill(named.parameters, () => random() - 0.4)
    for (const { weight, scale } of plan.byteWeights) {
      const bytes = new Int8Array(this.memory.buffer, weight.address, weight.bytes)
      bytes.forEach((_, i) => {
        bytes[i] = Math.floor(random() * 255) - 127
      })
      fill(scale, () => random() * 0.01)
    }
    fill(named.statistics, () => 1)
    if (named.training) {
      const { states, gradients, numbers } = named.training
      for (const buffer of [...Object.values(states), gradients]) fill(buffer, random)
      if (numbers) fill(numbers, random)
    }
    fill(named.images[0], random)
    for (const [word, value] of [
      [Control.Input, named.images[0].address],
      [Control.Target, (named.targets[0] ?? named.labels[0]).address],
      [Control.Valid, options.batchSize],
      [Control.StepMask, 0xffffffff],
      [Control.Seed, 7],
    ])
      this.view.setUint32(word, value, true)
    if (named.activityWanted) this.view.setUint32(named.activityWanted.address, 1, true)
    for (const word of [Control.LearningRate, Control.Momentum, Control.Decay])
      this.view.setFloat32(word, 0.01, true)
  }

  run(address: number, sections: readonly { records: readonly PlannedRecord[] }[], title: string) {
    const word = (at: number): number => this.view.getUint32(at, true)
    let section = address + ProgramWord.Bytes
    for (const { records } of sections) {
      for (let call = 0; call < word(section + SectionWord.Repeats * 4); call++) {
        const t =
          word(section + SectionWord.From * 4) + call * word(section + SectionWord.Steps * 4)
        for (const [i, record] of records.entries()) {
          const at = word(section + SectionWord.Records * 4) + i * Rec.Bytes
          const condition = word(at + Rec.Condition * 4)
          if (typeof record.condition === 'object' && word(condition) === 0) continue
          this.check(at, record, t, `${title}: ${nameOf(record.op)}, t = ${t}`)
          this.execute_(at, record, t)
        }
      }
      section += SectionWord.Bytes
    }
  }

  private execute_(at: number, { units }: PlannedRecord, t: number): void {
    for (let unit = 0; unit < units; unit++) this.execute(at, unit, t, this.plan.workerScratchAt)
  }

  private check(at: number, record: PlannedRecord, t: number, title: string): void {
    this.checked.set(record.op, (this.checked.get(record.op) ?? 0) + 1)
    const { state, expected, runs } = this
    state.set(this.bytes)
    const { encoded, encodedAt, named, workerScratchAt } = this.plan
    const control = { from: 0, to: Control.Bytes }
    const effects = effectsOf(record, t)
    const readable: Range[] = [
      control,
      { from: encodedAt, to: encodedAt + encoded.bytes.length },
      ...[...named.images, ...named.labels, ...named.targets].map(rangeOf),
      ...effects.filter(({ reads }) => reads),
    ]
    const writable: Range[] = [
      control,
      { from: workerScratchAt, to: workerScratchAt + record.scratch },
      ...effects.filter(({ writes }) => writes),
    ]
    for (const { garbage, before, after } of runs) {
      before.fill(garbage)
      for (const { from, to } of readable) state.copy(before, from, from, to)
      this.bytes.set(before)
      this.execute_(at, record, t)
      after.set(this.bytes)
      expected.set(before)
      for (const { from, to } of writable) after.copy(expected, from, from, to)
      if (!expected.equals(after)) {
        const stray = after.findIndex((byte, i) => byte !== expected[i])
        throw new Error(`${title} writes at ${stray}, ${this.placeOf(stray)}`)
      }
    }
    const [a, b] = runs
    for (const { name, from, to, reads } of [
      ...effects.filter(({ writes }) => writes),
      { ...control, name: 'the control block', reads: true },
    ]) {
      if (WITH_GAPS.includes(name) || a.after.compare(b.after, from, to, from, to) === 0) continue
      for (let i = from; i < to; i++) {
        const same = a.after[i] === b.after[i]
        const untouched = a.after[i] === a.before[i] && b.after[i] === b.before[i]
        if (!same && (reads || !untouched))
          throw new Error(
            `${title}: byte ${i - from} of ${name} depends on memory that no field calls readable`,
          )
      }
    }
    this.bytes.set(state)
  }

  private placeOf(at: number): string {
    const found = this.plan.buffers.filter((b) => at >= b.address && at < b.address + b.bytes)
    return found.length > 0 ? found.map(({ name }) => name).join(' or ') : 'between buffers'
  }
}

/** Checks all programs of a plan; counts the checked records by operation. */
function checkPlan(
  options: PlanOptions,
  title: string,
  random: () => number,
  checked: Map<number, number>,
): void {
  const plan = makePlan(options, 1)
  const machine = new Machine(plan, random)
  for (const [name, { address, sections }] of Object.entries(plan.programs))
    machine.run(address, sections, `${title}, ${options.method} ${options.stepMode}, ${name}`)
  for (const [op, times] of machine.checked) checked.set(op, (checked.get(op) ?? 0) + times)
}

const planOptions = (
  network: Block,
  input: readonly [number, number, number],
  method: Method,
  timeSteps = 4,
): PlanOptions => ({
  ...methodOptions({ method }, timeSteps),
  graph: trace(network, input),
  input,
  frames: false,
  inspect: false,
  timeSteps,
  batchSize: 4,
})

/** How many records of each operation were checked, in all tests together. */
const checked = new Map<number, number>()

test(`records of ${PLANS} random plans do to memory what their fields say`, () => {
  const random = testRandom(seed)
  const others = testRandom(seed)
  for (let round = 0, made = 0; made < PLANS; round++) {
    assert.ok(round < 5 * PLANS, `too few networks can be planned: ${made} of ${round}`)
    const options = { ...randomPlanOptions(random), batchSize: 2 }
    try {
      checkPlan(options, `round ${round} seed=${seed}`, random, checked)
      if (options.purpose !== 'train')
        checkPlan({ ...options, weights: 'int8' }, `round ${round}, int8`, others, checked)
      made++
    } catch (error) {
      // Networks that a method does not take.
      if (!(error instanceof SpikewasmError)) throw error
    }
  }
})

test('so do those of larger networks, which have kernels of their own', () => {
  const random = testRandom(seed)
  const input = [3, 32, 32] as const
  const network = sequential(
    conv2d(3, 16, 3, { padding: 1 }),
    lif(),
    conv2d(16, 16, 3, { padding: 1 }),
    batchNorm2d(16),
    lif(),
    conv2d(16, 32, 3, { padding: 1 }),
    maxPool2d(2),
    batchNorm2d(32),
    lif(),
    conv2d(32, 32, 3, { padding: 1, groups: 2 }),
    lif(),
    conv2d(32, 16, 3, { padding: 1, stride: 2, standardise: true }),
    lif(),
    flatten(),
    linear(16 * 8 * 8, 5),
  )
  for (const method of ['rate', 'bptt'] as const)
    checkPlan({ ...planOptions(network, input, method), batchSize: 2 }, 'larger', random, checked)
})

test('so do those of a depthwise convolution on spikes and of a learnable tau', () => {
  const random = testRandom(seed)
  const input = [1, 8, 8] as const
  const network = (neurons: Module): Block =>
    sequential(
      conv2d(1, 16, 3, { padding: 1 }),
      lif(),
      conv2d(16, 16, 3, { padding: 1, groups: 16 }),
      neurons,
      flatten(),
      linear(16 * 8 * 8, 3),
    )
  checkPlan(planOptions(network(lif()), input, 'rate'), 'depthwise', random, checked)
  checkPlan(planOptions(network(lif()), input, 'sltt'), 'depthwise', random, checked)
  checkPlan(planOptions(network(plif()), input, 'bptt'), 'plif', random, checked)
})

test('so do those of traces, in one call of several steps and in several', () => {
  const input = [2, 6, 6] as const
  const network = sequential(
    conv2d(2, 8, 3),
    lif(),
    conv2d(8, 8, 3, { stride: 2 }),
    lif(),
    flatten(),
    linear(8, 3),
  )
  for (const timeSteps of [3, 5])
    checkPlan(planOptions(network, input, 'ottt', timeSteps), 'traces', testRandom(seed), checked)
})

test('so do those of relu, by its counts and by its output', () => {
  const input = [2, 6, 6] as const
  const network = sequential(
    conv2d(2, 8, 3),
    relu(),
    conv2d(8, 8, 3),
    relu(),
    flatten(),
    linear(32, 3),
  )
  for (const method of ['rate', 'bptt', 'sltt'] as const)
    checkPlan(planOptions(network, input, method), 'relu', testRandom(seed), checked)
})

test('so do those of dropout, of spikes and of currents', () => {
  const input = [2, 6, 6] as const
  const layers = [conv2d(2, 8, 3), lif(), dropout(0.3), conv2d(8, 8, 3), dropout(0.3), lif()]
  const network = sequential(...layers, flatten(), linear(32, 3))
  for (const method of ['rate', 'bptt', 'sltt'] as const)
    checkPlan(planOptions(network, input, method), 'dropout', testRandom(seed), checked)
})

test('so do those of cells', () => {
  const input = [2, 6, 6] as const
  const network = (cell: Layer): Block =>
    sequential(conv2d(2, 5, 3), cell, maxPool2d(2), flatten(), linear(20, 6), leakyIntegrator())
  const each = Array.from({ length: 80 }, (_, i) => 1 + i / 100)
  const learn = ['tau', 'vThreshold', 'tauSyn', 'beta', 'tauAdaptation'] as const
  const check = (cell: Layer, method: Method): void =>
    checkPlan(planOptions(network(cell), input, method, 5), 'cells', testRandom(seed), checked)
  for (const method of ['bptt', 'rate', 'sltt'] as const)
    check(alif({ tauSyn: 2, refractory: 1, vThreshold: each }), method)
  for (const method of ['bptt', 'rate'] as const) {
    check(alif({ tauSyn: 2, vThreshold: each, beta: [1, 2, 1, 2, 1], learn }), method)
    check(lif({ tau: [2, 3, 4, 5, 6], vReset: 0 }), method)
  }
  for (const method of ['bptt', 'ottt'] as const) check(recurrent(lif()), method)
})

test('so do those of layers between neurons', () => {
  const input = [3, 6, 6] as const
  const parts = { a: conv2d(3, 8, 3), b: sequential(conv2d(3, 5, 3), lif()), spikes: lif() }
  const network = (floats: boolean): Block =>
    sequential(
      block(parts, (m, x, { concat }) =>
        floats ? concat(m.a(x), m.b(x)) : concat([m.spikes(m.a(x)), m.b(x)]),
      ),
      delay([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 3]),
      conv2d(13, 8, 2),
      delay(2),
      groupNorm(2, 8),
      layerNorm([3, 3]),
      layerNorm(3),
      scale([1, 2, 3, 4, 5, 6, 7, 8]),
      lif(),
      adaptiveAvgPool2d(2),
      layerNorm([8, 2, 2]),
      flatten(),
      linear(32, 3),
    )
  for (const floats of [true, false])
    for (const method of ['rate', 'bptt'] as const)
      checkPlan(planOptions(network(floats), input, method), 'layers', testRandom(seed), checked)
})

test('so do those of optimizers, with all that belongs to their steps', () => {
  const network = sequential(flatten(), linear(32, 9), lif(), linear(9, 3))
  const all = { clip: true, accumulate: true, average: true, frozen: ['3.weight'] }
  const groups = [['1.bias', '3.bias']]
  for (const rule of ['sgd', 'adam', 'rmsprop'])
    for (const training of [{ rule }, { rule, groups }, { rule, groups, ...all }])
      for (const method of ['rate', 'sltt'] as const)
        checkPlan(
          {
            ...planOptions(network, [2, 4, 4], method),
            training: { ...standardTraining, ...training },
          },
          JSON.stringify(training),
          testRandom(seed),
          checked,
        )
})

test('so do those of losses and of penalties on rates', () => {
  const input = [2, 4, 4] as const
  const network = sequential(conv2d(2, 5, 3), lif(), flatten(), linear(20, 3))
  const penalties = [{ ...ratePenalty({ weight: 1, target: 0.5 }), layers: ['1'] }]
  for (const loss of [tet(), mse(), mse({ targets: 'values', of: 'counts' })])
    for (const method of ['bptt', 'rate'] as const) {
      if (loss.kind === 'tet' && method === 'rate') continue
      const training = { ...standardTraining, loss, penalties }
      const options = { ...planOptions(network, input, method, 5), training }
      checkPlan(options, `${loss.kind} ${method}`, testRandom(seed), checked)
    }
})

test('so do those of stabilised neurons, and of several outputs', () => {
  const input = [2, 6, 6] as const
  const chain = sequential(
    conv2d(2, 5, 3),
    batchNorm2d(5),
    stabilizedLif({ vReset: 0 }),
    flatten(),
    linear(80, 3),
  )
  for (const timeSteps of [1, 3])
    checkPlan(planOptions(chain, input, 'os', timeSteps), 'stabilised', testRandom(seed), checked)
  const children = {
    body: sequential(conv2d(2, 5, 3), lif()),
    rates: timeMean(),
    flatten: flatten(),
    early: linear(80, 3),
    head: linear(80, 3),
  }
  const forked = block(children, (m, x) => {
    const spikes = m.body(x)
    return { early: m.early(m.flatten(m.rates(spikes))), output: m.head(m.flatten(spikes)) }
  })
  const training = { ...standardTraining, loss: selfDistillation() }
  for (const method of ['rate', 'bptt'] as const) {
    const options = { ...planOptions(forked, input, method), training }
    checkPlan(options, `distillation ${method}`, testRandom(seed), checked)
  }
})

test('so do those that record spikes in calls', () => {
  const network = sequential(conv2d(2, 5, 3), lif(), avgPool2d(2), relu(), flatten(), linear(5, 3))
  for (const timeSteps of [3, 300]) {
    const purpose = 'inference' as const
    const options = { ...planOptions(network, [2, 4, 4], 'sltt', 3), timeSteps, purpose }
    const recorded = { ...options, record: ['1'], backwardSteps: timeSteps }
    checkPlan(recorded, `recorded ${timeSteps}`, testRandom(seed), checked)
  }
})

/** No network adds up single numbers; `ops.sum` does. */
const notPlanned: ReadonlySet<number> = new Set([Op.SumScalars])

test('every operation was among them', () => {
  const missing = kinds.filter(({ op }) => !notPlanned.has(op) && !checked.has(op))
  assert.equal(
    missing.map(({ name }) => name),
    [],
  )
})

test.run()
