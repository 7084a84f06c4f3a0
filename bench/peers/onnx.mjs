// `predict` beside onnxruntime on the same network, which is unrolled over its steps: WebAssembly,
// native, and native in 8 bits, each on one thread. Its argument is a folder, which bench/single.ts
// has written: chain.json and numbers.f32 (bench/edge/chain.ts), weights.safetensors, images.f32,
// logits.f32 (what predict gives for the images), settings.json. Its last line is JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compareCalls, counted } from '../../build/bench/alternate.js'
import { compile } from '../../build/src/index.js'
import { models } from '../../build/src/model/models/registry.js'
import { chainModel, largest } from './chain.mjs'

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

async function compiled(threads, weights = 'f32') {
  const network = models[name](chain.input, chain.classes)
  const options = { timeSteps: T, batchSize: 1, purpose: 'inference', threads, revectorize }
  const model = await compile(network, { input: chain.input, ...options, weights })
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

const numbers = floats('numbers.f32')

/** What runs an image in a session of onnxruntime. `made`: see `chainModel`. */
async function start({ InferenceSession, Tensor }, options, made) {
  const session = await InferenceSession.create(chainModel(chain, numbers, made), options)
  return (image) => session.run({ x: new Tensor('float32', image, [1, ...chain.input]) })
}

/** Ours and a session of onnxruntime, in turns. */
async function beside(ort, options) {
  const run = await start(ort, options)
  const outputs = []
  for (const image of images) outputs.push(...(await run(image)).y.data)
  const theirs = counted((i) => run(imageOf(i)))
  const times = await compareCalls(predict(one), theirs, ms)
  return { likeness: correlation(outputs, expected), ...times }
}

/** The same in 8 bits, and ours of int8 beside it. Some images show how large results are. */
async function besideInt8(ort, options) {
  /** [layer][image] */
  const shown = async (most) => {
    const run = await start(ort, options, { most, isShown: true })
    const results = []
    for (const image of images.slice(0, 16)) results.push(Object.values(await run(image)).slice(1))
    return results[0].map((_, k) => results.map((outputs) => outputs[k].data))
  }
  const most = (await shown()).map((lists) => largest(lists.map(largest)))
  const both = await shown(most)
  const squares = (list) => list.reduce((sum, v) => sum + v * v, 0)
  const likeness = most.map((_, k) => {
    const [[a], [b]] = both.slice(2 * k)
    return 1 - squares(a.map((v, i) => v - b[i])) / squares(a)
  })
  const run = await start(ort, options, { most })
  const theirs = counted((i) => run(imageOf(i)))
  const times = await compareCalls(predict(one), theirs, ms)
  const model = await compiled(1, 'int8')
  const int8 = await compareCalls(predict(model), theirs, ms)
  await model.dispose()
  return { likeness: Math.min(...likeness), ...times, int8 }
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
const single = { intraOpNumThreads: 1, interOpNumThreads: 1 }
const native = node && (await beside(node, single))
const nativeInt8 = node && (await besideInt8(node, single))

const threads = []
let workers = 1
for (let n = 2; n <= most; n++) {
  const model = await compiled(n)
  threads.push((await compareCalls(predict(model), predict(one), ms, true)).ratio)
  workers = model.session.workersOf('single')
  await model.dispose()
}
await one.dispose()
const result = { version, web, native, nativeInt8, threads, workers }
process.stdout.write(`\n${JSON.stringify(result)}\n`)
