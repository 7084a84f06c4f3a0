// The cost of rounds by bench/rounds-cost.ts: the tables of docs/scale.md, and predictions beside
// rounds that 1 to 3 workers do on this machine, which takes minutes and needs redis-server.
//
//   node tools/rounds-cost.mjs
//   node tools/rounds-cost.mjs measure [--only cnn]
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { readOptions, refuse, text } from './options.mjs'

const built = (path) => import(new URL(`../build/${path}.js`, import.meta.url))
const { compile, fromBytes, sgd } = await built('src/index')
const { models } = await built('src/model/models/registry')
const { ringCost, roundCost } = await built('bench/rounds-cost')
const { sizesOf } = await built('src/scale/rounds/vectors')
const { median } = await built('src/base/numbers')

const row = (cells) => console.log(`| ${cells.join(' | ')} |`)

/** Seconds of a step with a batch of 64 and T 4 on two threads: docs/speed.md, scaled to 64. */
const steps = { resnet18: (0.261 * 64) / 16, vgg11: (0.357 * 64) / 32 }

async function sizesOfModel(name, input = [3, 32, 32]) {
  const model = await compile(models[name](input, 10), { input, batchSize: 1, timeSteps: 1 })
  const sizes = sizesOf(model.session)
  await model.dispose()
  return sizes
}

async function tables() {
  const counts = [2, 4, 8, 16, 32, 64, 128, 256]
  const heads = ['network', 'Gbit/s', 'H', ...counts, 'ring, 256']
  row(heads)
  console.log(`|${' --- |'.repeat(heads.length)}`)
  const sizes = {}
  for (const [name, stepSeconds] of Object.entries(steps)) {
    sizes[name] = await sizesOfModel(name)
    for (const gigabits of [1, 10])
      for (const syncEvery of [1, 20, 100, 500]) {
        const costOf = (replicas, of) => {
          const rounds = { replicas, syncEvery, compress: 'bfloat16', innerState: 'keep' }
          return of({ sizes: sizes[name], rounds, stepSeconds, bitsPerSecond: gigabits * 1e9 })
        }
        const speedups = counts.map((K) => costOf(K, roundCost).speedup)
        const cells = speedups.map((times) => times.toFixed(times >= 10 ? 0 : 1))
        const ring = costOf(256, ringCost).speedup.toFixed(0)
        row([`\`${name}\``, gigabits, syncEvery, ...cells, ring])
      }
  }
  for (const [name, stepSeconds] of Object.entries(steps))
    for (const compress of ['none', 'bfloat16', 'int8'])
      for (const innerState of ['keep', 'reset']) {
        const rounds = { replicas: 8, syncEvery: 100, compress, innerState }
        const cost = roundCost({ sizes: sizes[name], rounds, stepSeconds, bitsPerSecond: 1e9 })
        const bytes = [cost.bytesChange, cost.bytesUp, cost.bytesDown]
        const seconds = [cost.compute, cost.waiting, cost.transfer + cost.gathering]
        const numbers = [...bytes.map((count) => count / 1e6), ...seconds]
        row([`\`${name}\``, compress, innerState, ...numbers.map((number) => number.toFixed(1))])
      }
}

/** What is trained: networks whose rounds take seconds, one of few weights and one of many. */
const works = {
  cnn: { batchSize: 64, timeSteps: 4, stepsAtOnce: 20 },
  resnet18: { batchSize: 8, timeSteps: 2, stepsAtOnce: 4 },
}
const input = [1, 28, 28]

async function openWork(name) {
  const { batchSize, timeSteps } = works[name]
  const labels = Int32Array.from({ length: 60_000 }, (_, i) => i % 10)
  const images = new Uint8Array(labels.length * 784).map((_, i) => i * 37)
  const normalization = { scale: 255, mean: [0.5], std: [0.3] }
  const data = fromBytes({ images, labels, shape: input, classes: 10, normalization })
  const options = { input, batchSize, timeSteps, threads: 1, seed: 0 }
  return { data, model: await compile(models[name](input, 10, { tau: 1.25 }), options) }
}

const fitOf = (url, rounds) => ({
  epochs: 99,
  optimizer: sgd({ lr: 0.01 }),
  rounds,
  redis: { url },
})

/** A worker on one thread. */
async function serve(name, url, rounds) {
  const { serveRounds } = await built('src/scale/index')
  const { model, data } = await openWork(name)
  await serveRounds(model, data, fitOf(url, JSON.parse(rounds)))
}

/** Prints seconds of a step, and how much steps vary, were each to vary by itself: a share of it. */
async function time(name) {
  const { model } = await openWork(name)
  const { batchSize, stepsAtOnce } = works[name]
  const x = Float32Array.from({ length: batchSize * 784 }, (_, i) => Math.sin(i))
  const y = Array.from({ length: batchSize }, (_, i) => i % 10)
  const times = []
  for (const until = performance.now() + 10_000; performance.now() < until; ) {
    const from = performance.now()
    for (let i = 0; i < stepsAtOnce; i++) await model.trainStep(x, y)
    times.push((performance.now() - from) / 1000)
  }
  // The first ones take longer.
  const later = times.slice(1)
  const variance = later.reduce((sum, t) => sum + (t - median(later)) ** 2, 0) / later.length
  const spread = Math.sqrt(stepsAtOnce * variance) / median(later)
  console.log(JSON.stringify({ step: median(later) / stepsAtOnce, spread }))
  await model.dispose()
}

/** Starts this tool as processes with these arguments. */
function start(count, ...args) {
  const self = fileURLToPath(import.meta.url)
  const stdio = ['ignore', 'pipe', 'inherit']
  return Array.from({ length: count }, () => spawn(process.execPath, [self, ...args], { stdio }))
}

/** What steps take while so many processes are at work. */
async function stepsOf(name, count) {
  const found = start(count, 'time', name).map(async ({ stdout }) =>
    JSON.parse((await stdout.setEncoding('utf8').toArray()).join('')),
  )
  return Promise.all(found)
}

/** Seconds of six rounds or more; the first two are left out, in which workers begin. */
async function secondsOfRounds(name, url, rounds) {
  const { fitRoundsAt } = await built('src/scale/index')
  const { model, data } = await openWork(name)
  const workers = start(rounds.replicas, 'serve', name, url, JSON.stringify(rounds))
  const end = new AbortController()
  const times = []
  const onRound = ({ milliseconds, steps, round }) => {
    if (steps === rounds.syncEvery && round >= 2) times.push(milliseconds / 1000)
    if (times.length >= 6 && times.reduce((a, b) => a + b) > 25) end.abort()
  }
  await fitRoundsAt(model, data, { ...fitOf(url, rounds), signal: end.signal, onRound })
  for (const worker of workers) worker.kill('SIGKILL')
  await model.dispose()
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
 * A machine that is shared is now faster, now slower. So steps are measured before and after the
 * rounds of each case, with as many processes at work as it has workers.
 */
async function measure() {
  const { only } = readOptions({ only: text }, true)
  const { noRedis, startRedis } = await built('test/support/redis')
  if (noRedis()) refuse(noRedis())
  for (const [name, replicas, syncEvery, compress = 'none', innerState = 'keep'] of cases) {
    if (only !== undefined && name !== only) continue
    const redis = await startRedis()
    const rounds = { replicas, syncEvery, compress, innerState }
    const before = await stepsOf(name, replicas)
    const seconds = median(await secondsOfRounds(name, redis.url, rounds))
    const found = [...before, ...(await stepsOf(name, replicas))]
    await redis.stop()
    const [stepSeconds, spread] = ['step', 'spread'].map(
      (key) => found.reduce((sum, one) => sum + one[key], 0) / found.length,
    )
    const sizes = await sizesOfModel(name, input)
    const oneMachine = { bitsPerSecond: Number.POSITIVE_INFINITY }
    const predicted = roundCost({ sizes, rounds, stepSeconds, spread, ...oneMachine }).seconds
    const step = [`${(1000 * stepSeconds).toFixed(1)} ms`, `${(100 * spread).toFixed(0)} %`]
    const numbers = [predicted, seconds, predicted / seconds].map((number) => number.toFixed(2))
    row([`\`${name}\``, replicas, syncEvery, compress, innerState, ...step, ...numbers])
  }
}

const commands = { tables, measure, time, serve }
const [, , what = 'tables', ...rest] = process.argv
const command = commands[what] ?? refuse('node tools/rounds-cost.mjs [measure [--only NETWORK]]')
await command(...rest)
