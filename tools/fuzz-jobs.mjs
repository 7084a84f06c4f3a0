// Jobs that somebody else might write into Redis, through all that a worker checks, and some of
// them through a real Redis and a real worker; exits 1 when one ends in anything but one of our
// runs or one clear refusal, or the worker does not live on.
//
//   node tools/fuzz-jobs.mjs [--count 20000] [--worker 6000] [--seed 1]
import { parseArgs } from 'node:util'
import '../build/src/model/node.js'
import { fuzzJobs, fuzzWorker } from '../build/test/scale/fuzz.js'
import { withstand } from '../build/test/scale/hostile.js'
import { noRedis, startRedis } from '../build/test/support/redis.js'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '20000' },
    worker: { type: 'string', default: '6000' },
    seed: { type: 'string', default: '1' },
  },
})
const number = (name, least) => {
  const value = values[name].trim() === '' ? Number.NaN : Number(values[name])
  if (Number.isSafeInteger(value) && value >= least) return value
  console.error(`--${name} must be an integer >= ${least}, got ${JSON.stringify(values[name])}`)
  process.exit(2)
}
const [count, worker, seed] = [number('count', 1), number('worker', 0), number('seed', 0)]
const tell = (what, { refused, taken, faults }) => {
  process.stdout.write(
    `${what}: ${refused} refused, ${taken} as good as ours, ${faults.length} faults\n`,
  )
  for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`)
  if (faults.length > 0) process.exitCode = 1
}
for (const kind of ['runs', 'rounds']) tell(kind, fuzzJobs(Math.ceil(count / 2), seed, kind))
const reason = noRedis()
if (worker > 0 && reason) console.log(`without a worker: ${reason}`)
else if (worker > 0) {
  tell('a worker', await fuzzWorker(worker, seed))
  const redis = await startRedis()
  const of = { url: redis.url, limitMB: 400, megabytes: 450 }
  const { faults, peakMB } = await withstand(of)
  await redis.stop()
  console.log(`values of 450 MB: a worker of 400 MB took ${Math.round(peakMB)} MB at most`)
  for (const fault of faults) console.log(fault)
  if (faults.length > 0) process.exitCode = 1
}
