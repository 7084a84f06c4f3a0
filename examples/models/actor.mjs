// Trains the actor of pretrained('cartpole') and writes it into a folder; docs/models.md has it.
//
//   node examples/models/actor.mjs --out FOLDER [--seed 0] [--goal 475]
//   node examples/models/actor.mjs --judge FILE
//
// Actor and critic learn together, as in ../cartpole.mjs. What is kept is the actor
// alone: it takes what Gymnasium gives, and answers with a number for each of the two pushes.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as sw from 'spikewasm'
import { ends, learn, push } from '../cartpole.mjs'

const [episodes, factors] = [200, [1, 1, 5, 1]]
const options = { out: { type: 'string' }, judge: { type: 'string' } }
const numbers = { seed: { type: 'string', default: '0' }, goal: { type: 'string', default: '475' } }
const { out, judge, seed, goal } = parseArgs({ options: { ...options, ...numbers } }).values

/** The network for pushes, of one for a push to the right and the value of a place. */
async function actorOf(trained) {
  const network = sw.sequential(sw.linear(4, 64), sw.lif(), sw.linear(64, 2))
  const plan = { input: [4], labels: ['left', 'right'], batchSize: 1 }
  const actor = await network.compile({ ...plan, seed: Number(seed), purpose: 'inference' })
  const state = trained.stateDict()
  // It saw the angle five times as large.
  const first = state['0.weight'].data.map((weight, i) => weight * factors[i % 4])
  // The softmax of 0 and the logit is what the logit says.
  const last = state['2.weight'].data.slice()
  const [weight, bias] = [last.copyWithin(64, 0, 64), state['2.bias'].data.slice()]
  weight.fill(0, 0, 64)
  bias.set([0, bias[0]])
  const of = (name, data) => ({ [name]: { ...state[name], data } })
  actor.loadStateDict({
    ...{ ...state, ...of('0.weight', first) },
    ...{ ...of('2.weight', weight), ...of('2.bias', bias) },
  })
  return actor
}

/** Lengths of episodes in which the likelier push is made, from starts that nobody has seen. */
async function judged(actor) {
  const word = Uint32Array.of(2 ** 31)
  const random = () => word.fill(word[0] * 1664525 + 1013904223)[0] / 2 ** 32
  const carts = Array.from({ length: episodes }, () => [
    ...[0, 0, 0, 0].map(() => random() * 0.1 - 0.05),
    0,
  ])
  const seen = []
  for (let open = carts.map((_, i) => i); open.length > 0; ) {
    const x = Float32Array.from(open.flatMap((i) => carts[i].slice(0, 4)))
    if (seen.length < 4e4) seen.push(...x)
    const { classes } = await actor.predict(x)
    for (const [k, i] of open.entries()) carts[i] = push(carts[i], classes[k])
    open = open.filter((i) => !ends(carts[i]))
  }
  const lengths = carts.map(([, , , , age]) => age)
  const inputs = Float32Array.from(seen)
  const labels = new Int32Array(inputs.length / 4)
  const data = sw.fromArrays({ inputs, shape: [4], labels, classes: 2 })
  const { firingRates, operations } = await actor.evaluate(data)
  const [mean, full] = [sum(lengths) / episodes, lengths.filter((age) => age === 500).length]
  return { mean, full, episodes, firingRates, microjoules: operations.energy.microjoules }
}

const sum = (values) => values.reduce((a, b) => a + b, 0)

async function result() {
  if (judge !== undefined) return judged(await sw.loadModel(judge))
  if (out === undefined) throw new Error('--out must name a folder, or --judge a file')
  const trained = await learn(Number(seed), undefined, Number(goal))
  const actor = await actorOf(trained)
  const found = await judged(actor)
  mkdirSync(out, { recursive: true })
  await actor.save(join(out, 'weights.safetensors'))
  writeFileSync(join(out, 'result.json'), `${JSON.stringify(found, null, 2)}\n`)
  await Promise.all([trained.dispose(), actor.dispose()])
  return found
}

const { mean, full, microjoules } = await result()
console.log(`${mean.toFixed(1)} steps an episode, ${full} of ${episodes} held to the end of 500`)
console.log(`${(1000 * microjoules).toFixed(2)} nJ a push`)
