/** `spikewasm bench FILE`: whatever a benchmark does, the command says so and ends. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { measureOwn } from '../../src/bench/own-process.js'
import { removeFolder } from '../io/temporary.js'
import { testUnless } from '../support/runner.js'
import { main, run } from './command.js'
import { run as runHere } from './in-process.js'

let folder = ''
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spikewasm-own-'))
})
test.after(() => removeFolder(folder))

async function write(text: string, name = 'my.bench.mjs'): Promise<string> {
  await writeFile(join(folder, name), text)
  return name
}
const bench = (...args: string[]) => run(['bench', ...args, '--quick'], { cwd: folder })
/** Within this process: each benchmark has its own in any case. V8's flags stay as they are. */
const benchHere = (...args: string[]) =>
  runHere(['bench', ...args, '--quick', '--no-revectorize'], { cwd: folder })
const good = `bench('good', () => { let s = 0; for (let i = 0; i < 1e4; i++) s += i; return s })\n`

test('benchmarks that end, wait, throw or reject are named; the others count; 2', async () => {
  const file = await write(
    `bench('ends', () => process.exit(0))
bench('waits', () => new Promise(() => {}))
bench('rejects', () => { Promise.reject(new Error('nobody waits')) })
let calls = 0
bench('throws later', () => { if (calls++ === 0) setTimeout(() => { throw new Error('later') }) })
bench('tears', () => {}, { teardown() { throw new Error('torn') } })
bench('leaves a timer', () => {}, { setup() { setInterval(() => {}, 1000) } })
${good}`,
  )
  const { code, stdout, stderr } = await benchHere(file, '--json', 'out.json')
  assert.is(code, 2, stderr)
  for (const [name, why] of [
    ['ends', 'ended its process \\(exit code 0\\)'],
    ['waits', 'waits for a promise that never settles'],
    ['rejects', 'threw Error: nobody waits'],
    ['throws later', 'threw Error: later'],
    ['tears', '.*torn'],
  ])
    assert.match(stderr, new RegExp(`^spikewasm: bench "${name}" must run .*${why}`, 'm'))
  assert.is(stderr.trimEnd().split('\n').length, 5, stderr)
  assert.match(stdout, /leaves a timer .*\n.*good/)
  const entries = JSON.parse(await readFile(join(folder, 'out.json'), 'utf8')) as { name: string }[]
  const names = entries.map(({ name }) => name).filter((name) => !name.startsWith('peak'))
  assert.equal(names, ['leaves a timer', 'good'])
})

test('a file that ends the process, or waits, while it loads', async () => {
  for (const [text, why] of [
    [`${good}process.exit(0)`, /my\.bench\.mjs: must be files that load, .*exit code 0/],
    [
      `${good}await new Promise(() => {})`,
      /my\.bench\.mjs: must be files that load, .*never settles/,
    ],
  ] as const) {
    const { code, stdout, stderr } = await benchHere(await write(text))
    assert.equal([code, stdout], [2, ''])
    assert.match(stderr, why)
  }
})

test('an endless loop is ended', async () => {
  const path = join(folder, await write(`bench('endless', () => { for (;;); })`))
  const budget = { warmupMs: 1, measureMs: 1, minCalls: 1 }
  try {
    await measureOwn([path], 'endless', { budget, patienceMs: 300 })
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /^bench "endless" .* no sign of life for 0\.3 s; /)
  }
})

test('what benchmarks print does not get into the JSON', async () => {
  const file = await write(`console.log('top'); bench('talks', () => { console.log('text') })`)
  const { code, stdout, stderr } = await bench(file, '--json')
  assert.is(code, 0)
  assert.ok(stderr.includes('top\n') && stderr.includes('text\n'))
  const { smallerIsBetter } = JSON.parse(stdout) as { smallerIsBetter: { name: string }[] }
  assert.ok(smallerIsBetter.some(({ name }) => name === 'talks'))
})

test('helpers of a project without a type: no warning, old ones still work', async () => {
  await write(`import { two } from './old.js'\nexport const three = two + 1\n`, 'helper.js')
  await write(`exports.two = 2\n`, 'old.js')
  await write(`{ "name": "mine" }`, 'package.json')
  const text = `import { three } from './helper.js'\nbench('three ' + three, () => three)\n`
  const { code, stdout, stderr } = await bench(await write(text, 'typeless.js'), '--list')
  assert.equal([code, stdout, stderr], [0, 'three 3\n', ''])
})

/** A command whose output goes elsewhere: exit code, and standard error. */
function shell(line: string): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn('/bin/bash', ['-o', 'pipefail', '-c', line], { cwd: folder })
    let stderr = ''
    child.stderr.on('data', (text) => {
      stderr += text
    })
    child.stdout.resume()
    child.on('close', (code) => resolve({ code, stderr }))
  })
}
const node = `"${process.execPath}" "${main}" bench`

testUnless(process.platform !== 'linux' && 'it takes Linux')(
  'a full disk behind standard output is a failure, no slow-down',
  async () => {
    const { code, stderr } = await shell(`${node} ${await write(good)} --list > /dev/full`)
    assert.is(code, 2)
    assert.match(stderr, /^spikewasm: standard output could not be written: .*\n$/)
  },
)

testUnless(process.platform === 'win32' && 'it takes a shell of Unix')(
  'a reader that goes away: files are written, and the exit code stays',
  async () => {
    const file = await write(`${good}bench('bad', () => { throw new Error('x') })`)
    const { code } = await shell(`${node} ${file} --quick --json gone.json | head -1`)
    assert.is(code, 2)
    assert.ok((await readFile(join(folder, 'gone.json'), 'utf8')).includes('"good"'))
  },
)

testUnless(process.platform === 'win32' && 'it takes a shell of Unix')(
  'Ctrl-C: what there is is written; 130',
  async () => {
    const began = join(folder, 'began')
    const fs = `import { writeFileSync } from 'node:fs'\n`
    const slow = `bench('slow', () => {
      writeFileSync(${JSON.stringify(began)}, '')
      return new Promise((done) => setTimeout(done, 5000))
    })`
    const args = ['bench', await write(`${fs}${good}${slow}`), '--quick', '--json', 'part.json']
    let waits: NodeJS.Timeout | undefined
    const { code, stderr } = await run(args, {
      cwd: folder,
      onOutput: (_, interrupt) => {
        if (waits) return
        waits = setInterval(() => {
          if (!existsSync(began)) return
          clearInterval(waits)
          interrupt()
        }, 50)
      },
    })
    assert.equal([code, stderr], [130, ''])
    assert.ok((await readFile(join(folder, 'part.json'), 'utf8')).includes('"good"'))
  },
)

test.run()
