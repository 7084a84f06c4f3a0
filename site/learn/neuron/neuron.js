// One neuron, step by step. Runs in Node when the site is built, and in the page.
import { lif, load } from 'spikewasm/ops'

export const STEPS = 60
export const usual = { current: 0.4, tau: 4, threshold: 1, input: 'steady' }

const pulses = [4, 16, 19, 32, 33, 34, 46]
/** What flows in at a step, as a multiple of the current. */
const inputs = {
  steady: (step) => (step >= 4 && step < 46 ? 1 : 0),
  pulses: (step) => (pulses.includes(step) ? 2 : 0),
}

export const ready = () => load?.()

/** For each step: the input, the potential before and after the spike, and the spike. */
export function trace({ current, tau, threshold, input }) {
  const options = { input: [1, 1, 1], tau, vThreshold: threshold, totalSteps: STEPS }
  const plan = lif.plan({ ...options, outputs: ['spikes', 'potential'] })
  const steps = Array.from({ length: STEPS }, (_, step) => {
    const x = current * inputs[input](step)
    const { spikes, potential } = plan.run(Float32Array.of(x), undefined, { step })
    const [spike, after] = [spikes[0], potential[0]]
    return { x, before: after + threshold * spike, spike, after }
  })
  plan.dispose?.()
  return steps
}
