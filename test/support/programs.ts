/**
 * Programs and commands in pages, and programs of `examples/`. One in a page runs when
 * `<!-- runs -->` stands above its block; what it prints stands behind it, where `<!-- prints -->`
 * stands above that block.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { parseLines, run } from '../cli/command.js'
import type { Outcome } from './programs-child.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** What stands behind each `<!-- runs -->`: language, text, and what the page says of its output. */
const markedIn = (text: string) =>
  text
    .split('<!-- runs -->\n')
    .slice(1)
    .map((part) => {
      const [, language, source = ''] = part.match(/^```(\w+)\n([\s\S]*?)```/) ?? []
      const [, printed] = part.match(/<!-- prints -->\n```\n([\s\S]*?)```/) ?? []
      return { language, source, printed: printed as string | undefined }
    })

/** The programs of a page that run, and what the page says that they print; undefined for nothing. */
export const programsOf = (text: string) =>
  markedIn(text).filter(({ language }) => language !== 'sh')

/** The commands of a page that run one after the other, and what is said of a block's last one. */
export const commandsOf = (text: string) =>
  markedIn(text)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ source, printed }) => {
      const lines = source.trimEnd().split('\n')
      return lines.map((line, i) => ({ line, printed: i < lines.length - 1 ? undefined : printed }))
    })

/** Files that a page shows, or needs: `<!-- file NAME -->` stands above their block. */
const filesOf = (text: string) => text.matchAll(/<!-- file (\S+) -->\n```\w*\n([\s\S]*?)```/g)

/** Runs something with a folder below the root, where programs find the package by its name. */
export async function besidePackage<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(root, 'build/pages-'))
  try {
    return await run(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/**
 * Writes the programs of pages; those of a page share a folder, as they do at a reader's.
 *
 * @param folder of `besidePackage`
 * @returns their files
 */
export async function writePrograms(folder: string, pages: readonly string[]): Promise<string[]> {
  const programs: string[] = []
  for (const [i, page] of pages.entries()) {
    const text = readFileSync(join(root, page), 'utf8').replaceAll('\r\n', '\n')
    const home = join(folder, `${i}`)
    mkdirSync(home)
    for (const [, name, content] of filesOf(text)) writeFileSync(join(home, name), content)
    for (const { source } of programsOf(text)) {
      const file = join(home, `program-${programs.length}.mjs`)
      writeFileSync(file, source)
      programs.push(file)
    }
  }
  return programs
}

/**
 * What programs wrote, each in the folder that it lies in. Fails when their process ends with an
 * error, or does not end by itself.
 */
export async function outcomesOf(files: readonly string[]): Promise<readonly Outcome[]> {
  const child = fileURLToPath(new URL('programs-child.js', import.meta.url))
  const { code, stdout, stderr } = await run([child, ...files], { node: true })
  assert.equal([code, stderr], [0, ''], stdout)
  const outcomes = parseLines(stdout) as unknown as Outcome[]
  assert.equal(
    outcomes.map(({ file }) => file),
    files,
  )
  return outcomes
}
