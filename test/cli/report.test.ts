/** `report`, and what `train` writes and says beside its numbers. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../files/temporary.js'
import { testUnless } from '../support/runner.js'
import { main } from './command.js'
import { inFolder, parseLines, small } from './in-process.js'

const posix = testUnless(process.platform === 'win32' && 'Windows has no signals')

test('train --out writes report.html, --no-report does not; report makes it again', () =>
  inFolder(async (folder, { run, succeed, lastOf, refuse }) => {
    const pathOf = (name: string): string => join(folder, name)
    const [file, history] = [pathOf('a/report.html'), pathOf('b/history.jsonl')]
    await succeed(`train ${small} --out a`)
    const first = await readFile(file, 'utf8')
    assert.match(first, 'cnn on digits')
    assert.match(first, 'Answers by label')
    await succeed(`train ${small} --out b --no-report`)
    assert.not(existsSync(pathOf('b/report.html')))
    await rm(file)
    const { report, epochs } = await lastOf('report a --threads 1')
    assert.equal([report, epochs], ['a/report.html', 1])
    // All but when it was made, and of how much: the same page.
    const plain = (html: string): string => html.replace(/\d{4}-\d\d-\d\d \d\d:\d\d UTC/, '')
    assert.is(plain(await readFile(file, 'utf8')), plain(first))
    // A finished run stays as it is, without its page too.
    await rm(file)
    await succeed('train --resume a')
    assert.not(existsSync(file))
    // Without its manifest anything may be in it; without its data the page has no samples.
    await rm(pathOf('b/manifest.json'))
    const of = JSON.parse(await readFile(pathOf('b/options.json'), 'utf8')) as object
    const other = { ...of, dataset: 'cifar10', data: folder }
    await writeFile(pathOf('b/options.json'), JSON.stringify(other))
    const data = await succeed('report b --json')
    assert.is(parseLines(data.stdout)[0].epochs, 1)
    assert.match(data.stderr, /^spikewasm: report\.html: No samples were looked at: [^\n]+\n$/)
    const line = await readFile(history, 'utf8')
    for (const wrong of ['x', '{}', line.replace('"stepMs":', '"x":')]) {
      await writeFile(history, `${line}\n${wrong}\n`)
      const { stderr } = await run('report b')
      assert.match(stderr, /history\.jsonl: line 2 must be the record of an epoch, got something/)
    }
    await refuse('report none', /^spikewasm: /)
  }))

/** The body of an answer. */
const read = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    get(url, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more
      })
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })

posix('train --dashboard: the address on standard error; Ctrl-C ends both, with a page', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'run')
    const args = ['train', '--epochs', '5000', '--threads', '1', '--json', '--out', out]
    const child = spawn(process.execPath, [main, ...args, '--dashboard'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = once(child, 'close')
    let [stdout, stderr, url] = ['', '', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    const listening = new Promise<void>((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text
        const found = /^dashboard: (http:\/\/127\.0\.0\.1:\d+\/[\w-]+\/)\n/m.exec(stderr)?.[1]
        if (found !== undefined) {
          url = found
          resolve()
        }
      })
    })
    await Promise.race([listening, ended])
    assert.match(await read(url), 'cnn on digits')
    const events = read(`${url}events`)
    while (!stdout.includes('"epoch":2')) await new Promise((resolve) => setTimeout(resolve, 20))
    child.kill('SIGINT')
    const [code] = (await ended) as [number]
    assert.is(code, 130, stderr)
    const text = await events
    assert.match(text, /^event: history$/m)
    assert.match(text, /^event: end\ndata: .*"ended":"stopped"/m)
    const html = await readFile(join(out, 'report.html'), 'utf8')
    assert.match(html, /Stopped: \d+ of 5000 epochs are complete/)
    parseLines(stdout)
  }),
)

test.run()
