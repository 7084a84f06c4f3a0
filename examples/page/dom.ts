/** What all parts of the page use: its elements, its colours, its voice. */

export const $ = <T extends HTMLElement = HTMLElement>(id: string): T =>
  document.getElementById(id) as T

/** Value of a custom property of style.css. */
export const css = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

const dot = document.createElement('canvas').getContext('2d') as CanvasRenderingContext2D

/** A colour of style.css as three bytes. */
export function rgb(name: string): number[] {
  // A canvas gives #rrggbb, however it was written.
  dot.fillStyle = css(name)
  return [1, 3, 5].map((at) => Number.parseInt(String(dot.fillStyle).slice(at, at + 2), 16))
}

/** Told to screen readers. */
export function say(text: string): void {
  $('said').textContent = text
}

export function make(tag: string, className = '', text = ''): HTMLElement {
  const element = document.createElement(tag)
  element.className = className
  element.textContent = text
  return element
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** A canvas as sharp as the screen; lengths are CSS pixels. */
export function context(canvas: HTMLCanvasElement) {
  const { clientWidth: width, clientHeight: height } = canvas
  const scale = devicePixelRatio || 1
  const sizes = [width, height].map((length) => Math.round(length * scale))
  const g = canvas.getContext('2d') as CanvasRenderingContext2D
  // A new size makes new memory, which takes longer than to draw.
  if (canvas.width !== sizes[0] || canvas.height !== sizes[1]) [canvas.width, canvas.height] = sizes
  else g.reset()
  g.scale(scale, scale)
  g.font = '12px system-ui, sans-serif'
  return { g, width, height }
}

const paints = new Set<() => void>()
let asked = false

/** Calls it before the next frame, once however often it is asked for. */
export function paint(draw: () => void): void {
  paints.add(draw)
  if (asked) return
  asked = true
  requestAnimationFrame(() => {
    asked = false
    const due = [...paints]
    paints.clear()
    for (const each of due) each()
  })
}

/** Paints again when the element's size or the colours change. */
export function repaints(element: Element, draw: () => void): void {
  new ResizeObserver(() => paint(draw)).observe(element)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => paint(draw))
}
