/** The frame of the site: shelves, links between pages, and the check of what is built. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../files/temporary.js'
import { writePrograms } from '../support/programs.js'
import { write } from '../web/site.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const load = (name: string) => import(pathToFileURL(join(root, 'site', name)).href)

interface Shelf {
  readonly title: string
  readonly pages: Readonly<Record<string, string>>
}
const { shelves, addresses } = (await load('shelves.js')) as {
  shelves: Readonly<Record<string, Shelf>>
  addresses: Readonly<Record<string, string>>
}
const { addressOf, anchorOf, isElsewhere } = (await load('links.js')) as {
  addressOf(page: string, link: string): string
  anchorOf(heading: string): string
  isElsewhere(address: string): boolean
}
const { checkSite } = (await load('check.js')) as {
  checkSite(folder: string, base?: string): { links: number; pages: number; problems: string[] }
}

const markdownOf = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)

test('each page of docs and of the site stands on one shelf, under an address of its own', () => {
  const shelved = Object.values(shelves).flatMap(({ pages }) => Object.keys(pages))
  assert.is(new Set(shelved).size, shelved.length)
  const all = Object.keys(addresses)
  for (const page of [...markdownOf('docs'), ...markdownOf('site/learn')])
    assert.ok(all.includes(page), `${page} is not in site/shelves.json`)
  for (const page of all.filter((page) => !page.startsWith('build/reference/')))
    assert.ok(readFileSync(join(root, page), 'utf8').length > 0, page)
  assert.is(new Set(Object.values(addresses)).size, all.length)
})

test('no line of a lesson begins with a part, which would end its paragraph', () => {
  for (const page of markdownOf('site/learn'))
    assert.not.match(readFileSync(join(root, page), 'utf8'), /^ *<Fact\b/m, page)
})

/** Numbers in the prose of lessons that no run gives: they are assumed, asked for, or calculated. */
const given: Readonly<Record<string, string>> = {
  'site/learn/anywhere.md': '2 kB',
  'site/learn/first-program.md': '97.5, 97.7 %, 0.001, 0.1',
  'site/learn/neuron.md': '0.4, 0.25, 0.125, 1.1',
  'site/learn/own-data.md': '1.25, 99 %',
  'site/learn/slope.md': '4,000, 2.6, 0.026, 0.01, 0.1, 0.4, 1.25',
  'site/learn/time.md': '1.2, 0.9',
}
const noProse =
  /^```.*?^```|^ {4}[^\n]*|`[^`]*`|<(Fact|script).*?<\/\1>|\[[^\]]*\]\([^)]*\)|<[^>]+>/gims

test('what looks like a result in a lesson is a <Fact>, which is compared with a run', () => {
  for (const page of markdownOf('site/learn')) {
    const text = readFileSync(join(root, page), 'utf8').replaceAll('\r\n', '\n')
    const found = text.replace(noProse, '').match(/\d+([.,]\d+)+( %)?|\d+ (%|[kM]i?B)/g) ?? []
    assert.is([...new Set(found)].join(', '), given[page] ?? '', page)
  }
})

test('programs of a page lie in one folder, with the files that it shows', () =>
  withFolder(async (folder) => {
    const programs = await writePrograms(folder, ['site/learn/own-data.md', 'site/index.md'])
    const [first, ...others] = programs.map((file) => dirname(file))
    assert.is.not(others.pop(), first)
    assert.equal(others, [first, first, first])
    assert.match(readFileSync(join(first, 'fruit.csv'), 'utf8'), /^grams,cm,fruit\n165,/)
  }))

test('what searches have to find is a page', () => {
  const queries = JSON.parse(readFileSync(join(root, 'site/search.json'), 'utf8'))
  assert.ok(Object.keys(queries).length >= 12)
  for (const address of Object.values<string>(queries))
    assert.ok(Object.values(addresses).includes(address), address)
})

test('links between pages follow the shelves, others lead to sources', () => {
  assert.is(addressOf('docs/data.md', 'training.md#losses'), '/reference/training#losses')
  assert.is(addressOf('build/reference/ops/neurons.md', '../../../docs/ops.md'), '/reference/ops')
  assert.is(addressOf('site/learn/neuron.md', '../../docs/edge.md'), '/how-to/edge')
  assert.is(addressOf('docs/data.md', '../README.md'), '/')
  assert.match(addressOf('docs/data.md', '../README.md#layout'), /^https:.*\/README\.md#layout$/)
  assert.match(addressOf('docs/data.md', '../examples/sine.mjs'), /^https:.*\/examples\/sine\.mjs$/)
  for (const link of ['#here', 'https://example.org/x', '/api/', 'mailto:a@b.c'])
    assert.is(addressOf('docs/data.md', link), link)
  assert.throws(() => addressOf('docs/data.md', 'gone.md'), /docs\/data\.md links to gone\.md/)
  assert.equal(['/api/x', '/learn/neuron'].map(isElsewhere), [true, false])
})

test('anchors are those of GitHub', () => {
  assert.is(anchorOf('Threads, and a page that stays free'), 'threads-and-a-page-that-stays-free')
  assert.is(anchorOf('`fit`: what it gives'), 'fit-what-it-gives')
  assert.is(anchorOf('Größe — 8×8'), 'größe--88')
})

const head = '<!doctype html><html lang="en"><head><link rel="stylesheet" href="/a.css"></head>'
const good: Readonly<Record<string, string>> = {
  'a.css': '.x { background: url("a.svg") } .y { background: url(data:image/svg+xml,x) }',
  'a.svg': '<svg xmlns="http://www.w3.org/2000/svg"><path fill="url(#p)" d=""/></svg>',
  'a.js': 'fetch("/a.css")',
  'index.html': `${head}<a href="/learn/neuron#two%20words">x</a> <a href='learn/'>x</a>
    <a href="https://example.org/page">elsewhere</a> <a href="#here" id="here">x</a>
    <script type="module" src="/a.js"></script> <!-- <a href="/gone"> -->
    <script>const text = '<a href="/gone">'</script>
    <img srcset="/a.svg 1x, /a.svg 2x" src="data:image/png,x" alt="">`,
  'learn/neuron.html': `${head}<h2 id="two words">x</h2><a href="../?a=1&amp;b=2">x</a>`,
  'learn/index.html': `${head}<a href="neuron">x</a><a name="old"></a><a href="#old">x</a>`,
}

const problemsWith = (files: Readonly<Record<string, string>>, base?: string) =>
  withFolder(async (folder) => {
    write(folder, { ...good, ...files })
    return checkSite(folder, base)
  })

test('the check of links finds nothing in a good site', async () => {
  const { pages, links, problems } = await problemsWith({})
  assert.equal(problems, [])
  assert.is(pages, 3)
  assert.ok(links > 10, `${links}`)
})

const planted: Readonly<Record<string, readonly [html: string, problem: RegExp]>> = {
  'a link': ['<a href="/gone">x</a>', /: \/gone is not there/],
  'a relative link': ['<a\n class=x href="gone/">x</a>', /: gone\/ is not there/],
  'an anchor': ['<a href="/learn/neuron#gone">x</a>', /#gone leads to no heading/],
  'an own anchor': ['<a href=#gone>x</a>', /#gone leads to no heading/],
  'an anchor that another page has': ['<a href="#old">x</a>', /#old leads to no heading/],
  'an address that is none': ['<a href="https://">x</a>', /is no address/],
  'a script': ['<script src="https://cdn.example.org/a.js"></script>', /leads to another origin/],
  'a script without protocol': ['<script src="//cdn.example.org/a.js"></script>', /another origin/],
  'a style': ['<link rel="stylesheet" href="https://fonts.example.org/">', /another origin/],
  'a picture': ['<img src="http://example.org/a.png" alt="">', /another origin/],
  'a larger picture': ['<img srcset="/a.svg, https://example.org/a.svg 2x" alt="">', /another or/],
  'a frame': ['<iframe src="https://example.org/"></iframe>', /another origin/],
  'a picture in a style': ['<p style="background: url(//example.org/a.png)">', /another origin/],
  'a style in a style': ['<style>@import "https://example.org/a.css";</style>', /another origin/],
  'a picture that is not there': ['<img src="/gone.png" alt="">', /gone\.png is not there/],
  'a program as a link': ['<a href="javascript:go()">x</a>', /another origin/],
}
for (const [what, [html, problem]] of Object.entries(planted))
  test(`the check of links finds ${what}`, async () => {
    const { problems } = await problemsWith({ 'planted.html': `${head}${html}` })
    assert.is(problems.length, 1, problems.join('\n'))
    assert.match(problems[0], /^planted\.html: /)
    assert.match(problems[0], problem)
  })

test('the check of links finds what style sheets and pictures ask others for', async () => {
  const css = '@font-face { src: url(https://fonts.example.org/a.woff2) }'
  const svg = '<svg><image href="https://example.org/a.png"/></svg>'
  const { problems } = await problemsWith({ 'b.css': css, 'b.svg': svg })
  assert.match(problems.join(), /^b\.css: https.* another origin,b\.svg: https.* another origin$/)
})

test('below another path, links that forget it lead nowhere', async () => {
  const html = '<a href="/learn/neuron">x</a> <a href="/base/learn/neuron">x</a>'
  const { problems } = await problemsWith({ 'planted.html': html }, '/base/')
  const own = problems.filter((text) => text.startsWith('planted.html'))
  assert.equal(own, ['planted.html: /learn/neuron is not there'])
})

test.run()
