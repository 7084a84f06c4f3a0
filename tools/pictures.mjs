// Draws the pictures of docs. run.svg is of a real run: cnn learns the digits that come with the
// package; then one test digit is shown to it, and which neurons fire at which step is drawn too.
// neuron-….svg is of a neuron whose text is in docs/neurons.md: its potential, threshold and spikes
// for a simple current, by the kernels that the text becomes, and its surrogate.
//
//   node tools/pictures.mjs [folder]     after npm run build; it takes a few seconds
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cnn, cosine, datasets, neurons, ops, sgd } from 'spikewasm'

const folder = process.argv[2] ?? fileURLToPath(new URL('../docs', import.meta.url))

const round = (value) => Number(value.toFixed(1))
const text = (x, y, content, attributes = '') =>
  `<text x="${round(x)}" y="${round(y)}" ${attributes}>${content}</text>`
const line = (x1, y1, x2, y2, attributes = 'class="axis"') =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" ${attributes}/>`
const curve = (points, className) => {
  const pairs = points.map((point) => point.map(round).join())
  return `<polyline class="${className}" points="${pairs.join(' ')}"/>`
}

/** Writes a picture. Lengths are in pixels. */
function draw(file, [width, height], label, style, parts) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"
  aria-label="${label}">
<style>${style}</style>
${parts.join('\n')}
</svg>
`
  writeFileSync(join(folder, file), svg)
  console.log(`${file}: ${svg.length} bytes`)
}

// A run.

const epochs = 10
const [rasterSteps, neuronsShown] = [32, 40]

/** Trains; then the network sees a digit for more steps. */
async function runOfDigits() {
  const input = [1, 8, 8]
  const { train, test } = await datasets.digits()
  const model = await cnn(input, 10).compile({ input, timeSteps: 4, batchSize: 32, seed: 0 })
  const [losses, accuracies] = [[], []]
  await model.fit(train, {
    epochs,
    optimizer: sgd({ lr: 0.2, weightDecay: 5e-4 }),
    schedule: cosine(),
    validation: test,
    onStep: ({ loss }) => losses.push(loss),
    onEpoch: ({ testAccuracy }) => accuracies.push(testAccuracy),
  })
  const image = new Float32Array(64)
  const label = test.read(0, image)
  const once = { timeSteps: rasterSteps, batchSize: 1, purpose: 'inference', record: true }
  const shown = await cnn(input, 10).compile({ input, ...once })
  shown.loadStateDict(model.stateDict())
  await shown.predict(image)
  const spikes = ['2', '6'].map((layer) => shown.spikes(layer).data.slice())
  await Promise.all([model.dispose(), shown.dispose()])
  return { losses, accuracies, label, spikes }
}

/** Loss of each step, and test accuracy behind each epoch. */
function curves({ losses, accuracies }) {
  const [left, right, top, bottom] = [50, 370, 50, 280]
  const highest = Math.ceil(Math.max(...losses))
  const x = (epoch) => left + ((right - left) * epoch) / epochs
  const y = (share) => bottom - (bottom - top) * share
  const stepsPerEpoch = losses.length / epochs
  const loss = losses.map((value, i) => [x((i + 0.5) / stepsPerEpoch), y(value / highest)])
  const dots = accuracies.map((value, i) => [x(i + 1), y(value)])
  const last = (100 * accuracies[epochs - 1]).toFixed(1)
  return [
    text(left, 24, 'Training on 1,442 digits', 'class="title"'),
    line(left, bottom, right, bottom),
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
      line(left, y(share), right, y(share), 'class="grid"'),
      text(left - 8, y(share) + 4, (highest * share).toFixed(2), 'class="loss end"'),
      text(right + 8, y(share) + 4, `${100 * share} %`, 'class="accuracy"'),
    ]),
    ...dots.map((_, i) => text(x(i + 0.5), bottom + 18, i + 1, 'class="middle"')),
    text((left + right) / 2, bottom + 38, 'epoch', 'class="middle"'),
    curve(loss, 'lossLine'),
    curve(dots, 'accuracyLine'),
    ...dots.map(([cx, cy]) => `<circle cx="${round(cx)}" cy="${round(cy)}" r="3"/>`),
    text(left + 46, top + 146, 'loss of each step', 'class="loss"'),
    text(right - 8, top + 46, `test accuracy, ${last} % at the end`, 'class="accuracy end"'),
  ]
}

/** One row a neuron, spread evenly over a layer; one column a step, a mark for each spike. */
function raster({ spikes, label }) {
  const [left, right, top, rowHeight] = [500, 840, 50, 2.75]
  const x = (step) => left + ((right - left) * (step + 0.5)) / rasterSteps
  const layerHeight = neuronsShown * rowHeight
  const bottom = top + 2 * layerHeight + 10
  const layers = spikes.flatMap((data, i) => {
    const count = data.length / rasterSteps
    const first = top + i * (layerHeight + 10)
    const marks = Array.from({ length: neuronsShown * rasterSteps }, (_, at) => {
      const [row, t] = [Math.floor(at / rasterSteps), at % rasterSteps]
      const fires = data[t * count + Math.floor((row * count) / neuronsShown)]
      return fires ? `M${round(x(t))} ${round(first + row * rowHeight)}v2.2` : ''
    })
    return [
      `<path class="layer${i + 1}" d="${marks.join('')}"/>`,
      text(left - 10, first + layerHeight / 2, `LIF ${i + 1}`, 'class="end"'),
    ]
  })
  return [
    text(left, 24, `Spikes of 2 × ${neuronsShown} neurons that see a ${label}`, 'class="title"'),
    ...layers,
    line(left, bottom, right, bottom),
    ...[1, 8, 16, 24, 32].map((step) => text(x(step - 1), bottom + 18, step, 'class="middle"')),
    text((left + right) / 2, bottom + 38, 'time step', 'class="middle"'),
  ]
}

const runStyle = `
  text { font: 12px system-ui, sans-serif; fill: #555 }
  .title { font-size: 15px; font-weight: 600; fill: #222 }
  .end { text-anchor: end } .middle { text-anchor: middle }
  .axis { stroke: #888 } .grid { stroke: #ddd }
  .loss { fill: #b4530a } .accuracy { fill: #1d5fa8 }
  polyline { fill: none; stroke-width: 1.5 } circle { fill: #1d5fa8 }
  .lossLine { stroke: #d97a2b } .accuracyLine { stroke: #1d5fa8 }
  path { fill: none; stroke-width: 2.2 } .layer1 { stroke: #444 } .layer2 { stroke: #1d5fa8 }
`

async function drawRun() {
  const run = await runOfDigits()
  const size = [860, 330]
  const paper = '<rect width="860" height="330" fill="#fff"/>'
  const label = 'Loss and accuracy over ten epochs, and a raster of spikes'
  draw('run.svg', size, label, runStyle, [paper, ...curves(run), ...raster(run)])
}

// Neurons.

const { adex, izhikevich } = neurons.list()
const of = (parameters) => ({ parameters, surrogate: 'sigmoid', alpha: 4, unit: '' })
const inMillivolts = (preset) => ({ ...of({}), ...preset, unit: ', mV' })

/**
 * What the page leaves open: the bold words that stand above a text, the file, steps, a current (its
 * size, from which step to which, in steps so far apart), and the neuron's numbers.
 */
const pictures = [
  ['Leaky integrate-and-fire', 'lif', 40, [0.35, 4, 32], of({ tau: 4 })],
  ['A synaptic current', 'cuba', 40, [0.7, 4, 32, 12], of({ tau: 4, tauSyn: 4 })],
  ['An adaptive threshold', 'alif', 60, [0.5, 4, 52], of({ tau: 4, beta: 0.3, tauA: 20 })],
  ["Izhikevich's neuron", 'izhikevich', 240, [10, 20, 200], inMillivolts(izhikevich)],
  ['The adaptive exponential neuron', 'adex', 240, [1000, 20, 200], inMillivolts(adex)],
]

const page = readFileSync(new URL('../docs/neurons.md', import.meta.url), 'utf8')

/** The text below the bold words. */
function textBelow(title) {
  const found = page.split(`**${title}**`)[1]?.match(/\n\n((?: {4}.*\n)+)/)
  if (!found) throw new Error(`docs/neurons.md has no text below **${title}**`)
  return found[1].replace(/^ {4}/gm, '').trimEnd()
}

/** Numbers of each step: of the neuron's spikes, its potential before and behind them, … */
function traced(source, steps, [size, from, to, every = 1], neuron) {
  const { parameters: all, init = {}, dt = 1, surrogate, alpha } = neuron
  const input = Float32Array.from({ length: steps }, (_, t) =>
    t >= from && t < to && (t - from) % every === 0 ? size : 0,
  )
  const isUsed = ([name]) => new RegExp(`\\b${name}\\b`).test(source)
  const parameters = Object.fromEntries(Object.entries(all).filter(isUsed))
  const shared = { input: [1, steps, 1], parameters, init, dt }
  const values = (written) =>
    Array.from(ops.neuron({ ...shared, text: written, outputs: ['values'] }, input))
  const [, potential, threshold] = source.match(/spike = (\w+) >= (.*)/)
  const quiet = source.replaceAll('detach(spike)', 'spike').replaceAll(/\bspike\b/g, 'fires')
  const atSpike = (expression) => values(quiet.replace(/fires = .*/, `$&\noutput = ${expression}`))
  return {
    input,
    parameters,
    potential,
    spikes: ops.neuron({ ...shared, text: source, surrogate, alpha }, input),
    before: atSpike(potential),
    behind: values(`${quiet}\noutput = ${potential}`),
    threshold: atSpike(threshold),
    start: init[potential] ?? 0,
  }
}

const [left, right, top, bottom, foot] = [62, 560, 44, 170, 208]

/** Potential, threshold and spikes over the steps, above them the spikes, below the current. */
function traces(trace, steps, size, y) {
  const at = (t) => left + ((right - left) * t) / steps
  const points = trace.before.flatMap((value, t) => {
    const before = [at(t + 1), y(value)]
    return trace.spikes[t] ? [before, [at(t + 1), y(trace.behind[t])]] : [before]
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
    curve([[at(0), y(trace.start)], ...points], 'potential'),
    curve(shown, 'threshold'),
    `<path class="spikes" d="${ticks.map((t) => `M${round(at(t + 1))} 26v10`).join('')}"/>`,
    text(left - 8, 35, 'spikes', 'class="end spike"'),
    curve(corners, 'current'),
    text(left - 8, high + 4, size, 'class="end"'),
    text(left - 8, foot + 4, 'x', 'class="end"'),
    line(left, bottom, right, bottom),
    text(right, foot + 22, `${steps} steps`, 'class="end"'),
  ]
}

/** The surrogate beside them, over the same potentials. */
function surrogates([threshold], { surrogate, alpha }, y, [least, most]) {
  const [from, to] = [596, 748]
  const potentials = Array.from({ length: 61 }, (_, i) => least + ((most - least) * i) / 60)
  const distances = Float32Array.from([...potentials, threshold], (u) => u - threshold)
  const slope = { input: [1, 1, distances.length], text: 'spike = x >= 0', surrogate, alpha }
  const sizes = ops.neuron({ ...slope, outputs: ['surrogates'] }, distances)
  const largest = sizes.at(-1)
  const points = potentials.map((u, i) => [from + ((to - from) * sizes[i]) / largest, y(u)])
  return [
    curve(points, 'surrogate'),
    line(from, y(threshold), to, y(threshold), 'class="threshold"'),
    line(from, top, from, bottom),
    text(from, 35, 'surrogate', 'class="surrogate"'),
    text(from, bottom + 20, `${surrogate}, alpha = ${alpha}`),
    text(from, bottom + 38, `0 … ${round(largest * 100) / 100}`),
  ]
}

const neuronStyle = `
  text { font: 12px system-ui, sans-serif; fill: #777 } .end { text-anchor: end }
  polyline, path { fill: none; stroke-width: 1.5; stroke-linejoin: round }
  .axis { stroke: #8888 } .potential { stroke: #1f77d0 } text.potential { fill: #1f77d0; stroke: none }
  .threshold { stroke: #888; stroke-dasharray: 4 3 } .spikes { stroke: #d9601a; stroke-width: 2 }
  text.spike { fill: #d9601a } .current { stroke: #888 }
  .surrogate { stroke: #2b9a4b } text.surrogate { fill: #2b9a4b; stroke: none }
`

function drawNeuron([title, file, steps, current, neuron]) {
  const trace = traced(textBelow(title), steps, current, neuron)
  const [x] = current
  const [threshold] = trace.threshold
  const lowest = Math.min(trace.start, ...trace.before, ...trace.behind)
  const highest = Math.max(...trace.threshold)
  // What a spike goes beyond its threshold says nothing, if it goes far.
  const margin = (highest - lowest) * 0.3
  const most = Math.min(highest + margin, Math.max(...trace.before, highest + 0.4 * margin))
  const y = (value) =>
    bottom - ((bottom - top) * (Math.min(value, most) - lowest)) / (most - lowest)
  const numbers = Object.entries({ ...trace.parameters, x })
  const caption = numbers.map(([name, value]) => `${name} = ${value}`).join(', ')
  const middle = (y(lowest) + y(threshold)) / 2
  const spikes = trace.spikes.filter(Boolean).length
  const label = `${title}: potential, threshold and ${spikes} spikes`
  draw(`neuron-${file}.svg`, [760, 236], label, neuronStyle, [
    text(left, 15, caption),
    text(left - 8, y(lowest) - 2, round(lowest), 'class="end"'),
    text(left - 8, y(threshold) + 4, round(threshold), 'class="end"'),
    text(left - 8, middle, `${trace.potential}${neuron.unit}`, 'class="end potential"'),
    ...traces(trace, steps, x, y),
    ...surrogates(trace.threshold, neuron, y, [lowest, most]),
  ])
}

await drawRun()
for (const picture of pictures) drawNeuron(picture)
