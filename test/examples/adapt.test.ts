/** The example that adapts a network where it is: in Node, WasmEdge and a page the same numbers. */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { exportWasm } from '../../src/edge/export.js'
import { netHeader } from '../../src/edge/header.js'
import { findChromium } from '../../src/edge/verify/hosts/browser.js'
import { cnn, compile, datasets, sgd } from '../../src/index.js'
import { run } from '../cli/command.js'
import { folderFor } from '../files/temporary.js'
import { answerOfPage } from '../support/page.js'
import { skip } from '../support/runner.js'

const example = fileURLToPath(new URL('../../../examples/edge/adapt/', import.meta.url))
const samples = ['lessons.bin', 'exam.bin']
const folder = folderFor(test)
/** What Node prints. */
let printed = ''

test.before(async () => {
  await cp(example, folder, { recursive: true })
  const model = await compile(cnn([1, 8, 8], 10), { input: [1, 8, 8], batchSize: 32 })
  const { train } = await datasets.digits()
  await model.fit(train, { epochs: 4, optimizer: sgd({ lr: 0.1 }) })
  const options = { inputType: 'u8', mean: [0.3051], std: [0.3762] } as const
  const bytes = await exportWasm(model, { mode: 'train', batchSize: 8, ...options })
  await model.dispose()
  await writeFile(join(folder, 'net.wasm'), bytes)
  await writeFile(join(folder, 'net.h'), netHeader(bytes))
  const writing = await run([join(example, 'writing.mjs')], { node: true, cwd: folder })
  assert.is(writing.code, 0, writing.stderr)
})

test('Node: most slanted digits are wrong before, and right after', async () => {
  const args = ['adapt.mjs', 'net.wasm', ...samples]
  const { code, stdout, stderr } = await run(args, { node: true, cwd: folder })
  assert.is(code, 0, stderr)
  const [before, after] = [...stdout.matchAll(/: ([\d.]+) % of 355/g)].map(([, n]) => Number(n))
  assert.ok(before < 65 && after > 90, stdout)
  printed = stdout
})

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined

test('WasmEdge prints the same', () => {
  if (!has('make') || !has('cc') || !existsSync('/usr/include/wasmedge/wasmedge.h')) {
    skip('make, cc or WasmEdge with its headers is not installed')
    return
  }
  const step = (program: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' })
    assert.is(status, 0, stderr)
    return stdout
  }
  step('make')
  // The interpreter would take a quarter of a minute, the best code longer than it runs.
  const fast = ['--optimize', '0']
  const ahead = spawnSync('wasmedge', ['compile', ...fast, 'net.wasm', 'net.so'], { cwd: folder })
  assert.is(step('./adapt', ahead.status === 0 ? 'net.so' : 'net.wasm', ...samples), printed)
})

const chromium = await findChromium()

test('a page shows the same', async () => {
  if (chromium === undefined) {
    skip('there is no Chromium')
    return
  }
  const html = await readFile(join(folder, 'index.html'), 'utf8')
  const hand = `<script type="module">
    while (!adapt.onclick) await new Promise((resolve) => setTimeout(resolve, 50))
    adapt.click()
    const pen = pad.getContext('2d')
    pen.fillStyle = '#fff'
    pen.fillRect(110, 20, 30, 200)
    for (let i = 0; i < 20; i++) teachers.children[3].click()
    fetch('result', { method: 'POST', body: report.textContent + '; ' + answer.textContent })
  </script>`
  const binary = async (name: string): Promise<readonly [string, Uint8Array]> => [
    name.endsWith('.wasm') ? 'application/wasm' : 'application/octet-stream',
    await readFile(join(folder, name)),
  ]
  const shown = await answerOfPage(chromium, folder, {
    '/': ['text/html', html.replace('</html>', `${hand}</html>`)],
    '/net.wasm': await binary('net.wasm'),
    '/lessons.bin': await binary('lessons.bin'),
    '/exam.bin': await binary('exam.bin'),
  })
  const [before, after] = [...printed.matchAll(/: ([\d.]+) %/g)].map(([, percent]) => percent)
  assert.is(shown, `slanted digits: ${before} % before, ${after} % after; 3`)
})

test.run()
