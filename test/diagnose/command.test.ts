/** The command `diagnose`: what it writes, in this process and others, and what it refuses. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Diagnosis } from '../../src/diagnose/diagnosis.js'
import { durations } from '../../src/diagnose/measure.js'
import { main, run as runProcess } from '../cli/command.js'
import { parseLines, refuse, run, succeed } from '../cli/in-process.js'
import { withFolder } from '../files/temporary.js'

// Nobody looks at the times: those of this process, of those that it starts, and of a command.
const ofUsers = { ...durations }
Object.assign(durations, { warmUp: 10, measure: 10, process: 10 })
const cost = JSON.stringify(new URL('../../src/diagnose/measure.js', import.meta.url).href)
const shorten = `import { durations } from ${cost}\nObject.assign(durations, ${JSON.stringify(durations)})`
const short = ['--import', `data:text/javascript,${encodeURIComponent(shorten)}`]
test.after(() => void Object.assign(durations, ofUsers))

const quick = '--batch-size 16 --threads 1 --limit-train 48 --limit-test 20'.split(' ')

test('diagnose: tables, JSON and a page that loads nothing', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'new', 'folder')
    const few = '--time-steps 4,2 --methods bptt,rate-m --steps 5'.split(' ')
    const args = [...short, main, 'diagnose', ...few, ...quick, '--out', out]
    const { code, stdout, stderr } = await runProcess(args, { node: true })
    assert.equal([code, stderr], [0, ''])
    for (const title of [
      'What the paper claims',
      'A1 at the end',
      'A2 at the end',
      'A3 at the end',
      'Rate gradient, multiplied by T, against BPTT gradient',
      'Time and memory',
      'Firing rate',
    ])
      assert.match(stdout, title)
    assert.match(stdout, `wrote ${join(out, 'diagnose.json')} and ${join(out, 'diagnose.html')}\n`)
    assert.equal((await readdir(out)).sort(), ['diagnose.html', 'diagnose.json'])

    const json = await readFile(join(out, 'diagnose.json'), 'utf8')
    const { setup, training, costs } = JSON.parse(json) as Diagnosis
    assert.equal([setup.network, setup.batchSize, setup.steps, setup.threads], ['cnn', 16, 5, 1])
    assert.equal(setup.timeSteps, [2, 4])
    const last = training.map(({ timeSteps, points }) => `T ${timeSteps}, ${points.at(-1)!.step}`)
    assert.equal(last, ['T 2, 5', 'T 4, 5'])
    const measured = costs.map(({ method, timeSteps }) => `${method} ${timeSteps}`)
    assert.equal(measured, ['rate-m 2', 'rate-m 4', 'bptt 2', 'bptt 4'])

    const html = await readFile(join(out, 'diagnose.html'), 'utf8')
    assert.ok(html.length > 50_000 && html.length < 500_000, `${html.length} characters`)
    assert.equal(JSON.parse(html.match(/id="diagnosis">(.*?)<\/script>/s)![1]), JSON.parse(json))
  }))

test('diagnose --processes --json: a process for each method and T, and one line', () =>
  withFolder(async (out) => {
    const few = '--methods rate-m,os --time-steps 2 --steps 5 --processes --json --out'.split(' ')
    const { stdout } = await succeed(['diagnose', ...quick, ...few, out])
    const lines = parseLines(stdout) as unknown as Diagnosis[]
    assert.equal(lines, [JSON.parse(await readFile(join(out, 'diagnose.json'), 'utf8'))])
    const [{ setup, costs }] = lines
    const base = setup.baseBytes as number
    assert.ok(base > 20e6, `a process takes ${base} bytes`)
    assert.is(costs.length, 2)
    for (const { method, process: own, totalBytes } of costs) {
      assert.ok(own, method)
      assert.is(own.planBytes, totalBytes, method)
      // The base is another process's: a garbage collection makes a tenth.
      assert.ok(own.peakBytes > 0.9 * base && own.stepMs > 0, method)
    }
    const html = await readFile(join(out, 'diagnose.html'), 'utf8')
    assert.match(html, 'Each in a process of its own')
  }))

test('diagnose takes the data of a run, and shows frames to processes too', () =>
  withFolder(async (folder) => {
    const [own, out] = ['run', 'out'].map((name) => join(folder, name))
    const how = 'train --model mlp --encoder rate --time-steps 3 --limit-train 64 --epochs 1'
    await succeed([...how.split(' '), '--threads', '1', '--out', own])
    const measured = '--methods rate-m --steps 1 --batch-size 16 --processes --threads 1 --json'
    const { stdout } = await succeed([
      'diagnose',
      '--run',
      own,
      ...measured.split(' '),
      '--out',
      out,
    ])
    const [{ setup, costs }] = parseLines(stdout) as unknown as Diagnosis[]
    assert.equal([setup.timeSteps, setup.parameters], [[3], 64 * 256 + 256 + 256 * 10 + 10])
    assert.is(costs[0].process?.planBytes, costs[0].totalBytes)
  }))

const steps =
  '--time-steps must be different integers from 1 to 255, separated by commas, as in 2,4,8, got'
const wrong: Readonly<Record<string, string>> = {
  '--time-steps 2,x': `${steps} "2,x"`,
  '--time-steps 4,4': `${steps} "4,4"`,
  '--time-steps 2,,4': `${steps} "2,,4"`,
  '--time-steps 256': `${steps} "256"`,
  '--methods rate':
    '--methods must be some of rate-m, rate-s, bptt, ottt, sltt, os, bptt-s, ottt-o, sltt-1, ' +
    'separated by commas, got "rate"',
  '--steps 0': '--steps must be an integer ≥ 1, got "0"',
  '--limit-train 8 --batch-size 9':
    '--batch-size must be at most the number of training samples, 8, got 9',
  '--threads 0': '--threads must be an integer from 1 to 256, got 0',
  '--tau 1': '--tau must be > 1, got 1',
}

for (const [args, message] of Object.entries(wrong))
  test(`diagnose ${args}: one line, and no folder is left`, () =>
    withFolder(async (folder) => {
      const found = await run(['diagnose', ...args.split(' '), '--out', join(folder, 'out')])
      assert.equal({ ...found }, { code: 1, stdout: '', stderr: `spikewasm: ${message}\n` })
      assert.equal(await readdir(folder), [])
    }))

test('diagnose --out: a file is refused before anything is measured', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'file')
    await writeFile(out, '')
    await refuse(
      ['diagnose', '--out', out],
      /^spikewasm: --out must be a folder that can be written, got [^\n]+\n$/,
    )
  }))

test.run()
