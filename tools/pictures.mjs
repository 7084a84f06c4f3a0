// Draws the picture of docs. run.svg is of a real run: cnn learns the digits that come with the
// package; then one test digit is shown to it, and which neurons fire at which step is drawn too.
//
//   node tools/pictures.mjs [folder]     after npm run build; it takes a few seconds
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cnn, cosine, datasets, sgd } from 'spikewasm'

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
  .paper { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #a3acbd } .title { fill: #e8ebf1 } .paper { fill: #161b22 }
    .axis { stroke: #5a6272 } .grid { stroke: #30363d } .layer1 { stroke: #c5cbd6 }
    .loss { fill: #ffa94d } .lossLine { stroke: #ffa94d } .accuracy, circle { fill: #7eb6f2 }
    .accuracyLine, .layer2 { stroke: #7eb6f2 }
  }
`

async function drawRun() {
  const run = await runOfDigits()
  const size = [860, 330]
  const paper = '<rect width="860" height="330" class="paper"/>'
  const label = 'Loss and accuracy over ten epochs, and a raster of spikes'
  draw('run.svg', size, label, runStyle, [paper, ...curves(run), ...raster(run)])
}

await drawRun()
