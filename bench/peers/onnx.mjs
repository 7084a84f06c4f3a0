// A network of ours beside onnxruntime on the same one: predict, or the exported network. Its
// argument is a folder, which bench/onnx.ts has written: chain.json and numbers.f32
// (bench/edge/chain.ts), net.wasm, weights.safetensors, images.f32, logits.f32 (what predict gives
// for the images), settings.json. Writes net.onnx there, and as its last line JSON.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compareCalls, counted } from '../../build/bench/alternate.js'
import { compile } from '../../build/src/index.js'
import { models } from '../../build/src/model/models/registry.js'
import { chainModel } from './chain.mjs'
import { createSession, loadOrt, nativeSession, readFloats } from './ort.mjs'

const path = (name) => join(process.argv[2], name)
const json = (name) => JSON.parse(readFileSync(path(name), 'utf8'))
const chain = json('chain.json')
const { what, model: name, threads: most, ms, T, revectorize } = json('settings.json')
const size = chain.input.reduce((a, b) => a * b, 1)
const all = readFloats(path('images.f32'))
const images = Array.from({ length: all.length / size }, (_, i) =>
  all.slice(i * size, (i + 1) * size),
)
const imageOf = (i) => images[i % images.length]
const shape = [1, ...chain.input]
const expected = readFloats(path('logits.f32'))

async function compiled(threads) {
  const network = models[name](chain.input, chain.classes)
  const options = { timeSteps: T, batchSize: 1, purpose: 'inference', threads, revectorize }
  const model = await compile(network, { input: chain.input, ...options })
  await model.load(path('weights.safetensors'))
  return model
}
const predict = (model) => counted((i) => model.predict(imageOf(i)))

async function infer() {
  const { instance } = await WebAssembly.instantiate(readFileSync(path('net.wasm')))
  const net = instance.exports
  const input = new Float32Array(net.memory.buffer, net.input_ptr(), size)
  return counted((i) => {
    input.set(imageOf(i))
    net.infer()
    net.predicted_class()
  })
}

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

/** Ours and a session of onnxruntime, in turns. */
async function beside(ours, { run, release }) {
  const outputs = []
  for (const image of images) outputs.push(...(await run(image, shape)).y.data)
  const classOf = (values, i) => {
    const own = [...values.slice(i * chain.classes, (i + 1) * chain.classes)]
    return own.indexOf(Math.max(...own))
  }
  const agreement = {
    likeness: correlation(outputs, expected),
    difference: Math.max(...outputs.map((value, i) => Math.abs(value - expected[i]))),
    same: images.filter((_, i) => classOf(outputs, i) === classOf(expected, i)).length,
  }
  const times = await compareCalls(
    ours,
    counted((i) => run(imageOf(i), shape)),
    ms,
  )
  await release()
  return { ...agreement, ...times }
}

const one = what === 'predict' ? await compiled(1) : undefined
const ours = one ? predict(one) : await infer()
const onnx = new Uint8Array(chainModel(chain, readFloats(path('numbers.f32'))))
writeFileSync(path('net.onnx'), onnx)
const { ort, version } = loadOrt()
const web = await beside(ours, await createSession(ort, onnx))
const session = one && (await nativeSession(onnx))
const native = session && (await beside(ours, session))

const threads = []
let workers = 1
for (let n = 2; one && n <= most; n++) {
  const model = await compiled(n)
  threads.push((await compareCalls(predict(model), predict(one), ms, true)).ratio)
  workers = model.session.workersOf('single')
  await model.dispose()
}
await one?.dispose()
const result = { version, bytes: onnx.length, web, native, threads, workers }
process.stdout.write(`\n${JSON.stringify(result)}\n`)
