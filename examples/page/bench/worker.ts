/** Measures, apart from the page, which stays awake. Each run has a worker of its own. */
import { runPageProcess } from 'spikewasm/bench'
import type { Answer, Order } from './messages.js'

const send = (answer: Answer): void => postMessage(answer)

async function work(order: Order): Promise<void> {
  if (order.kind === 'own')
    await runPageProcess(order.job, {
      begin: (name, index, count) => send({ kind: 'begin', name, index, count }),
      measured: (times) => send({ kind: 'measured', times }),
      failed: (name, reason) => send({ kind: 'failed', name, reason }),
    })
  else {
    const { measurePeer } = await import('./peers.js')
    await measurePeer(order.title, order.seconds, send)
  }
  send({ kind: 'done' })
}

addEventListener('message', ({ data }: MessageEvent<Order>) => {
  work(data).catch((error: unknown) => {
    send({ kind: 'failed', name: 'the worker', reason: String((error as Error)?.message ?? error) })
    send({ kind: 'done' })
  })
})
