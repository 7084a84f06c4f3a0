/**
 * What a page loads has short names for what only the package reads, and parts that come with the
 * functions that a page calls. Here a page calls most of them: results are those of Node.
 */
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { build } from 'vite'
import { skip } from '../support/runner.js'
import { makeProject, openBrowser, resultOf, serve } from './site.js'

const features = `
import * as S from 'spikewasm'

const hash = (bytes) => bytes.reduce((h, byte) => (Math.imul(h, 31) + byte) >>> 0, 0)
const hashOf = ({ buffer, byteOffset, byteLength }) =>
  hash(new Uint8Array(buffer, byteOffset, byteLength))
const images = new Float32Array(32 * 64).map((_, i) => ((i * 7) % 11) / 11)
const shape = [1, 8, 8]
const classes = { images, labels: new Uint8Array(32).map((_, i) => i % 10), classes: 10, shape }
const data = S.fromArrays(classes)
const numbers = new Float32Array(320).map((_, i) => (i % 3) / 3)
const values = S.fromArrays({ images, targets: numbers, shape })
const small = () => S.sequential(
  S.conv2d(1, 8, 3), S.batchNorm2d(8), S.lif(), S.avgPool2d(2), S.flatten(), S.linear(72, 10),
)
const open = (network, options) =>
  network.compile({ input: shape, timeSteps: 4, batchSize: 16, seed: 1, ...options })
async function trained(network, fit = {}, compile = {}, of = data) {
  const model = await open(network, compile)
  const { epochs } = await model.fit(of, { epochs: 2, optimizer: S.adam({ lr: 0.01 }), ...fit })
  const { loss, accuracy } = await model.evaluate(of)
  return { model, text: [hash(model.toBytes()), epochs.at(-1).trainLoss, loss, accuracy].join() }
}
async function run(...of) {
  const { model, text } = await trained(...of)
  await model.dispose()
  return text
}

/** Addresses of files that a page has to give. */
let given = {}

const all = {
  bptt: () => run(small(), { method: 'bptt', schedule: S.cosine(), clipNorm: 1, ema: 0.9 }),
  ottt: () => run(small(), { method: 'ottt', schedule: S.linearWarmup(1, S.stepDecay(2)) }),
  mse: () => run(small(), { loss: S.mse({ targets: 'values' }) }, {}, values),
  tet: () => run(small(), {
    method: 'bptt', loss: S.tet(), penalties: [S.ratePenalty({ weight: 0.1 })],
    optimizer: S.sgd({ lr: 0.1, momentum: 0.9 }),
  }),
  exits: () => run(S.block(
    { a: S.flatten(), b: S.linear(64, 10), c: S.linear(64, 20), l: S.lif(), d: S.linear(20, 10) },
    (m, x) => {
      const flat = m.a(x)
      return { early: m.b(flat), output: m.d(m.l(m.c(flat))) }
    },
  )),
  async integers() {
    const { model, text } = await trained(small(), {}, { weights: 'int6' })
    // Which of them are 0 is counted.
    const { operations } = await model.evaluate(data)
    await model.dispose()
    return text + JSON.stringify(operations)
  },
  async 'integers by steps, as a file'() {
    const how = { weights: 'int6', method: 'sltt', update: 'everyStep' }
    const { model, text } = await trained(small(), {}, how)
    const net = await S.openNet(await S.exportWasm(model, { wasm: given.named }))
    net.input.set(images.subarray(0, 64))
    net.infer()
    const { logits } = await model.predict(images.subarray(0, 64))
    await model.dispose()
    return [text, hashOf(net.output) === hashOf(logits)].join()
  },
  joins: () => run(S.block(
    { a: S.conv2d(1, 4, 3), b: S.conv2d(1, 4, 3), f: S.flatten(), l: S.linear(288, 10) },
    (m, x, { concat }) => m.l(m.f(concat(m.a(x), m.b(x)))),
  )),
  sums: () => run(S.sequential(
    S.conv2d(1, 8, 3, { padding: 1 }),
    S.residual(S.sequential(S.conv2d(8, 8, 3, { padding: 1 }), S.lif())),
    S.flatten(), S.linear(512, 10),
  )),
  cells: () => run(S.sequential(
    S.flatten(), S.linear(64, 16), S.recurrent(S.lif()), S.linear(16, 12), S.plif(),
    S.linear(12, 10),
  ), {}, { method: 'bptt' }),
  neurons: () => run(S.sequential(
    S.flatten(), S.linear(64, 16), S.lif({ surrogate: 'atan', vReset: 0 }),
    S.linear(16, 16), S.cubaLif(), S.linear(16, 16), S.alif({ learn: ['beta'] }),
    S.linear(16, 12), S.plif(), S.linear(12, 12), S.integrateAndFire(),
    S.linear(12, 10), S.leakyIntegrator(),
  )),
  ...Object.fromEntries(['rate', 'bptt', 'sltt'].map((method) => [\`own \${method}\`, () => run(
    S.sequential(
      S.flatten(), S.linear(64, 16),
      S.neuron('dv/dt = (x - v + exp(v - 1)/4)/tau\\nw = w*(1 - 1/tauW) + spike\\n' +
        'spike = v >= theta + w/8 and v < 9\\nv = where(spike, reset, v)',
        { tau: 2, tauW: 5, theta: 0.5, reset: 0.1 },
        { surrogate: 'alpha/(1 + (alpha*x)^2)', learn: method === 'sltt' ? [] : ['theta'] }),
      S.linear(16, 10),
      S.neuron('tau > 1\\ndu/dt = (x - u)/tau\\noutput = tanh(u)', { tau: 3 },
        { solver: 'exponentialEuler', learn: method === 'sltt' ? [] : ['tau'] }),
    ), {}, { method },
  )])),
  own: () => run(S.sequential(
    S.flatten(), S.linear(64, 16), S.elementwise('x*sigmoid(b*x)', { b: 1 }, { learn: ['b'] }),
    S.linear(16, 12), S.neuron('u = u/tau + x; spike = u >= 1; u = u - spike', { tau: 2 }),
    S.linear(12, 10),
  ), {}, { method: 'bptt' }),
  norms: () => run(S.sequential(
    S.conv2d(1, 8, 3), S.groupNorm(2, 8), S.relu(),
    S.conv2d(8, 8, 3, { groups: 8, padding: 1 }), S.batchNorm2d(8), S.lif(), S.maxPool2d(2),
    S.dropout(0.2), S.flatten(), S.linear(72, 10),
  )),
  ready: () => run(S.cnn(shape, 10), { epochs: 1 }),
  async files() {
    const { model } = await trained(small(), {}, { record: true })
    const bytes = model.toBytes()
    const again = await S.Model.fromBytes(bytes)
    const { logits } = await again.predict(images)
    await again.load(bytes)
    const { layers } = await model.monitor(data, { limit: 4 })
    const times = await model.profile(1)
    const other = await open(S.networkFromJSON(JSON.stringify(model.toJSON())), {})
    other.loadStateDict(model.stateDict())
    const text = JSON.stringify([
      hashOf(logits), Object.keys(layers), times.map(({ op, layer }) => op + layer).length > 9,
      model.summary(), model.memoryUse, hash(other.toBytes()),
    ])
    for (const one of [model, again, other]) await one.dispose()
    return text
  },
  async drawn() {
    // Random numbers of every kind that a page draws.
    const bytes = new Uint8Array(32 * 64).map((_, i) => (i * 7) % 251)
    const of = { name: 'x', images: bytes, labels: classes.labels, classes: 10, shape }
    const plain = S.fromBytes({ ...of, normalization: { mean: [0], std: [1], scale: 255 } })
    const sets = [
      S.augment(plain, { crop: 2, flip: true }), S.encoders.rate(data, { timeSteps: 4 }),
    ]
    return sets.map((set) => {
      const batches = new S.Batches(set, { batchSize: 32, training: true, seed: 3 })
      const out = new Float32Array(32 * 256)
      const labels = new Int32Array(32)
      batches.startEpoch(1)
      batches.fill(0, out, labels)
      return [hashOf(out), hashOf(labels)].join()
    }).join()
  },
  async stream() {
    const model = await open(small(), { purpose: 'stream', batchSize: 1 })
    const { logits } = await model.step(images.subarray(0, 64))
    await model.dispose()
    return String(hashOf(logits))
  },
  async inspected() {
    const { model } = await trained(small(), {}, { method: 'bptt', inspect: true })
    const text = JSON.stringify([model.diagnostics(), model.stepRates()])
    await model.dispose()
    return text
  },
  async exported() {
    const { model } = await trained(small())
    const wasm = given.named
    const bytes = await S.exportWasm(model, { wasm })
    const eight = await S.exportWasm(model, { weights: 'int8', wasm })
    const net = await S.openNet(bytes)
    net.input.set(images.subarray(0, 64))
    net.infer()
    await model.dispose()
    return JSON.stringify([hash(bytes), hash(eight), hashOf(net.output), net.info])
  },
  debug: () => run(small(), {}, { engine: 'debug', wasm: given.debug }),
  async pretrained() {
    const model = await S.pretrained('nmnist', { from: given.nmnist, batchSize: 1 })
    const text = String(hash(model.toBytes()))
    await model.dispose()
    const actor = await S.pretrained('cartpole', { from: given.cartpole, batchSize: 1 })
    const { labels, probabilities } = await actor.predict(Float32Array.of(0, 0, 0.1, 0))
    await actor.dispose()
    const other = { from: new Uint8Array(9) }
    const wrong = await S.pretrained('cartpole', other).catch(({ message }) => message)
    return JSON.stringify([text, labels, hash(probabilities), wrong])
  },
  async refused() {
    const found = []
    for (const wrong of [
      () => S.lif({ tau: 0 }),
      () => open(small(), { input: [3, 8, 8] }),
      () => run(small(), { schedule: S.cosine }),
      () => run(small(), { loss: S.tet() }),
    ])
      await Promise.resolve().then(wrong).catch(({ message }) => found.push(message))
    return found.join()
  },
  async remade() {
    await import('spikewasm/layers')
    return run(small(), {}, { method: 'bptt', gradientCheckpoint: 'layers' })
  },
}

/** What needs such a file and is given none. */
export const without = () => Promise.all([
  () => open(small(), { engine: 'debug' }),
  async () => S.exportWasm(await open(small(), {})),
  async () => S.exportWasm(await open(small(), {}), { wasm: given.debug }),
  () => S.pretrained('nmnist'),
  async () => {
    await S.ops.load()
    return S.ops.relu.plan({ input: [2, 4], engine: 'debug' })
  },
].map((call) => Promise.resolve().then(call).then(() => 'nothing', ({ message }) => message)))

export async function results(files = {}) {
  given = files
  const found = {}
  for (const [name, test] of Object.entries(all))
    found[name] = await test().catch((error) => String(error))
  return JSON.stringify(found)
}
`

const project = makeProject({
  'features.js': features,
  'main.js': `
import debug from 'spikewasm/engine-debug.wasm?url'
import named from 'spikewasm/engine-named.wasm?url'
import nmnist from 'spikewasm/models/nmnist.safetensors?url'
import cartpole from 'spikewasm/models/cartpole.safetensors?url'
import { results, without } from './features.js'
results({ debug, named, nmnist, cartpole }).then(async (text) => {
  globalThis.result = JSON.stringify([JSON.parse(text), await without()])
})
`,
  'index.html': '<!doctype html><title>app</title><script type="module" src="./main.js"></script>',
  'node.js': "import { results } from './features.js'\nconsole.log(await results())\n",
})
test.after(() => rmSync(project, { recursive: true, force: true }))

const browser = await openBrowser()
test.after(() => browser?.close())

const expected = async (): Promise<Record<string, string>> => {
  const { stdout } = await promisify(execFile)(process.execPath, ['node.js'], { cwd: project })
  return JSON.parse(stdout)
}

test('a page that calls most of the package has the results of Node, isolated or not', async () => {
  if (!browser) return skip('there is no Chromium')
  const folder = join(project, 'dist')
  const [ofNode] = await Promise.all([
    expected(),
    build({ root: project, configFile: false, logLevel: 'error', build: { outDir: folder } }),
  ])
  for (const isolated of [false, true]) {
    const { url, close } = await serve(folder, isolated)
    try {
      const [found, without] = JSON.parse(await resultOf(browser, url)) as [
        Record<string, string>,
        string[],
      ]
      for (const [name, text] of Object.entries(ofNode)) {
        assert.is(found[name], text, `${name}${isolated ? ', isolated' : ''}`)
        assert.not.match(text, /^\w*Error: /)
      }
      assert.equal(Object.keys(found), Object.keys(ofNode))
      checkMissing(without)
    } finally {
      close()
    }
  }
})

function checkMissing([debug, exported, wrong, pretrained, op]: readonly string[]): void {
  const ask = (file: string, call: string, as: string) =>
    new RegExp(`/${file} of spikewasm comes into no page .*give ${call} its .*${as}.*\\?url'`)
  assert.match(debug, ask('engine-debug.wasm', 'compile', "from 'spikewasm/engine-debug.wasm"))
  assert.match(exported, ask('engine-named.wasm', 'exportWasm', 'spikewasm/engine-named.wasm'))
  assert.match(wrong, /^exportWasm.wasm must be engine-named.wasm of .*, got engine-debug.wasm/)
  assert.match(pretrained, ask('nmnist.safetensors', 'pretrained', 'as from: .*/models/nmnist'))
  assert.match(op, /^ops.relu.engine must be 'release' in a page, got "debug"/)
}

test.run()
