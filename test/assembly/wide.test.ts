/**
 * V8 joins the 128-bit operations of the hot loops in pairs: two equal operations on neighbouring
 * data, whose results are stored next to each other. A loop that loses this shape still computes
 * the same numbers, only slower. V8 itself tells what it has joined.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { methodOptions } from '../../src/compile/methods.js'
import { makePlan } from '../../src/compile/plan.js'
import { switchOnWideVectors } from '../../src/engine/revectorize.js'
import { alif, conv2d, cubaLif, flatten, lif, linear, sequential } from '../../src/index.js'
import type { KernelSet } from '../../src/kernels/equations/kernel-set.js'
import { trace } from '../../src/network/trace.js'
import { run } from '../cli/command.js'
import { withFolder } from '../files/temporary.js'
import { skip } from '../support/runner.js'

const file = fileURLToPath(new URL('../../wasm/engine-named.wasm', import.meta.url))

/** Loops that take most of a training step and gain by it. */
const joined = [
  'sumBlocks',
  'sumRows8',
  'sumRows16',
  'sumRows32',
  'sumTimes32',
  'sumBytes32',
  'winogradProduct',
  'winogradProducts',
  'winogradOuter',
  'winogradOuters',
  'listSum',
  'listAddTwice',
  'patternSum1',
  'patternSum2',
  'patternSum3',
  'micro',
  'microAdd',
  'microWide',
  'narrowTile',
  'narrowGradientTile',
  'normSums16',
  'normProducts16',
]

/** Optimises the whole engine at once, on one thread, so that V8's lines keep their order. */
const flags = [
  '--experimental-wasm-revectorize',
  '--trace-wasm-revectorize',
  '--no-liftoff',
  '--no-wasm-lazy-compilation',
  '--wasm-num-compilation-tasks=0',
]

/** Names of the functions in which V8 has joined operations. */
function joinedIn(trace: string, names: ReadonlyMap<string, string>): Set<string> {
  const found = new Set<string>()
  let current = ''
  for (const line of trace.split('\n')) {
    current = /Begin revec function wasm-function#(\d+)/.exec(line)?.[1] ?? current
    const gain = /Save: (\d+), cost: (\d+)/.exec(line)
    if (gain && Number(gain[1]) > Number(gain[2])) found.add(names.get(current) ?? current)
  }
  return found
}

/** Names of functions of a module, in which V8 joins operations, by their numbers. */
async function joinedOf(path: string, names: ReadonlyMap<string, string>): Promise<Set<string>> {
  const compile = `new WebAssembly.Module(require('node:fs').readFileSync(${JSON.stringify(path)}))`
  const { code, stdout, stderr } = await run([...flags, '-e', compile], { node: true })
  assert.equal([code, stderr], [0, ''])
  return joinedIn(stdout, names)
}

const { on, why } = await switchOnWideVectors()

test('the hot loops are joined', async () => {
  const module = new WebAssembly.Module(readFileSync(file))
  const memory = new WebAssembly.Memory({ initial: 1 })
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 })
  const { exports } = new WebAssembly.Instance(module, { env: { memory, table } })
  // The name of an exported function is its index.
  const names = new Map(
    Object.entries(exports).map(([name, f]) => [(f as { name: string }).name, name]),
  )
  for (const name of joined) assert.type(exports[name], 'function', `there is no loop ${name}`)
  if (!on) return skip(`no wide vectors here: ${why}`)
  const found = await joinedOf(file, names)
  assert.equal(
    joined.filter((name) => !found.has(name)),
    [],
  )
})

test('kernels of neurons are joined', () =>
  withFolder(async (folder) => {
    if (!on) return skip(`no wide vectors here: ${why}`)
    const path = join(folder, 'kernels.wasm')
    const input = [1, 5, 5] as const
    for (const layer of [lif(), cubaLif(), alif({ vReset: 0, surrogate: 'atan' })])
      for (const method of ['rate', 'bptt'] as const) {
        const graph = trace(sequential(conv2d(1, 16, 3), layer, flatten(), linear(144, 2)), input)
        const how = { graph, input, timeSteps: 4, batchSize: 1, purpose: 'train' } as const
        const plain = { frames: true, inspect: false }
        const plan = makePlan({ ...methodOptions({ method }, 4), ...how, ...plain }, 1)
        const { keys, bytes } = plan.kernels as KernelSet
        writeFileSync(path, bytes.call(plan.kernels, false))
        const found = await joinedOf(path, new Map(keys.map((key, i) => [String(i), key])))
        // Spikes alone are packed into bytes, which V8 does not join.
        const wanted = keys.filter((key) => /^\["backward|"eligibility":true/.test(key))
        const missing = wanted.filter((key) => !found.has(key))
        assert.ok(wanted.length > 0)
        assert.equal(missing, [], `${layer.kind}, ${method}`)
      }
  }))

test.run()
