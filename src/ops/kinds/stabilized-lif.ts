/** One training step of neurons whose threshold follows the potentials of their layer. */

import { checkInteger } from '../../errors.js'
import { stabilizedLif as layerOf, type StabilizedLifOptions } from '../../layers/index.js'
import { emitStabilized, stabilizedModel, stabilizedOptions } from '../../layers/stabilized-lif.js'
import { emitNeurons, type Neurons } from '../../plan/neuron-record.js'
import { ref } from '../../plan/words.js'
import { pick } from '../neurons.js'
import { operation } from '../operation.js'
import { LAST_STEP, type StepSettings, stepSetting } from '../passes.js'
import { extentOf, MOST_STEPS, withSteps } from '../shapes.js'
import { floatTensor, plainTensor, spikesTensor } from '../tensor.js'
import { asFloat } from '../terms.js'
import type { Fixed, StillInput } from '../types.js'
import { imageOf } from '../windows.js'

/** Options of `ops.stabilizedLif`: those of the layer, and what currents there are. */
export interface StabilizedLifStepOptions extends Readonly<StabilizedLifOptions> {
  /** The current of a step, [B, C] or [B, C, H, W]. */
  readonly input: readonly number[]
  /** T of all steps together: a step moves the running threshold by momentum/T. Default 1. */
  readonly timeSteps?: number
}

/**
 * One training step of `stabilizedLif` (Zhu et al., ICLR 2024), over all samples and neurons:
 *
 *     u = v − (v − v0)/τ + input, at step 0 from v = v0
 *     θ = mean u + ratio · deviation u;  ratio = (vThreshold − mean u) / deviation u of step 0
 *     spikes = 1 where u ≥ θ;  v = u − θ·spikes, or with a number vReset v = v0 where there is one
 *     surrogates = κ h'(u − θ);  runningThreshold += momentum/T · (θ − runningThreshold)
 *
 * Argument of `run`: input; updated: potential v of the input's shape, stability [2] (ratio and θ),
 * runningThreshold [1]; setting: `step`, where 0 begins anew. Results: spikes [1, …] and
 * surrogates, of the input's shape.
 */
export const stabilizedLif = operation<
  StabilizedLifStepOptions,
  Fixed<
    StillInput,
    [input: Float32Array],
    {
      /** 0 or 1. */
      readonly spikes: Uint8Array
      /** κ h'(u − θ). */
      readonly surrogates: Float32Array
    },
    {
      /** The current, [B][H][W][C]. */
      readonly input: Float32Array
      /** Masks. */
      readonly spikes: Uint8Array
      /** As the current. */
      readonly surrogates: Float32Array
      /** As the current. */
      readonly potential: Float32Array
      /** Ratio and threshold. */
      readonly stability: Float32Array
      /** One number. */
      readonly runningThreshold: Float32Array
    },
    [potential: Float32Array, stability: Float32Array, runningThreshold: Float32Array],
    StepSettings
  >
>(
  'stabilizedLif',
  ['input', 'timeSteps', ...stabilizedOptions],
  ({ b, op }, { input: shape, timeSteps = 1, ...options }) => {
    const one = extentOf(`${op}.input`, shape, 'never')
    const extent = withSteps(one, 1)
    const layer = layerOf(pick(options, stabilizedOptions))
    checkInteger(`${op}.timeSteps`, timeSteps, 1, MOST_STEPS)
    const input = floatTensor(b, { name: 'input' }, one)
    const spikes = spikesTensor(b, op, { name: 'spikes' }, extent)
    const surrogates = floatTensor(b, { name: 'surrogates' }, one)
    const potential = floatTensor(b, { name: 'potential', updated: true }, one)
    const stability = plainTensor(b, { name: 'stability', updated: true }, [2])
    const running = plainTensor(b, { name: 'runningThreshold', updated: true }, [1])
    const scope = {
      ...{ b, images: one.B, callSteps: 1 },
      ...{ context: { images: one.B }, options: { timeSteps } },
    }
    const neurons: Neurons = {
      ...{ name: op, shape: imageOf(one), model: stabilizedModel(layer) },
      inputs: [{ tensor: asFloat(input, one) }],
      parameters: new Map([['vThreshold', ref(stability.buffer, 4)]]),
    }
    emitStabilized(scope, neurons, potential.buffer, {
      ...{ layer, runningThreshold: running.buffer, stability: stability.buffer },
      share: layer.momentum / timeSteps,
    })
    const results = { masks: spikes.buffer, surrogateOut: surrogates.buffer }
    emitNeurons(scope, neurons, results, () => potential.buffer)
    return {
      inputs: [input, potential, stability, running],
      outputs: [spikes, surrogates],
      control: stepSetting(op, LAST_STEP),
    }
  },
)
