/**
 * The first image of a process, `NET IMAGE`, as a host does it that knows nothing of the package.
 * Writes the milliseconds from the file on the disk to the first class.
 */
import { readFileSync } from 'node:fs'

const [, , net, path] = process.argv
const image = new Uint8Array(readFileSync(path))
const start = performance.now()
const { instance } = await WebAssembly.instantiate(readFileSync(net))
const { memory, input_ptr, infer, predicted_class } = instance.exports as {
  memory: WebAssembly.Memory
  input_ptr: () => number
  infer: () => void
  predicted_class: () => number
} & WebAssembly.Exports
new Uint8Array(memory.buffer, input_ptr(), image.length).set(image)
infer()
predicted_class()
console.log(performance.now() - start)
