// Builds the site into build/site, from the pages of the repository and of this folder, and checks
// it. Runs behind the package's build.
//
//   npm run site                       the pages, with links, search and programs checked
//   npm run site -- --keep             with /api/ and /play/ as they were built before
//   npm run site -- --browsers two     with two pages in browsers, or all
//   npm run site -- --serve            and shows it on loopback
//   npm run site -- --serve --port 8080
import { execFile } from 'node:child_process'
import { cpSync, existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { flag, integer, readOptions, text } from '../tools/options.mjs'
import { checkSite } from './check.js'
import { root } from './links.js'
import { checkSearch } from './search.js'

const options = readOptions({ browsers: text, keep: flag, serve: flag, port: integer(4173) })
const folder = join(root, 'build/site')
const base = process.env.BASE ?? '/'

const run = async (command, args, cwd = root) =>
  void (await promisify(execFile)(command, args, { cwd, maxBuffer: 2 ** 26 }))
const node = (args, cwd) => run(process.execPath, args, cwd)

/** Says how long a part takes, and what it has `measured`. A part with problems ends the build. */
async function part(name, work) {
  const start = performance.now()
  try {
    const { problems = [], measured = [] } = (await work()) ?? {}
    if (problems.length > 0) throw Object.assign(new Error(), { stderr: problems.join('\n') })
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    console.log([`${name}: ${seconds} s`, ...measured].join('\n  '))
  } catch (error) {
    console.error(`${name} failed:\n${error.stdout ?? ''}${error.stderr ?? error.stack ?? error}`)
    process.exit(1)
  }
}

async function install() {
  const modules = join(root, 'site/node_modules')
  if (!existsSync(join(modules, 'vitepress'))) await run('npm', ['ci', '--prefix', 'site'])
  // The figures import the package by its name, as users do: a link to the root, by which bundlers
  // find what package.json says of side effects.
  const own = join(modules, 'spikewasm')
  if (!existsSync(own)) symlinkSync(root, own, 'junction')
}

await part('packages of the site', install)
const typedoc = ['node_modules/typedoc/bin/typedoc', '--skipErrorChecking', '--logLevel', 'Warn']
const has = (path) => options.keep && existsSync(join(root, path, 'index.html'))
// Two lanes, for two processors.
await Promise.all([
  (async () => {
    await part('reference', () => node(['site/reference/build.js']))
    // VitePress leaves a link to Vue in the package of the folder in which it runs.
    const vitepress = ['node_modules/vitepress/bin/vitepress.js', 'build']
    await part('pages', () => node(vitepress, join(root, 'site')))
  })(),
  (async () => {
    if (!has('build/docs')) await part('/api/', () => node(typedoc))
    await part('programs of pages', () => node(['build/test/package/documents.test.js']))
    if (!has('examples/page/dist'))
      await part('/play/', () => node(['tools/try-page.mjs', '--build']))
  })(),
])
cpSync(join(root, 'build/docs'), join(folder, 'api'), { recursive: true })
cpSync(join(root, 'examples/page/dist'), join(folder, 'play'), { recursive: true })
await part('links', () => checkSite(folder, base))
await part('search', () => checkSearch(folder, base))
// What browsers need is there only now.
const open = async (all) => (await import('./browsers.js')).checkInBrowsers(folder, { base, all })
if (options.browsers) await part('browsers', () => open(options.browsers === 'all'))
console.log('The site is in build/site.')
if (options.serve) {
  const { serve } = await import('./serve.js')
  console.log(`It is served at ${(await serve(folder, { base, port: options.port })).origin}/`)
}
