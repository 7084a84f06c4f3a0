// The cost of rounds: predicted by bench/rounds-cost.ts and measured here with 1 to 3 workers,
// and the table of docs/scale.md. The measurement needs redis-server and Fashion-MNIST.
//
//   node tools/rounds-cost.mjs                   the table
//   node tools/rounds-cost.mjs measure FOLDER    predicted against measured, minutes
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const at = (path) => new URL(`../build/src/${path}`, import.meta.url)
const { compile, sgd } = await import(at('index.js'))
const { models } = await import(at('model/models/registry.js'))
const { ringCost, roundCost } = await import(
  new URL('../build/bench/rounds-cost.js', import.meta.url)
)
const { sizesOf } = await import(at('scale/rounds/vectors.js'))

/** Seconds of a step with a batch of 64 and T 4 on two threads: docs/speed.md, scaled to 64. */
const steps = { resnet18: (0.261 * 64) / 16, vgg11: (0.357 * 64) / 32 }

async function sizesOfModel(name, input = [3, 32, 32]) {
  const model = await compile(models[name](input, 10), { input, batchSize: 1, timeSteps: 1 })
  const sizes = sizesOf(model.session)
  await model.dispose()
  return sizes
}

async function table() {
  const lines = []
  for (const [name, stepSeconds] of Object.entries(steps)) {
    const sizes = await sizesOfModel(name)
    for (const gigabits of [1, 10])
      for (const syncEvery of [1, 20, 100, 500]) {
        const of = (replicas, compress = 'bfloat16') => ({
          sizes,
          rounds: { replicas, syncEvery, compress, innerState: 'keep' },
          stepSeconds,
          bitsPerSecond: gigabits * 1e9,
        })
        const cells = [2, 4, 8, 16, 32, 64, 128, 256].map((K) => {
          const { speedup } = roundCost(of(K))
          return speedup >= 10 ? speedup.toFixed(0) : speedup.toFixed(1)
        })
        const ring = ringCost(of(256)).speedup.toFixed(0)
        lines.push(`| \`${name}\` | ${gigabits} | ${syncEvery} | ${cells.join(' | ')} | ${ring} |`)
      }
  }
  const heads = [
    'network',
    'Gbit/s',
    'H',
    '2',
    '4',
    '8',
    '16',
    '32',
    '64',
    '128',
    '256',
    'ring, 256',
  ]
  console.log(`| ${heads.join(' | ')} |\n|${' --- |'.repeat(heads.length)}`)
  console.log(lines.join('\n'))
  for (const name of Object.keys(steps)) {
    const sizes = await sizesOfModel(name)
    for (const compress of ['none', 'bfloat16', 'int8'])
      for (const innerState of ['keep', 'reset']) {
        const rounds = { replicas: 8, syncEvery: 100, compress, innerState }
        const of = { sizes, rounds, stepSeconds: steps[name], bitsPerSecond: 1e9 }
        const found = roundCost(of)
        const mb = (bytes) => (bytes / 1e6).toFixed(1)
        const part = (seconds) => seconds.toFixed(1)
        console.log(
          `| \`${name}\` | ${compress} | ${innerState} | ${mb(found.bytesChange)} | ` +
            `${mb(found.bytesUp)} | ${mb(found.bytesDown)} | ${part(found.compute)} | ` +
            `${part(found.waiting)} | ${part(found.transfer + found.gathering)} |`,
        )
      }
  }
}

/** A Redis of this tool alone. */
async function startRedis() {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-cost-'))
  const port = 20000 + (process.pid % 20000)
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (text) => String(text).includes('Ready to accept') && resolve())
    child.on('exit', () => reject(new Error('redis-server ended')))
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      child.removeAllListeners('exit')
      child.kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]
const meanOf = (values) => values.reduce((a, b) => a + b, 0) / values.length
const deviation = (values) => {
  const mean = meanOf(values)
  return Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2)))
}

/** What is trained: networks whose rounds take seconds, one of few weights and one of many. */
const works = {
  cnn: { model: 'cnn', batchSize: 64, timeSteps: 4 },
  resnet18: { model: 'resnet18', batchSize: 8, timeSteps: 2 },
  tiny: { model: 'mlp', batchSize: 8, timeSteps: 1 },
}

/** Options of a run, as a job says them. */
function optionsOf(name) {
  const { model, batchSize, timeSteps } = works[name]
  return {
    ...{ model, dataset: 'fashion-mnist', augment: false, input: [1, 28, 28], classes: 10 },
    ...{ timeSteps, tau: 1.25, method: 'rate', stepMode: 'm', update: 'afterwards' },
    ...{ backwardSteps: timeSteps, gradientCheckpoint: 'none', epochs: 99, batchSize, lr: 0.01 },
    ...{ weightDecay: 0, seed: 0, schedule: 'constant', optimizer: 'sgd', loss: 'crossEntropy' },
    ...{ momentum: 0.9, limitTest: 100 },
  }
}

async function openWork(name, data) {
  const { loadData } = await import(at('cli/datasets.js'))
  const { model: network, batchSize, timeSteps } = works[name]
  const input = [1, 28, 28]
  const { train, test } = await loadData({ ...optionsOf(name), data })
  const model = await compile(models[network](input, 10, { tau: 1.25 }), {
    ...{ input, batchSize, timeSteps, threads: 1, seed: 0 },
  })
  return { model, train, test }
}

const fitOf = (test) => ({
  ...{ epochs: 99, optimizer: sgd({ lr: 0.01, weightDecay: 0 }), validation: test },
})

/** Runs this tool as processes with these arguments; what each has printed, as JSON. */
async function processes(count, args) {
  const self = fileURLToPath(import.meta.url)
  const one = async () => {
    const child = spawn(process.execPath, [self, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (more) => {
      text += more
    })
    await new Promise((done) => child.once('close', done))
    return JSON.parse(text)
  }
  return Promise.all(Array.from({ length: count }, one))
}

/** As long as other processes of the same kind are at work, too. */
const MEASURE_MS = 10_000

/**
 * Seconds of a step, and of a round without steps, of a replica in this process; and how much steps
 * vary, were each to vary by itself: a share of a step.
 */
async function replica(name, data) {
  const paths = ['runner', 'wire', 'options']
  const [{ openRunner }, wire, { roundsSetting }] = await Promise.all(
    paths.map((path) => import(at(`scale/rounds/${path}.js`))),
  )
  const { replicaHost } = await import(at('cli/rounds/replica.js'))
  const { weightsOf } = await import(at('scale/rounds/vectors.js'))
  const { model, train, test } = await openWork(name, data)
  const rounds = roundsSetting({ replicas: 1, syncEvery: 1000 })
  const { id } = await openRunner(model, train, fitOf(test), rounds)
  const host = replicaHost({ threads: 1 })
  const start = wire.startToBytes(weightsOf(model.session))
  await model.dispose()
  let state
  const run = async (steps) => {
    const rates = Array.from({ length: steps }, () => ({ learningRate: 0.01, factor: 1 }))
    const job = {
      ...{ run: '0'.repeat(24), round: 0, replica: 0, ...id, rounds, begun: state !== undefined },
      ...{
        where: 'redis',
        options: optionsOf(name),
        shard: { epoch: 0, first: 0, rates, steps: 0 },
      },
    }
    const from = performance.now()
    const context = { signal: new AbortController().signal, data, limits: LIMITS }
    const done = await host.run(job, { start: start.slice(), state: state?.slice() }, context)
    state = done.state
    return (performance.now() - from) / 1000
  }
  // Compiles the model.
  await run(1)
  await run(1)
  const [few, many] = { cnn: [2, 42], resnet18: [1, 7], tiny: [1, 41] }[name]
  const [short, long] = [[], []]
  for (const until = performance.now() + MEASURE_MS; performance.now() < until; ) {
    short.push(await run(few))
    long.push(await run(many))
  }
  await host.close()
  const step = (median(long) - median(short)) / (many - few)
  const spread = (Math.sqrt(many) * deviation(long)) / median(long)
  return { step, rest: Math.max(0, median(short) - few * step), spread }
}

const LIMITS = { memoryMB: 4096, seconds: 3600 }

/** Seconds for a byte that is put or got. */
async function bytes(url) {
  const [{ RedisPlace }, { redisStore }] = await Promise.all([
    import(at('scale/redis.js')),
    import(at('scale/store.js')),
  ])
  const place = await RedisPlace.open(url)
  const store = redisStore(place)
  const name = `cost-${process.pid}`
  const some = new Uint8Array(40e6).fill(7)
  const times = []
  for (const until = performance.now() + MEASURE_MS / 3; performance.now() < until; ) {
    const from = performance.now()
    await store.put(name, some, 60)
    await store.get(name)
    times.push((performance.now() - from) / 1000 / (2 * some.length))
  }
  await store.remove(name)
  await place.close()
  return median(times)
}

/** Seconds of the outer step, with what comes before and behind it: for a parameter, and for one of
 * each replica. */
async function outer(name, data) {
  const wire = await import(at('scale/rounds/wire.js'))
  const { outerStep } = await import(at('scale/rounds/outer.js'))
  const { noSteps } = await import(at('engine/run/update.js'))
  const { takeWeights, weightsOf } = await import(at('scale/rounds/vectors.js'))
  const { model } = await openWork(name, data)
  const sizes = sizesOf(model.session)
  const rounds = { outerLr: 0.7, outerMomentum: 0.9, compress: 'none' }
  const all = { ...rounds, innerState: 'keep', syncEvery: 1 }
  const arrays = new Float32Array(sizes.states * sizes.parameters)
  const state = wire.stateToBytes({ inner: { numbers: noSteps, arrays } })
  let momentum
  const step = (replicas) => {
    const from = performance.now()
    const weights = weightsOf(model.session)
    const sentBytes = wire.startToBytes(weights)
    const sent = Array.from({ length: replicas }, () => {
      wire.stateOfBytes(state, sizes, all)
      return wire.sentOfBytes(sentBytes, sizes, all)
    })
    const found = outerStep({ ...all, replicas }, sizes, weights, momentum, sent)
    momentum = found.momentum
    takeWeights(model.session, found.weights)
    return (performance.now() - from) / 1000 / sizes.parameters
  }
  const times = { 1: [], 4: [] }
  for (let i = 0; i < 6; i++) for (const replicas of [1, 4]) times[replicas].push(step(replicas))
  await model.dispose()
  const [one, four] = [median(times[1]), median(times[4])]
  const addSeconds = (four - one) / 3
  return { addSeconds, outerSeconds: Math.max(0, one - addSeconds) }
}

/** A worker on one thread, as a process of this tool. */
async function work(url, data) {
  const [{ RedisPlace }, { startWorker }, { roundsKind }, { replicaHost }] = await Promise.all(
    ['scale/redis.js', 'scale/worker.js', 'scale/rounds/kind.js', 'cli/rounds/replica.js'].map(
      (path) => import(at(path)),
    ),
  )
  await startWorker(await RedisPlace.open(url), {
    kinds: [roundsKind(replicaHost({ threads: 1 }))],
    ...{ concurrency: 1, data, limits: LIMITS },
  })
}

function startWorker(url, data) {
  const self = fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, [self, 'worker', url, data], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return { stop: () => new Promise((done) => child.once('exit', done).kill('SIGKILL')) }
}

/** Rounds are measured for so long, and at least six of them. */
const ROUNDS_SECONDS = 25

/** Seconds of rounds, the first two left out: models are compiled in them. */
async function measureRounds(url, rounds, name, data, seconds = ROUNDS_SECONDS) {
  const { crewOf } = await import(at('cli/rounds/replica.js'))
  const { fitWith } = await import(at('scale/rounds/fit.js'))
  const { model, train, test } = await openWork(name, data)
  const pause = () => {}
  const here = await crewOf({ redis: url }, () => optionsOf(name), pause)
  const times = []
  const end = new AbortController()
  const onRound = ({ milliseconds, steps, round }) => {
    if (steps === rounds.syncEvery && round >= 2) times.push(milliseconds / 1000)
    const sum = times.reduce((a, b) => a + b, 0)
    if (times.length >= 6 && sum >= seconds) end.abort()
  }
  try {
    const options = { ...fitOf(test), signal: end.signal, rounds, onRound }
    await fitWith(model, train, options, here.crew)
  } finally {
    await here.close()
    await model.dispose()
  }
  return times
}

const cases = [
  ['cnn', 1, 100],
  ['cnn', 2, 50],
  ['cnn', 2, 100],
  ['cnn', 3, 100],
  ['resnet18', 1, 10],
  ['resnet18', 2, 10],
  ['resnet18', 2, 30],
  ['resnet18', 3, 10],
  ['resnet18', 2, 10, 'bfloat16', 'reset'],
  ['resnet18', 3, 10, 'int8', 'keep'],
]

/**
 * What parts of a round cost while that many processes are at work, now. The outer step reads bytes
 * when none of them is.
 */
async function partsOf(url, name, data, sizes, workers) {
  const [byteSeconds, shared] = [
    meanOf(await processes(1, ['bytes', url])),
    meanOf(await processes(workers, ['bytes', url])),
  ]
  const found = await processes(workers, ['replica', name, data])
  const mean = (key) => meanOf(found.map((one) => one[key]))
  const rounds = { replicas: 1, syncEvery: 1, compress: 'none', innerState: 'keep' }
  const none = { sizes, rounds, stepSeconds: 1, bitsPerSecond: Number.POSITIVE_INFINITY }
  const { bytesDown, bytesUp } = roundCost(none)
  return {
    ...{ byteSeconds, byteSharing: shared / byteSeconds },
    ...{ stepSeconds: mean('step'), spread: mean('spread') },
    handleSeconds: mean('rest') / (bytesDown + bytesUp),
  }
}

/** Of all numbers of two such objects. */
const between = (a, b) =>
  Object.fromEntries(Object.entries(a).map(([key, value]) => [key, (value + b[key]) / 2]))

/**
 * A machine that is shared is now faster, now slower. So what a round is predicted from is measured
 * before and after the rounds of each case, with as many processes as it has workers.
 */
async function measure(data, only) {
  if (spawnSync('redis-server', ['--version']).error) throw new Error('redis-server is missing')
  const redis = await startRedis()
  const ms = (seconds) => `${(1000 * seconds).toFixed(1)} ms`
  const ns = (seconds) => `${(1e9 * seconds).toFixed(2)} ns`
  try {
    const outerParts = await outer('resnet18', data)
    // What a round costs beside all that grows: rounds of a network that has hardly any.
    const idle = startWorker(redis.url, data)
    const small = { replicas: 1, syncEvery: 1 }
    const fixedSeconds = median(await measureRounds(redis.url, small, 'tiny', data, 3))
    await idle.stop()
    const { outerSeconds, addSeconds } = outerParts
    console.log(`The outer step takes ${ns(outerSeconds)} a parameter, and ${ns(addSeconds)} a`)
    console.log(`parameter of each replica; a round of nearly nothing takes ${ms(fixedSeconds)}.`)
    const heads = ['network', 'replicas', 'H', 'change', 'state', 'a step', 'varies by']
    const more = ['a byte of Redis', 'of a replica', 'predicted, s', 'measured, s', 'ratio']
    console.log(`| ${[...heads, ...more].join(' | ')} |\n|${' --- |'.repeat(12)}`)
    for (const [name, replicas, syncEvery, compress = 'none', innerState = 'keep'] of cases) {
      if (only && !only.includes(name)) continue
      const sizes = await sizesOfModel(works[name].model, [1, 28, 28])
      const rounds = { replicas, syncEvery, compress, innerState }
      const before = await partsOf(redis.url, name, data, sizes, replicas)
      const crew = Array.from({ length: replicas }, () => startWorker(redis.url, data))
      const times = await measureRounds(redis.url, rounds, name, data)
      await Promise.all(crew.map((one) => one.stop()))
      const parts = between(before, await partsOf(redis.url, name, data, sizes, replicas))
      const { stepSeconds, spread, byteSeconds, byteSharing, handleSeconds } = parts
      const of = { sizes, rounds, bitsPerSecond: Number.POSITIVE_INFINITY, fixedSeconds }
      const cost = roundCost({ ...of, ...parts, ...outerParts })
      const found = median(times)
      const { compute, waiting, transfer, gathering } = cost
      const cells = [`\`${name}\``, replicas, syncEvery, compress, innerState, ms(stepSeconds)]
      cells.push(`${(100 * spread).toFixed(0)} %`, ns(byteSeconds * byteSharing), ns(handleSeconds))
      cells.push(cost.seconds.toFixed(2), found.toFixed(2), (cost.seconds / found).toFixed(2))
      if (process.env.DETAILS) {
        cells.push([compute, waiting, transfer, gathering].map(ms).join(' '))
        cells.push(times.map((time) => time.toFixed(2)).join(' '))
        cells.push(`${ms(before.stepSeconds)} before`)
      }
      console.log(`| ${cells.join(' | ')} |`)
    }
  } finally {
    await redis.stop()
  }
}

const [, , what = 'table', ...rest] = process.argv
const print = async (promise) => console.log(JSON.stringify(await promise))
const commands = {
  table,
  measure: (data, only) => measure(data, only?.split(',')),
  worker: work,
  replica: (name, data) => print(replica(name, data)),
  bytes: (url) => print(bytes(url)),
}
if (!Object.hasOwn(commands, what) || (what === 'measure' && rest.length === 0)) {
  console.error('node tools/rounds-cost.mjs [table | measure FASHION_MNIST_FOLDER]')
  process.exit(2)
}
await commands[what](...rest)
