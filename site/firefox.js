// Opens pages of the built site in Firefox, which has no driver here: a script that is put into each
// page posts what went wrong, and goes on to the next.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from './serve.js'

/** How long one page may take, of which some train networks. */
const PATIENCE = 120_000

/** Runs in each page, before its own scripts. */
function probe(paths) {
  const problems = []
  const tell = (text) => problems.push(`${location.pathname}: ${text}`)
  addEventListener('error', ({ message }) => message && tell(message))
  addEventListener('unhandledrejection', ({ reason }) => tell(reason))
  console.error = (...words) => tell(words.join(' '))
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  /** Trains what can be trained, and compares fingerprints. */
  const train = async () => {
    for (const button of document.querySelectorAll('.fig .go')) {
      while (button.disabled && problems.length === 0) await pause(20)
      button.click()
      const figure = button.closest('.fig')
      const codes = () => [...figure.querySelectorAll('figcaption code')].map((c) => c.textContent)
      while (codes().length < 2 && problems.length === 0) await pause(20)
      const [here, node] = codes()
      if (here !== node) tell(`the fingerprint is ${here}, in Node it is ${node}`)
    }
  }
  addEventListener('load', async () => {
    await train()
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
  let timer
  let over
  const wait = () => {
    clearTimeout(timer)
    timer = setTimeout(() => over([`Firefox does not get past ${paths[posts.length]}`]), PATIENCE)
  }
  const all = new Promise((resolve) => {
    over = resolve
  })
  const post = (text) => {
    if (posts.push(JSON.parse(text)) === paths.length) over([])
    else wait()
  }
  wait()
  const change = (html) => html.replace('<head>', `<head>${script}`)
  const { origin, close } = await serve(folder, { base, change, post })
  const args = ['--headless', '--no-remote', '--profile', profile, origin + paths[0]]
  const child = spawn(executable, args, { detached: true, stdio: 'ignore' })
  try {
    return [...(await all), ...posts.flat()]
  } finally {
    clearTimeout(timer)
    const ended = new Promise((resolve) => child.once('exit', resolve))
    process.kill(-child.pid, 'SIGKILL')
    await ended
    await close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}
