/** Ops in a page: unbundled, from the package's files, with the same bits as here. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findChromium } from '../../src/edge/verify/hosts/browser.js'
import * as ops from '../../src/ops/index.js'
import { withFolder } from '../files/temporary.js'
import { answerOfPage } from '../support/page.js'
import { skip } from '../support/runner.js'

const build = fileURLToPath(new URL('../../', import.meta.url))

/** What a server has to offer: the built code and the engine. */
function builtFiles(): Record<string, readonly [string, string | Uint8Array]> {
  const files: Record<string, readonly [string, string | Uint8Array]> = {}
  for (const folder of ['src', 'assembly', 'wasm'])
    for (const name of readdirSync(join(build, folder), { recursive: true, encoding: 'utf8' })) {
      const path = `/${folder}/${name.replaceAll('\\', '/')}`
      if (path.endsWith('.js'))
        files[path] = ['text/javascript', readFileSync(join(build, folder, name))]
      if (path === '/wasm/engine.wasm')
        files[path] = ['application/wasm', readFileSync(join(build, folder, name))]
    }
  return files
}

/** What both sides compute: a few bytes of spikes and sine waves as weights. */
const body = `(ops) => {
  const x = Uint8Array.from({ length: 4 * 2 * 5 * 36 }, (_, i) => ((i * 7919) % 13 < 3 ? 1 : 0))
  const w = Float32Array.from({ length: 7 * 5 * 9 }, (_, i) => ((i * 37) % 101) / 101 - 0.5)
  const shapes = { input: [2, 4, 5, 6, 6], weight: [7, 5, 3, 3], padding: 1 }
  const spiking = ops.conv2d.plan({ ...shapes, spikes: true }).run(x, w)
  const dense = ops.conv2d.plan(shapes).run(Float32Array.from(x), w)
  return [...new Uint8Array(spiking.buffer), ...new Uint8Array(dense.buffer)].join()
}`

const page = `<!doctype html><script type="module">
import * as ops from '/src/page-ops.js'
const post = (text) => fetch('/', { method: 'POST', body: text })
try {
  let before = 'no error before load()'
  try { ops.relu.plan({ input: [1, 4] }) } catch (error) { before = error.message }
  await ops.load()
  let threads = 'no error with threads'
  try { ops.relu.plan({ input: [1, 4], threads: 2 }) } catch (error) { threads = error.message }
  await post(JSON.stringify({ before, threads, bits: (${body})(ops) }))
} catch (error) {
  await post(JSON.stringify({ error: String(error.stack ?? error) }))
}
</script>`

const chromium = await findChromium()
if (chromium === undefined) skip('there is no Chromium')
else
  test('a page gets the same bits, and clear errors', () =>
    withFolder(async (folder) => {
      const files = { ...builtFiles(), '/': ['text/html', page] as const }
      const answer = JSON.parse(await answerOfPage(chromium, folder, files)) as Record<
        string,
        string
      >
      assert.is(answer.error, undefined)
      assert.match(answer.before, /await ops\.load\(\)/)
      assert.match(answer.threads, /threads must be 1 in a page/)
      const here = new Function(`return ${body}`)() as (of: typeof ops) => string
      assert.ok(here(ops).length > 1000)
      assert.is(answer.bits, here(ops))
    }))

test.run()
