// Programs in pages. One runs when `<!-- runs -->` stands above its block; what it prints stands
// behind it, where `<!-- prints -->` stands above that block. Tests run those of all pages; the
// site is not built unless those of its own pages print what they should.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './links.js'
import { ownPages } from './shelves.js'

/** The programs of a page that run, and what the page says that they print; undefined for nothing. */
export function programsOf(text) {
  return text
    .split('<!-- runs -->\n')
    .slice(1)
    .map((part) => {
      const [, source = ''] = part.match(/^```\w+\n([\s\S]*?)```/) ?? []
      const [, printed] = part.match(/<!-- prints -->\n```\n([\s\S]*?)```/) ?? []
      return { source, printed }
    })
}

/** Programs that fail, or print something else than their page says. */
export async function checkPrograms(pages = ownPages) {
  const programs = pages.flatMap((page) =>
    programsOf(readFileSync(join(root, page), 'utf8')).map((program) => ({ page, ...program })),
  )
  // Below the root, where programs find the package by its name.
  const folder = mkdtempSync(join(root, 'build/lessons-'))
  try {
    const files = programs.map(({ source }, i) => {
      mkdirSync(join(folder, `${i}`))
      writeFileSync(join(folder, `${i}/program.mjs`), source)
      return join(folder, `${i}/program.mjs`)
    })
    const child = join(root, 'build/test/support/programs-child.js')
    const { stdout } = await promisify(execFile)(process.execPath, [child, ...files])
    const outcomes = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    return programs.flatMap(({ page, printed }, i) => {
      const { stdout, stderr } = outcomes[i] ?? { stdout: '', stderr: 'it did not run' }
      if (stderr) return `${page}: a program fails: ${stderr}`
      if (printed === undefined || printed === stdout) return []
      return `${page}: a program prints\n${stdout}The page says\n${printed}`
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
