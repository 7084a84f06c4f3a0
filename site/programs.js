// Programs and commands in pages. One runs when `<!-- runs -->` stands above its block; what a
// program prints stands behind it, where `<!-- prints -->` stands above that block. Tests run those
// of all pages; the site is not built unless programs of its own pages print what they should.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { outcomesOf } from '../build/test/support/programs.js'
import { writeSigns } from './learn/own-data/folder.js'
import { root } from './links.js'
import { ownPages } from './shelves.js'

/** What stands behind each `<!-- runs -->`: language, text, and what the page says of its output. */
const markedIn = (text) =>
  text
    .split('<!-- runs -->\n')
    .slice(1)
    .map((part) => {
      const [, language, source = ''] = part.match(/^```(\w+)\n([\s\S]*?)```/) ?? []
      const [, printed] = part.match(/<!-- prints -->\n```\n([\s\S]*?)```/) ?? []
      return { language, source, printed }
    })

/** The programs of a page that run, and what the page says that they print; undefined for nothing. */
export const programsOf = (text) => markedIn(text).filter(({ language }) => language !== 'sh')

/** The commands of a page that run one after the other, and what is said of a block's last one. */
export const commandsOf = (text) =>
  markedIn(text)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ source, printed }) => {
      const lines = source.trimEnd().split('\n')
      return lines.map((line, i) => (i < lines.length - 1 ? { line } : { line, printed }))
    })

/** Files that a page shows, or needs: `<!-- file NAME -->` stands above their block. */
const filesOf = (text) => [...text.matchAll(/<!-- file (\S+) -->\n```\w*\n([\s\S]*?)```/g)]

/**
 * Writes the programs of pages; those of a page share a folder, as they do at a reader's.
 *
 * @param folder below the root, where programs find the package by its name
 */
export async function writePrograms(folder, pages) {
  const programs = []
  for (const [i, page] of pages.entries()) {
    const text = readFileSync(join(root, page), 'utf8').replaceAll('\r\n', '\n')
    const home = join(folder, `${i}`)
    mkdirSync(home)
    for (const [, name, content] of filesOf(text)) writeFileSync(join(home, name), content)
    const pictures = text.match(/<!-- folder signs -->/)
    if (pictures) await writeSigns(join(home, 'signs'))
    for (const [j, { source, printed }] of programsOf(text).entries()) {
      const file = join(home, `program-${j + 1}.mjs`)
      writeFileSync(file, source)
      programs.push({ page, file, printed })
    }
  }
  return programs
}

/** Programs that fail, or print something else than their page says. */
export async function checkPrograms() {
  const folder = mkdtempSync(join(root, 'build/lessons-'))
  try {
    const programs = await writePrograms(folder, ownPages)
    const outcomes = await outcomesOf(programs.map(({ file }) => file))
    const problems = programs.flatMap(({ page, printed }, i) => {
      const { stdout, stderr } = outcomes[i]
      if (stderr) return `${page}: a program fails: ${stderr}`
      if (printed === undefined || printed === stdout) return []
      return `${page}: a program prints\n${stdout}The page says\n${printed}`
    })
    return { problems }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
