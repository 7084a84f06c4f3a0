/** The page: what its buttons do. */
import {
  adam,
  type Block,
  cnn,
  cosine,
  type Method,
  type Model,
  mlp,
  type StepInfo,
} from 'spikewasm'
import { Chart } from './chart.js'
import { type Data, digits, fromFiles, gray, normalised } from './data.js'
import { $, percent, say } from './dom.js'
import type { NetworkOf } from './field.js'
import { Pad } from './pad.js'
import { Viewer } from './viewer.js'

interface Settings {
  readonly network: 'cnn' | 'mlp'
  readonly method: Method
  readonly timeSteps: number
  readonly tau: number
  readonly threads: number
  readonly seed: number
  readonly lr: number
  readonly epochs: number
  /** A network of the user's neurons, in the place of LIF. */
  readonly own: NetworkOf | undefined
}

/** What a running training is asked for. */
interface Run {
  readonly stop: AbortController
  /** What it trains with. */
  readonly settings: Settings
  isPaused: boolean
  /** Ends the pause, or looks for something to do in it. */
  wake(): void
  readonly ended: Promise<void>
}

/** So often the picture of the network gets the weights of the training. */
const REFRESH_MS = 400

const form = $<HTMLFormElement>('form')
const networks = { cnn, mlp }
const isIsolated = globalThis.crossOriginIsolated === true
const isShared = isIsolated && typeof SharedArrayBuffer === 'function'

let data: Data
let model: Model | undefined
/** What the model was made with. */
let made: Settings | undefined
let madeFrom: Data | undefined
let run: Run | undefined
/** Epochs of all trainings of the model. */
let done = 0
/** What wants the model between two steps. */
const between: (() => void)[] = []
let sample = 0
let own: NetworkOf | undefined

const share = (value: number): string => `${Math.round(100 * value)} %`
const charts = {
  loss: new Chart('loss', (value) => value.toFixed(2)),
  accuracy: new Chart('accuracy', share, 1),
  rates: new Chart('rates', (value) => `${Number((100 * value).toFixed(1))} %`),
}
const viewer = new Viewer(complain)
const pad = new Pad(drawn)

function complain(error: unknown): void {
  const problem = $('problem')
  problem.hidden = false
  problem.textContent = error instanceof Error ? error.message : String(error)
}

function tell(text: string): void {
  $('state').textContent = text
}

/** Undefined where a field is out of its range; the browser says so. */
function read(): Settings | undefined {
  if (!form.reportValidity()) return undefined
  const { network, method, ...numbers } = Object.fromEntries(new FormData(form)) as Record<
    string,
    string
  >
  const values = Object.entries(numbers).map(([name, value]) => [name, Number(value)])
  return { network, method, ...Object.fromEntries(values), own } as Settings
}

const isOther = (now: Settings): boolean =>
  madeFrom !== data ||
  (['network', 'method', 'timeSteps', 'tau', 'threads', 'seed', 'own'] as const).some(
    (name) => now[name] !== made?.[name],
  )

const networkOf = ({ network, tau, own }: Settings): Block => {
  const { shape } = data.train
  return own ? own(network, shape) : networks[network](shape, 10, { tau })
}

/** One thing after the other; what fails is shown. */
let queue: Promise<unknown> = Promise.resolve()
function next(task: () => unknown): Promise<unknown> {
  queue = queue.then(async () => {
    $('problem').hidden = true
    try {
      await task()
    } catch (error) {
      complain(error)
    }
    update()
  })
  return queue
}

/** Runs it when the model is between two steps, or at once. */
function atStep<T>(task: () => T): Promise<T> {
  if (!run) return Promise.resolve().then(task)
  const { wake } = run
  return new Promise<T>((resolve, reject) => {
    between.push(() => {
      try {
        resolve(task())
      } catch (error) {
        reject(error)
      }
    })
    wake()
  })
}

/** Buttons and notes, as things stand. */
function update(): void {
  const isRunning = run !== undefined && !run.isPaused
  $('start').textContent = isRunning ? 'Pause' : run ? 'Go on' : done > 0 ? 'Train on' : 'Start'
  // A button that is switched off does not keep the focus.
  if (!run && document.activeElement === $('stop')) $('start').focus()
  $<HTMLButtonElement>('stop').disabled = !run
  $('use-digits').hidden = data?.name === 'digits'
  const valid = form.checkValidity() ? read() : undefined
  $('changed').textContent =
    model && valid && isOther(valid)
      ? run
        ? 'This training keeps its settings. Reset makes a network with the new ones.'
        : 'Start makes a new network with these settings.'
      : run && valid && (valid.lr !== run.settings.lr || valid.epochs !== run.settings.epochs)
        ? 'Learning rate and epochs hold from the next training on; stop this one, then train on.'
        : ''
  if (!run && model && valid && isOther(valid)) $('start').textContent = 'Start'
}

/** A fresh network with the settings of the form. */
async function build(): Promise<boolean> {
  const settings = read()
  if (!settings) return false
  await halt()
  await model?.dispose()
  model = undefined
  const { timeSteps, threads, seed, method } = settings
  const { shape } = data.train
  const { batchSize } = data
  model = await networkOf(settings).compile({
    ...{ input: shape, timeSteps, batchSize, threads, seed, method },
  })
  made = settings
  madeFrom = data
  done = 0
  await viewer.open(networkOf(settings), data, timeSteps, seed)
  const { epochs } = settings
  charts.loss.reset(pair, epochs)
  charts.accuracy.reset(pair, epochs)
  charts.rates.reset(
    viewer.layerNames.map((_, i) => ({ name: `layer ${i + 1}`, color: `c${i + 2}` })),
    epochs,
  )
  tell(`A new network of ${model.parameterCount.toLocaleString('en')} parameters.`)
  return true
}

const pair = [
  { name: 'training', color: 'c1' },
  { name: 'test', color: 'c2', dots: true },
]

async function halt(): Promise<void> {
  run?.stop.abort()
  run?.wake()
  await run?.ended
}

async function start(): Promise<void> {
  const settings = read()
  if (!settings) return
  if ((!model || isOther(settings)) && !(await build())) return
  const stop = new AbortController()
  let wake = (): void => undefined
  let finish = (): void => undefined
  const now: Run = {
    stop,
    settings,
    isPaused: false,
    wake: () => wake(),
    ended: new Promise((resolve) => {
      finish = resolve
    }),
  }
  run = now
  say('Training has started')
  train(model!, settings, now, (woken) => {
    wake = woken
  })
    .catch(complain)
    .finally(() => {
      run = undefined
      for (const task of between.splice(0)) task()
      finish()
      update()
    })
}

async function train(
  trained: Model,
  { lr, epochs }: Settings,
  now: Run,
  onWake: (wake: () => void) => void,
): Promise<void> {
  const from = done
  const end = from + epochs
  // Else the words of the training before would stand until the first step is through.
  tell(`Epoch ${from + 1} of ${end}`)
  for (const chart of Object.values(charts)) chart.extend(end)
  const smooth = { loss: Number.NaN, accuracy: Number.NaN }
  const follow = (name: keyof typeof smooth, value: number): number => {
    const before = smooth[name]
    smooth[name] = Number.isNaN(before) ? value : 0.9 * before + 0.1 * value
    return smooth[name]
  }
  let right = 0
  let refreshed = 0
  const onStep = async ({ epoch, step, steps, loss, meanAccuracy = 0 }: StepInfo) => {
    const at = from + epoch + (step + 1) / steps
    const all = meanAccuracy * (step + 1)
    charts.loss.add(0, at, follow('loss', loss))
    charts.accuracy.add(0, at, follow('accuracy', all - (step > 0 ? right : 0)))
    right = all
    const time = performance.now()
    if (step % 8 === 0)
      Object.values(trained.firingRates()).forEach((rate, i) => void charts.rates.add(i, at, rate))
    if (time > refreshed + REFRESH_MS) {
      refreshed = time
      $<HTMLProgressElement>('progress').value = (at - from) / epochs
      if (!viewer.isPlaying && !document.hidden) {
        viewer.learn(trained.stateDict())
        viewer.again()
      }
    }
    for (;;) {
      for (const task of between.splice(0)) task()
      if (!now.isPaused || now.stop.signal.aborted) break
      await new Promise<void>((woken) => onWake(woken))
    }
  }
  const history = await trained.fit(data.train, {
    epochs,
    fresh: true,
    optimizer: adam({ lr }),
    schedule: cosine({ min: 0.02 }),
    validation: data.test,
    signal: now.stop.signal,
    onStep,
    onEpoch: (record) => {
      if (record.partial) return
      done = from + record.epoch
      charts.loss.add(1, done, record.testLoss ?? Number.NaN)
      charts.accuracy.add(1, done, record.testAccuracy ?? Number.NaN)
      tell(
        `Epoch ${done} of ${end}. ${percent(record.testAccuracy ?? 0)} of the test images are ` +
          `right. ${record.stepMs.toFixed(1)} ms a step.`,
      )
    },
  })
  viewer.learn(trained.stateDict())
  await viewer.again()
  $<HTMLProgressElement>('progress').value = history.aborted ? (done - from) / epochs : 1
  const last = history.epochs.findLast(({ testAccuracy }) => testAccuracy !== undefined)
  const accuracy = last
    ? `: ${percent(last.testAccuracy as number)} of the test images are right`
    : ''
  const count = `${done} ${done === 1 ? 'epoch' : 'epochs'}`
  tell(`${history.aborted ? 'Stopped' : 'Done'} after ${count}${accuracy}.`)
  say($('state').textContent as string)
}

/** A test image, for the pad and the network. */
function showSample(by: number, options = { animate: true }): void {
  const { test } = data
  sample = (sample + by + test.length) % test.length
  const image = new Float32Array(test.shape.reduce((a, b) => a * b, 1))
  const label = test.read(sample, image)
  pad.show(gray(test, image), test.shape[2] ?? 1)
  $('input-title').textContent = `Test image ${sample + 1}, or draw`
  $('truth').textContent = `right: ${data.classNames[label]}`
  viewer.show(image, options)
}

let drawnAt = 0
function drawn(isDone: boolean): void {
  $('input-title').textContent = 'Your drawing'
  $('truth').textContent = ''
  if (!data || pad.isEmpty) return
  const now = performance.now()
  if (!isDone && now < drawnAt + 120) return
  drawnAt = now
  const { shape } = data.test
  const image = pad.toImage(shape.slice(1), data.ink)
  viewer.show(normalised(data.test, image), { animate: isDone })
}

async function use(chosen: Data): Promise<void> {
  await halt()
  // Unless somebody has chosen another one.
  const lr = form.elements.namedItem('lr') as HTMLInputElement
  if (data && Number(lr.value) === data.lr) lr.value = String(chosen.lr)
  data = chosen
  $('data').textContent = data.title
  sample = 0
  if (await build()) {
    showSample(0, { animate: false })
    await start()
  }
}

/** Trains with other neurons. */
function useNeurons(networkOf: NetworkOf | undefined): Promise<unknown> {
  own = networkOf
  $('own-back').hidden = !own
  return next(async () => {
    if (await build()) await start()
  })
}

/** Loads what edits equations, when somebody looks. */
const openField = (): Promise<void> =>
  import('./field.js').then(({ open }) => open(useNeurons)).catch(complain)

function download(bytes: Uint8Array, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>]))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

async function loadWeights(file: File): Promise<void> {
  await halt()
  const settings = read()
  if (!settings || ((!model || isOther(settings)) && !(await build()))) return
  const bytes = new Uint8Array(await file.arrayBuffer())
  try {
    await model!.load(bytes)
  } catch (error) {
    throw new Error(
      `${file.name} does not fit this network (${made!.network}, ${data.name}): ` +
        `${(error as Error).message}`,
    )
  }
  const { accuracy } = await model!.evaluate(data.test)
  viewer.learn(model!.stateDict())
  viewer.again({ animate: true })
  tell(`Weights of ${file.name}: ${percent(accuracy ?? 0)} of the test images are right.`)
  say($('state').textContent as string)
}

function take(files: readonly File[]): Promise<unknown> {
  const weights = files.find(({ name }) => name.endsWith('.safetensors'))
  return next(async () => {
    if (weights) return loadWeights(weights)
    tell('Reading files…')
    await use(await fromFiles(files))
  })
}

function connect(): void {
  const click = (id: string, act: () => unknown): void => {
    $(id).onclick = () => void act()
  }
  click('start', () => {
    if (!run) return next(start)
    run.isPaused = !run.isPaused
    run.wake()
    say(run.isPaused ? 'Paused' : 'Training goes on')
    update()
  })
  click('stop', () => next(halt))
  click('reset', () => next(build))
  click('previous', () => showSample(-1))
  click('next', () => showSample(1))
  click('play', () => viewer.again({ animate: true }))
  click('clear', () => {
    pad.clear()
    $('input-title').textContent = 'Draw here'
    $('truth').textContent = ''
    say('The pad is empty')
  })
  $('own').addEventListener('toggle', openField, { once: true })
  click('use-digits', () => next(async () => use(await digits())))
  click('save', async () => {
    if (!model) return
    try {
      const bytes = await atStep(() => model!.toBytes())
      download(bytes, `spikewasm-${data.name}-${made!.network}.safetensors`)
    } catch (error) {
      complain(error)
    }
  })
  form.onsubmit = (event) => event.preventDefault()
  form.oninput = update
  for (const id of ['data-files', 'weights-file']) {
    const input = $<HTMLInputElement>(id)
    input.onchange = () => {
      const files = [...(input.files ?? [])]
      // The same file may be chosen again.
      input.value = ''
      if (files.length > 0) take(files)
    }
  }
  const { classList } = document.body
  addEventListener('dragover', (event) => {
    event.preventDefault()
    classList.add('dropping')
  })
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) classList.remove('dropping')
  })
  addEventListener('drop', (event) => {
    event.preventDefault()
    classList.remove('dropping')
    const files = [...(event.dataTransfer?.files ?? [])]
    if (files.length > 0) take(files)
  })
}

/** Settings of the address, as in `#network=mlp&epochs=5`. */
function preset(): void {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = form.elements.namedItem(name)
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) field.value = value
  }
}

function describeHost(): void {
  const threads = form.elements.namedItem('threads') as HTMLInputElement
  const most = isShared ? Math.max(1, navigator.hardwareConcurrency || 1) : 1
  threads.max = String(most)
  threads.disabled = false
  threads.readOnly = !isShared
  $('host').textContent = isShared ? `Up to ${most} threads` : 'One thread'
  $('isolation').textContent = isShared
    ? `This page is cross-origin isolated: threads share one memory. Here are ${most} processors.`
    : isIsolated
      ? 'This browser has no SharedArrayBuffer, so the page trains on one thread.'
      : 'This page is not cross-origin isolated, so it trains on one thread. A server that sends ' +
        'the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: ' +
        'require-corp allows more.'
}

connect()
describeHost()
preset()
next(async () => use(await digits()))
