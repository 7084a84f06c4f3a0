/**
 * V8 joins the 128-bit operations of the hot loops in pairs: two equal operations on neighbouring
 * data, whose results are stored next to each other. A loop that loses this shape still computes
 * the same numbers, only slower. V8 itself tells what it has joined.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { switchOnWideVectors } from '../../src/runtime/revectorize.js'
import { run } from '../cli/command.js'
import { skip } from '../support/runner.js'

const file = fileURLToPath(new URL('../../wasm/engine-named.wasm', import.meta.url))

/** Loops that take most of a training step and gain by it. */
const joined = [
  ...['sumRows8', 'sumRows16', 'sumRows32', 'sumTimes32', 'sumBytes32'],
  ...['winogradProduct', 'winogradOuter', 'listSum', 'listAddTwice'],
  ...['patternSum1', 'patternSum2', 'patternSum3'],
  ...['micro', 'microAdd', 'narrowTile', 'narrowGradientTile', 'normSums16', 'normProducts16'],
  ...['neuronSigmoid1', 'neuronSigmoid2', 'neuronSigmoid4', 'neuronAtan', 'neuronTriangle'],
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

const { on, why } = await switchOnWideVectors()

test('the hot loops are joined', async () => {
  const module = new WebAssembly.Module(readFileSync(file))
  const memory = new WebAssembly.Memory({ initial: 1 })
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  // The name of an exported function is its index.
  const names = new Map(
    Object.entries(exports).map(([name, f]) => [(f as { name: string }).name, name]),
  )
  for (const name of joined) assert.type(exports[name], 'function', `there is no loop ${name}`)
  if (!on) return skip(`no wide vectors here: ${why}`)
  const compile = `new WebAssembly.Module(require('node:fs').readFileSync(${JSON.stringify(file)}))`
  const { code, stdout, stderr } = await run([...flags, '-e', compile], { node: true })
  assert.equal([code, stderr], [0, ''])
  const found = joinedIn(stdout, names)
  assert.equal(
    joined.filter((name) => !found.has(name)),
    [],
  )
})

test.run()
