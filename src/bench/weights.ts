/**
 * Weights that networks are measured with. They are trained once, by this version's code, and all
 * builds get the same ones: two builds then work on the same spikes.
 */
import { availableParallelism } from '../runtime/processors.js'
import type { StateDict } from '../runtime/state.js'

const TIME_STEPS = 4
/** Running statistics of normalisations need some steps to follow. */
const [STEPS, QUICK_STEPS] = [30, 20]

/** Finds weights by a name, or has them trained; the training tells each of its steps. */
type Find = (key: string, train: (onStep?: () => void) => Promise<StateDict>) => Promise<StateDict>

let find: Find = (_, train) => train()
const trained = new Map<string, Promise<StateDict>>()

/** From now on weights are looked for there. */
export function findWeightsBy(other: Find): void {
  find = other
}

/** Trained weights of a network of the registry. @param quick fewer steps */
export function trainedWeights(model: string, quick: boolean): Promise<StateDict> {
  const steps = quick ? QUICK_STEPS : STEPS
  const key = `${model}-${steps}`
  let state = trained.get(key)
  if (!state) {
    state = find(key, (onStep) => train(model, steps, onStep))
    trained.set(key, state)
  }
  return state
}

async function train(model: string, steps: number, onStep?: () => void): Promise<StateDict> {
  // Training gives the same bits for any number of threads. A processor is left to others.
  const threads = Math.min(4, Math.max(1, availableParallelism() - 1))
  // A process that measures no network reads none.
  const { compileNetwork, methods, pretrain } = await import('./networks.js')
  const network = await compileNetwork(model, methods[0], TIME_STEPS, threads)
  try {
    await pretrain(network, steps, onStep)
    return network.stateDict()
  } finally {
    await network.dispose()
  }
}
