// runs: apart
/** Weights that benchmarks of networks share: trained once, and handed to other processes. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shareWeights, trainedWeights, type Weights } from '../../src/bench/networks.js'

test('the first process trains and tells them; the next one takes them', async () => {
  let steps = 0
  const others = { w: { shape: [2], data: Float32Array.of(1, 2) } }
  const told: Weights[] = []
  shareWeights({
    weights: { 'mlp-20': others },
    onStep: () => void steps++,
    onTrained: (weights) => void told.push(weights),
  })
  assert.is(await trainedWeights('mlp', true), others)
  assert.is(steps, 0, 'nothing was trained')
  const state = await trainedWeights('mlp', false)
  assert.is(steps, 30)
  assert.is(await trainedWeights('mlp', false), state)
  assert.equal(told, [{ 'mlp-30': state }])
})

test.run()
