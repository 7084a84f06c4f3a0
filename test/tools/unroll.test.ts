/** Loops that the compiler of assembly/ unrolls, and functions of several widths. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const { main } = await import('assemblyscript/asc')
const { default: Unroll } = await import(new URL('../../../tools/unroll.mjs', import.meta.url).href)

async function compiled(source: string, constants?: Readonly<Record<string, number>>) {
  const files = new Map<string, string | Uint8Array>()
  const errors: string[] = []
  let thrown: unknown
  const { error } = await main(
    ['in.ts', '--outFile', 'out.wasm', '--textFile', 'out.wat', '--runtime', 'stub', '-O2'],
    {
      transforms: [new Unroll(constants)],
      readFile: (name: string) => (name.endsWith('in.ts') ? source : null),
      writeFile: (name: string, contents: string | Uint8Array) => void files.set(name, contents),
      listFiles: () => [],
      stderr: { write: (text: unknown) => void errors.push(String(text)) } as never,
    },
  ).catch((reason: unknown) => {
    thrown = reason
    return { error: reason as Error }
  })
  const message = [thrown, error, ...errors].map(String).join('\n')
  const bytes = files.get('out.wasm') as Uint8Array<ArrayBuffer> | undefined
  const exports = bytes && (await WebAssembly.instantiate(bytes)).instance.exports
  return { message, exports, text: String(files.get('out.wat')) }
}

test('variants, constants, locals, loops and choices', async () => {
  const { exports, text, message } = await compiled(`
// @ts-ignore: decorator
@variants('sum', [2, 3], false)
@variants('product', [2], true)
export function fold(N: i32, times: bool, x: i32): i32 {
  const half: unroll = N / 2
  const s = locals<i32>(N + half, 1)
  for (let i: unroll = 0; i < N; i++) {
    const value = x + i
    s[i] = times ? s[i] * value : s[i] + value
    if (i == half) s[N] += 100
    else if (i > 7) s[N] = 0
  }
  let all = times ? 1 : 0
  for (let i: unroll = N - 1; i >= 0; i--) all = times ? all * s[i] : all + s[i]
  for (let i: unroll = N; i < N + half; i++) all += s[i]
  return all
}`)
  if (!exports) throw new Error(message)
  const { sum2, sum3, product2 } = exports as Record<string, (x: number) => number>
  for (const x of [0, 5, -3]) {
    assert.is(sum2(x), 2 + x + (x + 1) + 101)
    assert.is(sum3(x), 3 + x + (x + 1) + (x + 2) + 101)
    assert.is(product2(x), x * (x + 1) + 101)
  }
  assert.not.match(text, /loop|br_if|call /, 'no loop is left')
  assert.not.ok('fold' in exports)
})

test('numbers that the build gives are known in functions and constants', async () => {
  const source = `
const twice: i32 = WIDE ? 2 : 1
// @ts-ignore: decorator
@variants('grow', [3])
export function grown(N: i32, x: i32): i32 {
  const n: unroll = WIDE ? N : 1
  for (let i: unroll = 0; i < n; i++) x += twice
  if (WIDE && x > 100) return missing(x)
  return x
}`
  const { exports, message } = await compiled(source, { WIDE: 0 })
  if (!exports) throw new Error(message)
  assert.is((exports as Record<string, (x: number) => number>).grow3(10), 11)
  const wide = source.replace('missing(x)', '-1')
  const { grow3 } = (await compiled(wide, { WIDE: 1 })).exports as Record<
    string,
    (x: number) => number
  >
  assert.equal([grow3(10), grow3(99)], [16, -1])
})

test('what is no constant, and what lies outside of locals, is told with its line', async () => {
  const body = (text: string): string =>
    `export function f(x: i32): i32 {\n  ${text}\n  return x\n}`
  for (const [text, expected] of [
    ['for (let i: unroll = 0; i < x; i++) x += i', /in\.ts:2: this is no number that is known/],
    ['const s = locals<i32>(2)\n  s[2] = 1', /in\.ts:3: s has no 2/],
    ['const s = locals<i32>(2)\n  s[x] = 1', /in\.ts:3: this is no number that is known/],
    ['for (let i: unroll = 0; i < 1000; i++) x += i', /in\.ts:2: more than 256 turns/],
    ['for (let i: unroll = 0; i < 4; i += 2) x += i', /in\.ts:2: write i\+\+/],
  ] as const)
    assert.match((await compiled(body(text))).message, expected)
})

test.run()
