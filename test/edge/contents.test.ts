/**
 * What exported files hold besides code: sizes and numbers that they say of themselves, addresses,
 * segments, and the memory that a host finds. Code and the records that it reads are left out: they
 * change with the engine.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control, ProgramWord, SectionWord } from '../../assembly/opcodes.js'
import type { PlanPurpose } from '../../src/compile/context.js'
import { type MethodOptions, methodOptions } from '../../src/compile/methods.js'
import { makePlan, type PlanOptions } from '../../src/compile/plan.js'
import { buildNet } from '../../src/edge/build.js'
import { exportWasm } from '../../src/edge/export.js'
import { STRUCT_BYTES } from '../../src/edge/header.js'
import { call, type Driver, specialise } from '../../src/edge/module.js'
import { netInfo } from '../../src/edge/net.js'
import { checkExportOptions, type ExportSettings } from '../../src/edge/options.js'
import { prepare } from '../../src/edge/prepare.js'
import { synapticOperations } from '../../src/edge/synops.js'
import { engineBytes } from '../../src/engine/load.js'
import type { StateDict } from '../../src/engine/memory/state.js'
import { type Block, compile, type Model, mlp, sgd } from '../../src/index.js'
import { type Expression, type Func, get, i32, operation } from '../../src/kernels/wasm/ir.js'
import { type Reader, sectionsOf } from '../../src/kernels/wasm/reader.js'
import { type ModelName, models } from '../../src/model/models/registry.js'
import { trace } from '../../src/network/trace.js'
import { messageOf } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { Hashes } from '../support/hashes.js'
import { compileNet, netOf } from '../support/net.js'
import { textOf } from '../support/wasm-text.js'

const hashes = new Hashes('edge/contents.json')

const input = [3, 8, 8] as const
/** Weights of every kind: padded, of groups, of one channel each, standardised. */
const mixed = (): Block =>
  netOf(
    input,
    `conv 10 3 padding=1, norm, lif, conv 20 3 padding=1 groups=2, lif,
    conv 20 3 padding=1 groups=20, lif, avgPool2d 2, conv 36 3 standardise=true, lif, dropout 0.3,
    flatten, linear 7`,
  )

type Case = readonly [
  Block,
  Omit<MethodOptions, 'input'>,
  PlanPurpose,
  object,
  Partial<PlanOptions>?,
]
const scaled = { inputType: 'u8', mean: [0.1, 0.2, 0.3], std: [1, 2, 3] }
const cases: Readonly<Record<string, Case>> = {
  'infer, frames': [mixed(), {}, 'inference', { name: 'a' }, { frames: true }],
  'infer, bytes': [mixed(), { method: 'bptt' }, 'inference', { ...scaled, labels: [...'abcdefg'] }],
  'infer, int8': [mixed(), {}, 'inference', { weights: 'int8', inputType: 'u8' }],
  'step, int8': [mixed(), { stepMode: 's' }, 'stream', { mode: 'step', weights: 'int8' }],
  step: [mixed(), { stepMode: 's' }, 'stream', { mode: 'step', ...scaled }],
  both: [mixed(), {}, 'both', { mode: 'both', labels: [...'abcdefg'], synops: 5 }],
  train: [mixed(), {}, 'learning', { mode: 'train', batchSize: 3 }, { batchSize: 3, fixed: false }],
  'train, one step of three': [
    mixed(),
    { method: 'sltt', backwardSteps: 1 },
    'learning',
    { mode: 'train', ...scaled },
    { fixed: false },
  ],
}

const planOptions = (
  network: Block,
  input: readonly [number, number, number],
  methods: Case[1],
  timeSteps: number,
  more: Partial<PlanOptions>,
): PlanOptions => ({
  ...methodOptions(methods, timeSteps),
  graph: trace(network, input),
  input,
  frames: false,
  inspect: false,
  timeSteps,
  batchSize: 1,
  fixed: true,
  ...more,
})

function stateOf(options: PlanOptions): StateDict {
  const random = testRandom(8)
  const { parameters, statistics } = makePlan(options, 1)
  return Object.fromEntries(
    [...parameters, ...statistics].map(({ name, layout: { shape } }) => {
      const length = shape.reduce((a, b) => a * b, 1)
      return [name, { shape, data: Float32Array.from({ length }, () => random() + 0.1) }]
    }),
  )
}

/** Address and length of each segment. */
function segmentsOf(bytes: Uint8Array): number[][] {
  const section = [...sectionsOf(bytes)].find(({ id }) => id === 11)
  const r = section?.contents as Reader
  return Array.from({ length: r.u32() }, () => {
    r.take(2)
    const address = r.s32()
    r.take(1)
    const length = r.u32()
    r.take(length)
    return [address, length]
  })
}

for (const [name, [network, methods, purpose, given, more]] of Object.entries(cases))
  test(`${name}: information, addresses, segments, memory`, async () => {
    const settings = checkExportOptions(given, {
      channels: 3,
      classes: 7,
      weights: 'f32',
    }) as ExportSettings
    const { weights } = settings
    const options = planOptions(network, input, methods, 3, { purpose, weights, ...more })
    const state = stateOf({ ...options, weights: 'f32' })
    const learning =
      settings.mode === 'train'
        ? {
            optimizer: sgd({ lr: 0.1, momentum: 0.5, weightDecay: 0.25, nesterov: true }),
            seed: 5,
            steps: 77,
          }
        : undefined
    const prepared = await prepare(options, state, { learning, rounds: weights !== 'f32' })
    const bytes = buildNet(prepared, await engineBytes(), settings, 'simd')
    const { version: _, seal: __, ...info } = netInfo(bytes)
    const { instance } = await WebAssembly.instantiate(new Uint8Array(bytes))
    const exports = instance.exports as Record<string, () => number> & {
      memory: WebAssembly.Memory
    }
    const places = Object.keys(exports)
      .filter((name) => /_(ptr|len)$/.test(name))
      .map((name) => `${name} ${exports[name]()}`)
    const { encodedAt, encoded } = prepared.plan
    const end = encodedAt + encoded.bytes.length
    const others = segmentsOf(bytes).filter(([at, length]) => at + length <= encodedAt || at >= end)
    const memory = new Uint8Array(exports.memory.buffer).slice()
    // Zero but for what code reads of the programs.
    memory.fill(0, encodedAt, end)
    hashes.is(`${name}: information`, [JSON.stringify(info)])
    hashes.is(`${name}: places`, places)
    hashes.is(`${name}: segments`, [JSON.stringify(others)])
    hashes.is(`${name}: memory`, [memory])
    assert.ok(exports.info_ptr() + STRUCT_BYTES <= info.usedBytes)
    if (name !== 'both') return
    // Without SIMD only the code is another.
    const scalar = buildNet(prepared, await engineBytes(), settings, 'scalar')
    const { version: ___, seal: ____, ...same } = netInfo(scalar)
    assert.equal(same, { ...info, target: 'scalar' })
  })

/** A function of an engine that only loads: words of its record, and from where these point. */
function toyEngine(): Map<string, Func> {
  const made = (name: string, params: number, body: Func['body']): Func => ({
    name,
    params: Array(params).fill('i32'),
    result: undefined,
    locals: [],
    body,
    label: { kind: 'block', result: undefined },
  })
  const load = (address: Expression, offset = 0): Expression =>
    operation('i32.load', [address], { offset, align: 2 })
  const keep = (value: Expression): Expression => operation('i32.store', [get(3, 'i32'), value])
  const [record, unit] = [get(0, 'i32'), get(1, 'i32')]
  const byUnit = operation('i32.shl', [unit, i32(2)])
  const execute = made('execute', 4, [
    keep(load(record, 16)),
    keep(load(load(record, 20))),
    // Its address is not known, where there are several units.
    keep(load(operation('i32.add', [record, byUnit]), 64)),
    keep(operation('i32.load8_u', [record], { offset: 33, align: 0 })),
    keep(get(2, 'i32')),
    ...[Control.Valid, Control.FirstStep, Control.StepMask, Control.Seed].map((word) =>
      keep(load(i32(word))),
    ),
  ])
  const first = load(record, ProgramWord.Bytes + 4 * SectionWord.Records)
  const args = [load(i32(Control.Progress)), i32(0), i32(0), get(3, 'i32')]
  const run = made('run', 6, [
    keep(load(first)),
    { kind: 'call', callee: execute, args },
    { kind: 'return', value: undefined },
  ])
  return new Map([execute, run].map((f) => [f.name, f]))
}

test('code keeps the words that it reads, of records and of the control block', async () => {
  const [network, , , , more] = cases['train, one step of three']
  for (const [purpose, changing] of [
    ['inference', []],
    ['stream', [Control.FirstStep]],
    ['learning', [Control.StepMask]],
  ] as const) {
    const stepMode = purpose === 'stream' ? 's' : 'm'
    const options = planOptions(network, input, { stepMode }, 3, { purpose, ...more })
    const prepared = await prepare(options, stateOf(options), {})
    const programs = Object.values(prepared.plan.programs)
    const engine = toyEngine()
    const drivers = programs.map(
      ({ address }, i): Driver => ({
        name: `program ${i}`,
        result: undefined,
        body: [call(engine, 'run', address, 0, 1, prepared.plan.workerScratchAt, 0, 0)],
      }),
    )
    const { functions, read } = specialise(engine, prepared, programs, drivers, changing)
    hashes.is(`code of ${purpose}`, functions.map(textOf))
    hashes.is(`words of ${purpose}`, [JSON.stringify(read)])
  }
})

test('a file of more than 2 GiB is refused', async () => {
  for (const [batchSize, more] of [
    [4000, 'batchSize'],
    [1, 'its input'],
  ] as const) {
    const side = batchSize > 1 ? 64 : 2400
    const input = [3, side, side] as const
    const network = netOf(input, 'conv 16 3, lif, flatten, linear 2')
    const given = { batchSize, purpose: 'learning', fixed: false } as const
    const options = planOptions(network, input, {}, 1, given)
    const message = await messageOf(() => prepare(options, {}, {}))
    assert.match(
      message,
      /^exportWasm: a file may use at most 2 GiB of memory, the network needs \d/,
    )
    assert.ok(message.endsWith(`make it or ${more} smaller`), message)
  }
})

test('progress, and models that are none or have too many steps', async () => {
  const model = await compile(mlp([1, 4, 4], 10), { input: [1, 4, 4], batchSize: 1 })
  const shares: number[][] = []
  for (const target of ['simd', 'both'] as const) {
    const own: number[] = []
    await exportWasm(model, { target, onProgress: (done: number) => own.push(done) } as object)
    shares.push(own)
  }
  assert.equal(shares, [
    [0, 0.3, 1],
    [0, 0.3, 0.6, 1],
  ])
  const messageFor = (of: unknown): Promise<string> => messageOf(() => exportWasm(of as Model))
  assert.is(await messageFor({}), 'exportWasm: the model must be what compile() gives, got {}')
  const steps = (timeSteps: number): Promise<Model> =>
    compileNet('flatten, linear 2', {
      input: [1, 2, 2],
      timeSteps,
      batchSize: 1,
      purpose: 'inference',
    })
  await exportWasm(await steps(255))
  assert.is(
    await messageFor(await steps(256)),
    'exportWasm: timeSteps of the model must be at most 255, got 256; use a model loaded ' +
      "with fewer, and mode 'step': its stream has no end",
  )
})

test('synaptic operations of every model', () => {
  const random = testRandom(4)
  const count = (graph: ReturnType<typeof trace>): string => {
    const rates = Object.fromEntries(graph.nodes.map(({ name }) => [name, random() / 8]))
    return [false, true]
      .flatMap((frames) => [
        synapticOperations(graph, frames, 5),
        synapticOperations(graph, frames, 5, rates),
      ])
      .join(' ')
  }
  for (const name of Object.keys(models) as ModelName[]) {
    const input = name === 'mlp' ? ([1, 28, 28] as const) : ([3, 32, 32] as const)
    hashes.is(`synops of ${name}`, [count(trace(models[name](input, 10, { tau: 1.25 }), input))])
  }
})

test('contents.json holds these alone', () => hashes.finish())

test.run()
