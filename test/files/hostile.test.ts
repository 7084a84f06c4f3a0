/** Files that were made to take memory: at most three times their size and 64 MB. */
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import * as assert from 'uvu/assert'
import { listNames, quote } from '../../src/base/errors.js'
import { parseJson } from '../../src/files/json.js'
import { serializeState } from '../../src/files/state.js'
import { lif, linear, sequential } from '../../src/index.js'
import { own, test } from '../support/models.js'
import { skip } from '../support/runner.js'
import { hostile } from './hostile-files.js'
import { expectRefusal, messageOf, withFolder } from './temporary.js'

const child = fileURLToPath(new URL('./hostile-child.js', import.meta.url))

const cases: [kind: string, reader: string, message: RegExp][] = [
  ['90 MB of brackets', 'weights', /^SpikewasmError: it: header length must be at most 25000000/],
  ['24 MB of brackets', 'model', /header must be nested at most 8 deep, got more$/],
  ['24 MB of empty lists', 'checkpoint', /header must hold at most 280000 values, got more$/],
  ['one wide letter in 24 MB', 'weights', /tensor "日a{59}…" must be an object/],
  ['1.5 million names', 'weights', /header must hold at most 280000 values/],
  ['a model of 20 MB of numbers', 'model', /the network must hold at most 500000 values/],
  ['a model of 2500 layers', 'model', /the last layer must give one value per class/],
  ['40 MB of bytes as weights', 'weights', /as floating point, got 40000000 bytes of 8-bit/],
  ['40 MB of halves', 'weights', /^$/],
]

for (const [kind, reader, message] of cases)
  test(`${kind} as ${reader}: little memory, one short line`, () =>
    withFolder(async (folder) => {
      const path = join(folder, 'file')
      await writeFile(path, hostile[kind]())
      if (process.platform !== 'linux') return skip('it takes Linux')
      const { stdout, stderr } = spawnSync(process.execPath, [child, reader, path])
      assert.is(String(stderr), '')
      const { size, megabytes, message: got } = JSON.parse(String(stdout))
      assert.match(got, message)
      assert.ok(got.length < 500, got)
      assert.ok(megabytes <= 3 * size + 64, `${megabytes} MiB for a file of ${size} MiB`)
    }))

test('names that do not match: ten are listed, odd ones escaped and cut', async () => {
  const model = await own(
    sequential(linear(4, 3), lif(), linear(3, 2)).compile({ input: [4, 1, 1] }),
  )
  const data = new Float32Array(1)
  const odd = ['\u001b[2J\u202e\u0085', 'x'.repeat(5000)]
  const names = [...odd, ...Array.from({ length: 5000 }, (_, i) => `n${i}`)]
  const state = Object.fromEntries(names.map((name) => [name, { shape: [1], data }]))
  const message = await messageOf(() => model.load(serializeState(state)))
  assert.match(message, /unexpected: .*n\d, .* and 4992 more$/)
  assert.ok(message.length < 1000, message)
  assert.not.match(message, /[\p{Cc}\u202e]/u)
})

/** Texts of any characters, halves of pairs among them, and often odd ones. */
const anyText = fc
  .array(fc.oneof(fc.integer({ max: 0x10ffff, min: 0 }), fc.integer({ max: 0x2100, min: 0 })))
  .map((codes) => String.fromCodePoint(...codes))

test('quote and listNames: one line, nothing that a terminal obeys', () => {
  assert.is(quote('a\n\u009b"\u2066é'), '"a\\n\\u009b\\"\\u2066é"')
  assert.is(quote('b'.repeat(99), 3), '"bbb…"')
  assert.is(listNames(['conv1.weight', 'a b']), 'conv1.weight, "a b"')
  fc.assert(
    fc.property(anyText, (text) => {
      assert.not.match(quote(text), /[\p{Cc}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e]/u)
      if (text.length <= 60) assert.is(JSON.parse(quote(text)), text)
    }),
  )
})

test('parseJson: JSON is what JSON.parse gives, all else is one line; tables.json has limits', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.equal(parseJson(text, 'it', 'JSON', {}), JSON.parse(text))
    }),
  )
  return expectRefusal(
    () => parseJson('{"a\u001b', 'it', 'JSON'),
    /^it: JSON must be valid JSON, got an error: "\P{Cc}*"$/u,
  )
})

test.run()
