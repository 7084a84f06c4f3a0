/** Exported networks: how large they are, how fast, how soon the first image is through. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { median } from '../src/base/numbers.js'
import { summarise } from '../src/bench/loops.js'
import { describeRates } from '../src/bench/networks.js'
import { type Column, deviation, digits } from '../src/bench/report.js'
import type { NetInfo } from '../src/edge/abi.js'
import { netInfo } from '../src/edge/net.js'
import { sectionsOf } from '../src/kernels/wasm/reader.js'
import { sizeOf } from '../src/network/value.js'
import { turnsMs } from './alternate.js'
import { type Builds, buildsOf, networkNames, T, trainNetwork } from './edge/networks.js'
import { benchSpeed, type SpeedRow, speedColumns, speedNotes } from './edge/speed.js'
import { besideOnnx, type OnnxResult } from './onnx.js'
import { installPeers, peersFolder } from './peers.js'
import { type Section, withFolder } from './section.js'

const PAGE = 65536
const CODE_SECTION = 10
const PRODUCT = 'onnxruntime-web'
/** Below this share the file does not hold the same network: roundings change few classes. */
const LEAST_SAME = 0.95

type Network = Awaited<ReturnType<typeof trainNetwork>>

/**
 * Bytes of the network's own numbers: 4 for each parameter; in a file that learns also 4 for each
 * running statistic; with weights int8 what the file says.
 */
export function ownBytes({ weights, weightBytes, parameters, state }: NetInfo): number {
  if (weights === 'int8') return weightBytes
  return 4 * (state ? state.reduce((sum, { shape }) => sum + sizeOf(shape), 0) : parameters)
}

interface SizeRow {
  readonly name: string
  readonly label: string
  /** In bytes, but for the last two. */
  readonly sizes: Readonly<
    Record<'bytes' | 'numbers' | 'above' | 'code' | 'functions' | 'pages', number>
  >
}

/** A row and an entry for a file. */
function sizeRow(section: Section, name: string, label: string, file: Uint8Array): SizeRow {
  const info = netInfo(file)
  const [bytes, numbers] = [file.length, ownBytes(info)]
  const [above, pages] = [bytes - numbers, info.memoryBytes / PAGE]
  const contents = [...sectionsOf(file)].find(({ id }) => id === CODE_SECTION)?.contents
  const code = contents ? contents.end - contents.at : 0
  const functions = contents?.u32() ?? 0
  section.entry(`edge size | ${name} | ${label} | above its numbers`, 'bytes', above, [
    `file ${bytes} bytes, code ${code} bytes, memory ${pages} pages, ${functions} functions`,
  ])
  return { name, label, sizes: { bytes, numbers, above, code, functions, pages } }
}

const sizeColumns: readonly Column<SizeRow>[] = [
  ['network', ({ name }) => name],
  ['file', ({ label }) => label],
  ...(['bytes', 'numbers', 'above', 'code', 'functions', 'pages'] as const).map(
    (key): Column<SizeRow> => [key, ({ sizes }) => sizes[key].toLocaleString('en')],
  ),
]

const execute = promisify(execFile)
const child = fileURLToPath(new URL('./edge/cold-child.js', import.meta.url))

/** From files on the disk to the first class, each time in a fresh process. */
interface ColdRow {
  readonly name: string
  readonly label: string
  readonly times: ReturnType<typeof summarise>
  /** Milliseconds of the import before it. */
  readonly before: number
}

/** Programs with their arguments, whose last line is JSON { ms, importMs }; writes what they read. */
async function coldStarts(
  network: Network,
  builds: Builds,
  folder: string,
): Promise<[label: string, args: readonly string[]][]> {
  const image = join(folder, 'image.f32')
  writeFileSync(image, network.images[0])
  const files = [...builds].map(([label, bytes]): [string, string[]] => {
    const path = join(folder, `${label.replace(' ', '-')}.wasm`)
    writeFileSync(path, bytes)
    return [label, [child, 'file', path, image]]
  })
  const weights = join(folder, 'weights.safetensors')
  const model = await network.compile()
  await model.save(weights)
  await model.dispose()
  const { name, input } = network
  return [...files, ['library', [child, 'library', name, input.join(','), weights, image]]]
}

/** One round after the other, each with one process of every kind, and each in another order. */
async function measureColdStarts(
  section: Section,
  name: string,
  starts: Awaited<ReturnType<typeof coldStarts>>,
  rounds: number,
): Promise<ColdRow[]> {
  const samples = starts.map(([label]) => ({ label, ms: [] as number[], before: [] as number[] }))
  for (let round = 0; round < rounds; round++)
    for (const [i] of starts.entries()) {
      const at = (round + i) % starts.length
      const { stdout } = await execute(process.execPath, [...starts[at][1]])
      const { ms, importMs } = JSON.parse(stdout.trim().split('\n').at(-1)!)
      samples[at].ms.push(ms)
      samples[at].before.push(importMs)
    }
  return samples.map(({ label, ms, before: imports }) => {
    const [times, before] = [summarise(ms), median(imports)]
    const about = [`${ms.length} processes, import before it ${digits(before)} ms`]
    const entry = `edge cold start | ${name} | ${label}`
    section.entry(entry, 'ms', times.median, about, deviation(times.spread))
    return { name, label, times, before }
  })
}

const coldColumns: readonly Column<ColdRow>[] = [
  ['network', ({ name }) => name],
  ['what', ({ label }) => label],
  ['ms', ({ times }) => digits(times.median)],
  ['spread', ({ times }) => deviation(times.spread)],
  ['fastest ms', ({ times }) => digits(times.best)],
  ['import ms', ({ before }) => (before > 0 ? digits(before) : '–')],
]

interface PeerRow {
  readonly network: Network
  readonly result: OnnxResult
}

/** A row and entries. */
function peerRow(section: Section, network: Network, result: OnnxResult): PeerRow {
  const { name, rates, images } = network
  const { web, version } = result
  if (web.same < LEAST_SAME * images.length)
    throw new Error(`${name}: ${PRODUCT} gives other classes, ${web.same} are the same`)
  const about = [`${PRODUCT} ${version}, rate ${describeRates(rates)}`]
  const entry = `edge speed | ${name} | `
  section.entry(`${entry}infer / ${PRODUCT}`, 'ratio', web.ratio, about, deviation(web.spread))
  section.entry(`${entry}${PRODUCT}`, 'ms', web.b, about)
  return { network, result }
}

const peerColumns: readonly Column<PeerRow>[] = [
  ['network', ({ network }) => network.name],
  ['version', ({ result }) => result.version],
  ['ratio', ({ result }) => digits(result.web.ratio)],
  ['spread', ({ result }) => deviation(result.web.spread)],
  ['ours µs', ({ result }) => digits(1000 * result.web.a)],
  ['theirs µs', ({ result }) => digits(1000 * result.web.b)],
  ['classes', ({ network, result }) => `${result.web.same} of ${network.images.length}`],
  ['difference', ({ result }) => result.web.difference.toExponential(1)],
  ['ONNX bytes', ({ result }) => result.bytes.toLocaleString('en')],
  ['rate', ({ network }) => describeRates(network.rates)],
]

interface Rows {
  readonly sizes: SizeRow[]
  readonly speed: SpeedRow[]
  readonly cold: ColdRow[]
  readonly peers: PeerRow[]
}

/** Everything about one network; `folder` is its own. */
async function benchNetwork(
  section: Section,
  network: Network,
  notes: Set<string>,
  { sizes, speed, cold, peers }: Rows,
  folder: string,
): Promise<void> {
  const { options, progress } = section
  const { name, large } = network
  const ms = turnsMs(options.quick)
  progress(`edge ${name}: export`)
  const { infer: builds, train } = await buildsOf(network, options.quick, notes)
  for (const [label, bytes] of [...builds, ...train])
    sizes.push(sizeRow(section, name, label, bytes))
  speed.push(...(await benchSpeed(section, network, builds, ms, notes)))
  const starts = await coldStarts(network, builds, folder)
  const simd = builds.get('simd f32')
  if (options.peers && !large && simd) {
    progress(`edge ${name} beside others`)
    const settings = { what: 'infer', threads: 1, ms } as const
    peers.push(peerRow(section, network, await besideOnnx(network, settings, folder, simd)))
    const [net, image] = ['net.onnx', 'image.f32'].map((file) => join(folder, file))
    const shape = JSON.stringify([1, ...network.input])
    starts.push([PRODUCT, [join(peersFolder, 'ort.mjs'), net, image, shape]])
  }
  progress(`edge ${name}: first images`)
  // Fewer processes where they read many bytes.
  const rounds = options.quick ? 2 : large ? 7 : 15
  cold.push(...(await measureColdStarts(section, name, starts, rounds)))
}

export async function benchEdge(section: Section): Promise<void> {
  const { options, progress } = section
  if (options.peers) installPeers(progress)
  const rows: Rows = { sizes: [], speed: [], cold: [], peers: [] }
  const notes = new Set<string>()
  for (const name of networkNames(options)) {
    progress(`edge ${name}: training first`)
    const network = await trainNetwork(name, options.quick, options.threads)
    const { input, data, images } = network
    notes.add(`${name}: [${input.join(', ')}], ${data}, ${images.length} images.`)
    await withFolder((folder) => benchNetwork(section, network, notes, rows, folder))
  }
  const table: Section['table'] = (...of) => section.table(...of)
  table(
    'Exported networks: sizes',
    [
      'numbers: 4 bytes for each parameter, in files that learn for each running statistic too; ' +
        'with int8 what the file keeps of them. above: the rest of the file; most of it is code.',
      'functions: those in the file. pages: memory, 65,536 bytes each.',
      ...notes,
    ],
    sizeColumns,
    rows.sizes,
  )
  const speedTitle = `Exported networks: speed on V8, T ${T}, one image, one thread`
  table(speedTitle, speedNotes, speedColumns, rows.speed)
  table(
    `Exported networks: first image of a process, T ${T}, one thread`,
    [
      'Median and fastest of fresh processes, each kind in turn. A file: read, compile, ' +
        'instantiate, first infer(). library: compile, load, predict. import ms: what importing ' +
        'the JavaScript takes before; a file needs none.',
    ],
    coldColumns,
    rows.cold,
  )
  if (rows.peers.length > 0)
    table(
      `Exported networks beside ${PRODUCT}, T ${T}, one image, one thread`,
      [
        'The same network as an ONNX file: unrolled over T, normalisation folded into the weights. ' +
          'Calls in blocks, in turns, in one process.',
        'ratio: ours / theirs, median over the rounds. classes: images with the same class as ' +
          'predict. difference: the largest of an output; a rounding that flips a spike shows here.',
      ],
      peerColumns,
      rows.peers,
    )
}
