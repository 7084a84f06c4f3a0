/** A process that starts: loads the package, compiles a network, and trains it for a few steps. */
import { serveProcess } from '../engine/node/child.js'

export interface FreshJob {
  /** Undefined: the package alone is loaded. */
  readonly model?: string
  readonly method: string
  readonly timeSteps: number
  readonly threads: number
  readonly batchSize?: number
}

/** Milliseconds of loading, compiling and the first step; bytes at most, and what the plan asks. */
async function start({ model, method, batchSize: images, ...others }: FreshJob) {
  const begun = performance.now()
  const sw = await import('../index.js')
  const load = performance.now() - begun
  // maxRSS is in KiB.
  const rss = (): number => process.resourceUsage().maxRSS * 1024
  if (model === undefined) return { load, compile: 0, first: 0, planned: 0, rates: '', rss: rss() }
  const networks = await import('./networks.js')
  const { batchOf, compileWith, describeMethod, describeRates, makeBatch, methods } = networks
  const choice = methods.find((one) => describeMethod(one) === method)
  if (!choice) throw new Error(`no method is called ${method}`)
  const { batchSize = batchOf(model) } = { batchSize: images }
  const { x, y } = makeBatch(batchSize)
  const before = performance.now()
  const network = await compileWith(sw, { model, choice, batchSize, ...others })
  const compiled = performance.now()
  await network.trainStep(x, y, { lr: 0 })
  const first = performance.now() - compiled
  await network.trainStep(x, y, { lr: 0 })
  const rates = `rate ${describeRates(network.firingRates())}`
  const planned = network.memoryUse.total
  await network.dispose()
  return { load, compile: compiled - before, first, planned, rates, rss: rss() }
}

const calls = { start }

export type FreshCalls = typeof calls

serveProcess(calls)
