// Draws docs/hero.svg, the picture of README, from a run of its program: a network learns digits;
// then it sees a test digit. The spikes of its neurons and how sure it is after each step appear one
// step after another, once, in under five seconds. Where motion is not wanted, and as hero.svg#still,
// they stand there at once. Colours follow the reader's light or dark.
//
//   node tools/hero.mjs [folder]     after npm run build; it takes a few seconds
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { adam, cosine, datasets, flatten, lif, linear, sequential } from 'spikewasm'

const folder = process.argv[2] ?? fileURLToPath(new URL('../docs', import.meta.url))
const [neurons, steps, classes] = [32, 16, 10]
const secondsPerStep = 0.25

/** Learns, then sees test digits. @returns what happened at that which changed its mind the most */
async function run() {
  const { train, test } = await datasets.digits()
  const net = sequential(flatten(), linear(64, neurons), lif({ tau: 4 }), linear(neurons, classes))
  const options = { input: [1, 8, 8], timeSteps: steps, seed: 1 }
  const model = await net.compile({ ...options, batchSize: 32 })
  await model.fit(train, { epochs: 8, optimizer: adam({ lr: 0.01 }), schedule: cosine() })
  const viewer = await net.compile({ ...options, purpose: 'inference', batchSize: 1, record: true })
  viewer.loadStateDict(model.stateDict())
  const image = new Float32Array(64)
  let [most, shown] = [0]
  for (let i = 0; i < test.length; i++) {
    const label = test.read(i, image)
    const beliefs = beliefsOf((await viewer.predict(image, { of: 'steps' })).logits)
    const gain = beliefs.at(-1)[label] - beliefs[0][label]
    if (bestOf(beliefs.at(-1)) !== label || gain <= most) continue
    most = gain
    shown = { label, image: image.slice(), beliefs, spikes: viewer.spikes('2').data.slice() }
  }
  await Promise.all([model.dispose(), viewer.dispose()])
  const { mean, std } = test.pixels.normalization
  return { ...shown, shades: Array.from(shown.image, (value) => value * std[0] + mean[0]) }
}

const bestOf = (belief) => belief.indexOf(Math.max(...belief))

/** After each step the probability of each digit, by the mean of the outputs so far. */
function beliefsOf(logits) {
  const sums = new Array(classes).fill(0)
  return Array.from({ length: steps }, (_, t) => {
    for (let c = 0; c < classes; c++) sums[c] += logits[t * classes + c]
    const parts = sums.map((sum) => Math.exp(sum / (t + 1)))
    const whole = parts.reduce((a, b) => a + b)
    return parts.map((part) => part / whole)
  })
}

const short = (value) => String(+value.toFixed(2))
const text = (x, y, content, attributes = '') =>
  `<text x="${x}" y="${y}"${attributes}>${content}</text>`

function digit(shades) {
  const dots = shades.map((shade, i) => {
    const [x, y] = [32 + 17 * (i % 8), 62 + 17 * Math.floor(i / 8)]
    return shade > 0
      ? `<path class="ink" opacity="${short(shade)}" d="M${x} ${y}h16v16h-16z"/>`
      : ''
  })
  return [...dots, text(32, 226, '8 × 8 dots')]
}

/** A lane for each neuron, and all spikes of a step in one path, which appears with its step. */
function raster(spikes) {
  const [left, top, column, row] = [226, 26, 23, 5.8]
  const lane = (_, n) =>
    `M${left} ${short(top + row * n)}h${column * steps}v4.6h-${column * steps}z`
  const marks = Array.from({ length: steps }, (_, t) => {
    const fires = (n) => spikes[t * neurons + n]
    const d = Array.from({ length: neurons }, (_, n) =>
      fires(n) ? `M${left + 2 + column * t} ${short(top + row * n)}h19v4.6h-19z` : '',
    )
    return `<path class="spike s${t}" d="${d.join('')}"/>`
  })
  return [
    `<path class="lane" d="${Array.from({ length: neurons }, lane).join('')}"/>`,
    ...marks,
    text(left, 226, `spikes of ${neurons} neurons in ${steps} steps`),
  ]
}

/** A bar for each digit, as long as the network is sure of it; with the last step, the answer. */
function answers(last, best) {
  const [left, width, row] = [668, 130, 18.4]
  const barOf = (c, name) => {
    const y = 38 + row * c
    return [
      text(left - 18, y, c, ` class="${name}"`),
      `<rect class="${name} b${c}" x="${left}" y="${short(y - 11)}" height="12" rx="2" ` +
        `width="${short(2 + width * last[c])}"/>`,
    ]
  }
  const said = text(left - 18, 226, `the answer: ${best}, ${Math.round(100 * last[best])} % sure`)
  const told = [`<g class="told s${steps - 1}">`, ...barOf(best, 'best'), said, '</g>']
  return [...last.flatMap((_, c) => barOf(c, 'bar')), ...told]
}

/** Bars grow from step to step; a spike appears with its step, the answer with the last one. */
function motion(beliefs) {
  const total = steps * secondsPerStep
  const last = beliefs.at(-1)
  const delays = beliefs.map((_, t) => `.s${t}{animation-delay:${short(t * secondsPerStep)}s}`)
  const bars = last.map((belief, c) => {
    const frames = [0.1, ...beliefs.map((step) => step[c])].map((share, t) => {
      const size = (2 + 130 * share) / (2 + 130 * belief)
      return `${short((100 * t) / steps)}%{transform:scaleX(${short(size)})}`
    })
    return `@keyframes b${c}{${frames.join('')}}.b${c}{animation:b${c} ${total}s backwards}`
  })
  return `.spike,.told{animation:on .2s backwards}@keyframes on{from{opacity:0}}
${delays.join('')}
rect{transform-box:fill-box;transform-origin:left}
${bars.join('\n')}
#still:target *{animation:none}
@media (prefers-reduced-motion: reduce){#still *{animation:none}}
`
}

const style = `
text{font:13px system-ui,sans-serif;fill:#5a6272}.card{fill:#fff;stroke:#dfe3ea}
.ink,text.best{fill:#1b1f27}text.best{font-weight:700}.lane{fill:#eef0f4}
.spike,.best{fill:#d9480f}.bar{fill:#c5cbd6}text.bar{fill:#5a6272}
@media (prefers-color-scheme: dark) {
text,text.bar{fill:#a3acbd}.card{fill:#161b22;stroke:#30363d}
.ink,text.best{fill:#e8ebf1}.lane{fill:#232a35}.spike,.best{fill:#ffa94d}.bar{fill:#4a5262}
}
`

const { label, shades, spikes, beliefs } = await run()
const title =
  `A digit goes in. ${neurons} neurons fire over ${steps} steps. After one step the network says ` +
  `${bestOf(beliefs[0])}, in the end ${label}, which is right.`
const svg = `<svg xmlns="http://www.w3.org/2000/svg" id="still" viewBox="0 0 860 246" role="img"
  aria-label="${title}">
<style>${style}${motion(beliefs)}</style>
<rect class="card" x=".5" y=".5" width="859" height="245" rx="10"/>
${[...digit(shades), ...raster(spikes), ...answers(beliefs.at(-1), label)].filter(Boolean).join('\n')}
</svg>
`
writeFileSync(join(folder, 'hero.svg'), svg)
console.log(`hero.svg: ${svg.length} bytes`)
