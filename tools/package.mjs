// Puts what ships together into few files in build/dist: code for Node, code for pages, and types.
// From there all addresses of src/package-files.ts are as they are in build/src. Code for pages is in
// build/page too, each module a file: the site takes of them what each of its pages uses.
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { rolldown } from 'rolldown'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'
import { pages } from './page.mjs'

const OUT = 'build/dist'

/** What users import, and the command: names in build/dist, and files of build/src. */
const PUBLIC = {
  index: 'index',
  ops: 'node-ops',
  net: 'net',
  layers: 'page-layers',
  scale: 'scale/index',
  cli: 'cli/main',
}

/** The same in pages: names, and sources. */
const OF_PAGES = {
  page: resolve('src/page.ts'),
  'page-ops': resolve('src/page-ops.ts'),
  'page-net': resolve('src/net.ts'),
  'page-layers': resolve('src/page-layers.ts'),
}

/** What is built by itself already, and lies as in build/src. */
const ALONE = [
  'engine/page/worker.min.d.ts',
  'engine/page/worker.min.js',
  'engine/vendor',
  'watch/vendor',
]

/** Piscina starts a thread from a file beside it: it stays where it is. */
const piscina = {
  name: 'piscina',
  resolveId: (path) =>
    path.endsWith('/vendor/piscina/index.js')
      ? { id: resolve(OUT, 'engine/vendor/piscina/index.js'), external: 'relative' }
      : undefined,
}

/** A bundler leaves out the kernels that a page does not call, if they are the exports of a file. */
const kernels = {
  name: 'kernels',
  resolveId: (path, from) =>
    from === OF_PAGES.page && path === './ops/index.js'
      ? { id: './page-ops.js', external: true }
      : undefined,
}

/** Modules that others reach by static imports, those others included. */
function reachedFrom(ids, context, found = new Set()) {
  for (const id of ids) {
    const info = found.has(id) ? null : context.getModuleInfo(id)
    if (info) reachedFrom(info.importedIds, context, found.add(id))
  }
  return found
}

/** V8 keeps a text with one other letter in two bytes for each. */
const latin = {
  name: 'latin',
  generateBundle(_, chunks) {
    for (const chunk of Object.values(chunks))
      chunk.code = chunk.code.replace(
        /[^\0-\x7f]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      )
  },
}

/** Words in a list of modules. */
const WORDS = ['later', 'not']

/**
 * Bundles entries, which share what they have in common.
 *
 * @param input files by the names of the entries
 * @param chunks by name, lists of modules: what all lists reach is one chunk, but for what is in
 *   the chunks before; `'later'` in a list: what is imported when its modules are called;
 *   `'not'`: none of it
 * @param isShort without lines: Node would show all of one where an error ends the process
 */
async function bundle(input, plugin, chunks, isShort = false) {
  const bundled = await rolldown({
    input,
    platform: 'neutral',
    external: /^(node:|@?[a-z][^:]*$)/,
    plugins: [plugin, latin].flat(),
    preserveEntrySignatures: 'allow-extension',
    checks: { ineffectiveDynamicImport: false, bundlerTimings: false },
  })
  const groups = Object.entries(chunks).map(([name, lists], i, { length }) => {
    let found
    const reachedBy = (context) => (list) => {
      const idsOf = (files, imports) =>
        files.flatMap((file) => context.getModuleInfo(file)[imports])
      const files = list.filter((file) => !WORDS.includes(file))
      const reached = reachedFrom(idsOf(files, 'importedIds'), context)
      if (!list.includes('later')) return reached
      const all = [...files, ...reached].filter((id) => context.getModuleInfo(id))
      return reachedFrom(idsOf(all, 'dynamicallyImportedIds'), context)
    }
    return {
      debugName: name,
      name(id, context) {
        found ??= lists.map(reachedBy(context))
        return found.every((files, i) => files.has(id) !== lists[i].includes('not')) ? name : null
      },
      priority: length - i,
      includeDependenciesRecursively: !lists.flat().includes('not'),
    }
  })
  await bundled.write({
    dir: OUT,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    minifyInternalExports: false,
    comments: { annotation: true, legal: true, jsdoc: false },
    minify: { ...SHORT, codegen: isShort },
    codeSplitting: { groups },
  })
  if (isShort)
    await bundled.write({ dir: 'build/page', preserveModules: true, preserveModulesRoot: 'src' })
  await bundled.close()
}

/** Names that traces show stay, and what a bundler knows of calls that it may leave out. */
const SHORT = { compress: false, mangle: { toplevel: false } }

const inBuild = (name) => resolve(`build/src/${name}.js`)

async function bundleNode() {
  const { scripts } = await import(inBuild('package-files'))
  const names = { ...PUBLIC, ...Object.fromEntries(scripts.map((name) => [name, name])) }
  const input = Object.fromEntries(
    Object.entries(names).map(([name, file]) => [name, inBuild(file)]),
  )
  const { index, ops, layers, net, scale, cli } = input
  // They start sooner without all the rest.
  const small = scripts.filter((name) => name.endsWith('worker')).map(inBuild)
  const program = inBuild('cli/program')
  await bundle(input, piscina, {
    worker: [[inBuild('engine/threads/worker')]],
    start: [[index], [cli, program]],
    base: [[net, ...small], [index]],
    core: [[index, ops, layers]],
    child: [[inBuild('bench/fresh-child')]],
    dashboard: [[inBuild('watch/dashboard/worker')]],
    rounds: [[scale]],
    'command-line': [[cli, program]],
    commands: [
      ['later', program],
      ['not', 'later', index],
    ],
  })
}

async function bundlePages() {
  const { page, 'page-net': net, 'page-layers': layers } = OF_PAGES
  const chunks = { 'page-base': [[net]], 'page-core': [[page, layers]] }
  await bundle(OF_PAGES, [kernels, pages], chunks, true)
}

/** Declarations: all are in one file, from which each entry takes its names. */
async function bundleTypes() {
  const { cli: _, ...entries } = PUBLIC
  const bundled = await rollup({
    input: Object.fromEntries(
      Object.entries(entries).map(([name, file]) => [name, resolve(`build/src/${file}.d.ts`)]),
    ),
    external: /^[^./]/,
    plugins: [plain, dts({ tsconfig: 'tsconfig.build.json' }), merged],
    logLevel: 'silent',
  })
  await bundled.write({
    dir: OUT,
    entryFileNames: '[name].d.ts',
    chunkFileNames: '[name].d.ts',
    minifyInternalExports: false,
    manualChunks: (id, { getModuleInfo }) => (getModuleInfo(id).isEntry ? undefined : 'types'),
  })
  await bundled.close()
}

/** Names of a namespace as the next plugin reads them. */
const plain = {
  name: 'plain',
  renderChunk: (code) => ({ code: code.replace(/get (\w+) \(\) \{ return (.+?); \}/g, '$1: $2') }),
}

/** What a file adds to an interface of another one stands beside it now. */
const merged = {
  name: 'merged',
  renderChunk: (code) => ({
    code: code.replace(/^declare module '\..*' \{\n((?: {4}.*\n)+)\}$/gm, (_, body) =>
      body.replace(/^ {4}/gm, ''),
    ),
  }),
}

for (const dir of [OUT, 'build/page']) rmSync(dir, { recursive: true, force: true })
await Promise.all([bundleNode(), bundlePages(), bundleTypes()])
// Of what has become a part of the entries, the licences.
const filter = (path) => !/(valibot|loader)\/index\.js$/.test(path)
for (const path of ALONE) cpSync(`build/src/${path}`, `${OUT}/${path}`, { recursive: true, filter })
// One that hosts load alone, without the comment that names a map.
const program = 'edge/verify/program.js'
const text = readFileSync(`build/src/${program}`, 'utf8')
writeFileSync(`${OUT}/${program}`, text.replace(/^\/\/# sourceMappingURL=.*$/m, ''))
