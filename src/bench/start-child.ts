/**
 * A program that starts: loads the package, compiles a network, and takes its first step or looks
 * at its first image. Writes one line of JSON with the milliseconds of each.
 *
 *   start-child.js train|predict MODEL T
 */

async function main(): Promise<void> {
  const [, , kind, model, timeSteps] = process.argv
  const started = performance.now()
  const sw = await import('../index.js')
  const loaded = performance.now()
  const { batchOf, compileWith, describeRates, makeBatch, methods } = await import('./networks.js')
  const training = kind === 'train'
  const batchSize = training ? batchOf(model) : 1
  const { x, y } = makeBatch(batchSize)
  const before = performance.now()
  const compiled = await compileWith(sw, {
    model,
    choice: methods[0],
    timeSteps: Number(timeSteps),
    threads: 1,
    batchSize,
    ...(!training && { purpose: 'inference' }),
  })
  const after = performance.now()
  if (training) await compiled.trainStep(x, y, { lr: 0 })
  else await compiled.predict(x)
  const done = performance.now()
  const rates = `rate ${describeRates(compiled.firingRates())}`
  await compiled.dispose()
  const { user, system } = process.cpuUsage()
  console.log(
    JSON.stringify({
      load: loaded - started,
      compile: after - before,
      first: done - after,
      processorMs: (user + system) / 1000,
      rates,
    }),
  )
}

void main()
