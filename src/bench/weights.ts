/**
 * Weights that networks are measured with. They are trained once, by this version's code, and all
 * builds get the same ones: two builds then work on the same spikes. Processes of a comparison hand
 * them over as a file.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { kindOfPath, readFileClear, writeFileAtomic } from '../io/files.js'
import { parseState, serializeState } from '../io/state.js'
import type { StateDict } from '../runtime/state.js'
import { compileNetwork, methods, pretrain } from './networks.js'

const TIME_STEPS = 4
/** Running statistics of normalisations need some steps to follow. */
const [STEPS, QUICK_STEPS] = [30, 20]
/** Training gives the same bits for any number of threads. A processor is left to others. */
const THREADS = Math.min(4, Math.max(1, availableParallelism() - 1))

interface Place {
  /** Where other processes look for weights, and leave them. */
  readonly folder: string
  /** Called behind each step of a training. */
  onStep(): void
}

let place: Place | undefined
const trained = new Map<string, Promise<StateDict>>()

/** From now on weights are shared with other processes. */
export function shareWeights(shared: Place): void {
  place = shared
}

/** Trained weights of a network of the registry. @param quick fewer steps */
export function trainedWeights(model: string, quick: boolean): Promise<StateDict> {
  const key = `${model}-${quick ? QUICK_STEPS : STEPS}`
  let state = trained.get(key)
  if (!state) {
    state = find(key, model, quick ? QUICK_STEPS : STEPS)
    trained.set(key, state)
  }
  return state
}

async function find(key: string, model: string, steps: number): Promise<StateDict> {
  if (!place) return train(model, steps)
  const path = join(place.folder, `${key}.safetensors`)
  if ((await kindOfPath(path)) === 'file')
    return parseState(await readFileClear(path, 'trained weights'), path)
  const state = await train(model, steps, place.onStep)
  await writeFileAtomic(path, serializeState(state))
  return state
}

async function train(model: string, steps: number, onStep?: () => void): Promise<StateDict> {
  const network = await compileNetwork(model, methods[0], TIME_STEPS, THREADS)
  try {
    await pretrain(network, steps, onStep)
    return network.stateDict()
  } finally {
    await network.dispose()
  }
}
