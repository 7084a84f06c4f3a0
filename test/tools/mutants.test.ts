/** The mutants that `npm run mutate` draws, and the lines that a test file runs. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../files/temporary.js'

interface Mutant {
  readonly path: string
  readonly line: number
  readonly operator: string
  readonly start: number
  readonly from: string
  readonly to: string
}

// Programs of this repository, not of the package: they have no types.
const { applyMutant, drawMutants, mutantsOf } = (await import(
  new URL('../../../tools/mutate/mutants.mjs', import.meta.url).href
)) as {
  applyMutant(source: string, mutant: Mutant): string
  drawMutants(files: [string, string][], seed: number): Iterable<Mutant>
  mutantsOf(path: string, source: string): Mutant[]
}
interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}
const { linesRun } = (await import(
  new URL('../../../tools/mutate/coverage.mjs', import.meta.url).href
)) as { linesRun(file: string, functions: readonly { ranges: readonly Range[] }[]): number[] }

const test = suite('mutants')

/** A line of code, and all that becomes of it. */
const cases: readonly (readonly [string, ...string[]])[] = [
  ['a < b', 'a <= b', 'a > b'],
  ['a >= b', 'a > b', 'a <= b'],
  ['a === b', 'a !== b'],
  ['a - b', '(b) - (a)'],
  ['a - b * c', '(b * c) - (a)'],
  ['a + b'],
  ['n = 4', 'n = 5', 'n = 3'],
  ['n = 0', 'n = 1', 'n = (-1)'],
  ['n = 0xff', 'n = 256', 'n = 254'],
  ['n = 1.0', 'n = 2.0', 'n = 0.0'],
  ['n = 2n', 'n = 3n', 'n = (1n)'],
  ['a[i]', 'a[(i) + 1]'],
  ["a['i']"],
  ['Math.min(a, b)', 'Math.max(a, b)'],
  ['Math.ceil(a)', 'Math.floor(a)'],
  ['f32x4.lt(a, b)', 'f32x4.le(a, b)', 'f32x4.gt(a, b)'],
  ['i32x4.gt_s(a, b)', 'i32x4.ge_s(a, b)', 'i32x4.lt_s(a, b)'],
  ['i8x16.min_u(a, b)', 'i8x16.max_u(a, b)'],
  ['f32x4.sub(a, b)', 'f32x4.sub((b), (a))'],
  ['f32x4.extract_lane(a, 1)', 'f32x4.extract_lane(a, 2)', 'f32x4.extract_lane(a, 0)'],
  ['a ? b : c', '!(a) ? b : c'],
  ['x as 3'],
]
test('each operator, in an expression', () => {
  for (const [code, ...expected] of cases) {
    const source = `const x = (${code})\n`
    const found = mutantsOf('x.ts', source).map((mutant) => applyMutant(source, mutant))
    assert.equal(
      found,
      expected.map((text) => `const x = (${text})\n`),
      code,
    )
  }
})

test('statements are dropped, conditions negated; types and imports stay', () => {
  const source = `import { a } from './3.js'
type B = 1 | 2
function f(x: 4): void {
  if (x) return
  a(x)
  throw x
}
`
  const found = mutantsOf('x.ts', source).map(({ line, operator, from, to }) =>
    [line, operator, from, to].join(' '),
  )
  assert.equal(found, [
    '4 condition negated x !(x)',
    '4 statement dropped return ;',
    '5 statement dropped a(x) ;',
    '6 statement dropped throw x ;',
  ])
})

test('a seed decides the order; each mutant comes once', () => {
  const files: [string, string][] = [
    ['a.ts', 'f(1)\ng(a < b)\n'],
    ['b.ts', 'h(2)\n'],
  ]
  const draw = (seed: number): string[] =>
    Array.from(drawMutants(files, seed), ({ path, start, to }) => `${path} ${start} ${to}`)
  assert.equal(draw(1), draw(1))
  assert.not.equal(draw(1), draw(2))
  assert.is(new Set(draw(1)).size, 9)
  assert.is(draw(1).length, 9)
})

test('lines that ran are those of the smallest range around them, by the source map', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'a.js')
    const text = 'f(1)\nif (a) g(2), h(3)\n'
    await writeFile(file, text)
    // Points are f and 1, a line below it the "if", and in two more lines g and h.
    const mappings = 'AAAA,EAAE;AACF,OACE,MACA'
    await writeFile(`${file}.map`, JSON.stringify({ version: 3, sources: ['a.ts'], mappings }))
    const range = (startOffset: number, endOffset: number, count: number): Range => {
      return { startOffset, endOffset, count }
    }
    const all = range(0, text.length, 1)
    const branch = { ranges: [range(text.indexOf('g'), text.length, 0)] }
    const inside = { ranges: [range(text.indexOf('h'), text.length - 1, 2)] }
    assert.equal(linesRun(file, [{ ranges: [all] }]), [1, 1, 2, 3, 4])
    assert.equal(linesRun(file, [branch, { ranges: [all] }]), [1, 1, 2])
    assert.equal(linesRun(file, [inside, branch, { ranges: [all] }]), [1, 1, 2, 4])
  }))

test.run()
