// Weights from PyTorch: a file that examples/pytorch/train.py wrote, loaded and tested here.
// Run it after `npm run build` with: node examples/pytorch-weights.mjs [file.safetensors]
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { datasets, flatten, lif, linear, sequential } from 'spikewasm'

const shipped = fileURLToPath(new URL('pytorch/digits.safetensors', import.meta.url))
const path = process.argv[2] ?? shipped

// The same network as in train.py: children 1 and 3 have the parameters.
const net = sequential(flatten(), linear(64, 48), lif({ tau: 1.25 }), linear(48, 10))
const { test } = await datasets.digits()
const model = await net.compile({ input: [1, 8, 8], timeSteps: 4, batchSize: 32 })
await model.load(path)
for (const [name, { shape }] of Object.entries(model.stateDict()))
  console.log(`${name.padEnd(9)} [${shape.join(', ')}]`)

const { accuracy, count } = await model.evaluate(test)
const right = Math.round(accuracy * count)
console.log(`spikewasm: ${right} of ${count} test digits are right`)

// train.py left its own results in the file's header, behind 8 bytes with the header's length.
const bytes = readFileSync(path)
const header = bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0)))
const { testDigitsRight, firstOutput } = JSON.parse(header).__metadata__ ?? {}
if (firstOutput !== undefined) {
  console.log(`PyTorch:   ${testDigitsRight} of ${count} test digits are right`)
  const image = new Float32Array(64)
  test.read(0, image)
  const { logits } = await model.predict(image)
  const theirs = JSON.parse(firstOutput)
  const difference = Math.max(...theirs.map((value, i) => Math.abs(value - logits[i])))
  console.log(`outputs for the first test digit differ by at most ${difference.toExponential(0)}`)
}
await model.dispose()
