/** The files that a network is exported to. */
import type { ExportOptions, NetTarget } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { netInfo } from '../../src/edge/net.js'
import { SpikewasmError } from '../../src/errors.js'
import type { Model } from '../../src/model.js'
import { codeOf } from './code.js'
import type { TrainedNetwork } from './networks.js'

type Single = Omit<ExportOptions, 'target'> & { target?: NetTarget }

export interface Build {
  readonly label: string
  readonly bytes: Uint8Array
}

/** Exports and disposes of the model. A kind of file that this version cannot write leaves a note. */
export async function exportBuild(
  network: TrainedNetwork,
  model: Model,
  label: string,
  options: Single,
  notes: Set<string>,
): Promise<Build | undefined> {
  try {
    const bytes = await exportWasm(model, { name: network.name, ...options })
    const plain = options.target === 'scalar' ? await exportWasm(model) : undefined
    if (isAsked(bytes, options, plain)) return { label, bytes }
    notes.add(`${network.name}, ${label}, was left out: this version does not heed the option.`)
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    notes.add(`${network.name}, ${label}, was left out: ${error.message}`)
  } finally {
    await model.dispose()
  }
  return undefined
}

/**
 * Whether a file is of the kind that was asked for.
 * @param plain the same for SIMD, beside a scalar file
 */
function isAsked(bytes: Uint8Array, { mode, weights }: Single, plain?: Uint8Array): boolean {
  const { state, weightBytes, parameters } = netInfo(bytes)
  if (mode === 'train' && !state) return false
  // Int8 has scales, and normalisations of four bytes, but never half of a float for each weight.
  if (weights === 'int8' && weightBytes >= 2 * parameters) return false
  return plain === undefined || Buffer.compare(codeOf(bytes), codeOf(plain)) !== 0
}

const kinds: readonly { label: string; options: Single }[] = [
  { label: 'simd f32', options: {} },
  { label: 'scalar f32', options: { target: 'scalar' } },
  { label: 'simd int8', options: { weights: 'int8' } },
]

/** Files that infer, by their labels. */
export async function inferBuilds(
  network: TrainedNetwork,
  notes: Set<string>,
): Promise<Map<string, Uint8Array>> {
  const builds = new Map<string, Uint8Array>()
  for (const { label, options } of kinds) {
    const build = await exportBuild(network, await network.compile(), label, options, notes)
    if (build) builds.set(label, build.bytes)
  }
  return builds
}

const TRAIN_BATCHES = [1, 16]

/** Files that go on learning; of the small convolutional network alone. */
export async function trainBuilds(network: TrainedNetwork, notes: Set<string>): Promise<Build[]> {
  const builds: Build[] = []
  if (network.name !== 'cnn') return builds
  for (const batchSize of TRAIN_BATCHES) {
    const model = await network.compile({ purpose: 'train', batchSize })
    const options = { mode: 'train', batchSize } as const
    const build = await exportBuild(network, model, `train, batch ${batchSize}`, options, notes)
    if (build) builds.push(build)
  }
  return builds
}
