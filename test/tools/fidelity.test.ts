/** `npm run fidelity`: what it draws, what it finds the same, and what it finds different. */
import { execFile, spawnSync } from 'node:child_process'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors, serializeSafetensors } from '../../src/files/safetensors.js'
import { crossEntropy, linear, relu, sgd } from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { type Drawn, drawNetworks, tables } from '../support/draw/networks.js'
import { Sketch } from '../support/draw/sketch.js'
import { writeNetwork } from '../support/fidelity.js'
import { ofLong } from '../support/long.js'
import { testUnless } from '../support/runner.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const python = process.env.PYTHON || 'python3'
const has = 'import importlib.util as of; exit(not of.find_spec("torch"))'
const { status } = spawnSync(python, ['-c', has])
const install = `${python} has no PyTorch: ${python} -m pip install torch`
const withPython = testUnless(status !== 0 && install)

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const run = (file: string, args: readonly string[], env = {}): Promise<Outcome> =>
  promisify(execFile)(file, args, { cwd: root, env: { ...process.env, ...env } }).then(
    (output) => ({ code: 0, ...output }),
    (error) => error as Outcome,
  )

const fidelity = (args: readonly string[], env = {}): Promise<Outcome> =>
  run(process.execPath, ['tools/fidelity.mjs', ...args], env)

test('150 networks of some seeds reach every entry of the tables', () => {
  for (let seed = 0; seed < ofLong(4, 40); seed++) {
    const reached = new Set(drawNetworks(seed, 150).flatMap((drawn) => [...drawn.reached]))
    const open = Object.values(tables).flatMap((names) => names.filter((n) => !reached.has(n)))
    assert.equal(open, [], `seed ${seed}`)
  }
})

test('a Python without torch, and wrong options, are told in one line', async () => {
  const { code, stdout, stderr } = await fidelity([], { PYTHON: 'no-such-python' })
  assert.is(stdout, '')
  assert.match(stderr, /^no-such-python must have torch: it was not found; run "[^"]+"/)
  assert.is(stderr.trim().split('\n').length, 1)
  assert.is(code, 2)
  const wrong = await fidelity(['--count', '0'])
  assert.is(wrong.stderr, '--count must be an integer >= 1, got "0"\n')
})

withPython('networks agree with PyTorch in float64', async () => {
  const count = ofLong(8, 100)
  const seed = Number(process.env.SPIKEWASM_TEST_SEED ?? 11)
  const { code, stdout } = await fidelity(['--seed', `${seed}`, '--count', `${count}`])
  assert.is(code, 0, stdout)
  assert.match(stdout, new RegExp(`seed ${seed}: ${count} networks, .* 0 wrong`))
})

interface Found {
  readonly verdict: string
  readonly wrong: object
  readonly flips: readonly (readonly [string, string, string, number, number])[]
  readonly faults: readonly (readonly [string, string, string, number, number])[]
}

/** Tensors of a file by their names, and what is changed in the first such one. */
type Change = readonly [RegExp, (data: Float32Array) => void]

/** What the Python says of a network's file with these changes, and those. */
const told = (drawn: Drawn, changed: readonly (readonly Change[])[]): Promise<Found[]> =>
  withFolder(async (folder) => {
    await writeNetwork(drawn, folder)
    const [name] = await readdir(folder)
    const bytes = await readFile(join(folder, name))
    await rm(join(folder, name))
    for (const [i, changes] of changed.entries()) {
      const { tensors, metadata } = parseSafetensors(bytes)
      for (const [pattern, change] of changes) {
        const found = [...tensors].find(([key]) => pattern.test(key))
        change(found?.[1].data as Float32Array)
      }
      await writeFile(join(folder, `${i}.safetensors`), serializeSafetensors(tensors, metadata))
    }
    const { stdout, stderr } = await run(python, ['tools/fidelity.py', folder])
    const lines = stdout.trim().split('\n')
    assert.is(lines.length, changed.length, stderr)
    return lines.map((line): Found => JSON.parse(line))
  })

/** Where the largest number is. */
const largest = (data: Float32Array): number =>
  data.reduce((best, x, i) => (Math.abs(x) > Math.abs(data[best]) ? i : best), 0)

const off = (data: Float32Array): void => {
  const at = largest(data)
  data[at] += 1e-3 * (1 + Math.abs(data[at]))
}
const fires = (data: Float32Array): void => {
  data[0] = 1 - data[0]
}

withPython('a number that is changed is told by its name', async () => {
  const changes: readonly (readonly [...Change, string])[] = [
    [/^step 0\/gradient\//, off, 'gradient'],
    [/^state 1\/.*weight$/, off, 'parameter'],
    [/^step 0\/output$/, off, 'output'],
    [/^predict\/output$/, off, 'predicted output'],
    [/^step 0\/spikes\//, fires, 'a spike'],
  ]
  const [drawn] = drawNetworks(11, 1)
  const [same, ...found] = await told(drawn, [
    [],
    ...changes.map(([of, change]) => [[of, change]] as const),
  ])
  assert.is(same.verdict, 'same')
  for (const [i, [, , what]] of changes.entries()) {
    const { verdict, wrong, faults } = found[i]
    const names = [...Object.keys(wrong), ...faults.map((fault) => fault[3] === 1 && 'a spike')]
    assert.is(verdict, 'wrong', what)
    assert.ok(names.includes(what), `${what}, told: ${names}`)
  }
})

/** Two numbers at 1e-7, by a bias alone, go through a relu into three classes. */
function nearKink(): Drawn {
  const [drawn] = drawNetworks(11, 1)
  const sketch = new Sketch([4], 'bptt', 'm', 1)
  for (const layer of [linear(4, 2), relu(), linear(2, 3)]) sketch.put(layer)
  return {
    ...drawn,
    ...{ sketch, outputs: [sketch.last], classes: 3, coarse: false, penalties: [], factors: [1] },
    ...{ fit: {}, loss: crossEntropy(), optimizer: sgd({ lr: 0.125 }) },
    compile: { input: [4], method: 'bptt', stepMode: 'm', timeSteps: 1, batchSize: 3, seed: 1 },
    start: { '0.weight': new Float32Array(8), '0.bias': Float32Array.of(1e-7, 1e-7) },
  }
}

withPython(
  'a kink that is near excuses what its other side explains, and nothing else',
  async () => {
    // As if spikewasm had been on the other side of the relu's zero.
    const other: Change = [/^state 0\/0.bias$/, (data) => void data.fill(-1e-7)]
    const wrong: Change = [/^step 0\/gradient\/2.weight$/, off]
    const found = await told(nearKink(), [[], [other], [wrong], [other, wrong]])
    assert.equal(
      found.map(({ verdict }) => verdict),
      ['same', 'flip', 'wrong', 'wrong'],
    )
    for (const [, , what, count, margin] of found[1].flips)
      assert.equal([what, count, margin < 2e-7], ['the zero of a relu', 1, true])
    assert.ok(found[1].flips.length > 0)
  },
)

test.run()
