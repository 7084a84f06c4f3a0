// A generator of sines: from spikes that are always the same, as of a clock, a recurrent spiking
// network makes a wave of one, two, three or four periods, as an input line tells it. Each step has
// a target. Run it after `npm run build` with: node examples/sine.mjs
import { adam, custom, leakyIntegrator, lif, linear, recurrent, sequential } from 'spikewasm'

const [T, waves, clock, hidden] = [100, 4, 40, 128] // steps, samples, the clock's lines, neurons
const [lines, steps] = [clock + waves, 500]

let word = 7 // of a small generator, so that each run prints the same
const random = () => {
  word = (Math.imul(word, 1664525) + 1013904223) >>> 0
  return word / 2 ** 32
}

// x [waves][T][lines]: the clock's spikes, and a line for each wave. y [waves][T].
const spikes = Array.from({ length: T * clock }, () => (random() < 0.1 ? 1 : 0))
const x = new Float32Array(waves * T * lines)
const y = new Float32Array(waves * T)
for (let wave = 0; wave < waves; wave++)
  for (let t = 0; t < T; t++) {
    const row = (wave * T + t) * lines
    x.set(spikes.slice(t * clock, (t + 1) * clock), row)
    x[row + clock + wave] = 1
    y[wave * T + t] = Math.sin((2 * Math.PI * (wave + 1) * t) / T)
  }

/** What is missing at each step; outputs [T][waves][1]. */
const errorsOf = (outputs, targets) =>
  Float64Array.from(outputs, (z, i) => z - targets[(i % waves) * T + Math.floor(i / waves)])
const meanSquare = (errors) => errors.reduce((sum, e) => sum + e ** 2, 0) / errors.length

/** The mean squared error of all steps. */
function squares({ outputs, targets }) {
  const errors = errorsOf(outputs, targets)
  return { loss: meanSquare(errors), gradient: errors.map((e) => (2 * e) / errors.length) }
}

const net = sequential(
  linear(lines, hidden),
  recurrent(lif({ tau: 10, surrogate: 'atan' })),
  linear(hidden, 1),
  leakyIntegrator({ tau: 5, decayInput: false }),
)
// Gradients that go back through many steps of such a network explode: they end after ten.
const method = { method: 'bptt', truncate: 10 }
const options = { input: [lines], frames: true, timeSteps: T, batchSize: waves, seed: 0 }
const loss = custom(squares, { of: 'steps', targets: T })
const model = await net.compile({ ...options, ...method, loss, optimizer: adam() })
for (let step = 0; step < steps; step++) {
  const lr = 0.005 * (1 - step / steps)
  const { loss } = await model.trainStep(x, y, { lr, clipNorm: 1 })
  if (step % 100 === 0) console.log(`step ${step}: error ${Math.sqrt(loss).toFixed(3)}`)
}

const outputs = await model.forward(x, { training: false })
const errors = errorsOf(outputs, y)
for (let wave = 0; wave < waves; wave++) {
  const error = Math.sqrt(meanSquare(errors.filter((_, i) => i % waves === wave)))
  console.log(`${wave + 1} periods in ${T} steps: root mean square error ${error.toFixed(3)}`)
}
console.log('the second wave, o, and its target, where it is elsewhere, .')
for (let row = 6; row >= -6; row--) {
  const at = (value) => Math.round(6 * Math.max(-1, Math.min(1, value))) === row
  const mark = (_, t) => (at(outputs[t * waves + 1]) ? 'o' : at(y[T + t]) ? '.' : ' ')
  console.log(Array.from({ length: T }, mark).join('').trimEnd())
}
await model.dispose()
