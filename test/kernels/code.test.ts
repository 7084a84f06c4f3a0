/** Instructions of kernels, and what is kept of kernels. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { functionOf, i32, Wasm } from '../../src/kernels/equations/code.js'
import { type Kernel, KernelSet } from '../../src/kernels/equations/kernel-set.js'
import { instructionOf, prefixed } from '../../src/kernels/wasm/types.js'

test('each code is that of the instruction which its name says', () => {
  const names = Object.keys(Wasm).filter((key) => Number.isNaN(Number(key)))
  assert.ok(names.length > 50)
  for (const name of names) {
    const code = Wasm[name as keyof typeof Wasm]
    const found = instructionOf(code > 255 ? prefixed.simd(code & 255) : code)
    assert.is(found?.name.replace(/[._]/g, ''), name.toLowerCase())
  }
})

test('a kernel is made once and has its place, and is forgotten behind hundreds of others', () => {
  const memory = new WebAssembly.Memory({ initial: 1 })
  let made = 0
  const make = (): Kernel => ({ func: functionOf('', i32(++made)) })
  const [first, second] = [new KernelSet(), new KernelSet()]
  const places = (set: KernelSet): number[] =>
    ['a', 'b', 'a'].map((key) => set.take(key, make).place)
  assert.equal([places(first), places(second), made], [[0, 1, 0], [0, 1, 0], 2])
  const kernels = first.module(memory)
  assert.is(second.module(memory), kernels)
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 2 })
  new WebAssembly.Instance(kernels.module, { env: { memory, table } })
  assert.equal([kernels.count, ...[0, 1].map((place) => table.get(place)())], [2, 1, 2])
  for (let i = 0; i < 512; i++) new KernelSet().take(`${i}`, make)
  assert.equal([places(new KernelSet()), made], [[0, 1, 0], 516])
})

test.run()
