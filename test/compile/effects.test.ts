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
import { packIntegers } from '../../src/compile/layout.js'
import { makePlan, type Plan, type PlanOptions } from '../../src/compile/plan.js'
import type { PlannedRecord } from '../../src/compile/program.js'
import { standardTraining, type TrainingSpec } from '../../src/compile/training.js'
import { instantiateEngine } from '../../src/engine/load.js'
import {
  alif,
  type Block,
  block,
  conv2d,
  dcls1d,
  delay,
  flatten,
  layer,
  lif,
  linear,
  type Method,
  mse,
  ratePenalty,
  recurrent,
  reshape,
  selfDistillation,
  sequential,
  tet,
  timeMean,
} from '../../src/index.js'
import { kinds } from '../../src/kernels/records/index.js'
import { accesses } from '../../src/kernels/records/schema.js'
import type { Buffer as PlannedBuffer } from '../../src/kernels/records/words.js'
import { randomPlanOptions } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { ofLong } from '../support/long.js'
import { netOf } from '../support/net.js'
import { nameOf, Op } from '../support/operations.js'
import { planOptions } from '../support/plans.js'

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
    for (const { weight, scale, layout, most } of plan.integers) {
      const count = layout.shape.reduce((a, b) => a * b, 1)
      const values = Int8Array.from({ length: count }, () => (2 * random() - 1) * (most + 0.9))
      const stored = new Int8Array(this.memory.buffer, weight.address, weight.bytes)
      packIntegers(layout, values, stored, most)
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
      ...named.images.concat(named.labels, named.targets).map(rangeOf),
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

/** A network behind its input, the methods that train it, and what its plans have beside that. */
type Case = readonly [network: string, methods: string, ...more: Partial<PlanOptions>[]]

const each = Array.from({ length: 80 }, (_, i) => 1 + i / 100)
const learn = ['tau', 'vThreshold', 'tauSyn', 'beta', 'tauAdaptation'] as const
const branches = { a: conv2d(3, 8, 3), b: sequential(conv2d(3, 5, 3), lif()), spikes: lif() }
/** What texts call by names of their own. */
const own = {
  learntDelay: () => delay([0, 2.5], { maxDelay: 3 }),
  synapses: () => dcls1d(12, 40, { maxDelay: 2, interpolation: 'gauss' }),
  resting: () => alif({ tauSyn: 2, refractory: 1, vThreshold: each }),
  learning: () => alif({ tauSyn: 2, vThreshold: each, beta: [1, 2, 1, 2, 1], learn }),
  fedBack: () => recurrent(lif()),
  floatsAndSpikes: () => block(branches, (m, x, { concat }) => concat(m.a(x), m.b(x))),
  residual: () => {
    const children = { a: sequential(conv2d(8, 8, 3, { padding: 1, bias: false }), lif()) }
    return block(children, (m, x, { add }) => add(m.a(x), x))
  },
  spikes: () => block(branches, (m, x, { concat }) => concat([m.spikes(m.a(x)), m.b(x)])),
}

const depthwise = '1x8x8: conv 16 3 padding=1, lif, conv 16 3 padding=1 groups=16'
const cells = (cell: string): string =>
  `2x6x6: conv 5 3, ${cell}, maxPool2d 2, flatten, linear 6, leakyIntegrator`
const between = (joined: string): string =>
  `3x6x6: ${joined}, delay 0x1x2x0x1x2x0x1x2x0x1x2x3, conv 8 2, delay 2, groupNorm 2, layerNorm 3x3,
  layerNorm 3, scale 1x2x3x4x5x6x7x8, lif, adaptiveAvgPool2d 2, layerNorm 8x2x2, flatten, linear 3`

const training = (more: Partial<TrainingSpec>): Partial<PlanOptions> => ({
  training: { ...standardTraining, ...more },
})
const groups = [['1.bias', '3.bias']]
const all = { clip: true, accumulate: true, average: true, frozen: ['3.weight'] }
const optimizers = ['sgd', 'adam', 'rmsprop'].flatMap((rule) =>
  [{ rule }, { rule, groups }, { rule, groups, ...all }].map(training),
)
const penalties = [{ ...ratePenalty({ weight: 1, target: 0.5 }), layers: ['1'] }]
const losses = [tet(), mse(), mse({ targets: 'values', of: 'counts' })].map((loss) => ({
  ...training({ loss, penalties }),
  timeSteps: 5,
}))
const many = { timeSteps: 260, batchSize: 2 }
const recorded = [3, 300].map((timeSteps) => ({
  purpose: 'inference' as const,
  record: ['1'],
  backwardSteps: timeSteps,
  timeSteps,
}))

const cases: Readonly<Record<string, readonly Case[]>> = {
  'larger networks, which have kernels of their own': [
    [
      `3x32x32: conv 16 3 padding=1, lif, conv 16 3 padding=1, norm, lif, conv 32 3 padding=1,
      maxPool2d 2, norm, lif, conv 32 3 padding=1 groups=2, lif,
      conv 16 3 padding=1 stride=2 standardise=true, lif, flatten, linear 5`,
      'rate bptt',
      { batchSize: 2 },
    ],
  ],
  'a depthwise convolution on spikes and a learnable tau': [
    [`${depthwise}, lif, flatten, linear 3`, 'rate sltt'],
    [`${depthwise}, plif, flatten, linear 3`, 'bptt'],
  ],
  'sums of spikes, which are sorted': [
    [
      `2x8x8: conv 8 3 padding=1, lif, residual, residual, conv 8 3 padding=1 bias=false, lif,
      flatten, linear 3`,
      'rate bptt ottt',
      { timeSteps: 5 },
    ],
  ],
  'traces, in one call of several steps and in several': [
    [
      '2x6x6: conv 8 3, lif, conv 8 3 stride=2, lif, flatten, linear 3',
      'ottt',
      { timeSteps: 3 },
      { timeSteps: 5 },
    ],
  ],
  'relu, by its counts and by its output': [
    ['2x6x6: conv 8 3, relu, conv 8 3, relu, flatten, linear 3', 'rate bptt sltt'],
  ],
  'dropout, of spikes and of currents': [
    [
      '2x6x6: conv 8 3, lif, dropout 0.3, conv 8 3, dropout 0.3, lif, flatten, linear 3',
      'rate bptt sltt',
    ],
  ],
  'images of another size, and shares': [
    [
      '2x6x6: conv 8 3, lif, upsample scale=2 mode=bilinear, flatten, linear 7, softmax, linear 3',
      'bptt',
    ],
  ],
  cells: [
    [cells('resting'), 'bptt rate sltt', { timeSteps: 5 }],
    [cells('learning'), 'bptt rate', { timeSteps: 5 }],
    [cells('lif tau=2x3x4x5x6 vReset=0'), 'bptt rate', { timeSteps: 5 }],
    [cells('fedBack'), 'bptt ottt', { timeSteps: 5 }],
  ],
  'layers between neurons': [
    [between('floatsAndSpikes'), 'rate bptt'],
    [between('spikes'), 'rate bptt'],
  ],
  'delays that are learnt, and run in calls': [
    ['2x3x2: learntDelay, flatten, lif, synapses, lif', 'bptt', { timeSteps: 5 }],
    [
      '2x3x2: learntDelay, flatten, lif, synapses, lif',
      'sltt',
      { purpose: 'stream' },
      { purpose: 'inference', timeSteps: 5 },
    ],
  ],
  'optimizers, with all that belongs to their steps': [
    ['2x4x4: flatten, linear 9, lif, linear 3', 'rate sltt', ...optimizers],
  ],
  'losses and penalties on rates': [
    ['2x4x4: conv 5 3, lif, flatten, linear 3', 'bptt', ...losses],
    ['2x4x4: conv 5 3, lif, flatten, linear 3', 'rate', ...losses.slice(1)],
  ],
  'stabilised neurons': [
    [
      '2x6x6: conv 5 3, norm, stabilizedLif vReset=0, flatten, linear 3',
      'os',
      { timeSteps: 1 },
      { timeSteps: 3 },
    ],
  ],
  'sums of spikes that no byte counts': [
    [
      `2x4x4: conv 5 3 padding=1, lif, maxPool2d 2, dropout 0.3, conv 5 1, lif, flatten, linear 3`,
      'rate bptt',
      { ...many, ...training({ penalties }) },
    ],
    ['2x4x4: conv 5 3, lif, timeMean, flatten, linear 3', 'rate', many],
    ['2x4x4: conv 5 3, lif, flatten, linear 3', 'sltt', { ...many, backwardSteps: 3 }],
  ],
  'gradients of segments': [
    [cells('learning'), 'bptt', { timeSteps: 21, truncate: 5 }],
    [cells('fedBack'), 'bptt', { timeSteps: 9, truncate: 4 }],
    ['2x4x4: conv 5 3, lif, delay 2, flatten, linear 3', 'bptt', { timeSteps: 9, truncate: 4 }],
  ],
  'calls that record spikes': [
    ['2x4x4: conv 5 3, lif, avgPool2d 2, relu, flatten, linear 3', 'sltt', ...recorded],
  ],
}

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
      const weights = made % 2 === 0 ? 'int8' : 'int6'
      checkPlan({ ...options, weights }, `round ${round}, ${weights}`, others, checked)
      made++
    } catch (error) {
      // Networks that a method does not take.
      if (!(error instanceof SpikewasmError)) throw error
    }
  }
})

/** Checks the plan of each method of a network, with each of `more`. */
function checkPlans(
  network: Block,
  input: readonly [number, number, number],
  methods: string,
  ...more: readonly Partial<PlanOptions>[]
): void {
  for (const method of methods.split(' ') as Method[])
    for (const given of more.length > 0 ? more : [{}]) {
      const options = planOptions(network, input, { method, batchSize: 4, ...given })
      checkPlan(options, JSON.stringify(given), testRandom(seed), checked)
    }
}

for (const [what, rows] of Object.entries(cases))
  test(`so do those of ${what}`, () => {
    for (const [row, ...rest] of rows) {
      const [sizes, text] = row.split(': ')
      const input = sizes.split('x').map(Number) as [number, number, number]
      checkPlans(netOf(input, text, own), input, ...rest)
    }
  })

test("so do those of layers of one's own, and of groups", () => {
  const own = layer({
    parameters: { mix: { shape: [8, 8] }, bias: { shape: [8, 1], start: 0 } },
    forward: ({ add, matmul }, x, { mix, bias }) => add(matmul(mix, x), bias),
  })
  const groups = sequential(lif(), conv2d(8, 24, 3, { groups: 2 }), lif(), flatten())
  const network = sequential(conv2d(2, 8, 3), reshape([8, 16]), own, reshape([8, 4, 4]), groups)
  checkPlans(sequential(network, linear(96, 3)), [2, 6, 6], 'rate bptt sltt')
})

test('so do those of several outputs', () => {
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
  checkPlans(forked, [2, 6, 6], 'rate bptt', training({ loss: selfDistillation() }))
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
