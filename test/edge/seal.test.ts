/** The seal of exported files: every flipped bit is told, and a file without its section says so. */

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ExportOptions } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { sealOf } from '../../src/edge/file.js'
import { infoWords, netHeader, STRUCT_BYTES } from '../../src/edge/header.js'
import { netInfo, openNet } from '../../src/edge/net.js'
import { findChromium } from '../../src/edge/verify/hosts/browser.js'
import { cnn, compile, SpikewasmError } from '../../src/index.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { answerOfPage } from '../support/page.js'
import { skip } from '../support/runner.js'
import { stripped, tinyNet } from '../support/tiny-net.js'

const input = [1, 8, 8] as const
const kinds: Readonly<Record<string, ExportOptions>> = {
  'float, SIMD': { labels: ['null', 'eins', ...'23456789'], name: 'digits' },
  'int8, both': { weights: 'int8', mode: 'both', synops: 1234.5 },
  'scalar, bytes': { target: 'scalar', inputType: 'u8', mean: [0.3051], std: [0.3762] },
  train: { mode: 'train', batchSize: 2 },
}
const files = new Map<string, Uint8Array>()

test.before(async () => {
  const model = await compile(cnn([...input], 10), { input, timeSteps: 2 })
  for (const [name, options] of Object.entries(kinds))
    files.set(name, (await exportWasm(model, options)) as Uint8Array)
  await model.dispose()
})

/** @returns the message, or undefined where the file opens */
async function refusal(bytes: Uint8Array): Promise<string | undefined> {
  try {
    await openNet(bytes)
    return undefined
  } catch (error) {
    assert.instance(error, SpikewasmError)
    return (error as Error).message
  }
}

const flipped = (bytes: Uint8Array, at: number, bit: number): Uint8Array => {
  const changed = bytes.slice()
  changed[at] ^= 1 << bit
  return changed
}

test('every bit of the section, its number, length and name, and of the bytes before it', async () => {
  for (const [name, bytes] of files) {
    const from = stripped(bytes).length - 4
    // The ends of a train build's long list of parameters are enough.
    const ends = (at: number): boolean => at < from + 400 || at > bytes.length - 400
    for (let at = from; at < bytes.length; at++)
      for (let bit = 0; ends(at) && bit < 8; bit++)
        assert.type(await refusal(flipped(bytes, at, bit)), 'string', `${name}: ${at}, ${bit}`)
    for (let at = 8; at < from; at += 997)
      assert.throws(() => netInfo(flipped(bytes, at, at % 8)), /./, `${name}: byte ${at}`)
  }
})

test('the seal is FNV-1a of all before it, the file’s last text', () => {
  for (const bytes of [...files.values(), tinyNet()]) {
    const text = new TextDecoder('latin1').decode(bytes.slice(-18))
    let hash = 0x811c9dc5n
    for (const byte of bytes.subarray(0, -10))
      hash = ((hash ^ BigInt(byte)) * 0x1000193n) % 2n ** 32n
    assert.is(text, `"seal":"${hash.toString(16).padStart(8, '0')}"}`)
    assert.is(netInfo(bytes).seal, sealOf(bytes))
  }
})

test('a file whose section was stripped opens, says so, and gives the same answers', async () => {
  assert.is(infoWords.length * 4, STRUCT_BYTES)
  for (const [name, bytes] of files) {
    const bare = stripped(bytes)
    const [net, other] = [await openNet(bytes), await openNet(bare)]
    assert.equal([net.sealed, other.sealed], [true, false])
    // What the struct holds is what the section says.
    const { seal: _, state: __, name: ___, ...rest } = net.info
    const floats = (values?: readonly number[]) => values?.map(Math.fround)
    const expected = {
      ...rest,
      version: 'unknown',
      synops: { max: rest.synops.max },
      mean: floats(rest.mean),
      std: floats(rest.std),
      labels: rest.labels,
    }
    assert.equal(other.info, expected, name)
    for (const of of [net, other]) of.input.fill(1).fill(0, 20)
    net.infer()
    other.infer()
    assert.equal(other.output, net.output)
    assert.is(other.training === undefined, net.training === undefined)
    assert.match(netHeader(other.info), /NET_PARAMETERS/)
    assert.throws(() => netInfo(bare), /have a custom section "spikewasm", got none/)
  }
})

test('a file is hashed once when it is opened', async () => {
  const { imul } = Math
  for (const bytes of [tinyNet(), stripped(tinyNet())]) {
    let hashed = 0
    Math.imul = (a, b) => {
      hashed++
      return imul(a, b)
    }
    try {
      const { sealed } = await openNet(bytes)
      assert.is(hashed, sealed ? bytes.length - 10 : 0)
    } finally {
      Math.imul = imul
    }
  }
})

test('tools that rewrite a file are told from those that strip it', async () => {
  const bytes = tinyNet()
  const [bare, section] = [stripped(bytes), bytes.slice(stripped(bytes).length)]
  const named = [0, 5, 4, ...Buffer.from('name')]
  assert.match(
    (await refusal(Uint8Array.from([...bare, ...named]))) ?? '',
    /have a custom section "spikewasm", or none at all, got "name"/,
  )
  for (const changed of [
    [...bytes, ...named],
    [...bare, ...named, ...section],
  ])
    assert.match((await refusal(Uint8Array.from(changed))) ?? '', /have the seal [\da-f]{8} of its/)
  if (spawnSync('wasm-strip', ['--version']).status !== 0) {
    skip('there is no wasm-strip: apt-get install wabt')
    return
  }
  await withFolder(async (folder) => {
    const path = join(folder, 'net.wasm')
    writeFileSync(path, files.get('float, SIMD')!)
    execFileSync('wasm-strip', [path])
    const net = await openNet(readFileSync(path))
    assert.is(net.sealed, false)
  })
})

const entry = join(process.cwd(), 'build/dist/page-net.js')

/** Lines of JavaScript behind `bytes`: what the small entry makes of a file, and of a flipped bit. */
const asks = `
const net = await openNet(bytes)
net.input.fill(0.5)
net.infer()
const answer = [net.sealed, net.predictedClass(), ...net.output].join()
bytes[bytes.length >> 1] ^= 4
const message = await openNet(bytes).catch(({ message }) => message)
`

/** What every engine must say. */
async function expectSame(text: string): Promise<void> {
  const net = await openNet(files.get('float, SIMD')!)
  net.input.fill(0.5)
  net.infer()
  const [answer, message] = text.trim().split('\n')
  assert.is(answer, [true, net.predictedClass(), ...net.output].join())
  assert.match(message, /must have the seal [\da-f]{8} of its bytes, got [\da-f]{8};/)
}

test('spikewasm/net checks the seal, and wants the section', async () => {
  const bytes = files.get('float, SIMD')!
  const small = (await import(pathToFileURL(entry).href)) as typeof import('../../src/net.js')
  assert.is((await small.openNet(bytes)).sealed, true)
  for (const at of [8, bytes.length >> 1, bytes.length - 5])
    assert.match(await messageOf(() => small.openNet(flipped(bytes, at, 1))), /an exported network/)
  assert.match(await messageOf(() => small.openNet(stripped(bytes))), /have a custom section/)
})

test('the same in gjs, which has no promises of WebAssembly', async () => {
  if (spawnSync('gjs', ['--version']).status !== 0) {
    skip('there is no gjs: apt-get install gjs')
    return
  }
  await withFolder(async (folder) => {
    const path = join(folder, 'net.wasm')
    writeFileSync(path, files.get('float, SIMD')!)
    const script = `import GLib from 'gi://GLib'
import { openNet } from ${JSON.stringify(pathToFileURL(entry).href)}
const bytes = new Uint8Array(GLib.file_get_contents(${JSON.stringify(path)})[1])
${asks}
print(answer)
print(message)
`
    writeFileSync(join(folder, 'open.mjs'), script)
    await expectSame(execFileSync('gjs', ['-m', join(folder, 'open.mjs')], { encoding: 'utf8' }))
  })
})

const chromium = await findChromium()
test('the same in a page', async () => {
  if (chromium === undefined) return skip('there is no Chromium')
  const script = `import { openNet } from ${JSON.stringify(entry)}
const bytes = new Uint8Array(await (await fetch('net.wasm')).arrayBuffer())
${asks}
await fetch('result', { method: 'POST', body: answer + '\\n' + message })
`
  const { outputFiles } = await build({
    stdin: { contents: script, resolveDir: process.cwd() },
    ...{ bundle: true, format: 'esm', target: 'es2022', write: false },
  })
  await withFolder(async (folder) => {
    const page = '<!doctype html><script type="module" src="main.js"></script>'
    const text = await answerOfPage(chromium, folder, {
      '/': ['text/html', page],
      '/main.js': ['text/javascript', outputFiles![0].text],
      '/net.wasm': ['application/wasm', files.get('float, SIMD')!],
    })
    await expectSame(text)
  })
})

test('examples/edge/seal.h checks the same in C', async () => {
  if (spawnSync('cc', ['--version']).status !== 0) {
    skip('there is no cc')
    return
  }
  await withFolder(async (folder) => {
    const main = `#include "seal.h"
static unsigned char file[1 << 22];
int main(void) { return is_sealed(file, fread(file, 1, sizeof file, stdin)) ? 0 : 3; }
`
    writeFileSync(join(folder, 'main.c'), main)
    const strict = ['-std=c99', '-Wall', '-Wextra', '-Werror', '-I', resolve('examples/edge')]
    const flags = [...strict, 'main.c', '-o', 'check']
    execFileSync('cc', flags, { cwd: folder })
    const status = (input: Uint8Array) => spawnSync(join(folder, 'check'), { input }).status
    for (const bytes of files.values())
      assert.equal(
        [status(bytes), status(flipped(bytes, 99, 0)), status(stripped(bytes))],
        [0, 3, 3],
      )
  })
})

test.run()
