// Long random tests of a kind: `npm run chaos`, `chaos:scale`, `chaos:rounds`, `fuzz`, `fuzz:jobs`.
// Each ends with exit code 1 where something went wrong.
//
// chaos: trainings that are ended at random moments and go on; see test/chaos/chaos.ts.
//   npm run chaos -- --runs 20 --seed 1 --ends 5 [--only kill] [--command]
//   npm run chaos -- --runs 30 --ends 2 --folders
//   npm run chaos -- --cost
// chaos:scale: a sweep over Redis whose workers are killed again and again, and Redis once; see
// test/scale/chaos.ts.
//   npm run chaos:scale -- --runs 24 --workers 3 --kills 2 --seed 1 [--data events]
// chaos:rounds: a training in rounds whose workers, own process and Redis are killed again and
// again; see test/scale/rounds-chaos.ts.
//   npm run chaos:rounds -- --replicas 2 --sync-every 20 --workers 3 --kills 3 --seed 1
//     [--epochs 20] [--compress int8] [--data images]
// fuzz: mutated files through every reader, or those whose names contain one of the words of --only.
// Each case must end in a value or one clear error.
//   npm run fuzz -- --count 50000 --seed 1 [--only jpeg,png]
// fuzz:jobs: jobs that somebody else might write into Redis, through all that a worker checks, and
// some of them through a real Redis and a real worker. Each must end in one of our runs or one clear
// refusal, and the worker must live on.
//   npm run fuzz:jobs -- --count 20000 --worker 6000 --seed 1
import { flag, integer, readOptions, refuse, text } from './options.mjs'

const built = (path) => import(new URL(`../build/${path}.js`, import.meta.url))
const seed = integer(1, 0)
const print = console.log

/** Kinds of data for runs over Redis, by an option. */
async function readRedisOptions(options) {
  await built('src/model/node')
  const values = readOptions({ seed, data: text, ...options })
  const { folderKinds } = await built('test/support/data-folders')
  const { noRedis } = await built('test/support/redis')
  if (values.data !== undefined && !Object.hasOwn(folderKinds, values.data)) {
    const known = Object.keys(folderKinds).join(', ')
    refuse(`--data must be among ${known}, got ${JSON.stringify(values.data)}`)
  }
  const reason = noRedis()
  return reason ? refuse(reason) : { ...values, print }
}

/** Says at most twenty faults. @returns whether there are none */
function faultless(faults) {
  for (const fault of faults.slice(0, 20)) print(fault)
  return faults.length === 0
}

async function chaos() {
  const ways = { only: text, command: flag, folders: flag, cost: flag }
  const options = readOptions({ runs: integer(20), seed, ends: integer(5), ...ways })
  const { only } = options
  if (only !== undefined && only !== 'kill')
    refuse(`--only must be kill, got ${JSON.stringify(only)}`)
  if (options.cost) return (await built('test/chaos/cost')).cost(print)
  const run = options.folders
    ? (await built('test/chaos/folders')).foldersChaos
    : options.command
      ? (await built('test/chaos/command')).commandChaos
      : (await built('test/chaos/chaos')).chaos
  const { ends, kills, failures } = await run({ ...options, print })
  print(
    `${options.runs} runs, ended ${ends} times, ${kills} of them by SIGKILL, ` +
      `${failures.length} failures`,
  )
  return failures.length === 0
}

async function scale() {
  const sizes = { runs: integer(24), workers: integer(3), kills: integer(2, 0) }
  const options = await readRedisOptions(sizes)
  const { scaleChaos } = await built('test/scale/chaos')
  const { equal, runs, kills, restarts, lines, continued, anew } = await scaleChaos(options)
  print(
    `${equal} of ${runs} runs have the hash of the run alone, ${lines} in the table; workers were ` +
      `killed ${kills} times, Redis restarted ${restarts} times; ${continued} times a run went on ` +
      `at another worker, ${anew} times it began anew`,
  )
  return equal === runs && lines === runs && anew === 0
}

async function rounds() {
  const sizes = { workers: integer(3), kills: integer(3, 0), epochs: integer(20) }
  const kinds = { 'sync-every': integer(20), compress: { ...text, default: 'int8' } }
  const options = await readRedisOptions({ replicas: integer(2), ...sizes, ...kinds })
  const { replicas, syncEvery, compress } = options
  const { roundsChaos } = await built('test/scale/rounds-chaos')
  const { isEqual, rounds, kills, trainKills, restarts } = await roundsChaos(options)
  print(
    `${replicas} replicas, H ${syncEvery}, ${compress}, ${rounds} rounds: weights ` +
      `and records are ${isEqual ? '' : 'not '}those of the run alone; workers were killed ${kills} ` +
      `times, train ${trainKills} times, Redis restarted ${restarts} times`,
  )
  return isEqual
}

async function fuzz() {
  // For texts of equations.
  process.env.SPIKEWASM_FUZZ_MS ??= '50'
  const { count, seed: from, only } = readOptions({ count: integer(50_000), seed, only: text })
  const { fuzz } = await built('test/files/fuzz')
  const { read, refused, faults } = await fuzz(count, from, only?.split(','))
  print(`${read} read, ${refused} refused, ${faults.length} faults`)
  return faultless(faults)
}

async function jobs() {
  const sizes = { count: integer(20_000), worker: integer(6000, 0) }
  const { count, worker, seed: from } = readOptions({ ...sizes, seed })
  await built('src/model/node')
  const { fuzzJobs, fuzzWorker } = await built('test/scale/fuzz')
  const { noRedis, startRedis } = await built('test/support/redis')
  const passes = (what, { refused, taken, faults }) => {
    print(`${what}: ${refused} refused, ${taken} as good as ours, ${faults.length} faults`)
    return faultless(faults)
  }
  const kinds = ['runs', 'rounds'].map((kind) =>
    passes(kind, fuzzJobs(Math.ceil(count / 2), from, kind)),
  )
  const reason = noRedis()
  if (worker > 0 && reason) print(`without a worker: ${reason}`)
  if (worker === 0 || reason) return kinds.every(Boolean)
  const lives = passes('a worker', await fuzzWorker(worker, from))
  const { withstand } = await built('test/scale/hostile')
  const redis = await startRedis()
  const { faults, peakMB } = await withstand({ url: redis.url, limitMB: 400, megabytes: 450 })
  await redis.stop()
  print(`values of 450 MB: a worker of 400 MB took ${Math.round(peakMB)} MB at most`)
  return faultless(faults) && lives && kinds.every(Boolean)
}

const campaigns = { chaos, 'chaos:scale': scale, 'chaos:rounds': rounds, fuzz, 'fuzz:jobs': jobs }
const [name] = process.argv.splice(2, 1)
const campaign = campaigns[name] ?? refuse(`there are ${Object.keys(campaigns).join(', ')}`)
if ((await campaign()) === false) process.exitCode = 1
