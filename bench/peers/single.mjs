// predict of one image beside onnxruntime-web and its native one, and on one thread beside more. Its argument is a
// folder: chain.json and numbers.f32 (bench/edge/chain.ts), weights.safetensors, images.f32,
// logits.f32 (what predict gives for the images), settings.json. The last line it writes is JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { asyncBlockOf, compareBlocks } from '../../build/bench/alternate.js'
import { compile } from '../../build/src/index.js'
import { models } from '../../build/src/models/registry.js'
import { chainModel } from './chain.mjs'
import { createSession, loadOrt, nativeSession } from './ort.mjs'

const folder = process.argv[2]
const json = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const floats = (name) => {
  const { buffer, byteOffset, length } = readFileSync(join(folder, name))
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length))
}
const chain = json('chain.json')
const { model: name, threads: most, budget, T, revectorize } = json('settings.json')
const size = chain.input.reduce((a, b) => a * b, 1)
const all = floats('images.f32')
const images = Array.from({ length: all.length / size }, (_, i) =>
  all.slice(i * size, (i + 1) * size),
)
const imageOf = (i) => images[i % images.length]

async function compiled(threads) {
  const network = models[name](chain.input, chain.classes)
  const shape = { input: chain.input, timeSteps: T, batchSize: 1 }
  const options = { ...shape, purpose: 'inference', threads, revectorize }
  const model = await compile(network, options)
  await model.load(join(folder, 'weights.safetensors'))
  return model
}
const predict = (model) => asyncBlockOf((i) => model.predict(imageOf(i)))
/** Milliseconds of processor time. What others do on the machine does not count. */
const processorTime = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const one = await compiled(1)
const network = new Uint8Array(chainModel(chain, floats('numbers.f32')))
const shape = [1, ...chain.input]

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
/** predict and a session of onnxruntime, in turns. */
async function besideOf(ort, session) {
  const run = (i) => session.run({ x: new ort.Tensor('float32', imageOf(i), shape) })
  const outputs = []
  for (const i of images.keys()) outputs.push(...(await run(i)).y.data)
  const likeness = correlation(outputs, floats('logits.f32'))
  const beside = await compareBlocks(predict(one), asyncBlockOf(run), budget, processorTime)
  await session.release()
  const { a: own, b: peer, ratio, spread } = beside
  return { own, peer, ratio, spread, likeness }
}
const ort = loadOrt()
const beside = await besideOf(ort, await createSession(ort, network))
const native = await nativeSession(network)
const besideNative = native && (await besideOf(native.ort, native.session))

const threads = []
let workers = 1
for (let n = 2; n <= most; n++) {
  const model = await compiled(n)
  const { ratio } = await compareBlocks(predict(model), predict(one), budget)
  threads.push({ threads: n, ratio })
  workers = model.session.workersOf('single')
  await model.dispose()
}
await one.dispose()
const require = createRequire(import.meta.url)
const { version } = require(join(require.resolve('onnxruntime-web'), '../../package.json'))
const result = { version, ...beside, native: besideNative, threads, workers }
process.stdout.write(`\n${JSON.stringify(result)}\n`)
