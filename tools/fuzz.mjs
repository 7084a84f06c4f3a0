// Mutated files through every reader; exits 1 when one ends in anything but a value or one clear
// error.
//
//   node tools/fuzz.mjs [--count 50000] [--seed 1]
import { parseArgs } from 'node:util'
import { fuzz } from '../build/test/io/fuzz.js'

const { values } = parseArgs({
  options: { count: { type: 'string', default: '50000' }, seed: { type: 'string', default: '1' } },
})
const { read, refused, faults } = await fuzz(Number(values.count), Number(values.seed))
process.stdout.write(`${read} read, ${refused} refused, ${faults.length} faults\n`)
for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`)
process.exitCode = faults.length === 0 ? 0 : 1
