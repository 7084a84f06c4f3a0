// The cost of rounds: predicted by src/scale/rounds/cost.ts and measured here with 1 to 3 workers,
// and the table of docs/scale.md. Needs redis-server for the measurement.
//
//   node tools/rounds-cost.mjs            the table
//   node tools/rounds-cost.mjs measure    predicted against measured, minutes
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const at = (path) => new URL(`../build/src/${path}`, import.meta.url)
const { compile, datasets, sgd } = await import(at('index.js'))
const { models } = await import(at('models/registry.js'))
const { ringCost, roundCost } = await import(at('scale/rounds/cost.js'))
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

function startWorker(url) {
  const self = fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, [self, 'worker', url], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return { stop: () => new Promise((done) => child.once('exit', done).kill('SIGKILL')) }
}

/** A worker on one thread, as a process of this tool. */
async function work(url) {
  const [{ RedisPlace }, { startWorker }, { roundsKind }, { replicaHost }] = await Promise.all(
    ['scale/redis.js', 'scale/worker.js', 'scale/rounds/kind.js', 'cli/rounds/replica.js'].map(
      (path) => import(at(path)),
    ),
  )
  await startWorker(await RedisPlace.open(url), {
    kinds: [roundsKind(replicaHost({ threads: 1 }))],
    concurrency: 1,
    limits: { memoryMB: 1024, seconds: 3600 },
  })
}

/** Seconds for a byte that is put and got, and the outer step's for a parameter. */
async function rates(url) {
  const [{ RedisPlace }, { redisStore }] = await Promise.all([
    import(at('scale/redis.js')),
    import(at('scale/store.js')),
  ])
  const place = await RedisPlace.open(url)
  const store = redisStore(place)
  const bytes = new Uint8Array(8e6)
  const times = []
  for (let i = 0; i < 5; i++) {
    const from = performance.now()
    await store.put('cost', bytes, 60)
    await store.get('cost')
    times.push((performance.now() - from) / 1000 / (2 * bytes.length))
  }
  await store.remove('cost')
  await place.close()
  return median(times)
}

/** Milliseconds of rounds, the first two left out: models are compiled in them. */
async function measureRounds(url, rounds, name) {
  const { crewOf } = await import(at('cli/rounds/crew.js'))
  const { fitWith } = await import(at('scale/rounds/fit.js'))
  const { train } = await datasets.digits()
  const input = [1, 8, 8]
  const model = await compile(models[name](input, 10, { tau: 1.25 }), {
    ...{ input, batchSize: 32, timeSteps: 4, threads: 1 },
  })
  const options = {
    ...{ model: name, dataset: 'digits', augment: false, input, classes: 10, timeSteps: 4 },
    ...{ tau: 1.25, method: 'rate', stepMode: 'm', update: 'afterwards', backwardSteps: 4 },
    ...{ gradientCheckpoint: 'none', epochs: 8, batchSize: 32, lr: 0.05, weightDecay: 0, seed: 0 },
    ...{ schedule: 'constant', optimizer: 'sgd', loss: 'crossEntropy', momentum: 0.9 },
  }
  const here = await crewOf(
    url ? { redis: url } : {},
    () => options,
    () => {},
  )
  const times = []
  const fit = { epochs: 8, optimizer: sgd({ lr: 0.05, weightDecay: 0 }) }
  const { test } = await datasets.digits()
  try {
    await fitWith(
      model,
      train,
      {
        ...fit,
        validation: test,
        rounds,
        onRound: ({ milliseconds, steps }) => {
          if (steps === rounds.syncEvery) times.push(milliseconds / 1000)
        },
      },
      here.crew,
    )
  } finally {
    await here.close()
    await model.dispose()
  }
  return times.slice(2)
}

async function measure() {
  if (spawnSync('redis-server', ['--version']).error) throw new Error('redis-server is missing')
  const redis = await startRedis()
  const name = 'cnn'
  const sizes = await sizesOfModel(name, [1, 8, 8])
  const cores = availableParallelism()
  try {
    const byteSeconds = await rates(redis.url)
    // A step alone: rounds of one replica here, of two lengths, so that what a round costs is out.
    const local = async (syncEvery) =>
      median(await measureRounds(undefined, { replicas: 1, syncEvery }, name))
    const stepSeconds = ((await local(20)) - (await local(4))) / 16
    console.log(
      `step ${(1000 * stepSeconds).toFixed(2)} ms, ${(1e9 * byteSeconds).toFixed(1)} ns/B`,
    )
    let fixedSeconds
    for (const [workers, syncEvery] of [
      [1, 4],
      [1, 20],
      [2, 12],
      [2, 20],
      [3, 12],
    ]) {
      const crew = Array.from({ length: workers }, () => startWorker(redis.url))
      const rounds = { replicas: workers, syncEvery }
      const times = await measureRounds(redis.url, rounds, name)
      await Promise.all(crew.map((one) => one.stop()))
      const of = {
        ...{ sizes, stepSeconds, byteSeconds, bitsPerSecond: Number.POSITIVE_INFINITY },
        rounds: { ...rounds, compress: 'none', innerState: 'keep' },
        sharing: Math.max(1, workers / cores),
      }
      // What a round costs beside all that grows is taken from the first one.
      fixedSeconds ??= median(times) - roundCost({ ...of, fixedSeconds: 0 }).seconds
      const { seconds } = roundCost({ ...of, fixedSeconds })
      const found = median(times)
      console.log(
        `${workers} workers, H ${syncEvery}: measured ${(1000 * found).toFixed(0)} ms, predicted ` +
          `${(1000 * seconds).toFixed(0)} ms, ratio ${(seconds / found).toFixed(2)}`,
      )
    }
  } finally {
    await redis.stop()
  }
}

const [, , what, url] = process.argv
await (what === 'worker' ? work(url) : what === 'measure' ? measure() : table())
