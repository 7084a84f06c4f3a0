/**
 * Weights that networks are measured with. They are trained once, by this version's code, and all
 * builds get the same ones: two builds then work on the same spikes.
 */
import { availableParallelism } from '../runtime/processors.js'
import type { StateDict } from '../runtime/state.js'
import { batchOf, compileWith, methods, pretrain } from './networks.js'

const TIME_STEPS = 4
/** Running statistics of normalisations need some steps to follow. */
const [STEPS, QUICK_STEPS] = [30, 20]

/** Weights by network and steps. */
export type Weights = Record<string, StateDict>

interface Place {
  /** Those of other processes; what is trained is added. */
  readonly weights: Weights
  /** Called behind each step of a training. */
  onStep?(): void
  /** Called with what was trained. */
  onTrained?(weights: Weights): void
}
let place: Place = { weights: {} }

/** From now on weights are looked for there. */
export function shareWeights(where: Place): void {
  place = where
}

/** Trained weights of a network of the registry. @param quick fewer steps */
export async function trainedWeights(model: string, quick: boolean): Promise<StateDict> {
  const steps = quick ? QUICK_STEPS : STEPS
  const { weights, onStep, onTrained } = place
  const key = `${model}-${steps}`
  if (weights[key]) return weights[key]
  // Training gives the same bits for any number of threads. A processor is left to others.
  const threads = Math.min(4, Math.max(1, availableParallelism() - 1))
  const setting = { model, choice: methods[0], timeSteps: TIME_STEPS, batchSize: batchOf(model) }
  const network = await compileWith(await import('../index.js'), { ...setting, threads })
  try {
    await pretrain(network, steps, onStep)
    weights[key] = network.stateDict()
  } finally {
    await network.dispose()
  }
  onTrained?.({ [key]: weights[key] })
  return weights[key]
}
