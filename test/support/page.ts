/** A page in a browser without a window, served from memory. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { chromiumFlags } from '../../src/edge/verify/hosts/browser.js'
import { runProgram } from '../../src/edge/verify/job.js'

/**
 * Opens the page at `/` and returns what it posts.
 *
 * @param folder the browser's profile comes here
 * @param files type and content for each path
 */
export async function answerOfPage(
  chromium: string,
  folder: string,
  files: Readonly<Record<string, readonly [type: string, body: string | Uint8Array]>>,
): Promise<string> {
  let settle: (text: string) => void = () => {}
  const result = new Promise<string>((resolve) => {
    settle = resolve
  })
  const server = createServer((request, response) => {
    const { method, url = '' } = request
    if (method === 'POST') {
      let text = ''
      request.setEncoding('utf8').on('data', (more: string) => {
        text += more
      })
      request.on('end', () => {
        response.writeHead(204).end()
        settle(text)
      })
    } else if (Object.hasOwn(files, url)) {
      const [type, body] = files[url]
      response.writeHead(200, { 'Content-Type': type }).end(body)
    } else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const flags = chromiumFlags(join(folder, 'profile'), process.getuid?.() !== 0)
    const browser = runProgram(chromium, [...flags, address], { seconds: 60, until: result })
    const text = await Promise.race([result, browser])
    await browser
    return text
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
