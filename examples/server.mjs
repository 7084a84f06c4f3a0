// A server that predicts: fifty clients ask at the same time, and each gets its answer in its turn.
// Run it after `npm run build` with: node examples/server.mjs
import { createServer } from 'node:http'
import { datasets, flatten, lif, linear, sequential, sgd } from 'spikewasm'

const { train, test } = await datasets.digits()
const net = sequential(flatten(), linear(64, 128), lif(), linear(128, 10))
const model = await net.compile({ input: [1, 8, 8], batchSize: 32, seed: 0 })
await model.fit(train, { epochs: 5, optimizer: sgd({ lr: 0.2 }) })

const server = createServer(async (request, response) => {
  const gone = new AbortController() // who has left does not wait any more
  response.on('close', () => gone.abort())
  try {
    const body = new Uint8Array(Buffer.concat(await request.take(4).toArray())) // of 4 parts at most
    const image = new Float32Array(body.buffer)
    const { classes } = await model.predict(image, { signal: gone.signal })
    response.end(String(classes[0]))
  } catch (error) {
    response.writeHead(400).end(error.message)
  }
})
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const { port } = server.address()

let [next, right] = [0, 0]
async function client() {
  while (next < test.length) {
    const image = new Float32Array(64)
    const label = test.read(next++, image)
    const answer = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: image })
    if ((await answer.text()) === String(label)) right++
  }
}
await Promise.all(Array.from({ length: 50 }, client))
console.log(
  `50 clients, ${test.length} answers, ${((100 * right) / test.length).toFixed(1)} % right`,
)
await Promise.all([server.close().closeAllConnections(), model.dispose()])
