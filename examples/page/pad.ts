/** A pad to draw on, with a pointer or with keys. It keeps strokes, so that any size of image fits. */
import { $, css, paint, repaints, say } from './dom.js'

type Point = readonly [x: number, y: number]

/** Steps of the keyboard's pen from edge to edge. */
const CELLS = 16

export class Pad {
  private readonly canvas = $<HTMLCanvasElement>('pad')
  /** Lines in units of the pad, 0…1. */
  private strokes: Point[][] = []
  private at: Point = [0.5, 0.25]
  private isDown = false
  private image: { shades: Float32Array; width: number } | undefined
  private readonly draw = (): void => this.paint()

  /** @param changed told of each change, and whether a stroke has ended */
  constructor(private readonly changed: (isDone: boolean) => void) {
    const { canvas } = this
    repaints(canvas, this.draw)
    canvas.onfocus = this.draw
    canvas.onblur = () => {
      this.isDown = false
      this.draw()
    }
    canvas.onpointerdown = (event) => {
      if (event.button !== 0) return
      canvas.setPointerCapture(event.pointerId)
      this.begin(this.pointOf(event))
    }
    canvas.onpointermove = (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.go(this.pointOf(event))
    }
    canvas.onpointerup = canvas.onpointercancel = () => {
      if (this.strokes.length > 0) this.changed(true)
    }
    canvas.onkeydown = (event) => this.key(event)
  }

  get isEmpty(): boolean {
    return this.strokes.length === 0
  }

  clear(): void {
    this.strokes = []
    this.isDown = false
    this.image = undefined
    paint(this.draw)
  }

  /** Shows an image instead; drawing begins anew. */
  show(shades: Float32Array, width: number): void {
    this.clear()
    this.image = { shades, width }
  }

  /**
   * The drawing as shades 0…1 of an image: its ink in the middle, as large as the data's.
   * @param size of the image, height and width
   */
  toImage(
    [height, width]: readonly number[],
    ink: { height: number; width: number; pen: number },
  ): Float32Array {
    const points = this.strokes.flat()
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)]
    const [left, top] = [Math.min(...xs), Math.min(...ys)]
    const [across, down] = [Math.max(...xs) - left, Math.max(...ys) - top]
    const scale = Math.min(
      (ink.height - ink.pen) / Math.max(down, 0.02),
      (ink.width - ink.pen) / Math.max(across, 0.02),
      3 * height,
    )
    // Each pixel is the mean of a square of finer ones.
    const fine = Math.max(2, Math.round(64 / height))
    const canvas = new OffscreenCanvas(width * fine, height * fine)
    const g = canvas.getContext('2d', { willReadFrequently: true })!
    g.scale(fine, fine)
    g.translate(width / 2 - scale * (left + across / 2), height / 2 - scale * (top + down / 2))
    this.trace(g as unknown as CanvasRenderingContext2D, scale, ink.pen)
    const { data } = g.getImageData(0, 0, canvas.width, canvas.height)
    const shades = new Float32Array(height * width)
    for (let i = 3, pixel = 0; i < data.length; i += 4, pixel++) {
      const [y, x] = [Math.floor(pixel / canvas.width), pixel % canvas.width]
      shades[Math.floor(y / fine) * width + Math.floor(x / fine)] += data[i] / 255 / fine ** 2
    }
    return shades
  }

  private pointOf({ offsetX, offsetY }: MouseEvent): Point {
    const { clientWidth, clientHeight } = this.canvas
    const within = (value: number): number => Math.min(1, Math.max(0, value))
    return [within(offsetX / clientWidth), within(offsetY / clientHeight)]
  }

  private begin(point: Point): void {
    if (this.image) this.clear()
    this.at = point
    this.strokes.push([point, point])
    this.told(false)
  }

  private go(point: Point): void {
    this.at = point
    this.strokes.at(-1)?.push(point)
    this.told(false)
  }

  private told(isDone: boolean): void {
    paint(this.draw)
    this.changed(isDone)
  }

  private key(event: KeyboardEvent): void {
    const [x, y] = (
      { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as Record<
        string,
        Point
      >
    )[event.key] ?? [0, 0]
    if (x || y) {
      const next = (at: number, by: number): number =>
        Math.min(1 - 1 / CELLS, Math.max(1 / CELLS, Math.round(at * CELLS + by) / CELLS))
      const point: Point = [next(this.at[0], x), next(this.at[1], y)]
      if (this.isDown) this.go(point)
      else this.at = point
      paint(this.draw)
    } else if (event.key === ' ') {
      const isDown = !this.isDown
      if (isDown) this.begin(this.at)
      else this.told(true)
      this.isDown = isDown
      say(isDown ? 'Pen down' : 'Pen up')
    } else if (event.key === 'Delete' || event.key === 'Backspace') $('clear').click()
    else return
    event.preventDefault()
  }

  private trace(g: CanvasRenderingContext2D, scale: number, pen: number): void {
    g.lineWidth = pen
    g.lineCap = g.lineJoin = 'round'
    for (const stroke of this.strokes) {
      g.beginPath()
      for (const [x, y] of stroke) g.lineTo(x * scale, y * scale)
      g.stroke()
    }
  }

  private paint(): void {
    const { canvas, image } = this
    const size = 256
    canvas.width = canvas.height = size
    const g = canvas.getContext('2d')!
    g.fillStyle = g.strokeStyle = css('ink')
    if (image) {
      const { shades, width } = image
      const cell = size / width
      shades.forEach((shade, i) => {
        g.globalAlpha = Math.min(1, Math.max(0, shade))
        g.fillRect((i % width) * cell, Math.floor(i / width) * cell, cell + 0.5, cell + 0.5)
      })
      g.globalAlpha = 1
    }
    this.trace(g, size, 20)
    if (!canvas.matches(':focus-visible')) return
    g.strokeStyle = g.fillStyle = css('spike')
    g.lineWidth = 4
    g.beginPath()
    g.arc(this.at[0] * size, this.at[1] * size, 12, 0, 7)
    if (this.isDown) g.fill()
    else g.stroke()
  }
}
