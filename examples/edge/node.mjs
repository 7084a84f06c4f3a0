// A network that "spikewasm export --input-type u8" wrote, in Node and without the package:
//   node node.mjs net.wasm seven.pgm
import { readFileSync } from 'node:fs'

const [net, picture] = process.argv.slice(2)
const module = new WebAssembly.Module(readFileSync(net))
const { exports } = new WebAssembly.Instance(module)

// The file says about itself what its input is and what its classes are called.
const [section] = WebAssembly.Module.customSections(module, 'spikewasm')
const { input: shape, labels } = JSON.parse(new TextDecoder().decode(section))

// A picture as text: "P2", columns, rows, the value of white, then the values.
const words = readFileSync(picture, 'utf8').replace(/#.*/g, '').split(/\s+/).filter(Boolean)
const [columns, rows, white, ...grey] = words.slice(1).map(Number)
if (shape.join() !== [1, rows, columns].join())
  throw new Error(`${net} takes [${shape}], ${picture} is [1,${rows},${columns}]`)

const input = new Uint8Array(exports.memory.buffer, exports.input_u8_ptr(), exports.input_u8_len())
input.set(grey.map((value) => Math.round((value * 255) / white)))
exports.infer()
const best = exports.predicted_class()
console.log(`class ${best}: ${labels?.[best] ?? best}`)
