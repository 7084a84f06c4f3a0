/** A spike raster on a canvas: rows of some neurons of each layer, columns of time steps. */
import { $, context, css, paint, repaints } from './dom.js'

interface Trains {
  readonly name: string
  readonly color: string
  /** Rows that are shown, of so many neurons. */
  readonly rows: number
  readonly neurons: number
  /** For each step, which of the rows fired. */
  readonly steps: boolean[][]
}

/** Rows of a layer at most. */
const MOST = 48
const [LEFT, BOTTOM] = [64, 20]

export class Raster {
  private readonly canvas = $<HTMLCanvasElement>('raster')
  private layers: Trains[] = []
  private steps = 1
  private trained = 1
  private readonly draw = (): void => this.paint()

  constructor() {
    repaints(this.canvas, this.draw)
  }

  /**
   * Empty, with these layers.
   * @param steps columns
   * @param trained so many of them are those of the training
   */
  reset(
    layers: readonly { name: string; color: string; neurons: number }[],
    steps: number,
    trained: number,
  ): void {
    this.layers = layers.map((layer) => ({
      ...layer,
      rows: Math.min(MOST, layer.neurons),
      steps: [],
    }))
    Object.assign(this, { steps, trained })
    paint(this.draw)
  }

  clear(): void {
    for (const { steps } of this.layers) steps.length = 0
  }

  /** What a layer's neurons did at the next step. */
  add(layer: number, spikes: Uint8Array): void {
    const { rows, neurons, steps } = this.layers[layer]
    steps.push(
      Array.from({ length: rows }, (_, row) => spikes[Math.floor((row * neurons) / rows)] > 0),
    )
  }

  show(): void {
    paint(this.draw)
  }

  private paint(): void {
    const { g, width, height } = context(this.canvas)
    const { layers, steps, trained } = this
    const gap = 10
    const rows = layers.reduce((sum, layer) => sum + layer.rows, 0)
    const row = (height - BOTTOM - gap * layers.length) / Math.max(1, rows)
    const column = (width - LEFT - 4) / steps
    let top = 0
    for (const { name, color, rows: count, steps: trains } of layers) {
      g.fillStyle = css('soft')
      g.fillText(name, 0, top + 12)
      g.fillStyle = css('off')
      g.fillRect(LEFT, top, width - LEFT - 4, count * row)
      g.fillStyle = css(color)
      const wide = Math.max(2, Math.min(0.55 * column, 12))
      trains.forEach((fired, t) => {
        const x = LEFT + (t + 0.5) * column - wide / 2
        for (let i = 0; i < count; i++)
          if (fired[i]) g.fillRect(x, top + i * row, wide, Math.max(1, row - 0.5))
      })
      top += count * row + gap
    }
    g.strokeStyle = css('text')
    g.setLineDash([4, 4])
    g.beginPath()
    g.moveTo(LEFT + trained * column, 0)
    g.lineTo(LEFT + trained * column, top - gap)
    g.stroke()
    g.fillStyle = css('soft')
    g.fillText('step', 0, height - 4)
    g.textAlign = 'center'
    const every = Math.ceil(steps / Math.max(1, Math.floor(width / 60)))
    for (let t = every; t <= steps; t += every)
      g.fillText(String(t), LEFT + (t - 0.5) * column, height - 4)
    const texts = layers.map(({ name, steps: all, rows: count }) => {
      const fired = all.flat().filter(Boolean).length
      return `${name} ${fired} spikes of ${count} neurons`
    })
    this.canvas.ariaLabel = `Spike raster: ${texts.join(', ')}, ${layers[0]?.steps.length ?? 0} steps`
  }
}
