/** What the exporter refuses is named by its layers: an engine with an instruction nobody lowers. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { buildNet, usersOf } from '../../src/edge/build.js'
import { checkExportOptions } from '../../src/edge/options.js'
import { prepare } from '../../src/edge/prepare.js'
import { engineBytes } from '../../src/engine/load.js'
import { stateDict } from '../../src/engine/memory/state.js'
import { compile, conv2d, flatten, lif, linear, relu, sequential } from '../../src/index.js'

/** The same code with `i8x16.swizzle`, as long, in the place of each `f32x4.max`. */
function withSwizzle(engine: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(engine)
  for (let i = 0; i + 2 < bytes.length; i++)
    if (bytes[i] === 0xfd && bytes[i + 1] === 0xe9 && bytes[i + 2] === 1)
      bytes.set([0xfd, 0x8e, 0], i)
  return bytes
}

test('an instruction without a form in lanes is refused by the layers that use it', async () => {
  const network = sequential(
    conv2d(1, 4, 3),
    lif(),
    conv2d(4, 4, 3),
    relu(),
    conv2d(4, 4, 3),
    relu(),
    flatten(),
    linear(16, 5),
  )
  const { session } = await compile(network, { input: [1, 8, 8], batchSize: 1 })
  const prepared = await prepare(
    { ...session.plan.options, inspect: false, purpose: 'inference', fixed: true },
    stateDict(session),
    {},
  )
  const engine = await engineBytes()
  const settings = checkExportOptions({}, { channels: 1, classes: 5, weights: 'f32' })
  assert.throws(
    () => buildNet(prepared, withSwizzle(engine), settings, 'scalar'),
    (error: Error) =>
      error instanceof SpikewasmError &&
      /i8x16\.swizzle in the function \w+, used by 3, relu and 5, relu, .* target 'simd'$/.test(
        error.message,
      ),
  )
  assert.ok(buildNet(prepared, engine, settings, 'scalar').length > 0)
  const { plan } = prepared
  const programs = [plan.programs.single].filter((program) => program !== undefined)
  assert.equal(usersOf('no such function', engine, plan, programs), [])
})

test.run()
