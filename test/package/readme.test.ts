/**
 * README: its program prints what it says, its picture is of a run, its numbers are right; links of
 * packed pages, which npm shows too, lead to files of this repository and to pages of its site.
 */
import { existsSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../cli/command.js'
import { run as runHere } from '../cli/in-process.js'
import { withFolder } from '../files/temporary.js'
import { besidePackage, programsOf } from '../support/programs.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = (path: string): string =>
  readFileSync(join(root, path), 'utf8').replaceAll('\r\n', '\n')
const site = (name: string) => import(pathToFileURL(join(root, 'site', name)).href)
const readme = read('README.md')
/** The text with single spaces, wherever its lines end. */
const flat = readme.replace(/\s+/g, ' ')
const { homepage, repository } = JSON.parse(read('package.json')) as {
  homepage: string
  repository: { url: string }
}

test('the program prints what the page says, and ends', () =>
  besidePackage(async (folder) => {
    const [{ source, printed }] = programsOf(readme)
    assert.ok(source.trimEnd().split('\n').length <= 11, source)
    await writeFile(join(folder, 'first.mjs'), source)
    const { code, stdout, stderr } = await run(['first.mjs'], { node: true, cwd: folder })
    assert.equal([code, stderr, stdout], [0, '', printed])
    assert.ok(existsSync(join(folder, 'digits.safetensors')))
  }))

test('the picture is what tools/hero.mjs draws, and its alternative text says what it shows', () =>
  withFolder(async (folder) => {
    const { code, stderr } = await run([join(root, 'tools/hero.mjs'), folder], { node: true })
    assert.equal([code, stderr], [0, ''])
    const drawn = await readFile(join(folder, 'hero.svg'), 'utf8')
    assert.ok(drawn === read('docs/hero.svg'), 'docs/hero.svg: run node tools/hero.mjs')
    const [, label] = drawn.match(/aria-label="([^"]+)"/) ?? []
    assert.ok(label && flat.includes(`alt="${label}"`), label)
    for (const media of ['prefers-color-scheme: dark', 'prefers-reduced-motion: reduce'])
      assert.ok(drawn.includes(`@media (${media})`), media)
    // What it says of the first step is true: the answer comes with the last one.
    assert.not.match(drawn.split('</style>')[1].split('<g class="told s15">')[0], /best|answer/)
    // Motion that stops by itself in five seconds needs no button to stop it.
    const seconds = [...drawn.matchAll(/[ :]([\d.]+)s\b/g)].map(([, value]) => Number(value))
    assert.ok(Math.max(...seconds) <= 4, `${Math.max(...seconds)} s`)
    assert.not.match(drawn, /infinite|https?:(?!\/\/www\.w3\.org\/2000\/svg)/)
  }))

test('its sentence on memory is what its command says', async () => {
  const [command] = flat.match(/spikewasm info [^`]+/) ?? []
  assert.ok(command)
  const [, ...args] = command.split(' ')
  const kept = async (method: string, steps: number): Promise<number> => {
    const given = [...args, '--method', method, '--time-steps', String(steps), '--json']
    // The last of an option that is given twice counts.
    const { stdout } = await runHere(given)
    const { model } = JSON.parse(stdout) as { model: { memoryBytes: { kept: number } } }
    return Math.round(model.memoryBytes.kept / 2 ** 20)
  }
  const [four, sixteen] = [await kept('rate', 4), await kept('rate', 16)]
  assert.ok(flat.includes(`takes ${four} MiB with 4 time steps, and ${sixteen} MiB with 16`))
  const through = [await kept('bptt', 4), await kept('bptt', 16)]
  assert.ok(flat.includes(`needs ${through.join(' and ')} MiB`), through.join())
})

test('its sentence on speed is the first row of the table of docs/speed.md', () => {
  const [row] = read('docs/speed.md').match(/^\| `resnet18`, 16, T 4, 2 \| rate, rate \|.*$/m) ?? []
  const ratio = row?.split('|')[4].trim()
  assert.ok(ratio && flat.includes(`takes ${ratio} of the time`), row)
})

test('the commands of set-up stand where a newcomer sees them', () => {
  const blocks = readme.split('```sh\n').map((block) => block.split('```')[0])
  assert.ok(blocks.includes('npm install spikewasm\n'))
  assert.ok(blocks.includes('npm ci && npm start\nnpm ci && npm test\n'))
})

test('links of packed pages are absolute, and lead to files and pages that are there', async () => {
  const { addresses, elsewhere } = (await site('shelves.js')) as {
    addresses: Record<string, string>
    elsewhere: Record<string, string>
  }
  const { anchorOf } = (await site('links.js')) as { anchorOf(heading: string): string }
  const pageAt = new Map(Object.entries(addresses).map(([page, address]) => [address, page]))
  pageAt.set('', 'site/index.md')
  const project = repository.url.replace(/^git\+|\.git$/g, '')
  const raw = project.replace('github.com', 'raw.githubusercontent.com')
  const links = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'data/README.md'].flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"/g)].map(
      ([, link, picture]) => link ?? picture,
    ),
  )
  for (const link of links) {
    assert.match(link, /^https:/, link)
    const [address, hash] = link.split('#')
    const [, file] = address.startsWith(project)
      ? (address.slice(project.length).match(/^\/(?:blob|tree)\/main\/(.+)/) ?? [])
      : address.startsWith(raw)
        ? (address.slice(raw.length).match(/^\/main\/(.+)/) ?? [])
        : []
    if (file) assert.ok(existsSync(join(root, file)), link)
    else if (address.startsWith(homepage)) {
      const path = address.slice(homepage.length)
      if (Object.hasOwn(elsewhere, `/${path}`)) continue
      const page = pageAt.get(path)
      assert.ok(page, `${link} is no page of the site`)
      const headings = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, text]) => anchorOf(text))
      if (hash) assert.ok(headings.includes(hash), link)
    } else assert.not.ok(/\/\/[\w.]*github/.test(link), link)
  }
  assert.ok(links.length > 24, `${links.length} links`)
})

test.run()
