// A neuron to which one lamp adds, and from which another takes away. Runs in Node when the site is
// built, and in the page.
import { lif, load } from 'spikewasm/ops'

export const ready = () => load?.()

export const STEPS = 16
const [GREEN, RED] = [1.2, -0.9]

/** The potential before and after a spike, and the spike, at each step. */
export function inOrder(first, tau) {
  const inputs = first === 'green' ? { 4: GREEN, 7: RED } : { 4: RED, 7: GREEN }
  const options = { input: [1, 1], tau, totalSteps: STEPS, outputs: ['spikes', 'potential'] }
  const plan = lif.plan(options)
  return Array.from({ length: STEPS }, (_, step) => {
    const { spikes, potential } = plan.run(Float32Array.of(inputs[step] ?? 0), undefined, { step })
    return { spike: spikes[0], after: potential[0], before: potential[0] + spikes[0] }
  })
}
