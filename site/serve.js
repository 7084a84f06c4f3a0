// Serves the built site on loopback, as hosts do: `/learn/neuron` is `learn/neuron.html`.
import { preview } from 'vite'

// Threads of /play/ need these.
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

/**
 * @param base the path below which the site stands, with slashes at both ends
 * @param port 0 for one that is free
 */
export async function serve(outDir, { base = '/', port = 0 } = {}) {
  const server = await preview({
    ...{ configFile: false, appType: 'mpa', base, build: { outDir } },
    preview: { host: '127.0.0.1', port, headers },
  })
  return { origin: server.resolvedUrls.local[0].slice(0, -1), close: () => server.close() }
}
