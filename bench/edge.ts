/** Exported networks: how large they are, how fast, how soon the first image is through. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { SpikewasmError } from '../src/base/errors.js'
import type { Call } from '../src/bench/compare/child.js'
import { describeRates } from '../src/bench/networks.js'
import { type Column, deviation, digits } from '../src/bench/report.js'
import { summarise } from '../src/bench/run.js'
import type { ExportOptions, NetInfo, NetTarget } from '../src/edge/abi.js'
import { exportWasm } from '../src/edge/export.js'
import { netInfo, openNet } from '../src/edge/net.js'
import { sectionsOf } from '../src/kernels/wasm/reader.js'
import type { CompileOptions } from '../src/model/compile.js'
import type { Model } from '../src/model/model.js'
import { sizeOf } from '../src/network/value.js'
import { type Comparison, compareCalls, counted, turnsMs } from './alternate.js'
import { networkNames, T, type TrainedNetwork, trainNetwork } from './edge/networks.js'
import { type Section, withFolder } from './section.js'

const PAGE = 65536
const CODE_SECTION = 10
/** Images whose outputs are compared before anything is timed. */
const CHECKED = 4

/** Files of a network, beside what each is timed, and how they are exported. */
const files: readonly {
  readonly label: string
  readonly beside?: 'predict' | 'simd f32'
  readonly export: Omit<ExportOptions, 'target'> & { readonly target?: NetTarget }
  /** For files that go on learning, which cnn alone is exported as. */
  readonly compile?: Partial<CompileOptions>
}[] = [
  { label: 'simd f32', beside: 'predict', export: {} },
  { label: 'scalar f32', beside: 'simd f32', export: { target: 'scalar' } },
  { label: 'simd int8', beside: 'simd f32', export: { weights: 'int8' } },
  {
    label: 'train, batch 16',
    export: { mode: 'train', batchSize: 16 },
    compile: { purpose: 'train', batchSize: 16 },
  },
]

/** What is measured of a file. */
interface Row {
  readonly network: TrainedNetwork
  readonly label: string
  readonly bytes: number
  /** Bytes above the network's own numbers, and of the code; functions; pages of memory. */
  readonly sizes: Readonly<Record<'above' | 'code' | 'functions' | 'pages', number>>
  /** Beside another way: a is its own. */
  readonly speed?: Comparison & { readonly beside: string }
  /** Milliseconds from the file to the first class in fresh processes. */
  readonly first?: ReturnType<typeof summarise>
}

/**
 * Bytes of the network's own numbers: 4 for each parameter; in a file that learns also 4 for each
 * running statistic; with weights int8 what the file says.
 */
export function ownBytes({ weights, weightBytes, parameters, state }: NetInfo): number {
  if (weights === 'int8') return weightBytes
  return 4 * (state ? state.reduce((sum, { shape }) => sum + sizeOf(shape), 0) : parameters)
}

function sizesOf(file: Uint8Array): Row['sizes'] {
  const info = netInfo(file)
  const contents = [...sectionsOf(file)].find(({ id }) => id === CODE_SECTION)?.contents
  return {
    above: file.length - ownBytes(info),
    code: contents ? contents.end - contents.at : 0,
    functions: contents?.u32() ?? 0,
    pages: info.memoryBytes / PAGE,
  }
}

/** Files by their labels. What cannot be exported leaves a note. */
async function exportAll(network: TrainedNetwork, notes: Set<string>) {
  const { name } = network
  const builds = new Map<string, Uint8Array>()
  for (const { label, export: options, compile } of files) {
    if (compile && name !== 'cnn') continue
    const model = await network.compile(compile)
    try {
      builds.set(label, await exportWasm(model, { name, ...options }))
    } catch (error) {
      if (!(error instanceof SpikewasmError)) throw error
      notes.add(`${name}, ${label}, was left out: ${error.message}`)
    } finally {
      await model.dispose()
    }
  }
  return builds
}

/**
 * A call copies an image in, runs, and asks for the class.
 * @throws Error where a file of float32 gives other bits than `predict`
 */
async function inferCall(bytes: Uint8Array, { name, images }: TrainedNetwork, model?: Model) {
  const net = await openNet(bytes)
  for (const image of model ? images.slice(0, CHECKED) : []) {
    net.input.set(image)
    net.infer()
    const { logits } = await model!.predict(image)
    if (!logits.every((value, i) => Object.is(value, net.output[i])))
      throw new Error(`${name}: infer() and predict give different outputs`)
  }
  return counted((i) => {
    net.input.set(images[i % images.length])
    net.infer()
    net.predictedClass()
  })
}

/** Each file in turns with the one beside it. @param ms for each pair */
async function measureSpeed(
  network: TrainedNetwork,
  builds: ReadonlyMap<string, Uint8Array>,
  ms: number,
) {
  const model = await network.compile()
  try {
    const calls = new Map<string, Call>()
    calls.set(
      'predict',
      counted((i) => model.predict(network.images[i % network.images.length])),
    )
    const found = new Map<string, NonNullable<Row['speed']>>()
    for (const { label, beside } of files) {
      const [bytes, other] = [builds.get(label), calls.get(beside ?? '')]
      if (!bytes || !other || beside === undefined) continue
      const call = await inferCall(bytes, network, label.endsWith('f32') ? model : undefined)
      calls.set(label, call)
      found.set(label, { beside, ...(await compareCalls(call, other, ms)) })
    }
    return found
  } finally {
    await model.dispose()
  }
}

const execute = promisify(execFile)
const child = fileURLToPath(new URL('./edge/cold-child.js', import.meta.url))

/** First images of fresh processes: in each round one of every file, each time in another order. */
async function measureFirst(
  image: Float32Array,
  builds: ReadonlyMap<string, Uint8Array>,
  rounds: number,
) {
  const samples = [...builds.keys()].map((label) => ({ label, ms: [] as number[] }))
  await withFolder(async (folder) => {
    const pathOf = (label: string): string => join(folder, label.replaceAll(' ', '-'))
    for (const [label, bytes] of builds) writeFileSync(pathOf(label), bytes)
    writeFileSync(pathOf('image'), image)
    for (let round = 0; round < rounds; round++)
      for (const i of samples.keys()) {
        const { label, ms } = samples[(round + i) % samples.length]
        const args = [child, pathOf(label), pathOf('image')]
        const { stdout } = await execute(process.execPath, args)
        ms.push(Number(stdout))
      }
  })
  return new Map(samples.map(({ label, ms }) => [label, summarise(ms)]))
}

/** Everything about one network. */
async function benchNetwork(
  { options, progress }: Section,
  network: TrainedNetwork,
  notes: Set<string>,
): Promise<Row[]> {
  const { name, large, images } = network
  const ms = turnsMs(options.quick)
  progress(`edge ${name}: export`)
  const builds = await exportAll(network, notes)
  progress(`edge ${name}: speed`)
  const speed = await measureSpeed(network, builds, ms)
  progress(`edge ${name}: first images`)
  // Fewer processes where they read many bytes.
  const rounds = options.quick ? 2 : large ? 7 : 15
  const inferring = new Map([...builds].filter(([label]) => !label.startsWith('train')))
  const first = await measureFirst(images[0], inferring, rounds)
  return [...builds].map(([label, file]) => ({
    network,
    label,
    bytes: file.length,
    sizes: sizesOf(file),
    speed: speed.get(label),
    first: first.get(label),
  }))
}

const micro = (ms?: number): string => (ms === undefined ? '–' : digits(1000 * ms))

const columns: readonly Column<Row>[] = [
  ['network', ({ network }) => network.name],
  ['what', ({ label }) => label],
  ['bytes', ({ bytes }) => bytes.toLocaleString('en')],
  ...(['above', 'code', 'functions', 'pages'] as const).map(
    (key): Column<Row> => [key, ({ sizes }) => sizes[key].toLocaleString('en')],
  ),
  ['µs', ({ speed }) => micro(speed?.a)],
  ['beside', ({ speed }) => speed?.beside ?? ''],
  ['its µs', ({ speed }) => micro(speed?.b)],
  ['ratio', ({ speed }) => (speed ? digits(speed.ratio) : '–')],
  ['spread', ({ speed }) => (speed ? deviation(speed.spread) : '')],
  ['first ms', ({ first }) => (first ? digits(first.median) : '–')],
  ['fastest', ({ first }) => (first ? digits(first.best) : '–')],
  ['rate', ({ network }) => describeRates(network.rates)],
]

function addEntries(section: Section, { network, label, sizes, speed, first }: Row): void {
  const name = `edge | ${network.name} | ${label}`
  const about = [`rate ${describeRates(network.rates)}`]
  section.entry(`${name} | above its numbers`, 'bytes', sizes.above)
  if (speed) {
    section.entry(`${name} | time`, 'ms', speed.a, about)
    const { ratio, spread, beside } = speed
    section.entry(`${name} / ${beside}`, 'ratio', ratio, about, deviation(spread))
  }
  if (first) section.entry(`${name} | first image`, 'ms', first.median, [], deviation(first.spread))
}

export async function benchEdge(section: Section): Promise<void> {
  const { options, progress } = section
  const rows: Row[] = []
  const notes = new Set<string>()
  for (const name of networkNames(options)) {
    progress(`edge ${name}: training first`)
    const network = await trainNetwork(name, options.quick, options.threads)
    const { input, data, images } = network
    notes.add(`${name}: [${input.join(', ')}], ${data}, ${images.length} images.`)
    rows.push(...(await benchNetwork(section, network, notes)))
  }
  for (const row of rows) addEntries(section, row)
  section.table(
    `Exported networks, T ${T}, one image, one thread`,
    [
      'bytes: of the file; above: over 4 for each parameter, in files that learn for each running ' +
        'statistic too, with int8 over what the file keeps; most of it is code. functions: those ' +
        'in the file. pages: memory, 65,536 bytes each.',
      'µs: a call copies another image in, infers and asks for the class; beside: another way in ' +
        'turns with it, in blocks a b b a, and its µs; ratio: median over the rounds. predict: ' +
        'model.predict, batchSize 1, purpose inference.',
      'first ms: median and fastest of fresh processes, from the file on the disk to the first ' +
        'class: read, compile, instantiate, infer.',
      'rate: spikes per neuron and step on these images, mean of the layers (lowest–highest).',
      ...notes,
    ],
    columns,
    rows,
  )
}
