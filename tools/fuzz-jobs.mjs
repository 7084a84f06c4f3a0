// Jobs that somebody else might write into Redis, through all that a worker checks; exits 1 when
// one ends in anything but one of our runs or one clear refusal.
//
//   node tools/fuzz-jobs.mjs [--count 20000] [--seed 1]
import { parseArgs } from 'node:util'
import '../build/src/node.js'
import { fuzzJobs } from '../build/test/scale/fuzz.js'

const { values } = parseArgs({
  options: { count: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } },
})
const number = (name, least) => {
  const value = values[name].trim() === '' ? Number.NaN : Number(values[name])
  if (Number.isSafeInteger(value) && value >= least) return value
  console.error(`--${name} must be an integer >= ${least}, got ${JSON.stringify(values[name])}`)
  process.exit(2)
}
const { refused, taken, faults } = fuzzJobs(number('count', 1), number('seed', 0))
process.stdout.write(`${refused} refused, ${taken} as good as ours, ${faults.length} faults\n`)
for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`)
process.exitCode = faults.length === 0 ? 0 : 1
