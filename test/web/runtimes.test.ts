// runs: alone
/**
 * The package in Node, Bun and Deno, as npm installs it: the same bits. Bun and Deno are packages of
 * npm: `npm install --prefix FOLDER bun deno`, and SPIKEWASM_RUNTIMES=FOLDER/node_modules/.bin; or
 * they are on the path.
 */
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findProgram } from '../../src/edge/verify/job.js'
import { skip } from '../support/runner.js'
import { makeProject } from './site.js'

const { SPIKEWASM_RUNTIMES: folder } = process.env

/** A package whose install script did not run leaves a file that only says so. */
async function find(name: string): Promise<string | undefined> {
  const path = await findProgram(...(folder ? [join(folder, name)] : []), name)
  const version = path && (await promisify(execFile)(path, ['--version']).catch(() => undefined))
  return version ? path : undefined
}

/** Trains on one thread and on two, with a dashboard; saves and loads. */
const program = `
import * as sw from 'spikewasm'

const { train, test } = await sw.datasets.digits()
const found = []
for (const threads of [1, 2]) {
  const model = await sw.cnn(train.shape, 10).compile({ input: train.shape, batchSize: 32, threads })
  const callbacks = threads === 2 ? [sw.dashboard({ onListen: (url) => found.push(typeof url) })] : []
  const optimizer = sw.adam({ lr: 0.01 })
  const { epochs } = await model.fit(train, { epochs: 1, validation: test, optimizer, callbacks })
  await model.save('saved.safetensors')
  const loaded = await sw.loadModel('saved.safetensors')
  const fromBytes = await sw.Model.fromBytes(loaded.toBytes())
  const { accuracy } = await fromBytes.evaluate(test)
  let hash = 0
  for (const byte of fromBytes.toBytes()) hash = (Math.imul(hash, 31) + byte) >>> 0
  found.push(model.threads, hash, epochs[0].testAccuracy, accuracy)
  for (const one of [model, loaded, fromBytes]) await one.dispose()
}
console.log(found.join())
`

const project = makeProject({
  'program.js': program,
  'required.cjs':
    "const sw = require('spikewasm')\nconsole.log(typeof sw.compile, typeof sw.Model)\n",
})
test.after(() => rmSync(project, { recursive: true, force: true }))

async function run(path: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
  const { stdout, stderr } = await promisify(execFile)(path, args, { cwd: project, env })
  // An error of a thread ends no program, but is told.
  assert.not.match(stderr, /error/i)
  return stdout.trim()
}

const inNode = run(process.execPath, 'program.js')

const { require_module: requires = false } = process.features as { require_module?: boolean }
if (requires)
  test('require() in this Node', async () => {
    assert.is(await run(process.execPath, 'required.cjs'), 'function function')
  })
else skip('this Node cannot require modules')

/** How each runs a program that may do what Node's may. */
const others = { bun: [], deno: ['run', '--allow-all', '--no-remote', '--node-modules-dir=manual'] }

for (const [name, args] of Object.entries(others)) {
  const path = await find(name)
  if (path === undefined) {
    skip(`there is no ${name}: see SPIKEWASM_RUNTIMES in test/web/runtimes.test.ts`)
    continue
  }
  test(name, async () => {
    const [found, expected] = [await run(path, ...args, 'program.js'), await inNode]
    assert.match(expected, /^1,\d+,0\.\d+,0\.\d+,string,2,\d+,/)
    assert.is(found, expected)
    assert.is(await run(path, ...args, 'required.cjs'), 'function function')
  })
}

test('Node', async () => {
  assert.match(await inNode, /^1,\d+,0\.\d+,0\.\d+,string,2,\d+,/)
})

test.run()
