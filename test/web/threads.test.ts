// runs: apart
/** Training in a page, on its workers: the bits of Node, a page that stays free, clear errors. */
import type { Browser, Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Layer, Model } from '../../src/index.js'
import * as spikewasm from '../../src/index.js'
import {
  bundled,
  hasBrowser,
  launch,
  open,
  type Site,
  type SiteOptions,
  serve,
} from '../support/browser.js'

type Api = Pick<
  typeof spikewasm,
  | 'alif'
  | 'cnn'
  | 'compile'
  | 'cubaLif'
  | 'flatten'
  | 'fromArrays'
  | 'linear'
  | 'neuron'
  | 'sequential'
  | 'sgd'
>

/** A data set as a page can be given it. */
interface Numbers {
  readonly images: readonly number[]
  readonly labels: readonly number[]
}

async function digitsAsNumbers(count: number): Promise<Numbers> {
  const { train } = await spikewasm.datasets.digits()
  const images = new Float32Array(count * 64)
  const labels = Array.from({ length: count }, (_, i) =>
    train.read(i, images.subarray(i * 64, (i + 1) * 64)),
  )
  return { images: [...images], labels }
}

/** Pages get its text too, as all functions that follow. */
function dataOf(api: Api, { images, labels }: Numbers): spikewasm.Dataset {
  const shape = [1, 8, 8] as const
  return api.fromArrays({ images: Float32Array.from(images), labels, shape, classes: 10 })
}

/** 50 steps, and what has come of it. */
async function trainDigits(api: Api, numbers: Numbers, threads: number) {
  const input = [1, 8, 8] as const
  const data = dataOf(api, numbers)
  const model = await api.cnn(input, 10).compile({ input, batchSize: 64, timeSteps: 4, threads })
  const bits = (values: Float32Array): string => {
    let hash = 0
    const words = new Int32Array(values.buffer, values.byteOffset, values.length)
    for (const word of words) hash = (Math.imul(hash, 31) + word) | 0
    return `${values.length} ${hash}`
  }
  let steps = 0
  const onStep = () => void steps++
  const optimizer = api.sgd({ lr: 0.1, momentum: 0.9 })
  const { epochs } = await model.fit(data, { epochs: 10, optimizer, onStep })
  const { loss, accuracy, operations } = await model.evaluate(data)
  const found = {
    steps,
    losses: epochs.map((epoch) => epoch.trainLoss),
    loss,
    accuracy,
    macs: operations?.effectiveMacs,
    logits: bits((await model.predict(Float32Array.from(numbers.images.slice(0, 640)))).logits),
    state: Object.entries(model.stateDict()).map(([name, { data }]) => [name, bits(data)]),
    gradients: Object.entries(model.gradients()).map(([name, { data }]) => [name, bits(data)]),
    profile: (await model.profile(1)).map(({ op, layer }) => [op, layer]),
  }
  await model.dispose()
  return found
}

/**
 * Neurons whose kernels are made: two models in turns, one of them with another method behind it,
 * and one that is compiled again.
 */
async function trainInTurns(api: Api, numbers: Numbers, threads: number) {
  const input = [1, 8, 8] as const
  const compile = (n: number, neurons: Layer) =>
    api
      .sequential(api.flatten(), api.linear(64, n), neurons, api.linear(n, 10))
      .compile({ input, batchSize: 64, timeSteps: 4, threads })
  const x = Float32Array.from(numbers.images.slice(0, 4096))
  const y = numbers.labels.slice(0, 64)
  const found: unknown[] = []
  const step = async (model: Model): Promise<void> => {
    found.push((await model.trainStep(x, y)).loss)
  }
  const own = 'u = u/2 + x\nspike = u > theta\nu = where(spike, 0, u)'
  const [a, b] = [
    await compile(40, api.cubaLif()),
    await compile(48, api.neuron(own, { theta: 1 }, { learn: ['theta'] })),
  ]
  for (let turn = 0; turn < 3; turn++) {
    await step(a)
    await step(b)
  }
  const data = dataOf(api, { images: [...x], labels: y })
  // The same threads, other kernels.
  const { epochs } = await a.fit(data, { epochs: 2, method: 'bptt' })
  found.push(epochs.map((epoch) => epoch.trainLoss))
  await step(b)
  await a.dispose()
  const c = await compile(40, api.alif())
  await step(c)
  await step(b)
  found.push([...(await b.predict(x)).logits])
  await Promise.all([b.dispose(), c.dispose()])
  return found
}

/** With all threads, however small a network is. */
const start = `<!doctype html><meta charset="utf-8"><title>test</title><script>
globalThis.process = { env: { SPIKEWASM_ALL_THREADS: '1' } }
</script>`

/** Calls a function of this file in the page. */
const call = <T>(
  page: Page,
  of: (...args: never[]) => Promise<T>,
  ...args: unknown[]
): Promise<T> =>
  page.evaluate(
    `{ ${dataOf}; import('/src/page.js').then((api) => (${of})(api, ...${JSON.stringify(args)})) }`,
  )

let browser: Browser
type Opened = Awaited<ReturnType<typeof open>>
/** Loading the package file by file takes long: tests share a page for each kind. */
const shared = new Map<boolean, { readonly site: Site; readonly opened: Opened }>()

async function openSite(options: SiteOptions): Promise<{ site: Site; opened: Opened }> {
  const pages: Record<string, string> = { '/': start }
  // One kind of page imports the package file by file.
  if (options.isolated !== false) pages['/src/page.js'] = await bundled('src/page.js')
  const site = await serve({ pages, ...options })
  return { site, opened: await open(browser, site) }
}

/** A page that is isolated, or not; what went wrong in it before is forgotten. */
async function pageOf(isolated: boolean): Promise<Opened> {
  const found = shared.get(isolated) ?? (await openSite({ isolated }))
  shared.set(isolated, found)
  found.opened.problems.length = 0
  found.opened.warnings.length = 0
  return found.opened
}

async function expectNoWorkers(page: Page): Promise<void> {
  // Their ends are told behind those of the models, on a busy machine much later.
  const late = performance.now() + 60_000
  while (page.workers().length > 0 && performance.now() < late) await page.waitForTimeout(20)
  assert.is(page.workers().length, 0)
}

/** A test of a page that is isolated, and of one that is not; neither keeps a worker. */
function testBoth(
  claim: string,
  body: (opened: Opened, isolated: boolean) => Promise<unknown>,
): void {
  for (const isolated of [true, false])
    test(`${isolated ? 'isolated' : 'not isolated'}: ${claim}`, async () => {
      const opened = await pageOf(isolated)
      await body(opened, isolated)
      assert.equal(opened.problems, [])
      await expectNoWorkers(opened.page)
    })
}

if (await hasBrowser()) {
  test.before(async () => {
    browser = await launch()
  })
  test.after(async () => {
    await browser.close()
    for (const { site } of shared.values()) await site.close()
  })

  const numbers = await digitsAsNumbers(320)
  const few = { images: numbers.images.slice(0, 4096), labels: numbers.labels.slice(0, 64) }
  const expected = trainDigits(spikewasm, numbers, 1)

  for (const threads of [1, 2])
    testBoth(`threads: ${threads}: the bits of Node`, async ({ page, warnings }, isolated) => {
      assert.is(await page.evaluate('crossOriginIsolated'), isolated)
      const workers = new Set<unknown>()
      page.on('worker', (worker) => workers.add(worker))
      const found = await call(page, trainDigits, numbers, threads)
      assert.is(found.steps, 50)
      assert.equal(found, JSON.parse(JSON.stringify(await expected)))
      assert.is(workers.size, isolated ? threads : 1)
      if (isolated || threads === 1) assert.equal(warnings, [])
      else {
        // Said once, however many models are made.
        await call(page, trainDigits, few, 2)
        assert.is(warnings.length, 1)
        assert.match(warnings[0], /Cross-Origin-Opener-Policy: same-origin/)
        assert.match(warnings[0], /Cross-Origin-Embedder-Policy: require-corp/)
      }
    })

  testBoth(
    'neurons of two models in turns, and of a plan behind another one: the bits of Node',
    async ({ page }) => {
      const found = await call(page, trainInTurns, numbers, 2)
      assert.equal(found, JSON.parse(JSON.stringify(await trainInTurns(spikewasm, numbers, 1))))
    },
  )

  testBoth('the page stays free while steps run that take long', async ({ page }) => {
    const { steps, turns } = await call(page, async (api: Api) => {
      const [shape, batchSize] = [[3, 32, 32] as const, 24]
      const images = Float32Array.from({ length: 3 * batchSize * 3072 }, (_, i) => Math.sin(i * i))
      const labels = Array.from({ length: 3 * batchSize }, (_, i) => i % 10)
      const data = api.fromArrays({ images, labels, shape, classes: 10 })
      const model = await api.cnn(shape, 10).compile({ input: shape, batchSize, timeSteps: 12 })
      let [steps, turns, isRunning] = [0, 0, false]
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = () => {
        turns++
        if (isRunning) port2.postMessage(0)
      }
      const onStep = (): void => {
        if (!isRunning) port2.postMessage(0)
        else steps++
        isRunning = true
      }
      await model.fit(data, { epochs: 2, numWorkers: 0, onStep })
      isRunning = false
      await model.dispose()
      return { steps, turns }
    })
    // Steps on the page's own thread would leave it a turn or two between two of them.
    assert.ok(turns > 20 * steps, `${turns} turns of the page in ${steps} steps`)
  })

  testBoth(
    'a worker that dies gives one clear error, and the model can still be read',
    async ({ page }) => {
      const terminateWorker = async (api: Api, { images, labels }: Numbers) => {
        const workers: Worker[] = []
        const Original = Worker
        globalThis.Worker = class extends Original {
          constructor(...args: ConstructorParameters<typeof Worker>) {
            super(...args)
            workers.push(this)
          }
        }
        const input = [1, 8, 8] as [number, number, number]
        const model = await api.cnn(input, 10).compile({ input, batchSize: 64, threads: 2 })
        const x = Float32Array.from(images)
        await model.trainStep(x, labels)
        const before = model.stateDict()
        workers.at(-1)?.terminate()
        const errors: string[] = []
        // A worker that is about to end may run on for two seconds.
        const until = performance.now() + 30_000
        while (errors.length < 3 && performance.now() < until)
          await model.trainStep(x, labels).catch(({ message }) => errors.push(message))
        const after = model.stateDict()
        await model.dispose()
        globalThis.Worker = Original
        const names = Object.keys(after).join() === Object.keys(before).join()
        const finite = Object.values(after).every(({ data }) => data.every(Number.isFinite))
        return { errors, names, finite }
      }
      const { errors, names, finite } = await call(page, terminateWorker, few)
      assert.match(errors[0], /a worker failed at layer .*: a worker of the page has ended/)
      assert.match(errors[0], /parameters can still be saved/)
      assert.match(errors[1], /the model stopped working/)
      assert.is(errors[2], errors[1])
      assert.ok(names && finite)
    },
  )

  testBoth(
    'dispose amid a training ends the workers, and the training says so',
    async ({ page }) => {
      const disposeAmid = async (api: Api, numbers: Numbers): Promise<string> => {
        const input = [1, 8, 8] as [number, number, number]
        const model = await api.cnn(input, 10).compile({ input, batchSize: 64, threads: 2 })
        let steps = 0
        let ended: Promise<void> | undefined
        const onStep = (): void => {
          if (++steps === 5) ended = model.dispose()
        }
        const told = await model.fit(dataOf(api, numbers), { epochs: 1000, onStep }).then(
          () => 'no error',
          (error: Error) => error.message,
        )
        await ended
        return told
      }
      assert.match(await call(page, disposeAmid, numbers), /the model was disposed/)
    },
  )

  test('a policy that forbids blob: workers: what to do, and it helps', async () => {
    const policy =
      "script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'; worker-src 'self'"
    const headers = { 'Content-Security-Policy': policy }
    const { site, opened } = await openSite({ headers })
    const { page } = opened
    try {
      const [refused, trained, elsewhere] = await call(page, async (api: Api) => {
        const input = [1, 8, 8] as [number, number, number]
        const run = async (worker?: string): Promise<string> => {
          const model = await api.cnn(input, 10).compile({ input, batchSize: 1, worker })
          const { classes } = await model.predict(new Float32Array(64))
          await model.dispose()
          return `class ${classes.length}`
        }
        const told = (promise: Promise<string>): Promise<string> =>
          promise.catch((error: Error) => error.message)
        return [
          await told(run()),
          await told(run('/src/engine/page/worker.min.js')),
          await told(run('/nowhere.js')),
        ]
      })
      assert.match(refused, /worker-src blob:.*compile\(network, \{ worker: url \}\)/)
      assert.is(trained, 'class 1')
      assert.match(elsewhere, /from \/nowhere\.js.*spikewasm\/worker/)
    } finally {
      await page.close()
      await site.close()
    }
  })
}

test.run()
