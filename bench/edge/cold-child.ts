/**
 * The first image of a process: `file NET IMAGE`, or `library NAME INPUT WEIGHTS IMAGE` (INPUT:
 * C,H,W). Writes one line of JSON: milliseconds from the files on the disk to the first class, and
 * of the import before it.
 */
import '../../src/model/node.js'
import { readFileSync } from 'node:fs'
import type { ModelFactory } from '../../src/model/models/registry.js'

const [, , kind, ...paths] = process.argv

/** Float32 numbers in a file. */
function floatsOf(path: string): Float32Array {
  const { buffer, byteOffset, length } = readFileSync(path)
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length))
}

/** As a host does that knows nothing of the package. */
async function file(net: string, image: Float32Array): Promise<{ ms: number; importMs: number }> {
  const start = performance.now()
  const { instance } = await WebAssembly.instantiate(readFileSync(net))
  const { memory, input_ptr, infer, predicted_class } = instance.exports as {
    memory: WebAssembly.Memory
    input_ptr: () => number
    infer: () => void
    predicted_class: () => number
  } & WebAssembly.Exports
  new Float32Array(memory.buffer, input_ptr(), image.length).set(image)
  infer()
  predicted_class()
  return { ms: performance.now() - start, importMs: 0 }
}

async function library(
  name: string,
  shape: string,
  weights: string,
  image: Float32Array,
): Promise<{ ms: number; importMs: number }> {
  const before = performance.now()
  const { compile } = await import('../../src/index.js')
  const { models } = await import('../../src/model/models/registry.js')
  const { classes } = await import('../../src/bench/networks.js')
  const importMs = performance.now() - before
  const input = shape.split(',').map(Number) as [number, number, number]
  const start = performance.now()
  const network = (models as Record<string, ModelFactory>)[name](input, classes)
  const model = await compile(network, { input, batchSize: 1, purpose: 'inference' })
  await model.load(weights)
  await model.predict(image)
  return { ms: performance.now() - start, importMs }
}

const image = floatsOf(paths.at(-1) as string)
console.log(
  JSON.stringify(
    kind === 'file'
      ? await file(paths[0], image)
      : await library(paths[0], paths[1], paths[2], image),
  ),
)
