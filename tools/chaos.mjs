// Trainings that are ended at random moments and go on; see test/chaos/chaos.ts.
//
//   npm run chaos -- --runs 20 --seed 1 --ends 5
//   npm run chaos -- --cost
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    ends: { type: 'string', default: '5' },
    cost: { type: 'boolean', default: false },
  },
})
const number = (name) => {
  const value = Number(values[name])
  if (Number.isInteger(value) && value >= 0) return value
  console.error(`--${name} must be an integer >= 0, got ${JSON.stringify(values[name])}`)
  process.exit(1)
}
if (values.cost) {
  const { cost } = await import('../build/test/chaos/cost.js')
  await cost(console.log)
} else {
  const { chaos } = await import('../build/test/chaos/chaos.js')
  const options = { runs: number('runs'), seed: number('seed'), ends: number('ends') }
  const { ends, failures } = await chaos({ ...options, print: console.log })
  console.log(`${options.runs} runs, ended ${ends} times, ${failures.length} failures`)
  process.exitCode = failures.length > 0 ? 1 : 0
}
