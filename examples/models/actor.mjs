// Trains the actor of pretrained('cartpole'); docs/models.md has its card.
//
//   node examples/models/actor.mjs --out FOLDER [--seed 0]
//   node examples/models/actor.mjs --judge FILE
//
// Actor and critic learn together, as in ../cartpole.mjs. What is kept is the actor
// alone: it takes what Gymnasium gives, and answers with a number for each of the two pushes.
import * as sw from 'spikewasm'
import { ends, learn, push } from '../cartpole.mjs'
import { run } from './run.mjs'

/** The network for pushes, of one for a push to the right and the value of a place. */
async function train(seed) {
  const trained = await learn(seed, undefined, 475)
  const network = sw.sequential(sw.linear(4, 64), sw.lif(), sw.linear(64, 2))
  const plan = { input: [4], labels: ['left', 'right'], batchSize: 1, purpose: 'inference' }
  const actor = await network.compile({ ...plan, seed })
  const state = trained.stateDict()
  // It saw the angle five times as large.
  state['0.weight'].data = state['0.weight'].data.map((w, i) => (i % 4 === 2 ? 5 * w : w))
  // The softmax of 0 and the logit is what the logit says.
  const [{ data: weight }, { data: bias }] = [state['2.weight'], state['2.bias']]
  weight.copyWithin(64, 0, 64).fill(0, 0, 64)
  bias.set([0, bias[0]])
  actor.loadStateDict(state)
  await trained.dispose()
  return actor
}

/** Episodes in which the likelier push is made, from starts that nobody has seen. */
async function judge(actor) {
  const word = Uint32Array.of(2 ** 31)
  const random = () => word.fill(word[0] * 1664525 + 1013904223)[0] / 2 ** 32
  const begin = () => [...[0, 0, 0, 0].map(() => random() * 0.1 - 0.05), 0]
  const carts = Array.from({ length: 200 }, begin)
  const seen = []
  for (let open = carts.map((_, i) => i); open.length > 0; ) {
    const x = Float32Array.from(open.flatMap((i) => carts[i].slice(0, 4)))
    if (seen.length < 4e4) seen.push(...x)
    const { classes } = await actor.predict(x)
    for (const [k, i] of open.entries()) carts[i] = push(carts[i], classes[k])
    open = open.filter((i) => !ends(carts[i]))
  }
  const inputs = Float32Array.from(seen)
  const labels = new Int32Array(inputs.length / 4)
  const { firingRates, operations } = await actor.evaluate(
    sw.fromArrays({ inputs, shape: [4], labels, classes: 2 }),
  )
  const ages = carts.map(([, , , , age]) => age)
  const mean = ages.reduce((a, b) => a + b, 0) / ages.length
  return { mean, full: ages.filter((age) => age === 500).length, firingRates, operations }
}

await run({
  train,
  judge,
  say: ({ mean, full }) => `${mean.toFixed(1)} steps an episode, ${full} of 200 to the end of 500`,
})
