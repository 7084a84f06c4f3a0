// One neuron with something to turn. Runs in Node when the site is built, and in the page.
import { stepsOf } from '../../kit/steps.js'

export { ready } from '../../kit/steps.js'

export const usual = { current: 0.4, tau: 4, threshold: 1, input: 'steady' }

const pulses = [4, 16, 19, 32, 33, 34, 46]
/** What flows in at a step, as a multiple of the current. */
const inputs = {
  steady: (step) => (step >= 4 && step < 46 ? 1 : 0),
  pulses: (step) => (pulses.includes(step) ? 2 : 0),
}

/** @param more names of other outputs of `lif` */
export function trace({ current, tau, threshold, input }, more) {
  const flow = Array.from({ length: 60 }, (_, step) => current * inputs[input](step))
  return stepsOf(flow, { tau, vThreshold: threshold }, more)
}
