/**
 * Trained networks in other programs: what those read, and onnxruntime, which runs a network
 * unrolled over its time steps.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Comparison } from './alternate.js'
import { chainOf } from './edge/chain.js'
import { T, type TrainedNetwork } from './edge/networks.js'
import { linesOf, runPeer } from './peers.js'

/** What is measured beside it. */
interface BesideSettings {
  /** The exported network, or `predict`. */
  readonly what: 'infer' | 'predict'
  /** For a pair of ways. */
  readonly ms: number
  /** The largest number of threads of `predict`. */
  readonly threads: number
  readonly revectorize?: boolean
}

/** onnxruntime (b) beside ours (a), on one thread. */
interface Sides extends Comparison {
  /** Correlation with the outputs of `predict`, what all images have in common aside. */
  readonly likeness: number
  /** Largest difference of an output, and images with the same class. */
  readonly difference: number
  readonly same: number
}

/** What onnx.mjs writes. */
export interface OnnxResult {
  readonly version: string
  /** Size of the ONNX file. */
  readonly bytes: number
  readonly web: Sides
  /** The same beside native ONNX Runtime, of `predict`, where it could be installed. */
  readonly native?: Sides
  /** For each number of threads from 2: time by the clock over that of one thread, in turns. */
  readonly threads: readonly number[]
  /** Workers that the largest number of threads uses. */
  readonly workers: number
}

/** Writes what the programs read. @param simd the exported network */
async function writeNetwork(
  network: TrainedNetwork,
  settings: BesideSettings,
  folder: string,
  simd: Uint8Array,
): Promise<void> {
  const model = await network.compile()
  try {
    const { chain, numbers } = chainOf(model)
    const images = new Float32Array(network.images.flatMap((image) => [...image]))
    const { logits } = await model.predict(images)
    const files = {
      ...{ 'chain.json': JSON.stringify(chain), 'numbers.f32': numbers, 'net.wasm': simd },
      ...{ 'images.f32': images, 'logits.f32': logits },
      'settings.json': JSON.stringify({ model: network.name, T, ...settings }),
    }
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    await model.save(join(folder, 'weights.safetensors'))
  } finally {
    await model.dispose()
  }
}

/** @param folder gets what other programs read, and the ONNX file */
export async function besideOnnx(
  network: TrainedNetwork,
  settings: BesideSettings,
  folder: string,
  simd: Uint8Array = new Uint8Array(),
): Promise<OnnxResult> {
  await writeNetwork(network, settings, folder, simd)
  const result = runPeer(process.execPath, ['onnx.mjs', folder])
  if ('output' in result) return linesOf<OnnxResult>(result.output).at(-1)!
  throw new Error(
    `bench/peers/onnx.mjs failed; delete bench/peers/node_modules and try again\n${result.why}`,
  )
}
