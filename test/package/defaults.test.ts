/** Defaults in the tables of the pages are those of the code: of `--help`, and of what is made. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { alif, cubaLif, lif, plif } from '../../src/index.js'
import { run } from '../cli/in-process.js'

const pageOf = (name: string): string =>
  readFileSync(new URL(`../../../docs/${name}.md`, import.meta.url), 'utf8')

const recordings = ['nmnist', 'cifar10-dvs', 'dvs-gesture', 'events']
const stills = ['digits', 'mnist', 'fashion-mnist', 'cifar10', 'cifar100', 'images', 'imagenet']
/** What the page calls several data sets; `others` are those that stand nowhere before it. */
const sets: Readonly<Record<string, readonly string[]>> = {
  recordings,
  others: [...stills, ...recordings, 'shd', 'ssc'],
}

interface Row {
  readonly command: string
  readonly flags: readonly string[]
  /** Its default on the page. */
  readonly stated: string
}

/** Cells of a line of a table. */
const cellsOf = (line: string): string[] =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim())

/** Rows of the tables whose last column is the default. */
function rowsOf(): Row[] {
  const rows: Row[] = []
  let [command, tells] = ['', false]
  for (const line of pageOf('command-line').split(/\r?\n/)) {
    command = /^#+ `?([a-z]+)/.exec(line)?.[1] ?? command
    if (!line.startsWith('|')) tells = false
    const cells = cellsOf(line)
    const last = cells.at(-1) ?? ''
    const flags = [...(cells[0] ?? '').matchAll(/--[a-z-]+/g)].map(([flag]) => flag)
    if (tells && flags.length > 0) rows.push({ command, flags, stated: last })
    tells ||= last === 'default'
  }
  return rows
}

/** What `--help all` of a command says behind "default:" for each flag. */
async function defaultsOf(command: string): Promise<Map<string, string>> {
  const { stdout } = await run([command, '--help', 'all'])
  const lines = stdout.replace(/\n {8,}/g, ' ').split('\n')
  return new Map(
    lines.flatMap((line) => {
      const flag = /^ +(?:-\w, )?(--[a-z-]+)/.exec(line)?.[1]
      const found = /(?:\(|, )default: "?([^"]*?)"?\)( \(choices: .*\))?$/.exec(line)?.[1]
      return flag && found ? [[flag, found.replace(/^the run's, without --run /, '')]] : []
    }),
  )
}

/** A number for each data set, of `digits 30, mnist 3` or of the page's "recordings 40, others 20". */
function bySet(text: string): Map<string, string> | undefined {
  const parts = text.split(';')[0].split(', ')
  const found = new Map<string, string>()
  for (const part of parts) {
    const [, name, value] = /^`?([a-z][a-z0-9-]*)`? ([\d.]+)$/.exec(part) ?? []
    if (name === undefined) return undefined
    for (const set of sets[name] ?? [name]) if (!found.has(set)) found.set(set, value)
  }
  return found
}

test('defaults on the page of the command line are those of --help', async () => {
  const help = new Map<string, Map<string, string>>()
  let compared = 0
  for (const { command, flags, stated } of rowsOf()) {
    if (!help.has(command)) help.set(command, await defaultsOf(command))
    const values = flags.length > 1 ? stated.split(', ') : [stated.split('; ')[0]]
    const literals = values.map((value) => /^(?:`([^`]+)`|[\d.,]+)$/.exec(value))
    for (const [i, flag] of flags.entries()) {
      const real = help.get(command)!.get(flag)
      const where = `${command} ${flag}: the page says ${stated}`
      const [each, all] = [bySet(stated), bySet(real ?? '')]
      if (each && all) {
        assert.equal([...each].sort(), [...all].sort(), where)
        compared++
      }
      const literal = literals[i]
      if (real === undefined || !literal || literals.includes(null)) continue
      const wanted = (literal[1] ?? literal[0]).replace(/(?<=\d),(?=\d{3}$)/, '')
      assert.ok(new RegExp(`^${wanted}(?![\\w.])`).test(real), `${where}, --help ${real}`)
      compared++
    }
  }
  assert.ok(compared >= 45, `${compared}`)
})

/** What is made without options, by the line above the table that says what is in it then. */
const made: readonly (readonly [page: string, head: string, Readonly<Record<string, object>>])[] = [
  ['networks', '| option | meaning | default |', { lif: lif(), plif: plif() }],
  ['networks', '**Numbers.**', { cubaLif: cubaLif(), alif: alif() }],
]

/** `1.25`, or `1.25; `plif` 2`, or `` `sgd` 0.1, others 0.001``: of each thing that is made. */
function statedValue(cell: string, name: string): unknown {
  const parts = cell.split(/[;,] (?![^[]*\])/)
  const own = parts.find((part) => part.startsWith(`\`${name}\` `))
  const usual = parts.find((part) => !/^`\w+` /.test(part))?.replace(/^others /, '')
  const text = (own?.replace(/^`\w+` /, '') ?? usual ?? '').replaceAll('`', '')
  try {
    return JSON.parse(text.replaceAll("'", '"'))
  } catch {
    return undefined
  }
}

test('defaults on the pages of optimizers and neurons are those of what is made', () => {
  let compared = 0
  for (const [page, head, things] of made) {
    const lines = pageOf(page).split(/\r?\n/)
    const first = lines.findIndex(
      (line, i) => line.startsWith('|') && i >= lines.findIndex((of) => of.startsWith(head)),
    )
    const count = lines.slice(first).findIndex((line) => !line.startsWith('|'))
    for (const cells of lines.slice(first + 2, first + count).map(cellsOf)) {
      const keys = [...cells[0].matchAll(/`(\w+)`/g)].map(([, key]) => key)
      const of = cells.length > 3 ? [...cells[1].matchAll(/`(\w+)`/g)].map(([, name]) => name) : []
      const stated = cells.at(-1)!
      const each = keys.length > 1 ? stated.split(', ') : [stated]
      for (const [name, thing] of Object.entries(things))
        for (const [i, key] of keys.entries()) {
          const value = statedValue(each[i], name)
          const isMeant = of.length === 0 || of.includes(name)
          if (!(key in thing) || value === undefined || !isMeant) continue
          assert.equal(value, (thing as Record<string, unknown>)[key], `${page}: ${key} of ${name}`)
          compared++
        }
    }
  }
  assert.ok(compared >= 22, `${compared}`)
})

test('each surrogate has the alpha of its page', () => {
  const rows = [...pageOf('networks').matchAll(/^\| `(\w+)` \| .*(?:α|σ).* \| ([\d.]+) \|$/gm)]
  assert.is(rows.length, 7)
  for (const [, surrogate, alpha] of rows)
    assert.is(lif({ surrogate: surrogate as 'atan' }).alpha, Number(alpha), surrogate)
})

test.run()
