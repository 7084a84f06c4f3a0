/**
 * What a call is given is read before it returns its promise: whatever the caller does with it then
 * changes nothing. Every public function that gives a promise has a row here, or is named below.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { fitRounds } from '../../src/scale/index.js'
import { withFolder } from '../files/temporary.js'
import { writeData } from '../support/data-folders.js'
import { nmnistFile } from '../support/event-files.js'
import { isLong } from '../support/long.js'
import { compileToy, toy, toyClasses, toyNet, toyShape } from '../support/toy.js'

/** Objects that stay the caller's: data sets, callbacks, and what runs. */
const exempt = new WeakSet<object>()
const callers = <T extends object>(value: T): T => {
  exempt.add(value)
  return value
}

/** Changes all that an argument holds. */
function change(value: unknown): void {
  if (typeof value !== 'object' || value === null || exempt.has(value)) return
  if (value instanceof URL) value.pathname = '/changed'
  else if (value instanceof ArrayBuffer) new Uint8Array(value).fill(57)
  else if (ArrayBuffer.isView(value)) (value as Float32Array).fill(57)
  else if (Array.isArray(value)) {
    value.forEach(change)
    value.splice(0, value.length, 'changed')
  } else if ([Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    Object.values(value).forEach(change)
    for (const key of Object.keys(value)) Reflect.set(value, key, 'changed')
    Reflect.set(value, 'added', 1)
  }
}

interface Call {
  readonly args: readonly unknown[]
  call(...args: never[]): Promise<unknown>
  /** What it has done, where the result does not say. */
  after?(): unknown
}

interface Row {
  /** As `promising` names it. */
  readonly of: string
  readonly about?: string
  /** Whether another row has shown that these arguments matter. */
  readonly isKnown?: boolean
  make(folder: string): Call | Promise<Call>
}

const train = callers(toy(24, 1).data)
const other = callers(toy(16, 2).data)
const some = toy(8, 3)
const many = toy(21, 4)

const hashOf = (of: string | Uint8Array): string => createHash('sha256').update(of).digest('hex')

/** Bits of what a call gives. */
async function digest(found: unknown): Promise<unknown> {
  if (found instanceof api.Model) {
    const state = found.stateDict()
    const runs = found.session.settings.purpose !== 'stream'
    const { logits } = runs ? await found.predict(some.images) : { logits: 0 }
    const about = [found.optimizer, found.toJSON(), found.session.settings]
    await found.dispose()
    return digest([state, logits, about])
  }
  if (ArrayBuffer.isView(found)) {
    const { buffer, byteOffset, byteLength } = found
    return hashOf(new Uint8Array(buffer, byteOffset, byteLength))
  }
  if (typeof found === 'function') return 'a function'
  if (found instanceof Error) return `${found.name}: ${found.message}`
  if (found instanceof URL || typeof found !== 'object' || found === null) return String(found)
  const entries = Object.entries(found).filter(([key]) => !/ms$|seconds|Ms$|PerSecond/.test(key))
  return Promise.all(entries.map(async ([key, value]) => [key, await digest(value)]))
}

const samplesOf = (data: api.Dataset): unknown => {
  const size = data.shape.reduce((a, b) => a * b, data.timeSteps ?? 1)
  return Array.from({ length: data.length }, (_, i) => {
    const out = new Float32Array(size)
    return [data.read(i, out), out]
  })
}
const split = async (reading: Promise<api.Split>): Promise<unknown> => {
  const { train, test } = await reading
  return [train.name, train.classNames, samplesOf(train), samplesOf(test)]
}

/** So large that it is not copied for the sake of who may still read it. */
const largeNet = (): api.Block =>
  api.sequential(
    ...[api.conv2d(2, 9, 3, { padding: 1 }), api.batchNorm2d(9), api.lif(), api.dropout(0.2)],
    ...[api.flatten(), api.linear(270, 1500), api.lif({ vThreshold: 0.3 })],
    api.linear(1500, toyClasses),
  )
/** The model before stays in reach. */
let before: api.Model | undefined
/** A model whose memory is another's before: it begins when it is first used. */
async function borrowed(options: Partial<api.CompileOptions> = {}): Promise<api.Model> {
  before = await compileToy(options, largeNet())
  await before.dispose()
  return compileToy(options, largeNet())
}
let waited = 0

/** Rows of calls on a model: of a new one, one with borrowed memory, and where calls wait. */
function ofModel(
  of: string,
  args: () => unknown[],
  options: Partial<api.CompileOptions> & {
    waits?: boolean
    before?: (m: api.Model) => unknown
  } = {},
  call = (model: api.Model, ...given: never[]): Promise<unknown> =>
    Reflect.get(model, of.split('#')[1]).apply(model, given),
): Row[] {
  const { waits = false, before, ...given } = options
  const rows: Row[] = []
  const kinds = [
    { about: 'one thread', threads: 1, compile: compileToy },
    { about: 'two threads', threads: 2, compile: compileToy },
    { about: 'memory of another', threads: 1, compile: borrowed },
  ]
  for (const { about, threads, compile } of kinds)
    for (const queued of waits && (isLong || compile === compileToy) ? [false, true] : [false])
      rows.push({
        of,
        about: `${about}${queued ? ', in a queue' : ''}`,
        isKnown: rows.length > 0,
        async make() {
          const model = await compile({ threads, ...given })
          await before?.(model)
          if (Reflect.get(model.session, 'place').waits) waited++
          return {
            args: args(),
            async call(...of: never[]) {
              const first = queued ? model.evaluate(other) : undefined
              const second = call(model, ...of)
              await Promise.allSettled([first, second])
              return second
            },
            async after() {
              const state = model.stateDict()
              await model.dispose()
              return state
            },
          }
        },
      })
  return rows
}

/** A row of a call that needs nothing but its arguments. */
const row = (
  of: string,
  call: (...args: never[]) => Promise<unknown>,
  args: (folder: string) => unknown,
): Row => ({ of, make: async (folder) => ({ args: (await args(folder)) as unknown[], call }) })

type Fit = api.FitOptions
const fitOptions = (): Fit => ({
  epochs: 2,
  optimizer: api.adam({ lr: 0.01, groups: [{ params: ['0.weight'], lr: 0.02 }] }),
  loss: api.crossEntropy({ labelSmoothing: 0.1 }),
  penalties: [api.ratePenalty({ layers: ['2'], weight: 0.1 } as never)],
  freeze: ['1.weight'],
  callbacks: [callers({ name: 'mine', onEpoch() {} })],
  validation: other,
  clipNorm: 1,
  accumulate: 2,
  ema: 0.9,
})

const [C, H, W] = toyShape
const idx = (sizes: readonly number[], data: ArrayLike<number>): Uint8Array => {
  const bytes = new Uint8Array(4 + 4 * sizes.length + data.length)
  bytes.set([0, 0, 8, sizes.length])
  for (const [i, size] of sizes.entries()) new DataView(bytes.buffer).setUint32(4 + 4 * i, size)
  bytes.set(data, 4 + 4 * sizes.length)
  return bytes
}
const mnistFiles = (): Record<string, Uint8Array> => ({
  'train-images-idx3-ubyte': idx(
    [3, 2, 3],
    Array.from({ length: 18 }, (_, i) => 10 * i),
  ),
  'train-labels-idx1-ubyte': idx([3], [9, 0, 4]),
  't10k-images-idx3-ubyte': idx([2, 2, 3], new Uint8Array(12).fill(255)),
  't10k-labels-idx1-ubyte': idx([2], [1, 2]),
})
const missing = (): URL => pathToFileURL('/there/is/no/such/folder')
const packageFile = (path: string): Promise<Buffer> =>
  readFile(fileURLToPath(new URL(`../../../${path}`, import.meta.url)))

const compileOptions = (): api.CompileOptions => ({
  ...{ input: [...toyShape], batchSize: 8, timeSteps: 3, record: ['2'], seed: 5 },
  optimizer: api.sgd({ lr: 0.3, groups: [{ params: ['0.weight'], lr: 0.02 }] }),
  loss: api.crossEntropy({ labelSmoothing: 0.1 }),
  method: 'bptt',
})

/** The bytes of a trained model's file. */
async function trained(options: Partial<api.CompileOptions> = {}): Promise<Uint8Array> {
  const model = await compileToy(options)
  await model.trainStep(some.images, some.labels)
  const bytes = model.toBytes()
  await model.dispose()
  return bytes
}
async function inFolder(folder: string, make: (path: string, model: api.Model) => Promise<void>) {
  const model = await api
    .sequential(api.flatten(), api.linear(C * H * W, 9), api.lif(), api.linear(9, toyClasses))
    .compile({ input: toyShape, batchSize: 8 })
  await make(join(folder, 'model.nir'), model)
  return model
}

/** A gradient of the outputs. */
const slopes = () =>
  Float32Array.from({ length: some.labels.length * toyClasses }, (_, i) => Math.sin(i))

const rows: Row[] = [
  ...ofModel('Model#trainStep', () => [
    some.images.slice(),
    [...some.labels],
    { lr: 0.3, clipNorm: 2 },
  ]),
  ...ofModel(
    'Model#trainStep',
    () => [some.images.slice(), [...some.labels]],
    {},
    (model, ...of: Parameters<api.Model['trainStep']>) => {
      const optimizer = api.adam({ lr: 0.1 })
      model.optimizer = optimizer
      const step = model.trainStep(...of)
      change(optimizer)
      return step
    },
  ),
  ...ofModel('Model#forward', () => [some.images.slice(), { training: true }]),
  ...ofModel('Model#backward', () => [slopes()], { before: (model) => model.forward(some.images) }),
  ...ofModel('Model#update', () => [{ lr: 0.3, clipNorm: 0.1 }], {
    async before(model) {
      await model.forward(some.images)
      await model.backward(slopes())
    },
  }),
  ...ofModel(
    'StepCall#backward',
    () => [slopes()],
    { method: 'sltt', timeSteps: 1 },
    async (model, ...of: [Float32Array]) => {
      const { value } = await model.calls(some.images).next()
      return (value as api.StepCall).backward(...of)
    },
  ),
  {
    of: 'checkGradient',
    make: async () => ({
      args: [
        ({ targets }: api.LossBatch) => ({ loss: targets[0], gradient: new Float32Array(6) }),
        new Float32Array(6),
        Int32Array.of(1, 2),
        { shape: [2, 3], tolerance: 1 },
      ],
      call: (...of: Parameters<typeof api.checkGradient>) => api.checkGradient(...of),
    }),
  },
  ...[some, many].flatMap(({ images }) =>
    ofModel('Model#predict', () => [images.slice(), { averages: false }], { waits: true }),
  ),
  ...ofModel('Model#predict', () => [some.images.slice(), { averages: true }], {
    before: (model) => model.fit(train, { ema: 0.5 }),
    waits: true,
  }),
  ...ofModel('Model#evaluate', () => [train, { topK: 2, operations: false }], { waits: true }),
  ...ofModel('Model#monitor', () => [train, { layers: ['2'], limit: 9, keep: 'rates' }], {
    waits: true,
    record: true,
  }),
  ...ofModel('Model#step', () => [some.images.slice(0, C * H * W)], {
    purpose: 'stream',
    batchSize: 1,
  }),
  ...ofModel('Model#fit', () => [train, fitOptions()]),
  ...ofModel(
    'Model#prepare',
    () => [{ method: 'sltt', backwardSteps: 2 }],
    {},
    async (model, ...of: Parameters<api.Model['prepare']>) => {
      await model.prepare(...of)
      return [model.method, model.session.plan.options]
    },
  ),
  {
    of: 'Model#load',
    async make() {
      const [bytes, model] = [await trained(), await borrowed({ seed: 4 })]
      return { args: [bytes], call: (...of: [Uint8Array]) => model.load(...of), after: () => model }
    },
  },
  {
    of: 'Model#toBytes',
    async make() {
      const model = await compileToy({ weights: 'int8' })
      const call = (...of: [Record<string, string>, { quantised: true }]) => model.toBytes(...of)
      return { args: [{ note: 'a' }, { quantised: true }], call }
    },
  },
  {
    of: 'Model#save',
    async make(folder) {
      const path = join(folder, 'saved')
      const model = await compileToy()
      return {
        args: [{ note: 'a' }, { averages: false }],
        async call(...of: [Record<string, string>, api.SaveOptions]) {
          const running = model.evaluate(other)
          const saving = model.save(path, ...of)
          await Promise.allSettled([running, saving])
          await saving
        },
        after: () => readFile(path),
      }
    },
  },
  {
    of: 'Model#saveNir',
    async make(folder) {
      let path = ''
      const model = await inFolder(folder, async (at) => {
        path = at
      })
      return {
        args: [{ dt: 0.01, discretisation: 'exact' }],
        call: (options: api.SaveNirOptions) => model.saveNir(path, options),
        // The file says when it was written.
        after: () => api.networkFromNir(path),
      }
    },
  },
  row('Model.fromBytes', api.Model.fromBytes, async () => [
    await trained(),
    { ...compileOptions(), purpose: 'train' },
  ]),
  row('loadModel', api.loadModel, async () => [
    await trained(),
    { input: [...toyShape], record: ['2'], batchSize: 3 },
  ]),
  row(
    'pretrained',
    async (...of: Parameters<typeof api.pretrained>) => {
      const model = await api.pretrained(...of)
      const found = [model.stateDict(), model.batchSize, model.input]
      await model.dispose()
      return found
    },
    async () => {
      const file = await packageFile('data/models/fashion-mnist-cnn.safetensors')
      const options = { from: new Uint8Array(file), input: [1, 28, 28], batchSize: 2 }
      return ['fashion-mnist-cnn', options]
    },
  ),
  ...['compile', 'Block#compile'].map((of) =>
    row(
      of,
      async (net: api.Block, options: api.CompileOptions) => {
        const compiling = of === 'compile' ? api.compile(net, options) : net.compile(options)
        const model = await compiling
        await model.fit(train, { method: 'rate' })
        return model
      },
      () => [toyNet(), compileOptions()],
    ),
  ),
  {
    of: 'compile',
    about: 'with an engine',
    make: async () => ({
      args: [
        toyNet(),
        { input: [...toyShape], wasm: new Uint8Array(await packageFile('build/wasm/engine.wasm')) },
      ],
      async call(...of: Parameters<typeof api.compile>) {
        const model = await api.compile(...of)
        await model.prepare({ method: 'bptt' })
        return model.toJSON()
      },
    }),
  },
  ...(['networkFromNir', 'loadNir'] as const).map((of) => ({
    of,
    async make(folder: string) {
      let bytes = new Uint8Array()
      await inFolder(folder, async (path, model) => {
        await model.saveNir(path)
        bytes = new Uint8Array(await readFile(path))
      })
      const options = { dt: 0.001, reset: 'zero', ...(of === 'loadNir' && { record: ['2'] }) }
      return {
        args: [bytes, options],
        async call(...given: [Uint8Array, object]) {
          if (of === 'networkFromNir') return api.networkFromNir(...given)
          const model = await api.loadNir(...given)
          return [model.stateDict(), model.toJSON(), model.session.settings.record]
        },
      }
    },
  })),
  {
    of: 'exportWasm',
    async make() {
      const model = await compileToy()
      return {
        args: [
          {
            labels: ['a', 'b', 'c', 'd'],
            inputType: 'u8',
            mean: [0.1, 0.2],
            std: [1, 2],
            wasm: new Uint8Array(await packageFile('build/wasm/engine-named.wasm')),
          },
        ],
        call(options: api.ExportOptions) {
          const exporting = api.exportWasm(model, options)
          // What the model becomes is not in the file either.
          model.loadStateDict(zeros(model))
          return exporting
        },
        after: () => model,
      }
    },
  },
  {
    of: 'openNet',
    async make() {
      const model = await compileToy()
      const bytes = new Uint8Array(await api.exportWasm(model))
      return {
        args: [bytes],
        async call(given: Uint8Array) {
          const net = await api.openNet(given)
          net.input.set(some.images.subarray(0, C * H * W))
          net.infer()
          return net.output
        },
        after: () => model,
      }
    },
  },
  row('evaluateNet', api.evaluateNet, async () => {
    const model = await compileToy()
    const net = callers(await api.openNet(await api.exportWasm(model)))
    await model.dispose()
    return [net, train, { limit: 9 }]
  }),
  row('events.read', api.events.read, () => [
    nmnistFile([
      [1, 2, 1, 3],
      [4, 5, 1, 2000],
    ] as never),
    { format: 'nmnist', sensor: [40, 30] },
  ]),
  ...(['mnist', 'fashionMnist'] as const).map((name) =>
    row(
      `datasets.${name}`,
      (files: api.NamedFiles) => split(api.datasets[name](files)),
      () => [mnistFiles()],
    ),
  ),
  row(
    'datasets.digits',
    (bytes: Uint8Array) => split(api.datasets.digits(bytes)),
    async () => [new Uint8Array(await packageFile('data/digits.csv.gz'))],
  ),
  ...(['nmnist', 'eventFolder'] as const).map((name) =>
    row(
      `datasets.${name}`,
      (...of: Parameters<typeof api.datasets.eventFolder>) => split(api.datasets[name](...of)),
      async (folder) => {
        const cut = name === 'nmnist' ? { sensor: [34, 34], size: [17, 17] } : { name: 'mine' }
        await writeData(folder, 'nmnist')
        return [pathToFileURL(folder), { timeSteps: 3, ...cut }]
      },
    ),
  ),
  // These read their arguments by the function that the ones above have, and end in an error here.
  ...(
    [
      'cifar10',
      'cifar100',
      'cifar10Dvs',
      'dvsGesture',
      'imageFolder',
      'imageNet',
      'shd',
      'ssc',
    ] as const
  ).map((name) =>
    row(
      `datasets.${name}`,
      // Several files are looked for at once.
      (path: URL) =>
        api.datasets[name](path).catch(({ message }: Error) => message.replace(/_to_t\w+/, '')),
      () => [missing()],
    ),
  ),
  ...(['conv2d', 'linear'] as const).map((name) => ({
    of: 'ops.*#run',
    about: name,
    make: () => {
      const input = name === 'conv2d' ? [2, 3, 8, 8] : [64, 12]
      const weight = name === 'conv2d' ? [8, 3, 3, 3] : [10, 12]
      const count = (sizes: number[]): number => sizes.reduce((a, b) => a * b, 1)
      const numbers = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i))
      const options = { input, weight, threads: 2 }
      const plan = name === 'conv2d' ? api.ops.conv2d.plan(options) : api.ops.linear.plan(options)
      return {
        args: [numbers(count(input)), numbers(count(weight))],
        call: async (...of: never[]) => (plan as { run(...of: never[]): unknown }).run(...of),
        after: () => plan.dispose(),
      }
    },
  })),
  {
    of: 'fitRounds',
    async make() {
      const model = await compileToy()
      const { validation: _, ...rest } = fitOptions()
      const { accumulate: __, ema: ___, callbacks: ____, ...options } = rest
      return {
        args: [callers(model), train, { ...options, rounds: { replicas: 2, every: 1 } }],
        call: (...of: Parameters<typeof fitRounds>) => fitRounds(...of),
        after: () => model,
      }
    },
  },
]

const zeros = (model: api.Model): api.StateDict =>
  Object.fromEntries(
    Object.entries(model.stateDict()).map(([k, t]) => [k, { ...t, data: t.data.map(() => 0) }]),
  )

/** What takes nothing that can be changed, or nothing that is not the caller's. */
const without: Record<string, string> = {
  'Model#quantised': 'nothing',
  'Batches#prepare': 'a number',
  'Dataset#prepare': 'data sets are the caller’s',
  'LabelledData#prepare': 'data sets are the caller’s',
  'TargetData#prepare': 'data sets are the caller’s',
  'Model#dispose': 'nothing',
  'Model#loadCheckpoint': 'a path',
  'Model#profile': 'a number',
  'Model#saveCheckpoint': 'a path',
  'PlanInfo#dispose': 'nothing',
  'RoundsWorker#close': 'nothing',
  load: 'nothing',
  'ops.load': 'nothing',
  fitRoundsAt: 'needs a Redis; it copies by the function that fitRounds has',
  serveRounds: 'needs a Redis; it copies by the function that fitRounds has',
}

async function outcome({ args, call, after }: Call, when: 'never' | 'behind' | 'before') {
  if (when === 'before') change(args)
  const running = Promise.resolve()
    .then(() => {
      const calling = call(...(args as never[]))
      if (when === 'behind') change(args)
      return calling
    })
    .catch((error: Error) => error)
  const found = await digest(await running)
  const all = JSON.stringify([found, await digest(await after?.())])
  return `${hashOf(all)} ${all.slice(0, 300)}`
}

for (const { of, about, isKnown, make } of rows)
  test(`${of}${about ? ` (${about})` : ''}: what is changed behind the call changes nothing`, () =>
    withFolder(async (folder) => {
      const expected = await outcome(await make(folder), 'never')
      assert.equal(await outcome(await make(folder), 'behind'), expected)
      if (isKnown) return
      const wrong = await outcome(await make(folder), 'before').catch((error: Error) => error)
      assert.not.equal(wrong, expected, 'the arguments matter')
    }))

test('Model#trainStep reads labels of a class of their own at once, also for another plan', async () => {
  const [plain, model] = [await compileToy(), await compileToy()]
  const options = { clipNorm: 1 }
  const expected = await plain.trainStep(some.images, some.labels, options)
  class Labels {
    readonly length = 8;
    [index: number]: number
  }
  const labels = Object.assign(new Labels(), Object.fromEntries(Object.entries(some.labels)))
  const step = model.trainStep(some.images, labels, options)
  for (let i = 0; i < 8; i++) labels[i] = 57
  assert.equal(await step, expected)
  await Promise.all([plain.dispose(), model.dispose()])
})

test('every public function that gives a promise is here', async () => {
  // The compiler makes each collection of garbage longer: it is loaded behind the others.
  const { promising } = await import('../support/promising.js')
  const entries = ['index', 'scale/index', 'net', 'node-ops'].map((entry) =>
    fileURLToPath(new URL(`../../src/${entry}.d.ts`, import.meta.url)),
  )
  const found = promising(entries)
  assert.ok(found.length > 40)
  const known = new Set([...rows.map(({ of }) => of), ...Object.keys(without)])
  const missing = [...new Set(found)].filter((name) => !known.has(name))
  assert.equal(missing, [], 'give them rows above')
  const gone = [...known].filter((name) => !found.includes(name) && name !== 'ops.*#run')
  assert.equal(gone, [], 'they are public no more')
})

test('some of these models had their memory still to begin', () => {
  assert.ok(waited > 10, String(waited))
})

test.run()
