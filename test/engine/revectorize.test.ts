// runs: apart
/** When wide vectors are switched on, and that a model then runs an engine compiled for them. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadEngine } from '../../src/engine/load.js'
import { obstacle, wideVectors } from '../../src/engine/revectorize.js'
import { linear, sequential } from '../../src/index.js'

const compile = (revectorize?: boolean) =>
  sequential(linear(4, 3)).compile({ input: [4, 1, 1], timeSteps: 1, batchSize: 2, revectorize })

test('which hosts gain by them, and why others do not', () => {
  const features = 'fpu sse4_2 avx avx2 bmi1'
  const host = { node: '24.0.0', arch: 'x64', features }
  assert.is(obstacle(host), undefined)
  assert.is(obstacle({ ...host, features: undefined }), undefined)
  assert.is(obstacle({ ...host, node: '26.10.0' }), undefined)
  assert.match(obstacle({ ...host, node: '22.23.3' }) ?? '', 'Node 24 or newer')
  // An unknown flag would make V8 complain on standard error.
  assert.match(obstacle({ ...host, node: '27.0.0' }) ?? '', 'tried with Node 24 to 26 alone')
  assert.match(obstacle({ ...host, arch: 'arm64' }) ?? '', 'arm64')
  assert.match(obstacle({ ...host, features: 'fpu sse4_2 avx avx2x' }) ?? '', 'no AVX2')
  assert.match(obstacle({ ...host, node: undefined }) ?? '', 'only Node')
})

test('never behind the back of who did not ask', async () => {
  const model = await compile()
  assert.is(model.revectorized, false)
  assert.is((await wideVectors()).on, false)
  await model.dispose()
})

test('asked for: a compilation apart where they are on, no effect elsewhere', async () => {
  const plain = await compile()
  const model = await compile(true)
  const { on, why } = await wideVectors()
  if (!on) console.log(`no wide vectors here: ${why}`)
  assert.is(model.revectorized, on)
  assert.is((await model.session.engine) === (await loadEngine('engine')), !on)
  assert.is(await plain.session.engine, await loadEngine('engine'))
  const { logits } = await model.predict(new Float32Array(8).fill(1))
  assert.equal(logits, (await plain.predict(new Float32Array(8).fill(1))).logits)
  await plain.dispose()
  await model.dispose()
})

test('the modules of both compilations export the same', async () => {
  const names = async (wide: boolean): Promise<string[]> =>
    WebAssembly.Module.exports(await loadEngine('engine', wide)).map(({ name }) => name)
  assert.equal(await names(true), await names(false))
})

test.run()
