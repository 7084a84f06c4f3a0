/** The network as rows of pictures: each neuron is a cell that lights up when it fires. */
import { $, make, paint, repaints, rgb } from './dom.js'

/** What is lit of a layer: 0…1 for each neuron, [C][H][W]. */
export interface Lit {
  readonly title: string
  readonly shape: readonly number[]
  readonly values: Float32Array
  /** A name of a colour in style.css. */
  readonly color: string
}

/** So many maps beside each other that rows are full, if that is not too wide. */
function acrossOf(maps: number): number {
  const least = Math.ceil(Math.sqrt(maps))
  for (let across = least; across <= 2 * least; across++) if (maps % across === 0) return across
  return least
}

/** Which neuron lies at a place of a picture; none between two maps. */
function neuronAt(
  [C, H, W]: readonly number[],
  { width, height, clientWidth, clientHeight }: HTMLCanvasElement,
  { offsetX, offsetY }: MouseEvent,
): number | undefined {
  const [column, row] = [W + 1, H + 1]
  const x = Math.floor((offsetX / clientWidth) * width)
  const y = Math.floor((offsetY / clientHeight) * height)
  const c = Math.floor(y / row) * acrossOf(C) + Math.floor(x / column)
  const isNeuron = x % column < W && y % row < H && c < C
  return isNeuron ? (c * H + (y % row)) * W + (x % column) : undefined
}

export class Layers {
  private readonly box = $('layers')
  private pictures: { lit: Lit; canvas: HTMLCanvasElement; wire?: HTMLElement }[] = []
  private readonly draw = (): void => this.paint()

  /** @param picked told of the picture and the neuron that were clicked */
  constructor(private readonly picked: (picture: number, neuron: number) => void) {
    repaints(this.box, this.draw)
  }

  /** A picture for each layer, from the input on. */
  reset(lits: readonly Lit[]): void {
    this.box.textContent = ''
    this.pictures = lits.map((lit, i) => {
      const wire = i > 0 ? this.box.appendChild(make('span', 'wire')) : undefined
      const figure = this.box.appendChild(make('figure'))
      const canvas = figure.appendChild(document.createElement('canvas'))
      const [C, H, W] = lit.shape
      const across = acrossOf(C)
      canvas.width = across * (W + 1) - 1
      canvas.height = Math.ceil(C / across) * (H + 1) - 1
      canvas.onclick = (event) => {
        const neuron = neuronAt(lit.shape, canvas, event)
        if (neuron !== undefined) this.picked(i, neuron)
      }
      figure.append(make('figcaption', '', lit.title))
      return { lit, canvas, wire }
    })
    this.show()
  }

  /** Call it when the values have changed. */
  show(): void {
    paint(this.draw)
  }

  private paint(): void {
    const [off, card] = [rgb('off'), rgb('card')]
    for (const { lit, canvas, wire } of this.pictures) {
      const on = rgb(lit.color)
      const [C, H, W] = lit.shape
      const { width, height } = canvas
      const across = acrossOf(C)
      const image = new ImageData(width, height)
      for (let i = 0; i < width * height; i++) image.data.set([...card, 255], 4 * i)
      let sum = 0
      lit.values.forEach((value, i) => {
        const c = Math.floor(i / (H * W))
        const y = Math.floor(c / across) * (H + 1) + (Math.floor(i / W) % H)
        const x = (c % across) * (W + 1) + (i % W)
        const share = Math.min(1, Math.max(0, value))
        sum += share
        for (let k = 0; k < 3; k++)
          image.data[4 * (y * width + x) + k] = off[k] + share * (on[k] - off[k])
      })
      canvas.getContext('2d')!.putImageData(image, 0, 0)
      wire?.style.setProperty('--wire', `var(--${lit.color})`)
      wire?.style.setProperty('--rate', String(Math.min(1, (3 * sum) / lit.values.length)))
    }
  }
}
