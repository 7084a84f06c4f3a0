/** The hosts in examples/edge are built as their pages say, run, and name the class. */
import { spawnSync } from 'node:child_process'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { exportWasm } from '../../src/edge/export.js'
import { netHeader } from '../../src/edge/header.js'
import { openNet } from '../../src/edge/net.js'
import { findCompiler } from '../../src/edge/verify/compile.js'
import { findChromium } from '../../src/edge/verify/hosts/browser.js'
import { wasm3, wasmedge } from '../../src/edge/verify/hosts/compiled.js'
import { findWasm2c } from '../../src/edge/verify/hosts/wasm2c.js'
import { findProgram, runProgram } from '../../src/edge/verify/job.js'
import { compile, datasets, sgd } from '../../src/index.js'
import { models } from '../../src/model/models/registry.js'
import { run } from '../cli/command.js'
import { folderFor } from '../files/temporary.js'
import { answerOfPage } from '../support/page.js'
import { allow, testUnless } from '../support/runner.js'
import { tinyNet } from '../support/tiny-net.js'

const labels = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine']
const scaling = { inputType: 'u8', mean: [0.3051], std: [0.3762], labels } as const
const folder = folderFor(test)

/** Puts a file and its header where the programs look for them. */
async function place(bytes: Uint8Array): Promise<void> {
  await writeFile(join(folder, 'net.wasm'), bytes)
  await writeFile(join(folder, 'net.h'), netHeader(bytes))
}

test.before(async () => {
  await cp(fileURLToPath(new URL('../../../examples/edge/', import.meta.url)), folder, {
    recursive: true,
  })
  const model = await compile(models.mlp([1, 8, 8], 10), { input: [1, 8, 8], batchSize: 32 })
  const { train } = await datasets.digits()
  await model.fit(train, { epochs: 3, optimizer: sgd({ lr: 0.2 }) })
  await place(await exportWasm(model, scaling))
  await model.dispose()
})

/** Builds a program in C and returns what it prints. */
async function build(name: string, ...args: string[]): Promise<string> {
  allow(300)
  const cwd = join(folder, name)
  await runProgram('make', ['NET=../net.wasm'], { cwd, seconds: 200 })
  return runProgram(join(cwd, 'classify'), args, { cwd })
}

/** Runs what was built, on what it refuses. */
function expectRefused(name: string, args: readonly string[], message: string): void {
  const how = { cwd: join(folder, name), encoding: 'utf8' } as const
  const { status, stderr } = spawnSync('./classify', args, how)
  assert.equal([status, stderr], [1, `${message}\n`])
}

const make = (await findProgram('make')) && (await findCompiler())

/** A test that needs programs which may be missing. */
function needs(present: unknown, what: string, name: string, body: () => Promise<void>): void {
  testUnless(present ? undefined : `it takes ${what}`)(name, body)
}

test('Node', async () => {
  const args = ['node.mjs', 'net.wasm', 'seven.pgm']
  const { code, stdout, stderr } = await run(args, { node: true, cwd: folder })
  assert.is(code, 0, stderr)
  assert.is(stdout, 'class 7: seven\n')
})

needs(make && (await findWasm2c()), 'wabt, make, cc', 'C with wasm2c', async () => {
  assert.is(await build('c-wasm2c', '../seven.pgm'), 'class 7: seven\n')
  expectRefused('c-wasm2c', ['../no.pgm'], 'cannot open: ../no.pgm')
})

const rustc = make && (await findWasm2c()) && (await findProgram('rustc'))
needs(rustc, 'wabt, make, cc, rustc', 'Rust with wasm2c', async () => {
  assert.is(await build('rust-wasm2c', '../seven.pgm'), 'class 7: seven\n')
  expectRefused('rust-wasm2c', ['../no.pgm'], 'cannot open: ../no.pgm')
  await writeFile(join(folder, 'other.pgm'), 'P2\n2 1\n9\n1 2\n')
  await runProgram('sh', ['-c', '! ./classify ../other.pgm 2>/dev/null'], {
    cwd: join(folder, 'rust-wasm2c'),
  })
})

needs(make && (await wasmedge.find()), wasmedge.install, 'C with WasmEdge', async () => {
  assert.is(await build('c-wasmedge', '../net.wasm', '../seven.pgm'), 'class 7: seven\n')
})

const chromium = await findChromium()
needs(chromium, 'Chromium', 'the page', async () => {
  const html = await readFile(join(folder, 'page', 'index.html'), 'utf8')
  // Waits for the page, draws the picture in place of a hand, and moves the pen a bit outside.
  const hand = `<script type="module">
    const words = (await (await fetch('seven.pgm')).text()).replace(/#.*/g, '').trim().split(/\\s+/)
    const grey = words.slice(4).map(Number)
    while (!pad.onpointermove) await new Promise((resolve) => setTimeout(resolve, 10))
    const pen = pad.getContext('2d')
    const draw = (v, i) => {
      pen.fillStyle = 'rgb(' + [v, v, v].map((v) => (v * 255) / 16).join() + ')'
      pen.fillRect((i % 8) * 35, Math.floor(i / 8) * 35, 35, 35)
    }
    grey.forEach(draw)
    const before = answer.textContent
    const event = (name, buttons) => new PointerEvent(name, { buttons, clientX: -90, clientY: -90 })
    pad.dispatchEvent(event('pointerdown', 1))
    pad.dispatchEvent(event('pointermove', 1))
    const seen = answer.textContent
    clear.click()
    fetch('result', { method: 'POST', body: [before, seen, answer.textContent].join() })
  </script>`
  const answer = await answerOfPage(chromium!, folder, {
    '/': ['text/html', html.replace('</html>', `${hand}</html>`)],
    '/net.wasm': ['application/wasm', await readFile(join(folder, 'net.wasm'))],
    '/seven.pgm': ['text/plain', await readFile(join(folder, 'seven.pgm'))],
  })
  assert.is(answer, 'draw,seven,draw')
})

needs(make && (await wasm3.find()), wasm3.install, 'C with wasm3', async () => {
  const weights = Array.from({ length: 640 }, (_, i) => Math.sin(i * i))
  const info = { ...scaling, input: [1, 8, 8], classes: 10 } as const
  const bytes = tinyNet({ weights, info })
  await place(bytes)
  const net = await openNet(bytes)
  const { test: data } = await datasets.digits()
  const pixels = new Uint8Array(64)
  let printed = ''
  for (let i = 0; i < 3; i++) {
    data.pixels!.read(10 * i, pixels)
    const picture = join(folder, 'picture.pgm')
    await writeFile(picture, `P2\n8 8\n16\n${pixels.join(' ')}\n`)
    printed = await build('c-wasm3', '../net.wasm', picture)
    net.input.set(pixels.map((value) => Math.round((value * 255) / 16)))
    net.infer()
    const best = net.predictedClass()
    assert.is(printed, `class ${best}: ${labels[best]}\n`)
  }
  await place(tinyNet({ weights, info: { ...info, target: 'simd' } }))
  const message = '../net.wasm: wasm3 has no SIMD; export with --target scalar'
  expectRefused('c-wasm3', ['../net.wasm', '../seven.pgm'], message)
})

test.run()
