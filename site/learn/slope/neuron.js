// Firing rates over input, and their slopes. Runs in Node when the site is built, and in the page.
import { lif } from 'spikewasm/ops'
import { stepsOf } from '../../kit/steps.js'

export { ready } from '../../kit/steps.js'

const range = (count) => Float32Array.from({ length: count }, (_, i) => (1.5 * i) / (count - 1))
const round = (value) => +value.toFixed(4)
/** Inputs at which one neuron is measured, and a crowd. */
export const inputs = range(151)
export const places = range(31)

/** Rates and eligibilities of one neuron for steady inputs. */
export function steady(options, values = places) {
  const outputs = ['rates', 'eligibilities']
  const plan = lif.plan({ input: [1, values.length], ...options, outputs })
  const { rates, eligibilities } = plan.run(values)
  const found = { rates: Array.from(rates, round), slopes: Array.from(eligibilities, round) }
  plan.dispose?.()
  return found
}

/** What chance adds to an input: little mostly, much now and then; 4 is the surrogate's `alpha`. */
const chance = (p) => Math.log(p / (1 - p)) / 4

/** Luck of each neuron at each step: for one step evenly spread, else drawn with a fixed seed. */
function luck(timeSteps, count) {
  let state = 1
  const draw = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  return Float32Array.from({ length: timeSteps * count }, (_, i) =>
    chance(timeSteps === 1 ? (i + 0.5) / count : draw()),
  )
}

/** The mean rate of a crowd with the same input, and how much it grows with it. */
export function crowd({ timeSteps, count, ...options }) {
  const noise = luck(timeSteps, count)
  const plan = lif.plan({ input: [1, timeSteps, count], ...options, outputs: ['rates'] })
  const rateAt = (place) =>
    plan.run(noise.map((value) => value + place)).reduce((a, b) => a + b) / count
  const found = Array.from(places, (place) => ({
    rate: round(rateAt(place)),
    slope: round((rateAt(place + 0.05) - rateAt(place - 0.05)) / 0.1),
  }))
  plan.dispose?.()
  return found
}

/** A crowd over 16 steps, and the eligibilities of one neuron: the reset left out, and counted. */
export function slopes(tau) {
  const options = { timeSteps: 16, tau }
  return {
    rows: crowd({ ...options, count: 500 }),
    left: steady(options).slopes,
    counted: steady({ ...options, detachReset: false }).slopes,
  }
}

/** One neuron over 16 steps: its potential, the surrogate, and what each step adds to the sum. */
export function steps({ current, tau }) {
  const found = stepsOf(Array(16).fill(current), { tau }, ['surrogates', 'eligibilities'])
  const sums = found.map(({ eligibilities }) => 16 * eligibilities)
  return found.map((step, t) => ({ ...step, adds: sums[t] - (sums[t - 1] ?? 0) }))
}
