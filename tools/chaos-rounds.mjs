// A training in rounds whose workers, own process and Redis are killed again and again; see
// test/scale/rounds-chaos.ts.
//
//   npm run chaos:rounds -- --replicas 2 --sync-every 20 --workers 3 --kills 3 --seed 1
import { parseArgs } from 'node:util'
import '../build/src/node.js'

const { values } = parseArgs({
  options: {
    replicas: { type: 'string', default: '2' },
    'sync-every': { type: 'string', default: '20' },
    workers: { type: 'string', default: '3' },
    kills: { type: 'string', default: '3' },
    epochs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    compress: { type: 'string', default: 'int8' },
  },
})
const number = (name, least) => {
  const value = values[name].trim() === '' ? Number.NaN : Number(values[name])
  if (Number.isSafeInteger(value) && value >= least) return value
  console.error(`--${name} must be an integer >= ${least}, got ${JSON.stringify(values[name])}`)
  process.exit(2)
}
const { roundsChaos } = await import('../build/test/scale/rounds-chaos.js')
const { noRedis } = await import('../build/test/support/redis.js')
const reason = noRedis()
if (reason) {
  console.error(reason)
  process.exit(2)
}
const [replicas, syncEvery] = [number('replicas', 1), number('sync-every', 1)]
const { isEqual, rounds, kills, trainKills, restarts } = await roundsChaos({
  ...{ replicas, syncEvery, compress: values.compress },
  workers: number('workers', 1),
  kills: number('kills', 0),
  epochs: number('epochs', 1),
  seed: number('seed', 0),
  print: console.log,
})
console.log(
  `${replicas} replicas, H ${syncEvery}, ${values.compress}, ${rounds} rounds: weights and records ` +
    `are ${isEqual ? '' : 'not '}those of the run alone; workers were killed ${kills} times, train ` +
    `${trainKills} times, Redis restarted ${restarts} times`,
)
process.exitCode = isEqual ? 0 : 1
