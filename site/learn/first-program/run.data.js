// What the figures of this lesson show, by runs in Node when the site is built.
import { percent } from '../../kit/numbers.js'
import { learn, usual } from './runs.js'

/** Of each option other values than the program's. */
const others = { lr: [1, 0.1, 0.001], batchSize: [8, 512], timeSteps: [1, 4], seed: [2, 3, 4] }
const endOf = ({ accuracy }) => percent(accuracy.at(-1)[1])

export default {
  async load() {
    const { losses, ...first } = await learn(usual)
    const run = async (name, change) => {
      const { accuracy, loss, silent } = await learn({ ...usual, ...change })
      return { name, accuracy, loss, silent }
    }
    const families = {}
    for (const [option, values] of Object.entries(others)) {
      families[option] = [{ ...first, name: `${option}: ${usual[option]}` }]
      for (const value of values)
        families[option].push(await run(`${option}: ${value}`, { [option]: value }))
    }
    const stuck = [
      { ...first, name: 'as it should be' },
      await run('threshold 20', { vThreshold: 20 }),
      await run('inputs too small', { small: true }),
      await run('lr: 1', { lr: 1 }),
    ]
    const [, silent, small] = stuck
    return {
      ...{ usual, losses, families, stuck, ...first },
      ...{ silent: silent.silent[0], silentLoss: silent.loss.at(-1)[1].toFixed(2) },
      small: endOf(small),
      mended: endOf(await run('', { small: true, normalised: true })),
      large: endOf(await run('', { batchSize: 512, lr: 0.1 })),
      ...{ seeds: families.seed.map(endOf), batches: families.batchSize.map(endOf) },
    }
  },
}
