// runs: apart
/** `tools/build.mjs` in a copy of the project: it builds what is stale, and nothing else. */
import { execFile } from 'node:child_process'
import { cpSync } from 'node:fs'
import { appendFile, cp, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { folderFor, withFolder } from '../files/temporary.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const vendor = 'build/src/engine/vendor'
const copy = folderFor(test)

/** Lines that the build prints. */
async function build(...args: string[]): Promise<string[]> {
  const script = join(copy, 'tools/build.mjs')
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args])
  return stdout.split('\n').filter((line) => line !== '')
}

test.before(async () => {
  // Other tests put folders into build/ and take them away again.
  const built = (await readdir(join(root, 'build'))).filter((name) => !/^(pages-|docs$)/.test(name))
  const names = [...(await readdir(root)), ...built.map((name) => `build/${name}`)]
  for (const name of names)
    if (!['node_modules', 'data', 'runs', '.git', 'build'].includes(name))
      // `cp` takes four times as long.
      cpSync(join(root, name), join(copy, name), {
        recursive: true,
        filter: (path) => !['node_modules', 'fixtures'].includes(basename(path)),
      })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction')
})

test('the command says so when nothing has been built', () =>
  withFolder(async (folder) => {
    for (const name of ['bin', 'package.json'])
      await cp(join(root, name), join(folder, name), { recursive: true })
    const error: { code?: number; stderr?: string } = await promisify(execFile)(process.execPath, [
      join(folder, 'bin/spikewasm.js'),
      'info',
    ]).then(
      () => ({}),
      (reason) => reason,
    )
    assert.equal(
      [error.code, error.stderr],
      [1, 'spikewasm is not built yet; run "npm run build" first\n'],
    )
  }))

test('nothing is built twice', async () => {
  assert.equal(await build(), [], 'this test needs a whole build: npm run build')
})

test('what is stale: the step that a changed, new or removed file belongs to', async () => {
  const engines = ['release', 'threads', 'debug', 'wide'].map((target) => `build wasm ${target}`)
  for (const [file, stale] of [
    ['assembly/conv/matmul.ts', [...engines, 'build wasm bench']],
    ['bench/assembly/peak.ts', ['build wasm bench']],
    ['src/base/errors.ts', ['build bundle', 'build typescript', 'build package']],
    ['test/compile/work.test.ts', ['build tests']],
    ['bench/main.ts', ['build tests']],
    ['tools/build-tests.mjs', ['build tests']],
    ['tsconfig.build.json', ['build typescript']],
    ['tools/page.mjs', ['build package']],
    ['tools/bundle.mjs', ['build bundle', 'build package']],
  ] as const) {
    await appendFile(join(copy, file), '\n')
    assert.equal(await build('--dry-run'), stale, file)
    await cp(join(root, file), join(copy, file))
  }
  const folder = join(copy, 'assembly/new/family')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'kernel.ts'), '')
  assert.equal(await build('--dry-run'), [...engines, 'build wasm bench'])
  await rm(join(copy, 'assembly/new'), { recursive: true })
  assert.equal(await build('--dry-run'), [])
})

test('a missing or changed output is built again', async () => {
  await rm(join(copy, 'build/src/base/errors.js'))
  await appendFile(join(copy, 'build/wasm/engine.wasm'), 'x')
  assert.equal(await build('--dry-run'), ['build wasm release', 'build typescript'])
  for (const file of ['build/src/base/errors.js', 'build/wasm/engine.wasm'])
    await cp(join(root, file), join(copy, file))
  await rm(join(copy, vendor, 'piscina'), { recursive: true })
  assert.equal(await build(), ['build bundle'])
  assert.ok((await readdir(join(copy, vendor, 'piscina'))).includes('LICENSE'))
  assert.equal(await build(), [])
})

test('built files whose source is gone are removed, and strangers among bundled ones', async () => {
  const [gone, stranger] = ['build/test/gone/moved.test.js', `${vendor}/piscina/old.js`]
  await mkdir(join(copy, 'build/test/gone'))
  for (const file of [gone, stranger]) await writeFile(join(copy, file), '')
  assert.equal(await build(), ['build bundle', `remove ${gone}`])
  assert.not.ok((await readdir(join(copy, vendor, 'piscina'))).includes('old.js'))
  assert.equal(await build(), [])
})

test.run()
