// Writes what the package carries of others' code to build/src/engine/vendor, each with its
// licence. As a dependency Piscina would install a native file that nothing here uses
// (@napi-rs/nice), a page cannot load the loader by its bare name, and Valibot's package is twenty
// times as large as its code. Pages carry their script with them, with uPlot in it.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'

const vendor = 'build/src/engine/vendor'
const piscina = 'node_modules/piscina'

/** Leaves out what the pool has no use for: process priorities, and all of Piscina's manifest. */
const without = {
  name: 'without',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@napi-rs\/nice$/ }, () => ({ path: 'nice', namespace: 'empty' }))
    onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'exports.nice = () => {}' }))
    onLoad({ filter: /piscina[\\/]package\.json$/ }, ({ path }) => ({
      contents: JSON.stringify({ version: JSON.parse(readFileSync(path, 'utf8')).version }),
      loader: 'json',
    }))
  },
}

// The worker of a page as one script: as a text in the package's own code, which no bundler moves
// elsewhere, and as a file for pages that may not start workers from texts.
const page = 'build/src/engine/page'
const { outputFiles } = await build({
  entryPoints: ['src/engine/page/worker.ts'],
  bundle: true,
  write: false,
  minify: true,
  format: 'iife',
  platform: 'browser',
  target: 'es2022',
})
const script = outputFiles[0].text.trim()
mkdirSync(page, { recursive: true })
writeFileSync(`${page}/worker.min.js`, `${script}\n`)
writeFileSync(`${page}/worker.min.d.ts`, 'export {}\n')
writeFileSync(`${page}/script.js`, `export const script = ${JSON.stringify(script)}\n`)

const pages = 'build/src/watch/vendor'

for (const folder of [vendor, pages]) rmSync(folder, { recursive: true, force: true })
for (const name of ['piscina', 'loader', 'valibot'])
  mkdirSync(`${vendor}/${name}`, { recursive: true })

// CommonJS, as Piscina itself: it finds its worker.js by __dirname.
for (const [outfile, contents] of Object.entries({
  'index.js': "export { Piscina } from 'piscina'",
  'worker.js': `require('./${piscina}/dist/worker.js')`,
}))
  await build({
    stdin: { contents, resolveDir: '.' },
    outfile: `${vendor}/piscina/${outfile}`,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    plugins: [without],
  })
writeFileSync(`${vendor}/piscina/package.json`, '{ "type": "commonjs" }\n')
copyFileSync(`${piscina}/LICENSE`, `${vendor}/piscina/LICENSE`)

await build({
  stdin: { contents: "export { instantiateSync } from '@assemblyscript/loader'", resolveDir: '.' },
  outfile: `${vendor}/loader/index.js`,
  bundle: true,
  platform: 'neutral',
  format: 'esm',
  target: 'es2022',
})
// The loader's package has no licence file of its own; it is a part of AssemblyScript.
for (const file of ['LICENSE', 'NOTICE'])
  copyFileSync(`node_modules/assemblyscript/${file}`, `${vendor}/loader/${file}`)

copyFileSync('node_modules/valibot/dist/index.min.mjs', `${vendor}/valibot/index.js`)
copyFileSync('node_modules/valibot/LICENSE.md', `${vendor}/valibot/LICENSE.md`)

await build({
  entryPoints: { page: 'src/watch/client/main.ts' },
  outdir: pages,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  // Each page that is written is a copy of it.
  banner: { js: `/*! uPlot\n${readFileSync('node_modules/uplot/LICENSE', 'utf8').trim()} */` },
  charset: 'utf8',
})
copyFileSync('node_modules/uplot/LICENSE', `${pages}/LICENSE`)
