// runs: apart
/** Weights that benchmarks of networks share: trained once, and handed to other processes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shareWeights } from '../../src/bench/shared-weights.js'
import { trainedWeights } from '../../src/bench/weights.js'
import { parseState, serializeState } from '../../src/io/state.js'

const folder = mkdtempSync(join(tmpdir(), 'bench-weights-'))
test.after(() => rmSync(folder, { recursive: true }))

test('the first process trains and leaves them; the next one reads them', async () => {
  let steps = 0
  const onStep = (): void => void steps++
  const others = { w: { shape: [2], data: Float32Array.of(1, 2) } }
  writeFileSync(join(folder, 'mlp-20.safetensors'), serializeState(others))
  shareWeights({ folder, onStep })
  assert.equal(await trainedWeights('mlp', true), others)
  assert.is(steps, 0, 'nothing was trained')
  const state = await trainedWeights('mlp', false)
  assert.is(steps, 30)
  assert.is(await trainedWeights('mlp', false), state)
  const path = join(folder, 'mlp-30.safetensors')
  assert.equal(parseState(readFileSync(path), path), state)
})

test.run()
