/** A line chart on a canvas: values over epochs, a legend with the last ones. */
import { $, context, css, make, paint, repaints } from './dom.js'

interface Line {
  readonly name: string
  readonly color: string
  /** Marks each value, for lines of few. */
  readonly dots?: boolean
}

interface Values extends Line {
  x: number[]
  y: number[]
  readonly value: HTMLElement
}

const [LEFT, RIGHT, TOP, BOTTOM] = [46, 8, 8, 36]
/** A line of more points has every two of them joined. */
const MOST = 800
const REPAINT_MS = 80

/** A round number of which `size` holds four or fewer. */
function roundStep(size: number): number {
  const power = 10 ** Math.floor(Math.log10(size / 4))
  return [1, 2, 5, 10].map((k) => k * power).find((step) => 4 * step >= size * 0.999) as number
}

export class Chart {
  private lines: Values[] = []
  private epochs = 1
  private pointed: number | undefined
  private due: ReturnType<typeof setTimeout> | undefined
  private readonly canvas: HTMLCanvasElement
  private readonly draw = (): void => this.paint()

  /**
   * @param title also the id of its canvas
   * @param top of the axis; absent: where the largest value is
   */
  constructor(
    private readonly title: string,
    private readonly format: (value: number) => string,
    private readonly top?: number,
  ) {
    this.canvas = $(title)
    repaints(this.canvas, this.draw)
    const point = (x?: number): void => {
      this.pointed = x
      paint(this.draw)
    }
    this.canvas.onpointermove = (event) => point(event.offsetX)
    this.canvas.onpointerleave = () => point()
  }

  /** Empty, with these lines. */
  reset(lines: readonly Line[], epochs: number): void {
    const legend = $(`${this.title}-legend`)
    legend.textContent = ''
    this.epochs = epochs
    this.lines = lines.map((line) => {
      const entry = make('span')
      const swatch = entry.appendChild(make('i'))
      swatch.style.background = `var(--${line.color})`
      entry.append(`${line.name} `)
      legend.append(entry)
      return { ...line, x: [], y: [], value: entry.appendChild(make('b')) }
    })
    paint(this.draw)
  }

  /** The axis ends there from now on. */
  extend(epochs: number): void {
    this.epochs = epochs
  }

  add(index: number, x: number, y: number): void {
    const line = this.lines[index]
    if (!line || !Number.isFinite(y)) return
    line.x.push(x)
    line.y.push(y)
    if (line.x.length > MOST) {
      const every = (values: number[]): number[] => values.filter((_, i) => i % 2 === 1)
      line.x = every(line.x)
      line.y = line.y.map((value, i, all) => (value + (all[i - 1] ?? value)) / 2)
      line.y = every(line.y)
    }
    // Short steps come more often than anybody can see.
    this.due ??= setTimeout(() => {
      this.due = undefined
      paint(this.draw)
    }, REPAINT_MS)
  }

  private paint(): void {
    const { g, width, height } = context(this.canvas)
    const { lines, format, pointed } = this
    const all = lines.flatMap(({ y }) => y)
    const top = this.top ?? (all.reduce((a, b) => Math.max(a, b), 0) * 1.05 || 1)
    const last = Math.max(this.epochs, ...lines.map(({ x }) => x.at(-1) ?? 0))
    const right = width - LEFT - RIGHT
    const atX = (x: number): number => LEFT + (x / last) * right
    const atY = (y: number): number => height - BOTTOM - (y / top) * (height - TOP - BOTTOM)

    g.strokeStyle = css('line')
    g.fillStyle = css('soft')
    g.textBaseline = 'middle'
    g.textAlign = 'right'
    const step = roundStep(top)
    for (let y = 0; y <= top * 1.001; y += step) {
      const at = Math.round(atY(y)) + 0.5
      g.beginPath()
      g.moveTo(LEFT, at)
      g.lineTo(width - RIGHT, at)
      g.stroke()
      g.fillText(format(y), LEFT - 6, at)
    }
    g.textBaseline = 'alphabetic'
    g.textAlign = 'center'
    const every = Math.max(1, roundStep(last))
    for (let x = 0; x <= last; x += every) g.fillText(String(x), atX(x), height - 20)
    g.fillText('epoch', LEFT + right / 2, height - 4)
    if (pointed !== undefined) {
      g.beginPath()
      g.moveTo(pointed, TOP)
      g.lineTo(pointed, height - BOTTOM)
      g.stroke()
    }

    g.lineWidth = 2
    g.lineJoin = 'round'
    for (const { x, y, color, dots, value } of lines) {
      g.strokeStyle = g.fillStyle = css(color)
      g.beginPath()
      y.forEach((v, i) => void g.lineTo(atX(x[i]), atY(Math.min(v, top))))
      g.stroke()
      if (dots && x.length < 60)
        y.forEach((v, i) => {
          g.beginPath()
          g.arc(atX(x[i]), atY(v), 2.5, 0, 7)
          g.fill()
        })
      const wanted = pointed === undefined ? last : ((pointed - LEFT) / right) * last
      const found = x.findIndex((each) => each >= wanted)
      const shown = y[found < 0 ? y.length - 1 : found]
      value.textContent = shown === undefined ? '' : format(shown)
    }
    const texts = lines.map(({ name, y }) => `${name} ${y.length ? format(y.at(-1)!) : '–'}`)
    this.canvas.ariaLabel = `${this.title}: ${texts.join(', ')}`
  }
}
