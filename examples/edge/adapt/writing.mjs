// Another handwriting: digits of the package, slanted as far as some people write. Writes
// lessons.bin, from the training part, and exam.bin, all of the test part; each sample is a byte of
// its label and 64 bytes of grey values.
//   node writing.mjs
import { writeFileSync } from 'node:fs'
import { datasets } from 'spikewasm'

const side = 8
const slant = 0.6 // pixels to the right from row to row upwards

/** Bytes 0 … 255 of a digit, slanted around its middle; between two pixels their mean by distance. */
function slanted(grey) {
  const at = (x, y) => (x >= 0 && x < side ? grey[y * side + x] : 0)
  return Array.from({ length: side * side }, (_, i) => {
    const y = Math.floor(i / side)
    const from = (i % side) + slant * (y - (side - 1) / 2)
    const x = Math.floor(from)
    return Math.round(((x + 1 - from) * at(x, y) + (from - x) * at(x + 1, y)) * (255 / 16))
  })
}

function write(name, data, count) {
  const grey = new Uint8Array(side * side)
  const samples = Array.from({ length: count }, (_, n) => [
    data.pixels.read(n, grey),
    ...slanted(grey),
  ])
  writeFileSync(name, Uint8Array.from(samples.flat()))
  console.log(`${name}: ${count} slanted digits`)
}

const { train, test } = await datasets.digits()
write('lessons.bin', train, 320)
write('exam.bin', test, test.length)
