// A training in rounds whose workers, own process and Redis are killed again and again; see
// test/scale/rounds-chaos.ts.
//
//   npm run chaos:rounds -- --replicas 2 --sync-every 20 --workers 3 --kills 3 --seed 1
//   npm run chaos:rounds -- --sync-every 2 --data images
import { parseArgs } from 'node:util'
import '../build/src/model/node.js'

const { values } = parseArgs({
  options: {
    replicas: { type: 'string', default: '2' },
    'sync-every': { type: 'string', default: '20' },
    workers: { type: 'string', default: '3' },
    kills: { type: 'string', default: '3' },
    epochs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    compress: { type: 'string', default: 'int8' },
    data: { type: 'string' },
  },
})
const number = (name, least) => {
  const value = values[name].trim() === '' ? Number.NaN : Number(values[name])
  if (Number.isSafeInteger(value) && value >= least) return value
  console.error(`--${name} must be an integer >= ${least}, got ${JSON.stringify(values[name])}`)
  process.exit(2)
}
const { roundsChaos } = await import('../build/test/scale/rounds-chaos.js')
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
const [replicas, syncEvery] = [number('replicas', 1), number('sync-every', 1)]
const { isEqual, rounds, kills, trainKills, restarts } = await roundsChaos({
  ...{ replicas, syncEvery, compress: values.compress },
  workers: number('workers', 1),
  kills: number('kills', 0),
  epochs: number('epochs', 1),
  seed: number('seed', 0),
  data: values.data,
  print: console.log,
})
console.log(
  `${replicas} replicas, H ${syncEvery}, ${values.compress}, ${rounds} rounds: weights and records ` +
    `are ${isEqual ? '' : 'not '}those of the run alone; workers were killed ${kills} times, train ` +
    `${trainKills} times, Redis restarted ${restarts} times`,
)
process.exitCode = isEqual ? 0 : 1
