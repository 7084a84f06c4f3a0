/** The potential of one neuron on a canvas: step by step, with its threshold and its spikes. */
import type { RecordedStates } from 'spikewasm'
import { $, context, css, paint, repaints } from './dom.js'

interface TracedLayer {
  readonly name: string
  readonly color: string
  /** [C][H][W] */
  readonly shape: readonly number[]
}

/** As of the raster, so that steps stand below one another. */
const [LEFT, BOTTOM, TOP] = [64, 10, 10]

export class Trace {
  private readonly canvas = $<HTMLCanvasElement>('trace')
  private readonly choice = $<HTMLSelectElement>('trace-layer')
  private readonly number = $<HTMLInputElement>('trace-neuron')
  private layers: readonly TracedLayer[] = []
  private columns = 1
  /** States of the chosen layer, step by step. */
  private readonly steps: RecordedStates[] = []
  /** Undefined: a busy one. */
  private chosen: number | undefined
  private readonly draw = (): void => this.paint()

  /** @param other asked to show the image again, since another layer was chosen */
  constructor(private readonly other: () => void) {
    repaints(this.canvas, this.draw)
    this.choice.onchange = () => this.choose(this.layer)
    this.number.oninput = () => this.choose(this.layer, this.number.valueAsNumber)
    this.number.onblur = () => paint(this.draw)
  }

  /** The layer whose states it wants. */
  get layer(): number {
    return Math.max(0, this.choice.selectedIndex)
  }

  reset(layers: readonly TracedLayer[], columns: number): void {
    Object.assign(this, { layers, columns, chosen: undefined })
    this.choice.replaceChildren(...layers.map(({ name }) => new Option(name)))
    this.clear()
    paint(this.draw)
  }

  clear(): void {
    this.steps.length = 0
  }

  add(states: RecordedStates): void {
    this.steps.push(states)
  }

  show(): void {
    paint(this.draw)
  }

  /** Shows a neuron, or a busy one of a layer. */
  choose(layer: number, neuron?: number): void {
    const isOther = layer !== this.traced
    this.choice.selectedIndex = layer
    this.chosen = neuron
    if (isOther) this.other()
    paint(this.draw)
  }

  /** Which layer the states are of. */
  traced = 0

  private get neurons(): number {
    return this.layers[this.layer]?.shape.reduce((a, b) => a * b, 1) ?? 0
  }

  /** The neuron that fires most nearly at every second step. */
  private busiest(): number {
    const { steps } = this
    let [best, most] = [0, -1]
    for (let n = 0; n < this.neurons; n++) {
      const sum = steps.reduce((all, { spike }) => all + spike.data[n], 0)
      const score = Math.min(sum, steps.length - sum + 0.5)
      if (score > most) [best, most] = [n, score]
    }
    return best
  }

  private paint(): void {
    const { g, width, height } = context(this.canvas)
    const { steps, columns, neurons } = this
    if (steps.length === 0 || this.traced !== this.layer) return
    const chosen = this.chosen ?? this.busiest()
    const neuron = Math.max(0, Math.min(neurons - 1, Math.floor(chosen) || 0))
    this.number.max = String(neurons - 1)
    if (document.activeElement !== this.number) this.number.value = String(neuron)
    const [u, threshold, spikes] = (['potential', 'threshold', 'spike'] as const).map((name) =>
      steps.map((states) => states[name].data[neuron]),
    )
    const low = Math.min(0, ...u)
    const high = Math.max(...u, ...threshold)
    const column = (width - LEFT - 4) / columns
    const atX = (t: number): number => LEFT + (t + 0.5) * column
    const atY = (value: number): number =>
      TOP + ((high - value) / (high - low || 1)) * (height - TOP - BOTTOM)
    const line = (values: readonly number[], color: string, dash: readonly number[] = []): void => {
      g.strokeStyle = css(color)
      g.setLineDash(dash)
      g.beginPath()
      for (const [t, value] of values.entries()) g.lineTo(atX(t), atY(value))
      g.stroke()
    }
    const { name, color } = this.layers[this.layer]
    g.lineWidth = 1.5
    line(threshold, 'text', [4, 4])
    line(u, color)
    g.fillStyle = css(color)
    for (const [t, fired] of spikes.entries()) {
      if (!fired) continue
      g.beginPath()
      g.arc(atX(t), atY(u[t]), 4, 0, 7)
      g.fill()
    }
    g.fillStyle = css('soft')
    for (const value of new Set([high, low])) g.fillText(value.toFixed(2), 0, atY(value) + 4)
    const sum = spikes.reduce((a, b) => a + b, 0)
    this.canvas.ariaLabel =
      `Potential of neuron ${neuron} of ${name}: from ${Math.min(...u).toFixed(2)} to ` +
      `${Math.max(...u).toFixed(2)}, threshold ${threshold[0].toFixed(2)}, ${sum} spikes in ` +
      `${steps.length} steps`
  }
}
