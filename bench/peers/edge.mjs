// An exported network beside onnxruntime-web on the same network. Its argument is a folder:
// chain.json and numbers.f32 (bench/edge/chain.ts), net.wasm, images.f32 and logits.f32 (what
// predict gives for the images), budget.json. Writes net.onnx there, and as its last line JSON.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { asyncBlockOf, blockOf, compareBlocks } from '../../build/bench/alternate.js'
import { chainModel } from './chain.mjs'
import { createSession, loadOrt } from './ort.mjs'

const folder = process.argv[2]
const bytesOf = (name) => readFileSync(join(folder, name))
const json = (name) => JSON.parse(bytesOf(name).toString())
const floats = (name) => {
  const { buffer, byteOffset, length } = bytesOf(name)
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length))
}

const chain = json('chain.json')
const onnx = new Uint8Array(chainModel(chain, floats('numbers.f32')))
writeFileSync(join(folder, 'net.onnx'), onnx)

const size = chain.input.reduce((a, b) => a * b, 1)
const all = floats('images.f32')
const images = Array.from({ length: all.length / size }, (_, i) =>
  all.slice(i * size, (i + 1) * size),
)
const ort = loadOrt()
const session = await createSession(ort, onnx)
const shape = [1, ...chain.input]
const run = (i) => session.run({ x: new ort.Tensor('float32', images[i % images.length], shape) })

const { instance } = await WebAssembly.instantiate(bytesOf('net.wasm'))
const net = instance.exports
const input = new Float32Array(net.memory.buffer, net.input_ptr(), size)
const infer = (i) => {
  input.set(images[i % images.length])
  net.infer()
  net.predicted_class()
}

/** The largest difference of an output, and the share of images with the same class. */
async function agreement() {
  const expected = floats('logits.f32')
  const best = (values) => values.indexOf(Math.max(...values))
  let [difference, same] = [0, 0]
  for (let i = 0; i < images.length; i++) {
    const logits = [...(await run(i)).y.data]
    const own = [...expected.subarray(i * chain.classes, (i + 1) * chain.classes)]
    logits.forEach((value, k) => {
      difference = Math.max(difference, Math.abs(value - own[k]))
    })
    if (best(logits) === best(own)) same++
  }
  return { difference, same: same / images.length, images: images.length }
}

const agrees = await agreement()
const times = await compareBlocks(blockOf(infer), asyncBlockOf(run), json('budget.json'))
await session.release()
const require = createRequire(import.meta.url)
const { version } = require(join(require.resolve('onnxruntime-web'), '../../package.json'))
process.stdout.write(`\n${JSON.stringify({ version, bytes: onnx.length, ...agrees, ...times })}\n`)
