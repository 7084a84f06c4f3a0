/** A recording in the terminal: all events in one picture, and their number over time. */

/** Counts of each polarity and pixel: [2][H][W], OFF then ON. */
export interface Still {
  readonly width: number
  readonly height: number
  readonly counts: Float32Array
}

type Colour = readonly [number, number, number]
const [on, off, none]: readonly Colour[] = [
  [230, 159, 0],
  [0, 114, 178],
  [24, 24, 24],
]

/** Pixels put together so that at most so many are in a row. */
export function smaller({ width, height, counts }: Still, most: number): Still {
  const factor = Math.max(1, Math.ceil(width / most))
  const [w, h] = [Math.ceil(width / factor), Math.ceil(height / factor)]
  const out = new Float32Array(w * h * 2)
  for (let p = 0; p < 2; p++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const to = (p * h + Math.floor(y / factor)) * w + Math.floor(x / factor)
        out[to] += counts[(p * height + y) * width + x]
      }
  return { width: w, height: h, counts: out }
}

/** Two rows of pixels in a line of text: halves of blocks, in colour. */
export function inColour({ width, height, counts }: Still): string {
  const pixels = width * height
  let most = 1
  for (let i = 0; i < pixels; i++) most = Math.max(most, counts[i] + counts[pixels + i])
  const colour = (x: number, y: number): Colour => {
    if (y >= height) return none
    const [less, more] = [counts[y * width + x], counts[pixels + y * width + x]]
    const sum = less + more
    if (sum === 0) return none
    const strength = 0.35 + 0.65 * Math.sqrt(sum / most)
    return none.map((dark, c) => {
      const bright = (off[c] * less + on[c] * more) / sum
      return Math.round(dark + (bright - dark) * strength)
    }) as unknown as Colour
  }
  const lines: string[] = []
  for (let y = 0; y < height; y += 2) {
    let line = ''
    for (let x = 0; x < width; x++)
      line += `\u001b[38;2;${colour(x, y).join(';')}m\u001b[48;2;${colour(x, y + 1).join(';')}m▀`
    lines.push(`${line}\u001b[0m`)
  }
  return lines.join('\n')
}

/** The same without colours: + where ON is more, - where OFF is, . where few. */
export function inLetters({ width, height, counts }: Still): string {
  let sum = 0
  for (const count of counts) sum += count
  const few = sum / (width * height) / 2
  const lines: string[] = []
  for (let y = 0; y < height; y += 2) {
    let line = ''
    for (let x = 0; x < width; x++) {
      let [less, more] = [0, 0]
      for (let row = y; row < Math.min(height, y + 2); row++) {
        less += counts[row * width + x]
        more += counts[(height + row) * width + x]
      }
      line += less + more === 0 ? ' ' : less + more <= few ? '.' : more >= less ? '+' : '-'
    }
    lines.push(line.trimEnd())
  }
  return lines.join('\n')
}

const BARS = ' ▁▂▃▄▅▆▇█'

/** Events over time, a bar for each of `columns` intervals, above an axis in ms. */
export function histogram(t: ArrayLike<number>, columns: number): string {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (let i = 0; i < t.length; i++) {
    first = Math.min(first, t[i])
    last = Math.max(last, t[i])
  }
  const counts = new Float64Array(columns)
  const scale = last > first ? columns / (last - first) : 0
  for (let i = 0; i < t.length; i++)
    counts[Math.min(columns - 1, Math.floor((t[i] - first) * scale))]++
  const most = Math.max(1, ...counts)
  const bars = Array.from(counts, (n) => BARS[Math.ceil((n / most) * 8)]).join('')
  const end = `${((t.length > 0 ? last - first : 0) / 1000).toFixed(1)} ms`
  return `${bars}\n0${' '.repeat(Math.max(1, columns - 1 - end.length))}${end}`
}
