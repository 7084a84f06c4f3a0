// Builds the site into build/site, from the pages of the repository and of this folder, and checks
// it. Runs behind the package's build.
//
//   npm run site                       everything
//   npm run site -- --keep             with /api/ and /play/ as they were built before
//   npm run site -- --serve            and shows it on loopback
//   npm run site -- --serve --port 8080
import { execFile } from 'node:child_process'
import { cpSync, existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { flag, integer, readOptions } from '../tools/options.mjs'
import { checkSite } from './check.js'
import { root } from './links.js'
import { checkPrograms } from './programs.js'
import { serve as serveSite } from './serve.js'

const { keep, serve, port } = readOptions({ keep: flag, serve: flag, port: integer(4173) })
const folder = join(root, 'build/site')
const base = process.env.BASE ?? '/'

const run = (command, args, cwd = root) =>
  promisify(execFile)(command, args, { cwd, maxBuffer: 2 ** 26 })
const node = (...args) => run(process.execPath, args)
/** VitePress leaves a link to Vue in the package of the folder in which it runs. */
const buildPages = () =>
  run(process.execPath, ['node_modules/vitepress/bin/vitepress.js', 'build'], join(root, 'site'))

/** Says how long a part takes. A part that fails ends the build. */
async function part(name, work) {
  const start = performance.now()
  try {
    const said = await work()
    console.log(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s${said ?? ''}`)
  } catch (error) {
    console.error(`${name} failed:\n${error.stdout ?? ''}${error.stderr ?? error.stack ?? error}`)
    process.exit(1)
  }
}

function endWith(problems) {
  if (problems.length > 0) throw Object.assign(new Error(), { stderr: problems.join('\n') })
}

async function install() {
  const modules = join(root, 'site/node_modules')
  if (!existsSync(join(modules, 'vitepress'))) await run('npm', ['ci', '--prefix', 'site'])
  // The figures import the package by its name, as users do: a link to the root, by which bundlers
  // find what package.json says of side effects.
  const own = join(modules, 'spikewasm')
  if (!existsSync(own)) symlinkSync(root, own, 'junction')
}

async function checkLinks() {
  const { pages, links, problems } = checkSite(folder, base)
  endWith(problems)
  return `, ${pages} pages, ${links} links`
}

await part('packages of the site', install)
const typedoc = ['node_modules/typedoc/bin/typedoc', '--skipErrorChecking', '--logLevel', 'Warn']
const has = (path) => keep && existsSync(join(root, path, 'index.html'))
await Promise.all([
  has('build/docs') || part('/api/', async () => void (await node(...typedoc))),
  (async () => {
    await part('reference', async () => void (await node('site/reference/build.js')))
    await part('pages', async () => void (await buildPages()))
    await part('programs of lessons', async () => endWith(await checkPrograms()))
    if (!has('examples/page/dist'))
      await part('/play/', async () => void (await node('tools/try-page.mjs', '--build')))
  })(),
])
cpSync(join(root, 'build/docs'), join(folder, 'api'), { recursive: true })
cpSync(join(root, 'examples/page/dist'), join(folder, 'play'), { recursive: true })
await part('links', checkLinks)
const { checkSearch } = await import('./search.js')
await part('search', async () => endWith(await checkSearch(folder, base)))
const { checkInBrowsers } = await import('./browsers.js')
await part('browsers', () => checkInBrowsers(folder, base))
console.log('The site is in build/site.')
if (serve) {
  const { origin } = await serveSite(folder, { base, port })
  console.log(`It is served at ${origin}/`)
}
