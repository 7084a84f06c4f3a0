// onnxruntime on one thread: in WebAssembly, and native.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)

/** The Node build of the package; its WebAssembly files lie beside it. */
export function loadOrt() {
  const ort = require('onnxruntime-web')
  ort.env.wasm.numThreads = 1
  ort.env.logLevel = 'error'
  ort.env.wasm.wasmPaths = pathToFileURL(
    join(dirname(require.resolve('onnxruntime-web')), '/'),
  ).href
  return ort
}

export const createSession = (ort, bytes) =>
  ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] })

/** onnxruntime-node; undefined where it could not be installed. */
export async function nativeSession(bytes) {
  try {
    const ort = require('onnxruntime-node')
    const options = { intraOpNumThreads: 1, interOpNumThreads: 1 }
    return { ort, session: await ort.InferenceSession.create(bytes, options) }
  } catch {
    return undefined
  }
}
