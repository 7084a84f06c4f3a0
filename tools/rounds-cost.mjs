// Tables of what rounds of `train --redis` cost, by bench/rounds-cost.ts. After `npm run build`:
//
//   node tools/rounds-cost.mjs
const built = (path) => import(new URL(`../build/${path}.js`, import.meta.url))
const { compile } = await built('src/index')
const { models } = await built('src/model/models/registry')
const { ringCost, roundCost } = await built('bench/rounds-cost')
const { sizesOf } = await built('src/scale/rounds/vectors')

/** Seconds of a step with a batch of 64 and T 4 on two threads: docs/speed.md, scaled to 64. */
const steps = { resnet18: (0.261 * 64) / 16, vgg11: (0.357 * 64) / 32 }
const input = [3, 32, 32]
const networks = []
for (const [name, stepSeconds] of Object.entries(steps)) {
  const model = await compile(models[name](input, 10), { input, batchSize: 1, timeSteps: 1 })
  networks.push({ name, of: { sizes: sizesOf(model.session), stepSeconds } })
  await model.dispose()
}
const row = (cells) => console.log(`| ${cells.join(' | ')} |`)

const counts = [2, 4, 8, 16, 32, 64, 128, 256]
const heads = ['network', 'Gbit/s', 'H', ...counts, 'ring, 256']
row(heads)
row(heads.map(() => '---'))
for (const { name, of } of networks)
  for (const gigabits of [1, 10])
    for (const syncEvery of [1, 20, 100, 500]) {
      const speedup = (cost, replicas) => {
        const rounds = { replicas, syncEvery, compress: 'bfloat16', innerState: 'keep' }
        return cost({ ...of, rounds, bitsPerSecond: gigabits * 1e9 }).speedup
      }
      const times = counts.map((replicas) => speedup(roundCost, replicas))
      const cells = times.map((time) => time.toFixed(time >= 10 ? 0 : 1))
      row([`\`${name}\``, gigabits, syncEvery, ...cells, speedup(ringCost, 256).toFixed(0)])
    }

for (const { name, of } of networks)
  for (const compress of ['none', 'bfloat16', 'int8'])
    for (const innerState of ['keep', 'reset']) {
      const rounds = { replicas: 8, syncEvery: 100, compress, innerState }
      const cost = roundCost({ ...of, rounds, bitsPerSecond: 1e9 })
      const bytes = [cost.bytesChange, cost.bytesUp, cost.bytesDown].map((count) => count / 1e6)
      const seconds = [cost.compute, cost.waiting, cost.transfer + cost.gathering]
      const numbers = [...bytes, ...seconds].map((number) => number.toFixed(1))
      row([`\`${name}\``, compress, innerState, ...numbers])
    }
