// Built-in neurons: each with its equations, its options, and a trace by the package.
import { potentialOf, spikeCount, spikesOf, thresholdAt } from '../kit/plots.js'
import { exported, functionSection } from './declarations.js'
import { code, table } from './markdown.js'
import shown from './neurons.json' with { type: 'json' }

/** Its functions are found by their names. */
const api = await import('../../build/dist/index.js')

/** Values of one neuron at each step, by their names, and its potential behind the step. */
async function traceOf(layer, current) {
  const state = api.neurons.of(layer).text.match(/(?:spike|output) = (\w+)/)[1]
  const model = await api.compile(api.sequential(layer), {
    ...{ input: [1], timeSteps: current.length, frames: true, batchSize: 1, purpose: 'inference' },
    record: 'all',
  })
  await model.predict(Float32Array.from(current))
  const states = Object.entries(model.states('0')).map(([name, { data }]) => [name, [...data]])
  await model.dispose()
  const all = Object.fromEntries(states)
  return { potential: all[state], threshold: [], spike: [], ...all, after: all[state] }
}

const rounded = (_, value) => (typeof value === 'number' ? +value.toFixed(3) : value)
/** A value for an attribute of a part of the kit. */
const attribute = (value) => JSON.stringify(value, rounded).replaceAll('"', "'")

/** The plots of a neuron, drawn by the kit that figures of lessons use. */
async function figureOf(name) {
  const { options = {}, input, steps = 60, every = 1 } = shown[name]
  const isOn = (t) => t >= steps / 15 && t < 0.85 * steps && t % every === 0
  const bars = Array.from({ length: steps }, (_, t) => (isOn(t) ? input : 0))
  const { after, potential, threshold, spike } = await traceOf(api[name](options), bars)
  const drawn = potential.map((before, t) => ({ before, spike: spike[t], after: after[t] }))
  const [lines, strokes] = [[potentialOf(drawn)], spikesOf(drawn)]
  const moves = new Set(threshold).size > 1
  if (moves) lines.push(threshold.map((one, t) => [t + 1, one]))
  const levels = moves ? [] : threshold.slice(0, 1).map(thresholdAt)
  const [least, most] = [Math.min, Math.max].map((of) => of(...after, ...threshold))
  const told = Object.entries({ ...options, input }).map((of) => of.join(' = '))
  const text = `${told.join(', ')}; ${spikeCount(strokes.length)} in ${steps} steps.`
  const plots = [
    { name: 'spikes', height: 26, strokes },
    { name: 'potential', y: [least, most + 0.2 * (most - least)], lines, levels },
    { name: 'input', y: [0, input], height: 40, bars },
  ]
  const all = attribute({ x: [1, steps], axes: [['step 1', steps]], plots })
  return `<Figure label="${name}: ${text}" :draw="() => (${all})">${text}</Figure>\n\n`
}

/** The sections of all neurons, and their surrogates. */
export async function neuronSections() {
  const sections = Object.entries(api.neurons.list()).map(async ([name, { text, dt }]) => {
    const lines = `Lines of a step, with dt = ${dt}:\n\n\`\`\`text\n${text}\n\`\`\`\n\n`
    const shown = { made: api[name](), figure: (await figureOf(name)) + lines }
    return functionSection(exported.get(name), shown)
  })
  const rows = Object.entries(api.neurons.surrogates()).map(([name, text]) => {
    const lines = text.split('\n').map((line) => code(line.trim()))
    return [code(name), api.lif({ surrogate: name }).alpha, lines.join('<br>')]
  })
  const heads = ['surrogate', 'alpha', 'of x, potential minus threshold']
  return `${(await Promise.all(sections)).join('')}## Surrogates\n\n${table(heads, rows)}`
}
