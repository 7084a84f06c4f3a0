/** `npm run fidelity`: what it draws, what it finds the same, and what it finds different. */
import { execFile, spawnSync } from 'node:child_process'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSafetensors, serializeSafetensors } from '../../src/io/safetensors.js'
import { withFolder } from '../io/temporary.js'
import { drawNetworks, tables } from '../support/fidelity/draw.js'
import { writeNetwork } from '../support/fidelity/run.js'
import { ofLong } from '../support/long.js'
import { testUnless } from '../support/runner.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const python = process.env.PYTHON || 'python3'
const { status } = spawnSync(python, ['tools/fidelity.py', '--check'], { cwd: root })
const install = `${python} has no PyTorch: ${python} -m pip install torch numpy`
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

test('a hundred networks reach every entry of the tables, whatever the seed', () => {
  for (let seed = 0; seed < ofLong(4, 40); seed++) {
    const reached = new Set(drawNetworks(seed, 100).flatMap((drawn) => [...drawn.reached]))
    const open = Object.values(tables).flatMap((names) => names.filter((n) => !reached.has(n)))
    assert.equal(open, [], `seed ${seed}`)
  }
})

test('a Python without torch, and wrong options, are told in one line', async () => {
  const { code, stdout, stderr } = await fidelity([], { PYTHON: 'no-such-python' })
  assert.is(stdout, '')
  assert.match(stderr, /^no-such-python must have torch and numpy: it was not found; run "[^"]+"/)
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
  readonly faults: readonly { readonly count: number }[]
}

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

/** Tensors of a file, what is changed in them, and what the Python is to say. */
const changes: readonly (readonly [RegExp, (data: Float32Array) => void, string])[] = [
  [/^nothing/, off, ''],
  [/^step 0\/gradient\//, off, 'gradient'],
  [/^state 1\/.*weight$/, off, 'parameter'],
  [/^step 0\/output$/, off, 'output'],
  [/^predict\/output$/, off, 'predicted output'],
  [/^step 0\/spikes\//, fires, 'a spike'],
]

withPython('a number that is changed is told by its name', () =>
  withFolder(async (folder) => {
    const [drawn] = drawNetworks(11, 1)
    await writeNetwork(drawn, folder)
    const [name] = await readdir(folder)
    const bytes = await readFile(join(folder, name))
    await rm(join(folder, name))
    for (const [i, [pattern, change]] of changes.entries()) {
      const { tensors, metadata } = parseSafetensors(bytes)
      const found = [...tensors].find(([key]) => pattern.test(key))
      if (found) change(found[1].data as Float32Array)
      await writeFile(join(folder, `${i}.safetensors`), serializeSafetensors(tensors, metadata))
    }
    const { stdout, stderr } = await run(python, ['tools/fidelity.py', folder])
    assert.is(stderr, '')
    const told = stdout
      .trim()
      .split('\n')
      .map((line): Found => JSON.parse(line))
    for (const [i, [, , what]] of changes.entries()) {
      const { verdict, wrong, faults } = told[i]
      const names = [...Object.keys(wrong), ...faults.map(({ count }) => count === 1 && 'a spike')]
      assert.is(verdict, what === '' ? 'same' : 'wrong', what)
      assert.ok(what === '' || names.includes(what), `${what}, told: ${names}`)
    }
  }),
)

test.run()
