/**
 * The pages: short lines, links that lead somewhere, paths and commands that exist, and programs
 * that run.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Command, Option } from 'commander'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { commands } from '../../src/cli/program.js'
import { run } from '../cli/command.js'
import { withFolder } from '../files/temporary.js'
import { compile } from '../support/compiler.js'
import { besidePackage, outcomesOf, programsOf, writePrograms } from '../support/programs.js'
import type { Outcome } from '../support/programs-child.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
/** A file's text, with line ends that do not depend on the system. */
const read = (path: string): string =>
  readFileSync(join(root, path), 'utf8').replaceAll('\r\n', '\n')
const site = (name: string) => import(pathToFileURL(join(root, 'site', name)).href)
const { addresses } = (await site('shelves.js')) as { addresses: Readonly<Record<string, string>> }
const { isElsewhere } = (await site('links.js')) as { isElsewhere(address: string): boolean }
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

/** Pages that must be there, then those that may be. */
const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'data/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll('\\', '/')}`)
    .sort(),
  ...readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => `examples/${name.replaceAll('\\', '/')}`)
    .sort(),
  ...['site/README.md', ...Object.keys(addresses).filter((page) => page.startsWith('site/'))],
  ...['CONTRIBUTING.md', 'SECURITY.md'].filter((path) => existsSync(join(root, path))),
]

/** Pages about today: a changelog may name what is gone. */
const current = pages.filter((page) => page !== 'CHANGELOG.md')

interface Line {
  readonly number: number
  readonly text: string
  /** Language of the block of code that the line is in; undefined outside. */
  readonly code: string | undefined
}

/** The lines of a page without the fences of its code. */
function linesOf(page: string): Line[] {
  const lines: Line[] = []
  let code: string | undefined
  for (const [index, text] of read(page).trimEnd().split('\n').entries()) {
    const fence = text.match(/^\s*```(\w*)/)
    if (fence) code = code === undefined ? fence[1] : undefined
    else lines.push({ number: index + 1, text, code })
  }
  assert.is(code, undefined, `${page}: a block of code does not end`)
  return lines
}

/** The anchors of a page, as GitHub makes them of its headings. */
const anchorsOf = (page: string): string[] =>
  linesOf(page)
    .filter(({ text, code }) => code === undefined && /^#+ /.test(text))
    .map(({ text }) =>
      text
        .replace(/^#+ /, '')
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    )

/** What is code: lines of blocks, and what stands in back quotes. */
function codeOf(page: string): string[] {
  const lines = linesOf(page)
  const prose = lines.map(({ text, code }) => (code === undefined ? text : '')).join('\n')
  return [
    ...lines
      .filter(({ code }) => code !== undefined)
      .map(({ text }) => text)
      .join('\n')
      .replace(/\\\n\s*/g, '')
      .split('\n'),
    ...[...prose.matchAll(/`([^`]+)`/g)].map(([, code]) => code.replace(/\s+/g, ' ')),
  ]
}

/** Pages together have at most so many words, as `wc -w` counts them. */
const limits: readonly (readonly [words: number, pages: string])[] = [
  [550, 'README.md'],
  [1500, 'ARCHITECTURE.md'],
  [920, 'CONTRIBUTING.md'],
  [600, 'CHANGELOG.md'],
  [3050, 'docs/paper.md docs/checked.md docs/speed.md docs/benchmarks.md docs/testing.md'],
]
for (const [limit, named] of limits)
  test(`${named}: at most ${limit} words`, () => {
    const words = named.split(' ').map((page) => read(page).split(/\s+/).filter(Boolean).length)
    const sum = words.reduce((a, b) => a + b)
    assert.ok(sum <= limit, `${sum} words: ${words.join(' + ')}`)
  })

for (const page of pages)
  test(`${page}: no line over 100 columns outside tables and code`, () => {
    for (const { number, text, code } of linesOf(page))
      if (code === undefined && !text.startsWith('|'))
        assert.ok([...text].length <= 100, `${page}:${number} has ${[...text].length} columns`)
  })

test('links lead to files and headings that exist', () => {
  let links = 0
  for (const page of pages) {
    const text = linesOf(page)
      .filter(({ code }) => code === undefined)
      .map((line) => line.text)
      .join('\n')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      // Parts of the site that are made of the code: its own check follows these.
      if (/^(https?:|\/api\/|\/play\/)/.test(target)) continue
      links++
      // A part of the site that is made of the code; anchors are checked when it is built.
      if (target.startsWith('/')) {
        const address = target.slice(1).split('#')[0]
        const isThere = Object.values(addresses).includes(address) || isElsewhere(target)
        assert.ok(isThere, `${page} links to ${target}`)
        continue
      }
      const [path, anchor] = target.split('#')
      const file = path === '' ? page : relative(root, join(root, dirname(page), path))
      assert.ok(existsSync(join(root, file)), `${page} links to ${target}`)
      if (anchor !== undefined)
        assert.ok(anchorsOf(file).includes(anchor), `${page} links to ${target}`)
    }
  }
  assert.ok(links > 30, `${links} links`)
})

test('paths in code exist', () => {
  let paths = 0
  for (const page of current)
    for (const code of codeOf(page))
      for (const [, path] of code.matchAll(
        /(?<![\w./-])((?:src|test|assembly|bench|data|tools|docs|examples)\/[\w./-]*\w)/g,
      )) {
        paths++
        assert.ok(existsSync(join(root, path)), `${page} names ${path}`)
      }
  assert.ok(paths > 20, `${paths} paths`)
})

test('sources that ARCHITECTURE calls by the end of their path exist', () => {
  const sources = ['src', 'assembly', 'tools'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
      (path) => `/${path.replaceAll('\\', '/')}`,
    ),
  )
  const named = codeOf('ARCHITECTURE.md').flatMap(
    (code) => code.match(/(?<![\w/-])[\w/-]+\.ts\b/g) ?? [],
  )
  for (const path of named.filter((path) => path !== 'x.ts'))
    assert.ok(
      existsSync(join(root, path)) || sources.some((source) => source.endsWith(`/${path}`)),
      `ARCHITECTURE.md names ${path}`,
    )
  assert.ok(named.length > 50, `${named.length} names`)
})

/** The options of each command, and of none. */
async function optionsOf(): Promise<Map<string, readonly Option[]>> {
  const all = new Map<string, readonly Option[]>([
    ['', [new Option('--version'), new Option('--help')]],
  ])
  for (const [name, load] of Object.entries(commands))
    all.set(
      name,
      (await load())(new Command(name)).options.filter(({ hidden }) => !hidden),
    )
  return all
}

const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.test.ts'),
)

test('commands, options, scripts and tests that pages name exist', async () => {
  const options = await optionsOf()
  let found = 0
  for (const page of current)
    for (const code of codeOf(page)) {
      for (const [, rest] of code.matchAll(/(?:^|npx )spikewasm (\S[^`#]*)/g)) {
        const [command] = rest.startsWith('-') ? [''] : rest.split(' ')
        const known = options.get(command)?.map(({ long }) => long)
        assert.ok(known, `${page}: there is no command spikewasm ${command}`)
        for (const [option] of rest.matchAll(/--[a-z][\w-]*/g))
          assert.ok(
            [...known, '--help'].includes(option),
            `${page}: spikewasm ${command} has no ${option}`,
          )
        found++
      }
      for (const [, script] of code.matchAll(/npm run ([\w:-]+)/g))
        assert.ok(script in scripts, `${page}: package.json has no script ${script}`)
      const words = /npm test -- ([a-z][\w/. -]*)/.exec(code)?.[1].split(/ +(?:--.*)?/) ?? []
      for (const word of words.filter(Boolean))
        assert.ok(
          tests.some((path) => path.includes(word)),
          `${page}: no test file has ${word} in its path`,
        )
    }
  assert.ok(found > 8, `${found} commands`)
})

/** Programs that are marked, by page and number, and what the page says that they print. */
const ofPages = pages.flatMap((page) =>
  programsOf(read(page)).map(
    ({ source, printed }, i) => [`${page}, program ${i + 1}`, source, printed] as const,
  ),
)

/** Programs in the comments of ops, which the site shows. */
const ofOps = readdirSync(join(root, 'src/ops/kinds')).flatMap((file) =>
  [...read(`src/ops/kinds/${file}`).matchAll(/@example\n \* ```ts\n([\s\S]*?) \* ```/g)].map(
    ([, lines], i) =>
      [`ops/${file}, program ${i + 1}`, lines.replaceAll(/^ \* ?/gm, ''), undefined] as const,
  ),
)

const programs = [...ofPages, ...ofOps]

/** Programs that no TypeScript takes as they are, and why. */
const untyped: Readonly<Record<string, string>> = {
  'docs/networks.md, program 2': 'who has named inputs says so: { image, state }: NamedValues',
  'site/learn/anywhere.md, program 1': 'what a WebAssembly file exports has no types',
  'site/learn/own-data.md, program 2': 'what writes pictures asks for an ImageData of a page',
  'site/learn/methods.md, program 1': 'names of methods come of a list of texts',
}

test('programs are TypeScript, too, strictly; only parameters of their functions have no types', () =>
  besidePackage(async (folder) => {
    for (const [i, [name, source]] of programs.entries())
      if (!(name in untyped)) await writeFile(join(folder, `${i}.mts`), source)
    const compilerOptions = { strict: true, module: 'node16', types: ['node'], skipLibCheck: true }
    const config = join(folder, 'tsconfig.json')
    await writeFile(config, JSON.stringify({ compilerOptions, include: ['*.mts'] }))
    const errors = (await compile(config)).matchAll(/(\d+)\.mts.*error TS(?!7006|7031).*/g)
    assert.equal(
      [...errors].map(([line, i]) => `${programs[Number(i)][0]}: ${line}`),
      [],
    )
  }))

// All but README's, which has a process of its own: see readme.test.ts.
const others = programs.filter(([name]) => !name.startsWith('README.md'))
let outcomes: readonly Outcome[] = []
test(`${others.length} programs of pages run in one process, which ends`, async () => {
  outcomes = await besidePackage(async (folder) => {
    const written = await writePrograms(
      folder,
      pages.filter((page) => page !== 'README.md'),
    )
    const ofComments = ofOps.map((_, i) => join(folder, `op-${i}.mjs`))
    for (const [i, file] of ofComments.entries()) await writeFile(file, ofOps[i][1])
    return outcomesOf([...written, ...ofComments])
  })
})
for (const [i, [name, , printed]] of others.entries())
  test(`${name}: runs`, () => {
    const { stdout, stderr } = outcomes[i] ?? { stdout: '', stderr: 'it did not run' }
    assert.is(stderr, '')
    assert.ok(stdout.length > 0, 'it prints something')
    if (printed !== undefined) assert.is(stdout, printed)
  })

test('the picture of docs is what tools/pictures.mjs draws', () =>
  // Not in build/src: other tests pack it meanwhile.
  withFolder(async (folder) => {
    const tool = join(root, 'tools/pictures.mjs')
    const { code, stderr } = await run([tool, folder], { node: true })
    assert.equal([code, stderr], [0, ''])
    const files = readdirSync(join(root, 'docs')).filter((name) => /^run\.svg$/.test(name))
    assert.equal(readdirSync(folder), files)
    for (const file of files)
      assert.ok(
        (await readFile(join(folder, file), 'utf8')) === read(`docs/${file}`),
        `docs/${file}: run node tools/pictures.mjs`,
      )
  }))

test('no page waits for numbers', () => {
  for (const page of current) assert.not.match(read(page), /TODO/, page)
})

test.run()
