// onnxruntime on one thread: in WebAssembly, and native. As a program: the first image of a
// process, of NET.onnx IMAGE.f32 SHAPE (JSON). Its last line is JSON: milliseconds of creating a
// session and its first run, and of the import before.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)

/** The Node build of the package; its WebAssembly files lie beside it. */
export function loadOrt() {
  const ort = require('onnxruntime-web')
  const at = dirname(require.resolve('onnxruntime-web'))
  Object.assign(ort.env, { logLevel: 'error' })
  Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: pathToFileURL(join(at, '/')).href })
  return { ort, version: require(join(at, '../package.json')).version }
}

/** @param threads options of a native session */
export const createSession = async (ort, bytes, threads = { executionProviders: ['wasm'] }) => {
  const session = await ort.InferenceSession.create(bytes, threads)
  const run = (image, shape) => session.run({ x: new ort.Tensor('float32', image, shape) })
  return { run, release: () => session.release() }
}

/** onnxruntime-node; undefined where it could not be installed. */
export async function nativeSession(bytes) {
  try {
    const threads = { intraOpNumThreads: 1, interOpNumThreads: 1 }
    return await createSession(require('onnxruntime-node'), bytes, threads)
  } catch {
    return undefined
  }
}

export function readFloats(path) {
  const { buffer, byteOffset, length } = readFileSync(path)
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length))
}

if (process.argv[1] === import.meta.filename) {
  const [, , net, path, shape] = process.argv
  const image = readFloats(path)
  const before = performance.now()
  const { ort } = loadOrt()
  const start = performance.now()
  const { run } = await createSession(ort, new Uint8Array(readFileSync(net)))
  await run(image, JSON.parse(shape))
  const end = performance.now()
  process.stdout.write(`\n${JSON.stringify({ ms: end - start, importMs: start - before })}\n`)
}
