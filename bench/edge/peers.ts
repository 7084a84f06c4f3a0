/** onnxruntime-web on the same trained networks, unrolled over their time steps. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deviation, digits, type Report, type ResultTable } from '../../src/bench/report.js'
import type { Comparison, TurnsBudget } from '../alternate.js'
import { linesOf, peersFolder, runPeer } from '../peers.js'
import { describeRates } from '../side-by-side.js'
import { chainOf } from './chain.js'
import type { ColdStart } from './cold.js'
import { T, type TrainedNetwork } from './networks.js'

export const PRODUCT = 'onnxruntime-web'

/** What edge.mjs writes. */
interface PeerResult extends Comparison {
  readonly version: string
  /** Size of the ONNX file. */
  readonly bytes: number
  /** Largest difference of an output. */
  readonly difference: number
  /** Share of the images with the same class. */
  readonly same: number
  readonly images: number
}

/** Below this the file does not hold the same network: roundings change few classes. */
const LEAST_SAME = 0.95

/** @param folder gets what the other process reads, and the ONNX file */
export async function comparePeer(
  network: TrainedNetwork,
  simd: Uint8Array,
  budget: TurnsBudget,
  folder: string,
): Promise<PeerResult> {
  const model = await network.compile()
  try {
    const { chain, numbers } = chainOf(model)
    const images = new Float32Array(network.images.flatMap((image) => [...image]))
    const { logits } = await model.predict(images)
    const write = (name: string, content: string | Uint8Array | Float32Array): void =>
      writeFileSync(join(folder, name), content)
    write('chain.json', JSON.stringify(chain))
    write('numbers.f32', numbers)
    write('net.wasm', simd)
    write('images.f32', images)
    write('logits.f32', logits)
    write('budget.json', JSON.stringify(budget))
  } finally {
    await model.dispose()
  }
  const result = measurePeer(folder)
  if (result.same < LEAST_SAME)
    throw new Error(`${network.name}: ${PRODUCT} gives other classes, ${result.same} are the same`)
  return result
}

function measurePeer(folder: string): PeerResult {
  const result = runPeer(process.execPath, ['edge.mjs', folder])
  if ('output' in result) return linesOf<PeerResult>(result.output).at(-1)!
  throw new Error(
    `bench/peers/edge.mjs failed; delete bench/peers/node_modules and try again\n${result.why}`,
  )
}

/** The process that `cold.ts` times beside ours; `comparePeer` has written its file. */
export const peerColdStart = (network: TrainedNetwork, folder: string): ColdStart => ({
  label: PRODUCT,
  args: [
    join(peersFolder, 'edge-cold.mjs'),
    join(folder, 'net.onnx'),
    join(folder, 'image.f32'),
    JSON.stringify([1, ...network.input]),
  ],
})

/** A row of the table and entries. */
export function reportPeer(
  network: TrainedNetwork,
  result: PeerResult,
  rows: string[][],
  report: Report,
  machine: string,
): void {
  const { ratio, spread, a, b, same, images, difference, bytes, version } = result
  rows.push([
    network.name,
    version,
    digits(ratio),
    deviation(spread),
    digits(1000 * a),
    digits(1000 * b),
    `${Math.round(same * images)} of ${images}`,
    difference.toExponential(1),
    bytes.toLocaleString('en'),
    describeRates(network.rates),
  ])
  const range = deviation(spread)
  const extra = `${PRODUCT} ${version}, rate ${describeRates(network.rates)}\n${machine}`
  const name = `edge speed | ${network.name} | `
  report.smallerIsBetter.push(
    { name: `${name}infer / ${PRODUCT}`, unit: 'ratio', value: ratio, range, extra },
    { name: `${name}${PRODUCT}`, unit: 'ms', value: b, extra },
  )
}

export const peerTable = (rows: string[][]): ResultTable => ({
  title: `Exported networks beside ${PRODUCT}, T ${T}, one image, one thread`,
  notes: [
    'The same network as an ONNX file: unrolled over T, normalisation folded into the weights. ' +
      'Calls in blocks, in turns, in one process.',
    'ratio: ours / theirs, median over the rounds. classes: images with the same class as predict. ' +
      'difference: the largest of an output; a rounding that flips a spike shows here.',
  ],
  head: [
    'network',
    'version',
    'ratio',
    'spread',
    'ours µs',
    'theirs µs',
    'classes',
    'difference',
    'ONNX bytes',
    'rate',
  ],
  rows,
})
