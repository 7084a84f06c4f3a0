// CartPole-v1 by PPO: a spiking network is actor and critic, and learns to keep the pole upright.
// Run it after `npm run build` with: node examples/cartpole.mjs
import { adam, custom, lif, linear, sequential } from 'spikewasm'

const [carts, horizon, epochs, gamma, lambda, clip] = [8, 32, 4, 0.99, 0.95, 0.2]
const batchSize = carts * horizon
/** 0.02 s later, by Gymnasium's equations: place, speed, angle of the pole, its speed, age. */
export function push([x, v, angle, turn, age], toRight) {
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
  const force = ((toRight ? 10 : -10) + 0.05 * turn ** 2 * sin) / 1.1
  const twist = (9.8 * sin - cos * force) / (0.5 * (4 / 3 - (0.1 * cos ** 2) / 1.1))
  const pull = force - (0.05 * twist * cos) / 1.1
  return [x + 0.02 * v, v + 0.02 * pull, angle + 0.02 * turn, turn + 0.02 * twist, age + 1]
}
export const ends = ([x, , a, , age]) => Math.abs(x) > 2.4 || Math.abs(a) > 0.2095 || age >= 500
export const inputs = (all) => Float32Array.from(all.flatMap(([x, v, a, w]) => [x, v, 5 * a, w]))
/** How likely sample i is pushed to the right; the network gives its logit, and a value. */
const chance = (outputs, i) => 1 / (1 + Math.exp(-outputs[2 * i]))

/** PPO's clipped objective, and a quarter of the squared error of the value. */
export const ppo = custom(objective, { targets: 4 })
function objective({ outputs, targets, shape: [B] }) {
  const gradient = new Float64Array(2 * B)
  let loss = 0
  for (let i = 0; i < B; i++) {
    const [action, before, advantage, goal] = targets.slice(4 * i, 4 * i + 4)
    const [right, error] = [chance(outputs, i), outputs[2 * i + 1] - goal]
    const ratio = (action ? right : 1 - right) / before
    const bounded = Math.min(Math.max(ratio, 1 - clip), 1 + clip)
    const [gain, most] = [ratio * advantage, bounded * advantage]
    loss += (error ** 2 / 4 - Math.min(gain, most)) / B
    gradient.set([gain > most ? 0 : (gain * (right - action)) / B, error / 2 / B], 2 * i)
  }
  return { loss, gradient }
}

/** Learns until the last 50 episodes have more steps in the mean than `goal`. */
export async function learn(seed, tell, goal = 195) {
  const began = performance.now()
  const word = Uint32Array.of(seed)
  const random = () => word.fill(word[0] * 1664525 + 1013904223)[0] / 2 ** 32
  const begin = () => [...[0, 0, 0, 0].map(() => random() * 0.1 - 0.05), 0]
  const [net, optimizer] = [sequential(linear(4, 64), lif(), linear(64, 2)), adam({ lr: 1e-2 })]
  const plan = { input: [4], batchSize, method: 'bptt', loss: ppo, optimizer }
  const model = await net.compile({ ...plan, seed })
  const [x, targets] = [new Float32Array(4 * batchSize), new Float32Array(4 * batchSize)]
  let [world, ages, mean, steps] = [Array.from({ length: carts }, begin), [], 0, 0]
  for (; mean <= goal && steps < 200_000; steps += batchSize) {
    const [values, ended, gains] = [[], [], new Float64Array(batchSize + carts)]
    for (let k = 0; k <= batchSize; k += carts) {
      const seen = inputs(world)
      const { logits } = await model.predict(seen)
      values.push(...world.map((_, i) => logits[2 * i + 1]))
      if (k === batchSize) break
      x.set(seen, 4 * k)
      world = world.map((cart, i) => {
        const right = chance(logits, i)
        const action = Number(random() < right)
        targets.set([action, action ? right : 1 - right], 4 * (k + i))
        const next = push(cart, action)
        ended[k + i] = ends(next)
        if (ended[k + i]) ages.push(next[4])
        return ended[k + i] ? begin() : next
      })
    }
    for (let k = batchSize - 1; k >= 0; k--) {
      const after = ended[k] ? 0 : gamma * (values[k + carts] + lambda * gains[k + carts])
      gains[k] = 0.1 + after - values[k] // GAE, of rewards of 0.1
      targets.set([gains[k], gains[k] + values[k]], 4 * k + 2)
    }
    for (let k = 0; k < epochs; k++) await model.trainStep(x, targets)
    mean = ages.slice(-50).reduce((sum, age) => sum + age, 0) / 50
    await tell?.({ world, steps, mean })
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(2)
  console.log(`seed ${seed}: ${mean} steps an episode, learnt in ${steps} steps, ${seconds} s`)
  return model
}
if (globalThis.process?.argv[1].endsWith('cartpole.mjs'))
  for (const seed of [0, 1, 2, 3, 4]) await (await learn(seed)).dispose()
