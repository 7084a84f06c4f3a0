// One neuron of the package, step by step. Runs in Node when the site is built, and in the page.
import { lif, load } from 'spikewasm/ops'

export const ready = () => load?.()

/**
 * For each step what flows in, the potential before and after the spike, the spike, and what else
 * is asked for.
 *
 * @param inputs one for each step
 * @param more names of other outputs of `lif`
 */
export function stepsOf(inputs, { tau, vThreshold = 1 }, more = []) {
  const outputs = ['spikes', 'potential', ...more]
  const options = { input: [1, 1], tau, vThreshold, totalSteps: inputs.length, outputs }
  const plan = lif.plan(options)
  const steps = inputs.map((x, step) => {
    const made = plan.run(Float32Array.of(x), undefined, { step })
    const [spike, after, ...others] = outputs.map((name) => made[name][0])
    const rest = Object.fromEntries(more.map((name, i) => [name, others[i]]))
    return { x, before: after + vThreshold * spike, spike, after, ...rest }
  })
  plan.dispose?.()
  return steps
}
