/** A page that trains, by every bundler, with no configuration of its own: the bits of Node. */
import { execFile } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { build as esbuild } from 'esbuild'
import { rollup } from 'rollup'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createServer, build as viteBuild } from 'vite'
import webpack from 'webpack'
import { serve as serveFolder } from '../support/browser.js'
import { isLong } from '../support/long.js'
import { skip } from '../support/runner.js'
import { makeProject, openBrowser, resultOf, serve, write } from './site.js'

/** Trains a few steps on the digits and gives a hash of the model's file. */
const training = `
import { adam, avgPool2d, conv2d, datasets, flatten, lif, linear, sequential, subset } from 'spikewasm'

export async function training({ digits, ...options } = {}) {
  const { train, test } = await datasets.digits(digits)
  const net = sequential(
    conv2d(1, 8, 3, { padding: 1 }), lif(), avgPool2d(2), flatten(), linear(128, 10),
  )
  const model = await net.compile({ input: [1, 8, 8], batchSize: 16, seed: 1, ...options })
  const { epochs } = await model.fit(subset(train, 64), { epochs: 2, optimizer: adam({ lr: 0.01 }) })
  const { accuracy } = await model.evaluate(subset(test, 20))
  let hash = 0
  for (const byte of model.toBytes()) hash = (Math.imul(hash, 31) + byte) >>> 0
  await model.dispose()
  return [hash, epochs.at(-1).trainLoss, accuracy].join()
}
`

const show = (call: string): string => `
import { training } from './training.js'
${call}.then((text) => { globalThis.result = text }, (error) => { globalThis.result = String(error) })
`

const html = '<!doctype html><title>app</title><script type="module" src="./main.js"></script>'
const project = makeProject({
  'training.js': training,
  'main.js': show('training()'),
  'index.html': html,
  'node.js': "import { training } from './training.js'\nconsole.log(await training())\n",
  'predict.html': html.replace('main', 'predict'),
  'predict.js': "import { openNet } from 'spikewasm/net'\nglobalThis.openNet = openNet\n",
})
test.after(() => rmSync(project, { recursive: true, force: true }))

const dist = (name: string): string => join(project, 'dist', name)

/** Files of a build that are neither page nor script, without the hashes in their names. */
const otherFiles = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile() && !/\.(js|html)$/.test(entry.name))
    .map(({ name }) => name.replace(/-[\w-]{8}(?=\.)/, ''))
    .sort()

/** Names of engines by their bytes, of all modules in a folder. */
const wasmFiles = (folder: string): string[] => {
  const own = join(project, 'node_modules/spikewasm/build/wasm')
  const names = readdirSync(own)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.wasm'))
    .map((name) => readFileSync(join(folder, name)))
    .map((bytes) => names.find((one) => bytes.equals(readFileSync(join(own, one)))) ?? 'another')
    .sort()
}

/** An isolated page loads the second one, others the first one. */
const engines = ['engine-threads.wasm', 'engine.wasm']

/** Bytes of all JavaScript of a build, gzipped. */
const scriptBytes = (folder: string): number =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0)

const inNode = promisify(execFile)(process.execPath, ['node.js'], { cwd: project }).then(
  ({ stdout }) => stdout.trim(),
)

const browser = await openBrowser()
test.after(() => browser?.close())

/** Opens what was built, where there is a browser. */
async function expectSame(folder: string, isolated = false): Promise<void> {
  if (!browser) return skip('there is no Chromium')
  const { url, close } = await serve(folder, isolated)
  try {
    assert.is(await resultOf(browser, url), await inNode)
  } finally {
    close()
  }
}

const vite = { root: project, configFile: false, logLevel: 'error' } as const

test('vite build', async () => {
  await viteBuild({ ...vite, build: { outDir: dist('vite') } })
  assert.equal(otherFiles(dist('vite')), ['digits.csv.gz', ...engines])
  await expectSame(dist('vite'))
})

test('vite build of a page that only predicts is small', async () => {
  const input = join(project, 'predict.html')
  await viteBuild({ ...vite, build: { outDir: dist('predict'), rollupOptions: { input } } })
  assert.equal(otherFiles(dist('predict')), [])
  const bytes = scriptBytes(dist('predict'))
  assert.ok(bytes > 1000 && bytes <= 5310, `${bytes} bytes of JavaScript, gzipped`)
})

test('vite dev', async () => {
  if (!browser) return skip('there is no Chromium')
  const server = await createServer({ ...vite, server: { host: '127.0.0.1', port: 0 } })
  try {
    await server.listen()
    assert.is(await resultOf(browser, server.resolvedUrls?.local[0] ?? ''), await inNode)
  } finally {
    await server.close()
  }
})

test('webpack', async () => {
  const path = dist('webpack')
  await new Promise<void>((resolve, reject) => {
    webpack(
      {
        mode: 'production',
        context: project,
        entry: './main.js',
        output: { path, filename: 'main.js' },
        performance: { hints: false },
        // Code is made small for Vite and esbuild too: Terser takes longer than all of them.
        ...(isLong ? {} : { optimization: { minimize: false } }),
      },
      (error, stats) => {
        if (error || stats?.hasErrors()) reject(error ?? new Error(stats?.toString()))
        else resolve()
      },
    )
  })
  write(path, { 'index.html': html })
  // Named by what they hold.
  assert.equal(wasmFiles(path), engines)
  await expectSame(path)
})

test('the one line of docs/web.md trains from a mirror of packages, whatever the page allows', async () => {
  if (!browser) return skip('there is no Chromium')
  const guide = readFileSync(join(process.cwd(), 'docs/web.md'), 'utf8')
  const [, path] = /https:\/\/cdn\.jsdelivr\.net\/npm\/spikewasm@[\d.]+(\/\S+\.js)'/.exec(guide)!
  const headers = { 'Access-Control-Allow-Origin': '*' }
  const mirror = await serveFolder({ folder: join(project, 'node_modules'), headers })
  const script = training
    .replace("'spikewasm'", JSON.stringify(`${mirror.origin}/spikewasm${path}`))
    .replace('export ', '')
  const tell = show('training()').replace(/^import.*$/m, '')
  // What the guide asks for, and the mirror.
  const policy = `default-src 'none'; worker-src blob:; connect-src ${mirror.origin};
    script-src 'unsafe-inline' 'wasm-unsafe-eval' ${mirror.origin}`
  write(dist('mirror'), {
    'index.html': `<!doctype html><meta http-equiv="Content-Security-Policy" content="${policy}">
      <script type="module">${script}${tell}</script>`,
  })
  try {
    for (const isolated of [false, true]) await expectSame(dist('mirror'), isolated)
  } finally {
    await mirror.close()
  }
})

test('Rollup, which copies no files: they are given', async () => {
  write(project, { 'given.js': show("training({ wasm: './', digits: './digits.csv.gz' })") })
  const bundle = await rollup({
    input: join(project, 'given.js'),
    plugins: [nodeResolve({ browser: true })],
    onwarn: (warning) => assert.unreachable(warning.message),
  })
  await bundle.write({ file: join(dist('rollup'), 'main.js') })
  await bundle.close()
  write(dist('rollup'), { 'index.html': html })
  for (const file of [
    'build/wasm/engine.wasm',
    'build/wasm/engine-threads.wasm',
    'data/digits.csv.gz',
  ])
    cpSync(
      join(project, 'node_modules/spikewasm', file),
      join(dist('rollup'), file.split('/').at(-1) ?? ''),
    )
  await expectSame(dist('rollup'))
})

test('esbuild, with the addresses of imported files', async () => {
  write(project, {
    'imported.js': `import wasm from 'spikewasm/engine.wasm'\nimport digits from 'spikewasm/digits.csv.gz'\n${show(
      'training({ wasm, digits })',
    )}`,
  })
  await esbuild({
    entryPoints: [join(project, 'imported.js')],
    outfile: join(dist('esbuild'), 'main.js'),
    bundle: true,
    minify: true,
    format: 'esm',
    loader: { '.wasm': 'file', '.gz': 'file' },
    absWorkingDir: project,
    logLevel: 'silent',
  })
  write(dist('esbuild'), { 'index.html': html })
  await expectSame(dist('esbuild'))
})

test('without its engine a page says where it looked and what to do', async () => {
  if (!browser) return skip('there is no Chromium')
  const folder = dist('esbuild')
  write(project, { 'lost.js': show("training({ digits: './digits.csv.gz' })") })
  const common = {
    bundle: true,
    format: 'esm',
    absWorkingDir: project,
    logLevel: 'silent',
  } as const
  await esbuild({ ...common, entryPoints: ['lost.js'], outfile: join(folder, 'main.js') })
  cpSync(join(project, 'node_modules/spikewasm/data/digits.csv.gz'), join(folder, 'digits.csv.gz'))
  const { url, close } = await serve(folder)
  try {
    assert.match(
      await resultOf(browser, url),
      /engine(-threads)?\.wasm holds \d+ bytes that begin with "<!doctype html>.*, a page.*import wasm from/,
    )
  } finally {
    close()
  }
})

test.run()
