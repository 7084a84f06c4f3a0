// `predict` beside onnxruntime on the same network, which is unrolled over its steps: in WebAssembly
// and native, each on one thread. Its argument is a folder, which bench/single.ts has written:
// chain.json and numbers.f32 (bench/edge/chain.ts), weights.safetensors, images.f32, logits.f32 (what
// predict gives for the images), settings.json. Its last line is JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compareCalls, counted } from '../../build/bench/alternate.js'
import { compile } from '../../build/src/index.js'
import { models } from '../../build/src/model/models/registry.js'
import { chainModel } from './chain.mjs'

const require = createRequire(import.meta.url)
const path = (name) => join(process.argv[2], name)
const json = (name) => JSON.parse(readFileSync(path(name), 'utf8'))
const floats = (name) => new Float32Array(new Uint8Array(readFileSync(path(name))).buffer)
const chain = json('chain.json')
const { model: name, threads: most, ms, T, revectorize } = json('settings.json')
const size = chain.input.reduce((a, b) => a * b, 1)
const all = floats('images.f32')
const images = Array.from({ length: all.length / size }, (_, i) =>
  all.slice(i * size, (i + 1) * size),
)
const imageOf = (i) => images[i % images.length]
const expected = floats('logits.f32')

async function compiled(threads) {
  const network = models[name](chain.input, chain.classes)
  const options = { timeSteps: T, batchSize: 1, purpose: 'inference', threads, revectorize }
  const model = await compile(network, { input: chain.input, ...options })
  await model.load(path('weights.safetensors'))
  return model
}
const predict = (model) => counted((i) => model.predict(imageOf(i)))

/** Correlation of two lists of outputs [image][class], each without its classes' means. */
function correlation(a, b) {
  const centred = (values) => {
    const means = Array.from({ length: chain.classes }, (_, k) => {
      const own = values.filter((_, i) => i % chain.classes === k)
      return own.reduce((sum, v) => sum + v, 0) / own.length
    })
    return values.map((v, i) => v - means[i % chain.classes])
  }
  const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0)
  const [x, y] = [centred([...a]), centred([...b])]
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y))
}

const onnx = chainModel(chain, floats('numbers.f32'))

/** Ours and a session of onnxruntime, in turns. */
async function beside({ InferenceSession, Tensor }, options) {
  const session = await InferenceSession.create(onnx, options)
  const run = (image) => session.run({ x: new Tensor('float32', image, [1, ...chain.input]) })
  const outputs = []
  for (const image of images) outputs.push(...(await run(image)).y.data)
  const theirs = counted((i) => run(imageOf(i)))
  const times = await compareCalls(predict(one), theirs, ms)
  await session.release()
  return { likeness: correlation(outputs, expected), ...times }
}

/** The Node build of the package; its WebAssembly files lie beside it. */
function loadWeb() {
  const ort = require('onnxruntime-web')
  const at = dirname(require.resolve('onnxruntime-web'))
  Object.assign(ort.env, { logLevel: 'error' })
  Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: pathToFileURL(join(at, '/')).href })
  return { ort, version: require(join(at, '../package.json')).version }
}

/** onnxruntime-node; undefined where it could not be installed. */
function loadNative() {
  try {
    return require('onnxruntime-node')
  } catch {
    return undefined
  }
}

const one = await compiled(1)
const { ort, version } = loadWeb()
const web = await beside(ort, { executionProviders: ['wasm'] })
const node = loadNative()
const native = node && (await beside(node, { intraOpNumThreads: 1, interOpNumThreads: 1 }))

const threads = []
let workers = 1
for (let n = 2; n <= most; n++) {
  const model = await compiled(n)
  threads.push((await compareCalls(predict(model), predict(one), ms, true)).ratio)
  workers = model.session.workersOf('single')
  await model.dispose()
}
await one.dispose()
process.stdout.write(`\n${JSON.stringify({ version, web, native, threads, workers })}\n`)
