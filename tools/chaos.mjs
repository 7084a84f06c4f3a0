// Trainings that are ended at random moments and go on; see test/chaos/chaos.ts.
//
//   npm run chaos -- --runs 20 --seed 1 --ends 5
//   npm run chaos -- --runs 20 --ends 5 --only kill
//   npm run chaos -- --runs 20 --ends 5 --command
//   npm run chaos -- --runs 30 --ends 2 --folders
//   npm run chaos -- --cost
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    ends: { type: 'string', default: '5' },
    only: { type: 'string' },
    command: { type: 'boolean', default: false },
    folders: { type: 'boolean', default: false },
    cost: { type: 'boolean', default: false },
  },
})
const number = (name, least) => {
  const value = values[name].trim() === '' ? Number.NaN : Number(values[name])
  if (Number.isSafeInteger(value) && value >= least) return value
  console.error(`--${name} must be an integer >= ${least}, got ${JSON.stringify(values[name])}`)
  process.exit(2)
}
if (values.only !== undefined && values.only !== 'kill') {
  console.error(`--only must be kill, got ${JSON.stringify(values.only)}`)
  process.exit(2)
}
if (values.cost) {
  const { cost } = await import('../build/test/chaos/cost.js')
  await cost(console.log)
} else {
  const { chaos } = await import('../build/test/chaos/chaos.js')
  const { commandChaos } = await import('../build/test/chaos/command.js')
  const options = { runs: number('runs', 1), seed: number('seed', 0), ends: number('ends', 1) }
  const { foldersChaos } = await import('../build/test/chaos/folders.js')
  const run = values.folders ? foldersChaos : values.command ? commandChaos : chaos
  const result = await run({ ...options, only: values.only, print: console.log })
  const { ends, kills, failures } = result
  console.log(
    `${options.runs} runs, ended ${ends} times, ${kills} of them by SIGKILL, ` +
      `${failures.length} failures`,
  )
  process.exitCode = failures.length > 0 ? 1 : 0
}
