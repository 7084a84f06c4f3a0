/** Shows an image to the network, step by step, and draws what its neurons do. */
import type { Block, Model, StateDict } from 'spikewasm'
import { type Data, gray } from './data.js'
import { $, make, percent, say } from './dom.js'
import { Layers, type Lit } from './layers.js'
import { Raster } from './raster.js'
import { Trace } from './trace.js'

/** An image is shown for so many steps, or for the training's T if that is more. */
const STEPS = 24
const STEP_MS = 85
/** What is left of a neuron's light a step later. */
const GLOW = 0.55

const calm = matchMedia('(prefers-reduced-motion: reduce)')

/** How an image is shown. */
interface Play {
  /** One step after the other, to be seen; the answer is told to screen readers. */
  readonly animate?: boolean
}

interface Shown {
  readonly image: Float32Array
  readonly animate: boolean
  readonly announce: boolean
}

export class Viewer {
  private model: Model | undefined
  private data!: Data
  private lits: Lit[] = []
  private neurons: Lit[] = []
  private names: string[] = []
  private steps = STEPS
  private weights: StateDict | undefined
  private turn = 0
  private queue: Promise<unknown> = Promise.resolve()
  private image: Float32Array | undefined
  /** The input is no neuron. */
  private readonly layers = new Layers((i, neuron) => i > 0 && this.trace.choose(i - 1, neuron))
  private readonly raster = new Raster()
  private readonly trace = new Trace(() => this.again())
  /** Whether spikes are shown one step after the other, or will be in a moment. */
  isPlaying = false

  /** @param failed told of an error, which is the user's to see */
  constructor(private readonly failed: (error: unknown) => void) {}

  /** A network of its own beside the one that trains, of the same kind. */
  async open(network: Block, data: Data, timeSteps: number, seed: number): Promise<void> {
    await this.close()
    this.data = data
    this.steps = Math.max(STEPS, timeSteps)
    const model = await network.compile({
      input: data.train.shape,
      timeSteps,
      batchSize: 1,
      seed,
      purpose: 'stream',
      record: 'all',
    })
    const { spikes } = await model.step(new Float32Array(size(data.train.shape)))
    this.names = Object.keys(spikes)
    this.neurons = this.names.map((name, i) => {
      const shape = model.spikes(name).shape.slice(2)
      const text = shape[1] === 1 ? String(shape[0]) : shape.join('×')
      return {
        title: `layer ${i + 1}: ${text}`,
        shape,
        values: new Float32Array(size(shape)),
        color: `c${i + 2}`,
      }
    })
    const { shape } = data.train
    const input = { title: 'input', shape, values: new Float32Array(size(shape)), color: 'ink' }
    this.lits = [input, ...this.neurons]
    this.layers.reset(this.lits)
    this.raster.reset(
      this.neurons.map(({ values, color }, i) => ({
        name: `layer ${i + 1}`,
        color,
        neurons: values.length,
      })),
      this.steps,
      timeSteps,
    )
    const named = this.neurons.map((lit, i) => ({ ...lit, name: `layer ${i + 1}` }))
    this.trace.reset(named, this.steps)
    const list = $('classes')
    list.textContent = ''
    list.classList.toggle(
      'named',
      data.classNames.some((name) => name.length > 1),
    )
    for (const name of data.classNames) {
      const line = list.appendChild(make('li'))
      line.append(make('span', '', name), make('span', 'bar'), make('span'))
    }
    this.model = model
    if (this.image?.length === size(shape)) this.show(this.image)
  }

  async close(): Promise<void> {
    this.turn++
    this.isPlaying = false
    await this.queue
    await this.model?.dispose()
    this.model = undefined
    this.weights = undefined
  }

  /** Weights for what is shown from now on. */
  learn(weights: StateDict): void {
    this.weights = weights
  }

  /** Names of the layers of neurons, as the model's rates have them. */
  get layerNames(): readonly string[] {
    return this.names
  }

  /** @param image as the network reads it, [C][H][W] */
  show(image: Float32Array, { animate = false }: Play = {}): Promise<unknown> {
    this.image = image
    const turn = ++this.turn
    const shown = { image, animate: animate && !calm.matches, announce: animate }
    this.isPlaying = shown.animate
    this.queue = this.queue.then(() => this.run(turn, shown)).catch(this.failed)
    return this.queue
  }

  /** The same image again, with the newest weights. */
  again(options?: Play): Promise<unknown> {
    return this.image ? this.show(this.image, options) : Promise.resolve()
  }

  private async run(turn: number, { image, animate, announce }: Shown): Promise<void> {
    const { model, raster, trace, steps, neurons, names } = this
    if (!model || turn !== this.turn) return
    if (this.weights) model.loadStateDict(this.weights)
    this.weights = undefined
    model.reset()
    raster.clear()
    trace.clear()
    trace.traced = trace.layer
    this.lits[0].values.set(gray(this.data.train, image))
    for (const { values } of neurons) values.fill(0)
    try {
      for (let step = 1; step <= steps; step++) {
        const { logits, classes } = await model.step(image)
        names.forEach((name, i) => {
          const { data } = model.spikes(name)
          const { values } = neurons[i]
          raster.add(i, data)
          // Alone, the light is the rate over all steps.
          for (let k = 0; k < data.length; k++)
            values[k] = animate ? Math.max(data[k], GLOW * values[k]) : values[k] + data[k] / steps
        })
        if (names.length > 0) trace.add(model.states(names[trace.traced]))
        if (!animate && step < steps) continue
        this.draw(logits, classes[0], animate ? ` at step ${step}` : `, mean of ${step} steps`)
        if (step === steps && announce) this.announce(logits, classes[0])
        if (animate) await new Promise((done) => setTimeout(done, STEP_MS))
        if (turn !== this.turn) return
      }
    } finally {
      if (turn === this.turn) this.isPlaying = false
    }
  }

  private draw(logits: Float32Array, best: number, step: string): void {
    $('step').textContent = `Spikes${step}`
    this.layers.show()
    this.raster.show()
    this.trace.show()
    const shares = softmax(logits)
    $('verdict').textContent = `${this.data.classNames[best]} `
    $('verdict').append(make('small', '', percent(shares[best])))
    ;[...$('classes').children].forEach((line, i) => {
      line.classList.toggle('best', i === best)
      const [, bar, text] = line.children as unknown as HTMLElement[]
      bar.classList.toggle('best', i === best)
      bar.style.setProperty('--share', String(shares[i]))
      text.textContent = `${Math.round(100 * shares[i])} %`
    })
  }

  private announce(logits: Float32Array, best: number): void {
    say(`The network says ${this.data.classNames[best]}, ${percent(softmax(logits)[best])}`)
  }
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

function softmax(logits: Float32Array): number[] {
  const top = Math.max(...logits)
  const powers = [...logits].map((logit) => Math.exp(logit - top))
  const sum = powers.reduce((a, b) => a + b)
  return powers.map((power) => power / sum)
}
