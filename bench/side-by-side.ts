/**
 * Counts the lines of bench/side-by-side.md and prints its table; `--write FOLDER` writes the
 * programs as files, to be run.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const libraries = ['spikewasm', 'snnTorch', 'SpikingJelly'] as const

const page = fileURLToPath(new URL('../../bench/side-by-side.md', import.meta.url))
const [, ...parts] = readFileSync(page, 'utf8').replaceAll('\r\n', '\n').split('\n## ')
/** A title, and a program in each library. */
const sections = parts.map((text) => ({
  title: text.slice(0, text.indexOf('\n')),
  programs: [...text.matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, program]) => program),
}))
const [start, ...tasks] = sections

const linesOf = (program: string): number =>
  program.split('\n').filter((line) => !/^\s*($|#|\/\/)/.test(line)).length

const counts = tasks.map(({ programs }) => programs.map(linesOf))
const sums = libraries.map((_, i) => counts.reduce((sum, row) => sum + row[i], 0))
const rows = [
  ['lines', ...libraries],
  ['---', ...libraries.map(() => '---:')],
  ...tasks.map(({ title }, n) => [title, ...counts[n]]),
  ['all', ...sums],
]
console.log(rows.map((row) => `| ${row.join(' | ')} |`).join('\n'))

const { write } = parseArgs({ options: { write: { type: 'string' } } }).values
if (write !== undefined) {
  mkdirSync(write, { recursive: true })
  for (const { title, programs } of tasks)
    for (const [i, program] of programs.entries()) {
      const name = `${title.replace(/\W+/g, '-')}.${i === 0 ? 'mjs' : `${libraries[i]}.py`}`
      writeFileSync(join(write, name), `${start.programs[i]}\n${program}`)
    }
}
