// What the figures of this lesson show, by runs in Node when the site is built.
import { readFileSync, writeFileSync } from 'node:fs'
import { datasets, flatten, lif, linear, sequential } from 'spikewasm'
import { fingerprint, samplesOf } from '../../kit/numbers.js'
import { pairs } from '../methods/methods.js'
import { ready, trace, usual } from '../neuron/neuron.js'

const more = ['surrogates', 'eligibilities']
const bias = { bias: false }
const net = sequential(flatten(), linear(64, 128, bias), lif(), linear(128, 10, bias))

/** How many test digits the program reads when it is changed as the exercises ask. */
async function readsWith(T, surrogate = 'sigmoid') {
  const program = new URL('../../../examples/by-hand.mjs', import.meta.url)
  const file = new URL('../build/by-hand.mjs', program)
  const text = readFileSync(program, 'utf8').replace('[4, 32', `[${T}, 32`)
  writeFileSync(file, text.replace('timeSteps: T', `timeSteps: T, surrogate: '${surrogate}'`))
  return `${(await import(`${file}?${T}-${surrogate}`)).right.toFixed(1)} %`
}

export default {
  async load() {
    await ready()
    const { backward, weights } = await import('../../../examples/by-hand.mjs')
    const { images, labels } = samplesOf((await datasets.digits()).test, 32)
    const byHand = backward(images, labels).gradients
    const found = {}
    for (const method of ['bptt', 'rate']) {
      const model = await net.compile({ input: [1, 8, 8], timeSteps: 4, batchSize: 32, method })
      const state = Object.entries(model.stateDict())
      const own = state.map(([name, { shape }], i) => [name, { shape, data: weights[i] }])
      model.loadStateDict(Object.fromEntries(own))
      await model.trainStep(images, labels, { update: false })
      found[method] = Object.values(model.gradients()).map(({ data }) => data)
      await model.dispose()
    }
    const unlike = (list, i) => list.filter((value, k) => value !== found.rate[i][k]).length
    const [differ, dots] = [byHand.map(unlike), pairs(found.bptt[0], byHand[0])]
    const shown = { usual, more, trace: trace(usual, more), dots }
    const shade = (weight) => +Math.min(1, Math.max(0, 0.5 + weight)).toFixed(2)
    const fields = Array.from({ length: 16 }, (_, n) => ({
      shades: Array.from(weights[0].subarray(64 * n, 64 * n + 64), shade),
      label: `Weights of neuron ${n + 1}`,
    }))
    const hash = await fingerprint(weights.map((data) => ({ data })))
    const right = []
    for (const options of [[4], [1], [8], [4, 'atan']]) right.push(await readsWith(...options))
    const gradients = weights[0].length + weights[1].length
    return { ...shown, fields, hash, right, gradients, unlike: differ[0] + differ[1] }
  },
}
