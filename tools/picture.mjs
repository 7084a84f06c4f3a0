// Draws docs/run.svg from a real run: cnn learns the digits that come with the package; then one
// test digit is shown to it, and which neurons fire at which step is drawn too.
// Run it with: node tools/picture.mjs [file] (after npm run build; it takes a few seconds)
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  avgPool2d,
  batchNorm2d,
  conv2d,
  cosine,
  datasets,
  flatten,
  lif,
  linear,
  sequential,
  sgd,
} from 'spikewasm'
import { line, round, text } from './svg.mjs'

const epochs = 10
const timeSteps = 4
const rasterSteps = 32
const neuronsShown = 40
const input = [1, 8, 8]

/** The network of the README. */
const stage = (from, to) => [
  conv2d(from, to, 3, { padding: 1, bias: false }),
  batchNorm2d(to),
  lif(),
  avgPool2d(2),
]
const network = sequential(...stage(1, 16), ...stage(16, 32), flatten(), linear(128, 10))

const { train, test } = await datasets.digits()
const model = await network.compile({ input, timeSteps, batchSize: 32, seed: 0 })
const losses = []
const accuracies = []
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
const long = { timeSteps: rasterSteps, batchSize: 1, purpose: 'inference', record: true }
const shown = await network.compile({ input, ...long })
shown.loadStateDict(model.stateDict())
await shown.predict(image)

/** Rows of neurons spread evenly over a layer: for each the steps (from 0) at which it fires. */
function rasterRows(layer) {
  const { data } = shown.spikes(layer)
  const neurons = data.length / rasterSteps
  const steps = Array.from({ length: rasterSteps }, (_, t) => t)
  return Array.from({ length: neuronsShown }, (_, row) => {
    const neuron = Math.floor((row * neurons) / neuronsShown)
    return steps.filter((t) => data[t * neurons + neuron])
  })
}

// The drawing. Lengths are in pixels.
const [width, height] = [860, 330]
/** Loss of each step, and test accuracy behind each epoch. */
function curves() {
  const [left, right, top, bottom] = [50, 370, 50, 280]
  const highest = Math.ceil(Math.max(...losses))
  const x = (step) => left + ((right - left) * step) / losses.length
  const y = (share) => bottom - (bottom - top) * share
  const loss = losses.map((value, i) => `${round(x(i + 0.5))},${round(y(value / highest))}`)
  const stepsPerEpoch = losses.length / epochs
  const dots = accuracies.map((value, i) => [x((i + 1) * stepsPerEpoch), y(value)])
  const last = (100 * accuracies[epochs - 1]).toFixed(1)
  return [
    text(left, 24, 'Training on 1,442 digits', 'class="title"'),
    line(left, bottom, right, bottom),
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
      line(left, y(share), right, y(share), 'class="grid"'),
      text(left - 8, y(share) + 4, (highest * share).toFixed(2), 'class="loss end"'),
      text(right + 8, y(share) + 4, `${100 * share} %`, 'class="accuracy"'),
    ]),
    ...accuracies.map((_, i) =>
      text(x((i + 0.5) * stepsPerEpoch), bottom + 18, i + 1, 'class="middle"'),
    ),
    text((left + right) / 2, bottom + 38, 'epoch', 'class="middle"'),
    `<polyline class="lossLine" points="${loss.join(' ')}"/>`,
    `<polyline class="accuracyLine" points="${dots.map((dot) => dot.map(round)).join(' ')}"/>`,
    ...dots.map(([cx, cy]) => `<circle cx="${round(cx)}" cy="${round(cy)}" r="3"/>`),
    text(left + 46, top + 146, 'loss of each step', 'class="loss"'),
    text(right - 8, top + 46, `test accuracy, ${last} % at the end`, 'class="accuracy end"'),
  ]
}

/** One row a neuron, one column a step, a mark for each spike. */
function raster() {
  const [left, right, top] = [500, 840, 50]
  const rowHeight = 2.75
  const column = (right - left) / rasterSteps
  const parts = [
    text(left, 24, `Spikes of 2 × ${neuronsShown} neurons that see a ${label}`, 'class="title"'),
  ]
  for (const [i, layer] of ['2', '6'].entries()) {
    const first = top + i * (neuronsShown * rowHeight + 10)
    const marks = rasterRows(layer).flatMap((steps, row) =>
      steps.map(
        (t) => `M${round(left + (t + 0.5) * column)} ${round(first + row * rowHeight)}v2.2`,
      ),
    )
    parts.push(
      `<path class="layer${i + 1}" d="${marks.join('')}"/>`,
      text(left - 10, first + (neuronsShown * rowHeight) / 2, `LIF ${i + 1}`, 'class="end"'),
    )
  }
  const bottom = top + 2 * neuronsShown * rowHeight + 10
  parts.push(line(left, bottom, right, bottom))
  for (const step of [1, 8, 16, 24, 32])
    parts.push(text(left + (step - 0.5) * column, bottom + 18, step, 'class="middle"'))
  parts.push(text((left + right) / 2, bottom + 38, 'time step', 'class="middle"'))
  return parts
}

const style = `
  text { font: 12px system-ui, sans-serif; fill: #555 }
  .title { font-size: 15px; font-weight: 600; fill: #222 }
  .end { text-anchor: end } .middle { text-anchor: middle }
  .axis { stroke: #888 } .grid { stroke: #ddd }
  .loss { fill: #b4530a } .accuracy { fill: #1d5fa8 }
  polyline { fill: none; stroke-width: 1.5 } circle { fill: #1d5fa8 }
  .lossLine { stroke: #d97a2b } .accuracyLine { stroke: #1d5fa8 }
  path { fill: none; stroke-width: 2.2 } .layer1 { stroke: #444 } .layer2 { stroke: #1d5fa8 }
`
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"
  aria-label="Loss and accuracy over ten epochs, and a raster of spikes">
<style>${style}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
${[...curves(), ...raster()].join('\n')}
</svg>
`
const path = process.argv[2] ?? fileURLToPath(new URL('../docs/run.svg', import.meta.url))
writeFileSync(path, svg)
console.log(`${path}: ${svg.length} bytes, accuracy ${accuracies[epochs - 1]}`)
await Promise.all([model.dispose(), shown.dispose()])
