// The first image of a process with onnxruntime-web: NET.onnx, IMAGE.f32, its shape as JSON. The
// last line is JSON: milliseconds of creating a session and its first run, and of the import.
import { readFileSync } from 'node:fs'

const [, , net, path, shape] = process.argv
const { buffer, byteOffset, length } = readFileSync(path)
const image = new Float32Array(buffer.slice(byteOffset, byteOffset + length))
const before = performance.now()
const { createSession, loadOrt } = await import('./ort.mjs')
const ort = loadOrt()
const start = performance.now()
const session = await createSession(ort, new Uint8Array(readFileSync(net)))
await session.run({ x: new ort.Tensor('float32', image, JSON.parse(shape)) })
const end = performance.now()
process.stdout.write(`\n${JSON.stringify({ ms: end - start, importMs: start - before })}\n`)
