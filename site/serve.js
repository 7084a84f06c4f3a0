// Serves the built site on loopback, as hosts do: `/learn/neuron` is `learn/neuron.html`.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize, sep } from 'node:path'

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
}
const OTHER = 'application/octet-stream'
// Threads of /play/ need these.
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

/**
 * @param base the path below which the site stands, with slashes at both ends
 * @param port 0 for one that is free
 * @param change gets each page's HTML, and gives what is sent
 * @param post gets what a page posts
 */
export async function serve(folder, { base = '/', port = 0, change = (html) => html, post } = {}) {
  const server = createServer(async (request, response) => {
    const send = (status, name, body) =>
      response
        .writeHead(status, { ...headers, 'Content-Type': types[extname(name)] ?? OTHER })
        .end(body)
    if (request.method === 'POST') {
      let text = ''
      for await (const chunk of request) text += chunk
      post?.(text)
      return response.writeHead(204).end()
    }
    const path = decodeURIComponent(new URL(request.url, 'http://x').pathname)
    const file = normalize(join(folder, path.slice(base.length - 1).replace(/\/$/, '/index.html')))
    if (path.startsWith(base) && file.startsWith(join(folder, sep)))
      for (const name of extname(file) in types ? [file] : [file, `${file}.html`]) {
        const body = await readFile(name).catch(() => undefined)
        if (body) return send(200, name, name.endsWith('.html') ? change(`${body}`) : body)
      }
    return send(404, '.html', await readFile(join(folder, '404.html')))
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    /** To which paths are appended, which begin with a slash. */
    origin: `http://127.0.0.1:${server.address().port}${base.slice(0, -1)}`,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}
