// Built-in neurons: each with its equations, its options, and a trace by the package.
import { potentialOf, spikesOf, thresholdAt } from '../kit/plots.js'
import { code, exportsOf, fileOf, functionSection, table } from './declarations.js'
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
  await model.predict(current)
  const states = Object.entries(model.states('0')).map(([name, { data }]) => [name, [...data]])
  await model.dispose()
  const all = Object.fromEntries(states)
  return { potential: all[state], threshold: [], spike: [], ...all, after: all[state] }
}

const rounded = (_, value) => (typeof value === 'number' ? +value.toFixed(3) : value)
/** Values for an attribute of a part of the kit. */
const attribute = (value) => JSON.stringify(value, rounded).replaceAll('"', "'")

/** The plots of a neuron, drawn by the kit that figures of lessons use. */
async function figureOf(name) {
  const { options = {}, input, steps = 60, every = 1 } = shown[name]
  const isOn = (t) => t >= steps / 15 && t < 0.85 * steps && t % every === 0
  const current = Float32Array.from({ length: steps }, (_, t) => (isOn(t) ? input : 0))
  const { after, potential, threshold, spike } = await traceOf(api[name](options), current)
  const drawn = potential.map((before, t) => ({ before, spike: spike[t], after: after[t] }))
  const [lines, strokes] = [[potentialOf(drawn)], spikesOf(drawn)]
  const moves = new Set(threshold).size > 1
  if (moves) lines.push(threshold.map((one, t) => [t + 1, one]))
  const levels = moves ? [] : threshold.slice(0, 1).map(thresholdAt)
  const [least, most] = [Math.min, Math.max].map((of) => of(...after, ...threshold))
  const told = Object.entries({ ...options, input }).map((of) => of.join(' = '))
  const text = `${told.join(', ')}; ${strokes.length} spikes in ${steps} steps`
  const x = `:x="[1, ${steps}]"`
  return `<figure class="fig"><div role="img" aria-label="${name}: ${text}">
<Plot name="spikes" ${x} :height="26" :strokes="${attribute(strokes)}" />
<Plot name="potential" ${x} :y="${attribute([least, most + 0.2 * (most - least)])}"
 :lines="${attribute(lines)}" :levels="${attribute(levels)}" />
<Plot name="input" ${x} :y="[0, ${input}]" :height="40" :bars="${attribute([...current])}" />
<Axis :labels="['step 1', ${steps}]" /></div><figcaption>${text}.</figcaption></figure>\n\n`
}

/** The sections of all neurons, and their surrogates. */
export async function neuronSections() {
  const own = exportsOf('src/index.ts').filter((one) => fileOf(one).startsWith('src/nn/'))
  const sections = Object.entries(api.neurons.list()).map(async ([name, { text, dt }]) => {
    const symbol = own.find((one) => one.name === name)
    const all = functionSection(symbol, { made: api[name]() }).split(/^(?=\| arg|It takes)/m)
    const lines = `Lines of a step, with dt = ${dt}:\n\n\`\`\`text\n${text}\n\`\`\`\n\n`
    return all[0] + (await figureOf(name)) + lines + all.slice(1).join('')
  })
  const rows = Object.entries(api.neurons.surrogates()).map(([name, text]) => {
    const lines = text.split('\n').map((line) => code(line.trim()))
    return [code(name), api.lif({ surrogate: name }).alpha, lines.join('<br>')]
  })
  const heads = ['surrogate', 'alpha', 'of x, potential minus threshold']
  return `${(await Promise.all(sections)).join('')}## Surrogates\n\n${table(heads, rows)}`
}
