// runs: apart
/** The page of a run that goes on: who may see it, and what it costs. */
import { request as ask } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { dashboard, sgd } from '../../src/index.js'
import { RunHistory, type RunStart, serveRun } from '../../src/watch/dashboard/server.js'
import type { RunState, StepPoint } from '../../src/watch/pages/run.js'
import { expectRefusal, messageOf } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { test } from '../support/models.js'
import { soon } from '../support/soon.js'
import { compileSmall, toy } from '../support/toy.js'
import { fails, stopAt } from '../support/trainings.js'

const status = { epoch: 0, epochs: 2, step: 0, steps: 10 }
const start: RunStart = { title: 'a <run>', status, options: [['lr', '0.1']], records: [] }

const point = (at: number, layers = 2): StepPoint => ({
  at,
  loss: 1 / (1 + at),
  accuracy: 0.5,
  learningRate: 0.1,
  stepMs: 2,
  rates: Array.from({ length: layers }, () => 0.25),
})

const record = {
  epoch: 1,
  trainLoss: 0.5,
  learningRate: 0.1,
  stepMs: 2,
  samplesPerSecond: 100,
  firingRates: { a: 0.1, b: 0.2 },
}

interface Heard {
  readonly name: string
  readonly value: unknown
}

/** Listens to events; `ended` when the server has closed the connection. */
function listen(url: string): { heard: Heard[]; ended: Promise<void>; close(): void } {
  const heard: Heard[] = []
  const request = ask(`${url}events`)
  const ended = new Promise<void>((resolve) => {
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
          if (name) heard.push({ name, value: JSON.parse(data) })
        }
      })
      response.on('close', resolve)
    })
    request.on('error', () => resolve())
    request.end()
  })
  return { heard, ended, close: () => request.destroy() }
}

async function until(holds: () => boolean): Promise<void> {
  const late = performance.now() + 60_000
  while (performance.now() < late) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('nothing happened for 60 s')
}

/** Status and headers of an answer. */
function answer(
  url: string,
  { method = 'GET', host }: { method?: string; host?: string } = {},
): Promise<{ status?: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const request = ask(url, { method, headers: host === undefined ? {} : { host } })
    request.on('error', reject)
    request.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (more: string) => {
        body += more
      })
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body }),
      )
    })
    request.end()
  })
}

test('only who knows the token, and names this machine, gets an answer', async () => {
  const server = await serveRun(start)
  try {
    const { url } = server
    const { origin, port } = new URL(url)
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/$/)
    const page = await answer(url)
    assert.is(page.status, 200)
    assert.match(page.body, 'a &#60;run&#62;')
    assert.not.match(page.body, '<run>')
    assert.match(
      String(page.headers['content-security-policy']),
      /default-src 'none'.*connect-src 'self'/,
    )
    assert.is(page.headers['access-control-allow-origin'], undefined)
    const wrong = `${origin}/${'a'.repeat(24)}/`
    const asked: [string, object, number][] = [
      [`${origin}/`, {}, 404],
      [wrong, {}, 404],
      [`${wrong}events`, {}, 404],
      [`${origin}/favicon.ico`, {}, 404],
      [`${url}other`, {}, 404],
      [url.slice(0, -1), {}, 308],
      [url, { method: 'POST' }, 405],
      [url, { method: 'OPTIONS' }, 405],
      [url, { host: 'evil.example' }, 403],
      [url, { host: `evil.example:${port}` }, 403],
      [url, { host: '127.0.0.1.evil.example' }, 403],
      // A tunnel has another port.
      [url, { host: 'localhost:9999' }, 200],
      [url, { host: '[::1]' }, 200],
    ]
    for (const [address, how, wanted] of asked)
      assert.is((await answer(address, how)).status, wanted, `${address} ${JSON.stringify(how)}`)
  } finally {
    await server.close({ ...status, ended: 'finished' })
  }
})

test('two clients: both hear all, a late one gets the history, the end closes both', async () => {
  const server = await serveRun({ ...start, records: [record] })
  const early = listen(server.url)
  await until(() => early.heard.length === 1)
  server.step({ point: point(0.1), status: { ...status, step: 1 }, layers: ['a', 'b'] })
  server.epoch({ record: { ...record, epoch: 2 }, status: { ...status, epoch: 1 } })
  await until(() => early.heard.length === 3)
  const late = listen(server.url)
  await until(() => late.heard.length === 1)
  assert.is(server.clients, 2)
  const [{ name, value }] = late.heard
  const state = value as RunState
  assert.is(name, 'history')
  assert.equal([state.layers, state.steps.at], [['a', 'b'], [0.1]])
  assert.equal(state.steps.rates, [[0.25], [0.25]])
  assert.equal(
    state.records.map(({ epoch }) => epoch),
    [1, 2],
  )
  assert.equal(state.options, [['lr', '0.1']])
  await server.close({ ...status, ended: 'finished' })
  await Promise.all([early.ended, late.ended])
  assert.equal(
    early.heard.map(({ name }) => name),
    ['history', 'step', 'epoch', 'end'],
  )
  assert.equal((late.heard.at(-1)!.value as { ended: string }).ended, 'finished')
  await expectRefusal(() => answer(server.url), GONE)
})

test('a client that never reads costs little, holds nothing up, and others hear all', async () => {
  const server = await serveRun(start)
  const { pathname, port } = new URL(server.url)
  const deaf = connect(Number(port), '127.0.0.1')
  deaf.write(`GET ${pathname}events HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  deaf.pause()
  await until(() => server.clients === 1)
  const other = listen(server.url)
  await until(() => other.heard.length === 1)
  const layers = Array.from({ length: 200 }, (_, i) => `layer${i}`)
  const before = process.memoryUsage()
  for (let i = 0; i < 20_000; i++) {
    server.step({ point: point(i / 100, 200), status, layers })
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const after = process.memoryUsage()
  const grown = (of: NodeJS.MemoryUsage): number => of.external + of.arrayBuffers + of.heapUsed
  assert.ok(grown(after) - grown(before) < 120e6, `${grown(after) - grown(before)} bytes`)
  await until(() => other.heard.length > 100)
  let known = 0
  await until(() => {
    const before = known
    known = other.heard.length
    return before === known
  })
  // It closes all the same.
  await soon(server.close({ ...status, ended: 'finished' }))
  await other.ended
  assert.is(other.heard.at(-1)!.name, 'end')
  deaf.destroy()
})

test('the history is bounded, and means stay what they were', () => {
  const history = new RunHistory(start)
  history.layers = ['a', 'b']
  let thinnings = 0
  for (let i = 0; i < 100_000; i++) {
    const { thinned } = history.addStep({ ...point(i / 1000), loss: i % 2 })
    thinnings += Number(thinned)
  }
  for (let epoch = 1; epoch <= 5000; epoch++) history.addEpoch({ ...record, epoch })
  const { steps, records } = history.state()
  assert.ok(steps.at.length <= 1500 && steps.at.length >= 500, `${steps.at.length} points`)
  assert.ok(thinnings > 4 && thinnings < 10)
  assert.ok(records.length <= 800 && records.at(-1)!.epoch === 5000)
  assert.ok(steps.loss.every((loss) => Math.abs(loss - 0.5) < 1e-9))
  assert.equal(
    [...steps.at].sort((a, b) => a - b),
    steps.at,
  )
  assert.ok(JSON.stringify(history.state()).length < 1_000_000)
})

/** Nobody listens there any more, or closes what has come. */
const GONE = /ECONNREFUSED|ECONNRESET|hang up/

const { data: train } = toy(96, 1)

const compileBoard = () => compileSmall({ batchSize: 16, timeSteps: 4, seed: 3 })

test('the callback: the same bits as without, and its page goes with the training, however it ends', async () => {
  const [model, plain] = await Promise.all([compileBoard(), compileBoard()])
  const of = { epochs: 3, optimizer: sgd({ lr: 0.1 }), validation: train, fresh: true }
  let url = ''
  const callback = dashboard({
    onListen: async (address) => {
      // It is waited for.
      await pause(100)
      url = address
    },
  })
  const callbacks = [callback]
  const onStep = async (): Promise<void> => void assert.is((await answer(url)).status, 200)
  await model.fit(train, { ...of, callbacks, onStep })
  await plain.fit(train, of)
  expectSameBits('state', model.stateDict(), plain.stateDict())
  await expectRefusal(() => answer(url), GONE)
  await model.fit(train, { ...of, ...stopAt(2), callbacks })
  await expectRefusal(() => answer(url), GONE)
  const broken = { ...of, onStep: fails('a power cut'), callbacks }
  assert.is(await messageOf(() => model.fit(train, broken)), 'a power cut')
  await expectRefusal(() => answer(url), GONE)
})

test('a port that is taken is told', async () => {
  const server = await serveRun(start)
  const model = await compileBoard()
  const port = Number(new URL(server.url).port)
  await expectRefusal(
    () => model.fit(train, { callbacks: [dashboard({ port })] }),
    /^dashboard\.port must be free, got \d+, which another program uses; give another/,
  )
  await server.close({ ...status, ended: 'finished' })
})

test.run()
