// Opens pages of the built site in Firefox, which has no driver here: a script that is put into each
// page posts what went wrong, and goes on to the next.
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { runProgram } from '../build/src/edge/verify/job.js'
import { serve } from './serve.js'

/** How long all pages may take, of which some train networks. */
const SECONDS = 600

/** Runs in each page, before its own scripts. */
function probe(paths) {
  const problems = []
  const tell = (text) => problems.push(`${location.pathname}: ${text}`)
  addEventListener('error', ({ message }) => message && tell(message))
  addEventListener('unhandledrejection', ({ reason }) => tell(reason))
  console.error = (...words) => tell(words.join(' '))
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const until = async (isDone) => {
    while (!isDone() && problems.length === 0) await pause(20)
  }
  /** Trains what can be trained, and compares fingerprints. */
  const train = async (button) => {
    await until(() => !button.disabled)
    button.click()
    const codes = button.closest('.fig').getElementsByTagName('code')
    await until(() => codes.length > 1)
    const [here, node] = [...codes].map(({ textContent }) => textContent)
    if (here !== node) tell(`the fingerprint is ${here}, in Node it is ${node}`)
  }
  addEventListener('load', async () => {
    for (const button of document.querySelectorAll('.fig .go')) await train(button)
    await pause(200)
    for (const { name } of performance.getEntriesByType('resource'))
      if (!name.startsWith(location.origin) && !/^(data|blob):/.test(name)) tell(`requests ${name}`)
    await fetch('/', { method: 'POST', body: JSON.stringify(problems) })
    const next = paths[paths.indexOf(location.pathname) + 1]
    if (next) location.href = next
  })
}

/** What goes wrong in pages. */
export async function checkFirefox(folder, base, executable, paths) {
  const profile = mkdtempSync(join(tmpdir(), 'spikewasm-site-'))
  const whole = paths.map((path) => base.slice(0, -1) + path)
  const script = `<script>(${probe})(${JSON.stringify(whole)})</script>`
  const posts = []
  const over = new AbortController()
  const answer = async (request, response, next) => {
    const path = paths[whole.indexOf(request.originalUrl)]
    if (request.method === 'POST') {
      response.writeHead(204).end()
      if (posts.push(await json(request)) === paths.length) over.abort()
    } else if (path) {
      const file = `${path.replace(/\/$/, '/index')}.html`
      const html = await readFile(join(folder, file), 'utf8')
      response.setHeader('Content-Type', 'text/html; charset=utf-8')
      response.end(html.replace('<head>', `<head>${script}`))
    } else next()
  }
  const { origin, close } = await serve(folder, { base, answer })
  const args = ['--headless', '--no-remote', '--profile', profile, origin + paths[0]]
  const until = new Promise((resolve) => over.signal.addEventListener('abort', resolve))
  try {
    await runProgram(executable, args, { seconds: SECONDS, until })
  } catch ({ message }) {
    posts.push([`Firefox does not get past ${paths[posts.length]}: it ${message}`])
  } finally {
    await close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
  return posts.flat()
}
