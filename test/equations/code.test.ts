/** Instructions of kernels: those of WebAssembly that their names say. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Wasm } from '../../src/equations/code.js'
import { instructionOf, prefixed } from '../../src/wasm/types.js'

test('each code is that of the instruction which its name says', () => {
  const names = Object.keys(Wasm).filter((key) => Number.isNaN(Number(key)))
  assert.ok(names.length > 50)
  for (const name of names) {
    const code = Wasm[name as keyof typeof Wasm]
    const found = instructionOf(code > 255 ? prefixed.simd(code & 255) : code)
    assert.is(found?.name.replace(/[._]/g, ''), name.toLowerCase())
  }
})

test.run()
