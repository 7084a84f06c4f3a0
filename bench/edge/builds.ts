/** The files that a network is exported to. */
import type { ExportOptions, NetTarget } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { SpikewasmError } from '../../src/errors.js'
import type { Model } from '../../src/model.js'
import type { TrainedNetwork } from './networks.js'

type Single = Omit<ExportOptions, 'target'> & { target?: NetTarget }

export interface Build {
  readonly label: string
  readonly bytes: Uint8Array
}

/** Exports and disposes of the model. What cannot be exported leaves a note. */
export async function exportBuild(
  network: TrainedNetwork,
  model: Model,
  label: string,
  options: Single,
  notes: Set<string>,
): Promise<Build | undefined> {
  try {
    return { label, bytes: await exportWasm(model, { name: network.name, ...options }) }
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    notes.add(`${network.name}, ${label}, was left out: ${error.message}`)
    return undefined
  } finally {
    await model.dispose()
  }
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

const [TRAIN_BATCHES, QUICK_TRAIN_BATCHES] = [[1, 16], [16]]

/** Files that go on learning; of the small convolutional network alone. */
export async function trainBuilds(
  network: TrainedNetwork,
  isQuick: boolean,
  notes: Set<string>,
): Promise<Build[]> {
  const builds: Build[] = []
  if (network.name !== 'cnn') return builds
  for (const batchSize of isQuick ? QUICK_TRAIN_BATCHES : TRAIN_BATCHES) {
    const model = await network.compile({ purpose: 'train', batchSize })
    const options = { mode: 'train', batchSize } as const
    const build = await exportBuild(network, model, `train, batch ${batchSize}`, options, notes)
    if (build) builds.push(build)
  }
  return builds
}
