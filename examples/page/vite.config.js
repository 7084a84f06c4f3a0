// The page is built by `npm run page`, or by `npx vite build examples/page`. Its addresses are
// relative: any host can serve the files of dist.
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

/** With these a page may share memory between threads. Without them it trains on one. */
export const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

const PULSE = 'M1 11h4l2-8 3 10 2-5h3'
/** Scripts of the page itself, and workers that it starts from texts; nothing from elsewhere. */
const POLICY =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; " +
  "style-src 'self'; img-src 'self' data: blob:; connect-src 'self' blob: data:"
const ICON =
  "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='none' " +
  `stroke='%23e8590c' stroke-width='2' stroke-linejoin='round' d='${PULSE}'/%3E%3C/svg%3E`

/**
 * What the pages have in common, in the place of its name in their HTML.
 * @param {string} style where style.css is
 */
export const shared = (style, policy = POLICY) => ({
  name: 'shared',
  transformIndexHtml: {
    order: 'pre',
    handler: (html) =>
      html
        .replace(
          '<!-- shared head -->',
          `<meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta http-equiv="Content-Security-Policy" content="${policy}" />
    <link rel="icon" href="data:image/svg+xml,${ICON}" />
    <link rel="stylesheet" href="${style}" />`,
        )
        .replace(
          '<!-- shared mark -->',
          `<svg class="mark" viewBox="0 0 16 16" aria-hidden="true"><path d="${PULSE}" /></svg>`,
        ),
  },
})

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [shared('./style.css')],
  // What is loaded later is one file: there is nothing to load before it.
  build: { target: 'es2022', modulePreload: false },
  server: { host: '127.0.0.1', headers },
  preview: { host: '127.0.0.1', headers },
})
