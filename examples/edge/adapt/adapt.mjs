// A digit network gets used to another handwriting, in Node and without the package:
//   node adapt.mjs net.wasm lessons.bin exam.bin
import { readFileSync } from 'node:fs'

const [path, ...samples] = process.argv.slice(2)
const module = new WebAssembly.Module(readFileSync(path))
const { exports: net } = new WebAssembly.Instance(module)
const { buffer } = net.memory
const pixels = 64
const batch = net.label_len()
const input = new Uint8Array(buffer, net.input_u8_ptr(), net.input_u8_len())
const labels = new Int32Array(buffer, net.label_ptr(), batch)
const options = new Float32Array(buffer, net.options_ptr(), 4)

/** Samples of a file: [label, grey values …]. */
function read(name) {
  const bytes = readFileSync(name)
  const count = bytes.length / (1 + pixels)
  return Array.from({ length: count }, (_, n) => bytes.subarray(n * 65, n * 65 + 65))
}

/** Share of the samples that it tells right, in percent. */
function accuracy(samples) {
  const right = samples.filter(([label, ...grey]) => {
    input.set(grey)
    net.infer()
    return net.predicted_class() === label
  })
  return ((100 * right.length) / samples.length).toFixed(1)
}

const [lessons, exam] = samples.map(read)
console.log(`before: ${accuracy(exam)} % of ${exam.length} new digits`)
options[0] = 0.02 // learning rate
for (let pass = 0; pass < 10; pass++)
  for (let first = 0; first + batch <= lessons.length; first += batch) {
    for (let b = 0; b < batch; b++) {
      const [label, ...grey] = lessons[first + b]
      labels[b] = label
      input.set(grey, b * pixels)
    }
    net.train_step()
  }
console.log(`loss of the last batch: ${net.loss().toFixed(4)}`)
console.log(`after: ${accuracy(exam)} % of ${exam.length} new digits`)
