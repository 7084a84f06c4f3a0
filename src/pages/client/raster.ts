/** Spikes of a layer as points: a row for each neuron, a column for each step. */

import { type Raster, sayChart } from '../chart.js'
import { make } from './element.js'
import { colourOf } from './looks.js'

/** Pixels of a row. */
const ROW = 3
const LEAST = 60
const MOST = 300

export function drawRaster(raster: Raster) {
  const { title, rows, steps, bits } = raster
  const label = { role: 'img', 'aria-label': sayChart(raster) }
  const canvas = make('canvas', { className: 'raster' }, label)
  const height = Math.max(LEAST, Math.min(MOST, rows * ROW))
  canvas.style.height = `${height}px`
  const texts = ['t 1', `t ${steps}`].map((textContent) => make('span', { textContent }))
  const ends = make('div', { className: 'ends', ariaHidden: 'true' }, {}, texts)
  const heading = make('h3', { textContent: title })
  const element = make('div', { className: 'chart' }, {}, [heading, canvas, ends])
  const bytes = Uint8Array.from(atob(bits), (char) => char.charCodeAt(0))

  const draw = (): void => {
    const { width } = canvas.getBoundingClientRect()
    if (width === 0) return
    const ratio = devicePixelRatio || 1
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(height * ratio)
    const context = canvas.getContext('2d')!
    context.fillStyle = colourOf(raster)
    const [column, row] = [canvas.width / steps, canvas.height / rows]
    const [w, h] = [Math.max(1, Math.min(column * 0.8, 14 * ratio)), Math.max(1, row * 0.8)]
    for (let at = 0; at < rows * steps; at++) {
      if (((bytes[at >> 3] >> (at & 7)) & 1) === 0) continue
      const [y, x] = [Math.floor(at / steps), at % steps]
      context.fillRect(x * column + (column - w) / 2, y * row + (row - h) / 2, w, h)
    }
  }
  new ResizeObserver(draw).observe(canvas)
  return { element, recolour: draw }
}
