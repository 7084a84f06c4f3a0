// Sizes of what pages load, as gzip -9 packs it: a page that trains, the same with a neuron of its
// own, the engine, a page that only predicts, and one that trains an exported network, each built by
// vite with no configuration. Run by `npm run size`.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

const root = fileURLToPath(new URL('..', import.meta.url))

const TRAINS = `
import {
  adam, avgPool2d, batchNorm2d, conv2d, flatten, fromArrays, lif, linear, sequential,
} from 'spikewasm'
const network = sequential(
  conv2d(1, 8, 3), batchNorm2d(8), lif(), avgPool2d(2), flatten(), linear(72, 10),
)
globalThis.train = async (images, labels) => {
  const model = await network.compile({ input: [1, 8, 8], timeSteps: 4 })
  const data = fromArrays({ images, labels, classes: 10, shape: [1, 8, 8] })
  await model.fit(data, { epochs: 4, optimizer: adam() })
  return [await model.evaluate(data), await model.predict(images)]
}
`

const OWN = TRAINS.replace('lif,', 'neuron,').replace(
  'lif()',
  "neuron('u = u/2 + x; spike = u >= 1; u = u - spike')",
)

const PREDICTS = `
import { openNet } from 'spikewasm/net'
globalThis.openNet = openNet
`

const LEARNS = `
import { openNet } from 'spikewasm'
globalThis.learn = async (file, batches) => {
  const net = await openNet(new Uint8Array(await (await fetch(file)).arrayBuffer()))
  const { labels, trainStep, loss } = net.training
  return batches.map(([images, classes]) => {
    net.input.set(images)
    labels.set(classes)
    trainStep()
    return loss()
  })
}
`

const packed = (bytes) => gzipSync(bytes, { level: 9 }).length

/** All JavaScript of a folder, workers included. */
const scriptsOf = (folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.js'))
    .map((name) => readFileSync(join(folder, name)))

/** Pages by name: what each is, how small it shall be, and its script. */
const pages = {
  trains: ['a page that trains', 45 * 1024, TRAINS],
  own: ['the same, with a neuron of its own', 92_000, OWN],
  predicts: ['a page that only predicts', 5250, PREDICTS],
  learns: ['a page that trains an exported network', 45 * 1024, LEARNS],
}

/** Builds the pages in a folder of their own. */
export async function measure() {
  const folder = mkdtempSync(join(tmpdir(), 'spikewasm-size-'))
  const sizes = {}
  try {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/spikewasm'), 'junction')
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
    writeFileSync(join(folder, 'index.html'), '<script type="module" src="./main.js"></script>\n')
    for (const [name, [, , script]] of Object.entries(pages)) {
      writeFileSync(join(folder, 'main.js'), script)
      await build({ root: folder, configFile: false, logLevel: 'error', build: { outDir: 'dist' } })
      const scripts = scriptsOf(join(folder, 'dist'))
      sizes[name] = { bytes: scripts.reduce((sum, text) => sum + packed(text), 0) }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  const engines = ['engine.wasm', 'engine-threads.wasm'].map((name) =>
    join(root, 'build/wasm', name),
  )
  return { ...sizes, wasm: Math.max(...engines.map((path) => packed(readFileSync(path)))) }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const sizes = await measure()
  const row = (label, bytes, goal) =>
    console.log(`${label.padEnd(44)} ${String(bytes).padStart(8)}   goal ${goal}`)
  for (const [name, [label, goal]] of Object.entries(pages)) row(label, sizes[name].bytes, goal)
  row('the engine', sizes.wasm, 60_000)
}
