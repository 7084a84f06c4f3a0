// Draws a picture of each neuron whose text is in docs/neurons.md: its potential, threshold and
// spikes for a simple current, by the kernels that the text becomes, and its surrogate.
// Run it with: node tools/neuron-pictures.mjs [folder] (after npm run build)
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { neurons, ops } from 'spikewasm'
import { curve, line, round, text } from './svg.mjs'

const { adex, izhikevich } = neurons.list()
/** A current of a size from one step to another; with `every` in steps so far apart. */
const current = (size, from, to, every = 1) => ({ size, from, to, every })

/** What the page leaves open, by the bold words that stand above a text. */
const pictures = {
  'Leaky integrate-and-fire': {
    ...{ file: 'neuron-lif', steps: 40, x: current(0.35, 4, 32), parameters: { tau: 4 } },
  },
  'A synaptic current': {
    ...{ file: 'neuron-cuba', steps: 40, x: current(0.7, 4, 32, 12) },
    parameters: { tau: 4, tauSyn: 4 },
  },
  'An adaptive threshold': {
    ...{ file: 'neuron-alif', steps: 60, x: current(0.5, 4, 52) },
    parameters: { tau: 4, beta: 0.3, tauA: 20 },
  },
  "Izhikevich's neuron": {
    ...{ file: 'neuron-izhikevich', steps: 240, x: current(10, 20, 200), ...izhikevich },
    unit: 'mV',
  },
  'The adaptive exponential neuron': {
    ...{ file: 'neuron-adex', steps: 240, x: current(1000, 20, 200), ...adex, unit: 'mV' },
  },
}

const page = readFileSync(new URL('../docs/neurons.md', import.meta.url), 'utf8')

/** The text below the bold words. */
function textBelow(title) {
  const found = page.split(`**${title}**`)[1]?.match(/\n\n((?: {4}.*\n)+)/)
  if (!found) throw new Error(`docs/neurons.md has no text below **${title}**`)
  return found[1].replace(/^ {4}/gm, '').trimEnd()
}

/** Numbers of each step: of the neuron's spikes, its potential before and behind them, … */
function traced(source, { steps, x, parameters, init = {}, dt = 1, surrogate, alpha }) {
  const input = Float32Array.from({ length: steps }, (_, t) =>
    t >= x.from && t < x.to && (t - x.from) % x.every === 0 ? x.size : 0,
  )
  const used = (names) =>
    Object.fromEntries(
      Object.entries(names).filter(([name]) => new RegExp(`\\b${name}\\b`).test(source)),
    )
  const shared = { input: [1, steps, 1], parameters: used(parameters), init, dt }
  const values = (written) =>
    Array.from(ops.neuron({ ...shared, text: written, outputs: ['values'] }, input))
  const [, potential, threshold] = source.match(/spike = (\w+) >= (.*)/)
  const quiet = source.replaceAll('detach(spike)', 'spike').replaceAll(/\bspike\b/g, 'fires')
  const atSpike = (expression) => values(quiet.replace(/fires = .*/, `$&\noutput = ${expression}`))
  return {
    input,
    potential,
    spikes: ops.neuron({ ...shared, text: source, surrogate, alpha }, input),
    before: atSpike(potential),
    behind: values(`${quiet}\noutput = ${potential}`),
    threshold: atSpike(threshold),
    start: init[potential] ?? 0,
  }
}

/** The surrogate at distances from the threshold. */
function slopes(distances, { surrogate, alpha }) {
  const input = Float32Array.from(distances)
  const slope = { input: [1, 1, input.length], text: 'spike = x >= 0', surrogate, alpha }
  return Array.from(ops.neuron({ ...slope, outputs: ['surrogates'] }, input))
}

const [width, height] = [760, 236]
const [left, right, top, bottom, foot] = [62, 560, 44, 170, 208]
/** Where the surrogate is drawn. */
const [from, to] = [596, 748]

/** Potential, threshold and spikes over the steps, above them the spikes, below the current. */
function traces(trace, { steps, x }, y) {
  const at = (t) => left + ((right - left) * t) / steps
  const points = [[at(0), y(trace.start)]]
  trace.before.forEach((value, t) => {
    points.push([at(t + 1), y(value)])
    if (trace.spikes[t]) points.push([at(t + 1), y(trace.behind[t])])
  })
  const ticks = [...trace.spikes.keys()].filter((t) => trace.spikes[t])
  const moves = new Set(trace.threshold).size > 1
  const thresholds = trace.threshold.map((value, t) => [at(t && t + 1), y(value)])
  const shown = moves ? thresholds : [0, steps].map((t) => [at(t), y(trace.threshold[0])])
  const high = foot - 22
  const steep = [...trace.input].flatMap((value, t) =>
    [t, t + 1].map((edge) => [at(edge), value > 0 ? high : foot]),
  )
  const corners = steep.filter(
    ([, now], i) => now !== steep[i - 1]?.[1] || now !== steep[i + 1]?.[1],
  )
  return [
    curve(points, 'class="potential"'),
    curve(shown, 'class="threshold"'),
    `<path class="spikes" d="${ticks.map((t) => `M${round(at(t + 1))} 26v10`).join('')}"/>`,
    text(left - 8, 35, 'spikes', 'class="end spike"'),
    curve(corners, 'class="current"'),
    text(left - 8, high + 4, x.size, 'class="end"'),
    text(left - 8, foot + 4, 'x', 'class="end"'),
    line(left, bottom, right, bottom),
    text(right, foot + 22, `${steps} steps`, 'class="end"'),
  ]
}

/** The surrogate, over the same potentials. */
function surrogates(trace, options, y, [least, most]) {
  const { surrogate, alpha } = options
  const [threshold] = trace.threshold
  const potentials = Array.from({ length: 61 }, (_, i) => least + ((most - least) * i) / 60)
  const sizes = slopes(
    potentials.map((u) => u - threshold),
    options,
  )
  const [largest] = slopes([0], options)
  const points = potentials.map((u, i) => [from + ((to - from) * sizes[i]) / largest, y(u)])
  return [
    curve(points, 'class="surrogate"'),
    line(from, y(threshold), to, y(threshold), 'class="threshold"'),
    line(from, top, from, bottom),
    text(from, 35, 'surrogate', 'class="surrogate"'),
    text(from, bottom + 20, `${surrogate}, alpha = ${alpha}`),
    text(from, bottom + 38, `0 … ${round(largest * 100) / 100}`),
  ]
}

const style = `
  text { font: 12px system-ui, sans-serif; fill: #777 } .end { text-anchor: end }
  polyline, path { fill: none; stroke-width: 1.5; stroke-linejoin: round }
  .axis { stroke: #8888 } .potential { stroke: #1f77d0 } text.potential { fill: #1f77d0; stroke: none }
  .threshold { stroke: #888; stroke-dasharray: 4 3 } .spikes { stroke: #d9601a; stroke-width: 2 }
  text.spike { fill: #d9601a } .current { stroke: #888 }
  .surrogate { stroke: #2b9a4b } text.surrogate { fill: #2b9a4b; stroke: none }
`

function picture(title, given) {
  const options = { surrogate: 'sigmoid', alpha: 4, ...given }
  const { unit, x } = options
  const source = textBelow(title)
  const trace = traced(source, options)
  const lowest = Math.min(trace.start, ...trace.before, ...trace.behind)
  const highest = Math.max(...trace.threshold)
  // What a spike goes beyond its threshold says nothing, if it goes far.
  const margin = (highest - lowest) * 0.3
  const most = Math.min(highest + margin, Math.max(...trace.before, highest + 0.4 * margin))
  const range = [lowest, most]
  const y = (value) =>
    bottom - ((bottom - top) * (Math.min(value, most) - lowest)) / (most - lowest)
  const numbers = Object.entries(options.parameters).filter(([name]) =>
    new RegExp(`\\b${name}\\b`).test(source),
  )
  const caption = [...numbers, ['x', x.size]].map(([name, value]) => `${name} = ${value}`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"
  aria-label="${title}: potential, threshold and ${trace.spikes.filter(Boolean).length} spikes">
<style>${style}</style>
${[
  text(left, 15, caption.join(', ')),
  text(left - 8, y(lowest) - 2, round(lowest), 'class="end"'),
  text(left - 8, y(trace.threshold[0]) + 4, round(trace.threshold[0]), 'class="end"'),
  text(
    left - 8,
    (y(lowest) + y(trace.threshold[0])) / 2,
    unit ? `${trace.potential}, ${unit}` : trace.potential,
    'class="end potential"',
  ),
  ...traces(trace, options, y),
  ...surrogates(trace, options, y, range),
].join('\n')}
</svg>
`
}

const folder = process.argv[2] ?? fileURLToPath(new URL('../docs', import.meta.url))
for (const [title, options] of Object.entries(pictures)) {
  const svg = picture(title, options)
  writeFileSync(join(folder, `${options.file}.svg`), svg)
  console.log(`${options.file}.svg: ${svg.length} bytes`)
}
