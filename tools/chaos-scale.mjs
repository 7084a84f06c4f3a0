// A sweep over Redis whose workers are killed again and again, and Redis once; see
// test/scale/chaos.ts.
//
//   npm run chaos:scale -- --runs 24 --workers 3 --kills 2 --seed 1
//   npm run chaos:scale -- --runs 6 --data events
import { parseArgs } from 'node:util'
import '../build/src/model/node.js'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '24' },
    workers: { type: 'string', default: '3' },
    kills: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    data: { type: 'string' },
  },
})
const number = (name, least) => {
  const value = values[name].trim() === '' ? Number.NaN : Number(values[name])
  if (Number.isSafeInteger(value) && value >= least) return value
  console.error(`--${name} must be an integer >= ${least}, got ${JSON.stringify(values[name])}`)
  process.exit(2)
}
const { scaleChaos } = await import('../build/test/scale/chaos.js')
const { folderKinds } = await import('../build/test/support/data-folders.js')
if (values.data !== undefined && !Object.hasOwn(folderKinds, values.data)) {
  const known = Object.keys(folderKinds).join(', ')
  console.error(`--data must be among ${known}, got ${JSON.stringify(values.data)}`)
  process.exit(2)
}
const { noRedis } = await import('../build/test/support/redis.js')
const reason = noRedis()
if (reason) {
  console.error(reason)
  process.exit(2)
}
const { equal, runs, kills, restarts, lines, continued, anew } = await scaleChaos({
  runs: number('runs', 1),
  workers: number('workers', 1),
  kills: number('kills', 0),
  seed: number('seed', 0),
  data: values.data,
  print: console.log,
})
console.log(
  `${equal} of ${runs} runs have the hash of the run alone, ${lines} in the table; workers were ` +
    `killed ${kills} times, Redis restarted ${restarts} times; ${continued} times a run went on ` +
    `at another worker, ${anew} times it began anew`,
)
process.exitCode = equal === runs && lines === runs && anew === 0 ? 0 : 1
