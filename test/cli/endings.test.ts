// runs: waits
/** How a training ends: by signals at any moment, and where nobody reads what it says. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../../src/model/compile.js'
import { models } from '../../src/model/models/registry.js'
import { withFolder } from '../files/temporary.js'
import { testUnless } from '../support/runner.js'
import { main, run } from './command.js'
import { run as runHere, succeed } from './in-process.js'

/** Windows has neither these signals nor this shell. */
const posix = testUnless(process.platform === 'win32' && 'Windows has no signals')

const small = ['--limit-train', '96', '--limit-test', '71', '--batch-size', '16']
const runFiles = ['best.safetensors', 'checkpoint.safetensors', 'history.jsonl', 'manifest.json']
const allFiles = [...runFiles, 'options.json', 'report.html', 'weights.safetensors']

/** Sends a signal when `when` holds; the code with which the command ends. */
async function endBy(
  signal: NodeJS.Signals,
  args: readonly string[],
  when: () => Promise<boolean> | boolean,
): Promise<number | null> {
  const child = spawn(process.execPath, [main, ...args], { stdio: 'ignore' })
  const ended = once(child, 'close')
  while (child.exitCode === null && !(await when()))
    await new Promise((resolve) => setTimeout(resolve, 2))
  child.kill(signal)
  return (await ended)[0]
}

posix('SIGTERM before the first step, SIGHUP later: saved, and the end has the same bits', () =>
  withFolder(async (parent) => {
    const [whole, broken] = [join(parent, 'whole'), join(parent, 'broken')]
    const args = ['train', ...small, '--epochs', '150', '--method', 'sltt', '--threads', '1']
    await succeed([...args, '--out', whole])
    const locked = (): boolean => existsSync(join(broken, 'run.lock'))
    assert.is(await endBy('SIGTERM', [...args, '--out', broken], locked), 143)
    assert.ok((await readdir(broken)).includes('checkpoint.safetensors'))
    const resume = ['train', '--resume', broken, '--threads', '2']
    const history = async (): Promise<boolean> =>
      (await readFile(join(broken, 'history.jsonl'), 'utf8')).includes('"epoch":1')
    // On a busy machine the run may end first: then once more from where it was.
    const saved = join(parent, 'saved')
    await cp(broken, saved, { recursive: true })
    let code: number | null = 0
    for (let tries = 0; code === 0 && tries < 5; tries++) {
      await rm(broken, { recursive: true })
      await cp(saved, broken, { recursive: true })
      code = await endBy('SIGHUP', [...resume, '--checkpoint-every', '1'], history)
    }
    assert.is(code, 129)
    assert.equal((await readdir(broken)).sort(), allFiles)
    await succeed(resume)
    // Equal runs give equal files, whatever the threads.
    for (const name of ['weights.safetensors', 'best.safetensors']) {
      const [a, b] = await Promise.all([whole, broken].map((dir) => readFile(join(dir, name))))
      assert.ok(a.equals(b), name)
    }
    const times = async (): Promise<unknown> =>
      Promise.all(allFiles.map(async (name) => (await stat(join(broken, name))).mtimeMs))
    const before = await times()
    await succeed(['train', '--resume', broken, '--json'])
    assert.equal(await times(), before, 'a finished run stays as it is')
    await appendFile(join(broken, 'best.safetensors'), 'x')
    const damaged = await runHere(['train', '--resume', broken])
    assert.equal([damaged.code, damaged.stdout], [1, ''])
    assert.match(damaged.stderr, /best\.safetensors: must be the file that the run has written/)
  }),
)

test('a layer that never fires: one line a run, on standard error', () =>
  withFolder(async (folder) => {
    const model = await compile(models.mlp([1, 8, 8], 10), { input: [1, 8, 8] })
    const state = model.stateDict()
    for (const { data } of Object.values(state)) data.fill(0)
    model.loadStateDict(state)
    const file = join(folder, 'zero.safetensors')
    await model.save(file)
    await model.dispose()
    const silent = ['--model', 'mlp', '--load', file, '--lr', '0', '--threads', '1', '--json']
    const { stderr } = await succeed(['train', ...small, ...silent, '--epochs', '2'])
    assert.match(stderr, /^spikewasm: no neuron of layer 2 fired in epoch 1: .+ another --lr,.+\n$/)
  }))

test("warnings and a missing file are lines of the command, other warnings stay Node's", async () => {
  const files = ['model/node', 'engine/platform', 'cli/mistakes']
  const [node, warn, mistakes] = files.map((name) =>
    JSON.stringify(new URL(`../../src/${name}.js`, import.meta.url).href),
  )
  const program = `
    import ${node}
    import { warn } from ${warn}
    import { complain, plainWarnings } from ${mistakes}
    plainWarnings(['SPIKEWASM_SILENT'])
    await import('file:///none/gone.js').catch((error) => complain(error))
    warn('threads is 8', 'SPIKEWASM_THREADS')
    warn('no neuron', 'SPIKEWASM_SILENT')
    process.emitWarning('of another')`
  const { stderr } = await run(['--input-type=module', '-e', program], { node: true })
  const [gone, ...rest] = stderr.split('\n')
  assert.match(gone, /^spikewasm: .*gone\.js, a file of spikewasm, is missing or damaged; install/)
  assert.match(rest.join('\n'), /^spikewasm: --threads is 8\n\(node:\d+\) Warning: of another\n/)
})

/** Ways to lose an output. */
const outputs = {
  'closed outputs': '>&- 2>&-',
  'a reader that goes': '| head -1',
  ...(existsSync('/dev/full') ? { 'full outputs': '>/dev/full 2>/dev/full' } : {}),
}

for (const [name, way] of Object.entries(outputs))
  posix(`train with ${name}: trains to its end and writes all files`, () =>
    withFolder(async (folder) => {
      const out = join(folder, 'run')
      const command = [process.execPath, main, 'train', ...small, '--epochs', '1', '--out', out]
      const quoted = command.map((word) => `'${word}'`).join(' ')
      const [pipe, redirection] = way.startsWith('|') ? [way, ''] : ['', way]
      await writeFile(
        join(folder, 'script'),
        `{ ${quoted} ${redirection}; echo $? > code.tmp; mv code.tmp code; } ${pipe}`,
      )
      await once(spawn('sh', ['script'], { cwd: folder, stdio: 'ignore' }), 'close')
      assert.is(await readFile(join(folder, 'code'), 'utf8'), '0\n')
      assert.equal((await readdir(out)).sort(), allFiles)
    }),
  )

test.run()
