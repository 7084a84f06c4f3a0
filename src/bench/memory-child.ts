/**
 * One configuration in a process of its own: a few training steps, then one line of JSON with its
 * peak memory. `none` loads the package and nothing else.
 *
 *   memory-child.js MODEL METHOD T THREADS [BATCH]
 */
import '../node.js'
import {
  batchOf,
  compileNetwork,
  describeMethod,
  describeRates,
  makeBatch,
  methods,
} from './networks.js'

async function main(): Promise<void> {
  const [, , name, method, timeSteps, threads, batch] = process.argv
  let [planned, rates] = [0, '']
  if (name !== 'none') {
    const choice = methods.find((m) => describeMethod(m) === method)
    if (!choice) throw new Error(`no method is called ${method}`)
    const batchSize = batch === undefined ? batchOf(name) : Number(batch)
    const options = { batchSize }
    const model = await compileNetwork(name, choice, Number(timeSteps), Number(threads), options)
    const { x, y } = makeBatch(model.batchSize)
    for (let i = 0; i < 2; i++) await model.trainStep(x, y, { lr: 0 })
    planned = model.memoryUse.total
    rates = `rate ${describeRates(model.firingRates())}`
    await model.dispose()
  }
  // maxRSS is in KiB.
  console.log(JSON.stringify({ rss: process.resourceUsage().maxRSS * 1024, planned, rates }))
}

void main()
