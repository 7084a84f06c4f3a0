// Mutated files through every reader; exits 1 when one ends in anything but a value or one clear
// error.
//
//   node tools/fuzz.mjs [--count 50000] [--seed 1] [--only jpeg,png]
//
// The cases are shared among the readers whose names contain one of the words of --only.
import { parseArgs } from 'node:util'

// For texts of equations.
process.env.SPIKEWASM_FUZZ_MS ??= '50'
const { fuzz } = await import('../build/test/files/fuzz.js')

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '50000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
})
const number = (name, least) => {
  const value = values[name].trim() === '' ? Number.NaN : Number(values[name])
  if (Number.isSafeInteger(value) && value >= least) return value
  console.error(`--${name} must be an integer >= ${least}, got ${JSON.stringify(values[name])}`)
  process.exit(2)
}
const { read, refused, faults } = await fuzz(
  number('count', 1),
  number('seed', 0),
  values.only?.split(','),
)
process.stdout.write(`${read} read, ${refused} refused, ${faults.length} faults\n`)
for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`)
process.exitCode = faults.length === 0 ? 0 : 1
