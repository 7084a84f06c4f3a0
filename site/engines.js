// Opens pages of the built site in Firefox and WebKit, which have no driver here: a script that is put
// into each page posts what went wrong, and goes on to the next.
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { serve } from '../build/test/support/browser.js'
import { missing, openIn } from '../build/test/support/engines.js'

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
    // Again and again: the page itself goes to its top when it is ready.
    await until(() => button.scrollIntoView() ?? !button.disabled)
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

/** What is wrong goes into `problems`. @returns why it was skipped */
export async function checkEngine(engine, folder, { base, paths }, problems) {
  const why = await missing(engine)
  if (why) return [`skipped: ${why}`]
  const addresses = paths.map((path) => base.slice(0, -1) + path)
  const script = `<script>(${probe})(${JSON.stringify(addresses)})</script>`
  const pages = paths.map((path, i) => {
    const html = readFileSync(join(folder, `${path.replace(/\/$/, '/index')}.html`), 'utf8')
    return [addresses[i], html.replace('<head>', `<head>${script}`)]
  })
  const posts = []
  const over = new EventEmitter()
  const posted = (body) => posts.push(JSON.parse(body)) === paths.length && over.emit('over')
  const options = { folder, base, isolated: true, posted, pages: Object.fromEntries(pages) }
  const { origin, close } = await serve(options)
  try {
    await openIn(engine, origin + addresses[0], once(over, 'over'), SECONDS)
  } catch ({ message }) {
    posts.push([`it does not get past ${paths[posts.length]}: it ${message}`])
  } finally {
    await close()
  }
  problems.push(...posts.flat().map((fault) => `${engine.name}: ${fault}`))
  return []
}
