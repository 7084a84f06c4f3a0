/** Equations of a neuron, edited: its trace and its gradient as they are typed. */
import {
  adex,
  avgPool2d,
  type Block,
  batchNorm2d,
  conv2d,
  type Equations,
  flatten,
  izhikevich,
  linear,
  neuron,
  neurons,
  ops,
  sequential,
} from 'spikewasm'
import { $, context, css, make, paint, repaints } from './dom.js'

/** A network of the page with other neurons. */
export type NetworkOf = (network: 'cnn' | 'mlp', shape: readonly number[]) => Block

/** Currents at which presets spike now and then, where 0.6 is no such current. */
const currents: Readonly<Record<string, number>> = {
  ...{ lif: 0.9, izhikevich: 0.1, adex: 1 },
  ...{ exponentialIntegrateAndFire: 1, resonateAndFire: 0.5 },
}

/** Presets whose currents are near 1, as those of the page's networks are. */
const presets = {
  ...neurons.list(),
  izhikevich: neurons.of(izhikevich({ inputScale: 100 })),
  adex: neurons.of(adex({ inputScale: 1000 })),
}

const field = (name: string): HTMLInputElement => $(`own-${name}`)

/** Numbers by name, as in `tau = 2, theta = 1`. */
function numbers(name: string): Record<string, number> {
  const { value, labels } = field(name)
  const parts = value.split(/[,;\n]/).filter((part) => part.trim() !== '')
  return Object.fromEntries(
    parts.map((part) => {
      const [key, number = '', ...more] = part.split('=').map((each) => each.trim())
      if (key === '' || number === '' || more.length > 0 || Number.isNaN(Number(number)))
        throw new Error(
          `${labels?.[0].firstChild?.textContent?.trim()}: names and numbers belong here, as in ` +
            `tau = 2, theta = 1; got ${part.trim()}`,
        )
      return [key, Number(number)]
    }),
  )
}

const listOf = (values: Readonly<Record<string, unknown>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ')

/** What the fields say. @throws Error that tells what is wrong */
function read(): Equations {
  const learn = field('learn').value.split(/[\s,]+/)
  return neuron(field('text').value, numbers('parameters'), {
    init: numbers('init'),
    surrogate: field('surrogate').value,
    alpha: Number(field('alpha').value),
    dt: Number(field('dt').value),
    learn: learn.filter((name) => name !== ''),
  })
}

interface Trace {
  readonly x: Float32Array
  /** Steps at which it spikes; undefined: it gives numbers. */
  readonly spikes?: readonly number[]
  /** What is compared with the threshold, before and behind a spike, or what it gives. */
  readonly potential?: Float32Array
  readonly behind?: Float32Array
  readonly threshold?: Float32Array
  /** Derivative of all outputs, by the current of each step. */
  readonly gradient: Float32Array
  /** Derivative of the mean output, where all currents grow alike. */
  readonly eligibility: number
}

/** Where a part ends, at a sign (sticky) that stands in no parentheses. */
function endOf(text: string, sign: RegExp): number {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '(') depth++
    if (text[at] === ')') depth--
    sign.lastIndex = at
    if (depth === 0 && sign.test(text)) return at
  }
  return text.length
}

/** Lines, which go on within parentheses. */
function linesOf(text: string): string[] {
  const end = endOf(text, /[\r\n;]/y)
  return end === text.length ? [text] : [text.slice(0, end), ...linesOf(text.slice(end + 1))]
}

/** The sides of its first comparison: what rises, and what it rises to. */
function comparedOf(condition: string): readonly [potential: string, threshold: string] {
  const first = condition.slice(0, endOf(condition, /\band\b/y)).trim()
  const at = endOf(first, /[<>]/y)
  if (at === first.length) return comparedOf(first.slice(1, -1))
  const rest = first.slice(at).replace(/^[<>]=?/, '')
  const sides = [first.slice(0, at), rest.slice(0, endOf(rest, /[<>=]/y))] as const
  return first[at] === '>' ? sides : [sides[1], sides[0]]
}

/** The sides of the line that spikes; behind: the potential at the end of the step. */
function sidesOf(text: string) {
  const lines = linesOf(text.replace(/#.*/g, ''))
  const at = lines.findIndex((line) => /^\s*spike\s*=[^=]/.test(line))
  if (at < 0) return undefined
  const [potential, threshold] = comparedOf(lines[at].replace(/^[^=]*=/, ''))
  let name = 'fires'
  while (text.includes(name)) name += '_'
  const quiet = (line: string): string =>
    line.replace(/\bdetach\s*\(\s*spike\s*\)/g, name).replace(/\bspike\b/g, name)
  const output = (expression: string, behind: number): string =>
    [...lines.slice(0, behind), `output = ${expression}`, ...lines.slice(behind)]
      .map(quiet)
      .join('\n')
  return {
    potential: output(potential, at),
    behind: output(potential, lines.length),
    threshold: output(threshold, at),
  }
}

function traceOf(layer: Equations, x: Float32Array): Trace {
  const { text, kind: _, recurrence: __, learn: ___, ...options } = layer
  const shared = { ...options, input: [1, x.length, 1] } as const
  const run = (written: string): Float32Array =>
    ops.neuron({ ...shared, text: written, outputs: ['values'] }, x) as Float32Array
  const gradient = ops.neuronBackward({ ...shared, text }, x.slice().fill(1), x) as Float32Array
  const sides = sidesOf(text)
  const outputs = [sides ? 'spikes' : 'values', 'eligibilities'] as const
  const { spikes, values, eligibilities } = ops.neuron({ ...shared, text, outputs }, x) as {
    spikes?: Uint8Array
    values?: Float32Array
    eligibilities: Float32Array
  }
  const found = { x, gradient, eligibility: eligibilities[0] }
  if (!sides || !spikes) return { ...found, potential: values }
  const fired = [...spikes.keys()].filter((t) => spikes[t] > 0)
  const [potential, behind, threshold] = [sides.potential, sides.behind, sides.threshold].map(run)
  return { ...found, spikes: fired, potential, behind, threshold }
}

interface Curve {
  readonly color: string
  readonly values: Float32Array
  readonly style?: 'dashed' | 'bars'
  /** Values that it falls to. */
  readonly falls?: ReadonlyMap<number, number>
}

/** Left of the curves is room for numbers. */
const LEFT = 72
const short = (value: number): string => String(Number(value.toPrecision(3)))

class Field {
  private readonly canvas = $<HTMLCanvasElement>('own-trace')
  private trace: Trace | undefined
  private layer: Equations | undefined
  private readonly draw = (): void => this.paint()

  constructor(use: (networkOf: NetworkOf | undefined) => void) {
    const preset = field('preset') as unknown as HTMLSelectElement
    for (const name of Object.keys(presets)) preset.append(new Option(name))
    for (const name of Object.keys(neurons.surrogates()))
      $('own-surrogates').append(new Option(name))
    preset.onchange = () => this.fill(presets[preset.value as keyof typeof presets], preset.value)
    $('own-form').oninput = (event) => {
      if (event.target !== preset) this.read()
    }
    $('own-form').onsubmit = (event) => event.preventDefault()
    $('own-use').onclick = () => {
      const { layer } = this
      if (layer) use((network, shape) => networkWith(layer, network, shape))
    }
    $('own-back').onclick = () => use(undefined)
    repaints(this.canvas, this.draw)
    preset.value = 'alif'
    this.fill(presets.alif, 'alif')
  }

  private fill(entry: ReturnType<typeof neurons.of>, name: string): void {
    const { text, parameters, init, learn, surrogate, alpha, dt } = entry
    const values = {
      ...{ text, surrogate, alpha, dt, learn: learn.join(', ') },
      ...{ parameters: listOf(parameters), init: listOf(init) },
      ...{ current: currents[name] ?? 0.6, steps: dt < 1 ? 240 : name === 'adex' ? 200 : 60 },
    }
    for (const [key, value] of Object.entries(values)) field(key).value = String(value)
    this.read()
  }

  /** Runs what the fields say, or tells what is wrong with it. */
  private read(): void {
    const problem = $('own-problem')
    try {
      const layer = read()
      const steps = Math.min(255, Math.max(10, Math.round(Number(field('steps').value)) || 60))
      const size = Number(field('current').value)
      const [from, to] = [Math.round(0.1 * steps), Math.round(0.8 * steps)]
      const x = Float32Array.from({ length: steps }, (_, t) => (t >= from && t < to ? size : 0))
      this.trace = traceOf(layer, x)
      this.layer = layer
      this.tell(this.trace)
    } catch (error) {
      this.layer = undefined
      // Below the message stand the line and a mark, which must not be wrapped.
      const [message, ...place] = (error as Error).message.split('\n')
      problem.replaceChildren(message, make('pre', '', place.join('\n')))
    }
    problem.hidden = this.layer !== undefined
    this.canvas.classList.toggle('stale', !this.layer)
    $<HTMLButtonElement>('own-use').disabled = !this.layer
    paint(this.draw)
  }

  private paint(): void {
    const { trace } = this
    if (!trace) return
    const { x, spikes = [], potential, behind, threshold, gradient } = trace
    const { g, width, height } = context(this.canvas)
    const at = (t: number): number => LEFT + ((width - LEFT - 8) * t) / x.length
    const wide = at(1) - at(0)
    const row = height / 20
    g.textBaseline = 'middle'
    /** Curves between two rows, with the smallest and the largest number. */
    const band = (title: string, top: number, bottom: number, curves: readonly Curve[]): void => {
      const all = curves
        .flatMap(({ values, falls = [] }) => [
          0,
          ...values,
          ...[...falls].map(([, value]) => value),
        ])
        .filter(Number.isFinite)
      const [least, most] = [Math.min(...all), Math.max(...all)]
      const y = (value: number): number =>
        row * (bottom - ((bottom - top) * (value - least)) / (most - least || 1))
      g.fillStyle = css('soft')
      g.fillText(title, 0, (row * (top + bottom)) / 2)
      g.textAlign = 'right'
      for (const value of new Set([least, most])) g.fillText(short(value), LEFT - 6, y(value))
      g.textAlign = 'left'
      for (const { color, values, style, falls } of curves) {
        g.strokeStyle = g.fillStyle = css(color)
        g.setLineDash(style === 'dashed' ? [4, 3] : [])
        g.beginPath()
        values.forEach((value, t) => {
          if (!Number.isFinite(value)) return
          if (style === 'bars')
            g.fillRect(at(t), y(0), wide > 4 ? wide - 1 : wide + 0.5, y(value) - y(0))
          else g.lineTo(at(t + 1), y(value))
          const fallen = falls?.get(t)
          if (fallen !== undefined) g.lineTo(at(t + 1), y(fallen))
        })
        g.stroke()
      }
    }
    const falls = new Map(spikes.map((t) => [t, behind?.[t] ?? Number.NaN]))
    band(trace.spikes ? 'potential' : 'output', 2, 10, [
      ...(potential ? [{ color: 'c1', values: potential, falls }] : []),
      ...(threshold ? [{ color: 'soft', values: threshold, style: 'dashed' as const }] : []),
    ])
    band('current', 11.5, 14, [{ color: 'soft', values: x, style: 'bars' }])
    band('gradient', 15.5, 19.5, [{ color: 'c3', values: gradient, style: 'bars' }])
    g.fillStyle = css('spike')
    for (const t of spikes) g.fillRect(at(t + 1) - 1, 0, 2, row)
  }

  /** What the picture shows, in words. */
  private tell({ x, spikes, eligibility }: Trace): void {
    const what = spikes ? `${spikes.length} spikes in ${x.length} steps` : `${x.length} steps`
    const of = spikes ? 'rate' : 'mean output'
    $('own-figures').textContent =
      `${what}. Eligibility: with the current the ${of} grows by ${short(eligibility)}.`
    this.canvas.ariaLabel = `Trace and gradient: ${what}`
  }
}

/** @param use trains a network of such neurons; undefined: of LIF neurons again */
export async function open(use: (networkOf: NetworkOf | undefined) => void): Promise<void> {
  await ops.load()
  new Field(use)
}

/** The page's networks, of other neurons; what these learn, each layer of them learns for itself. */
function networkWith(
  layer: Equations,
  network: 'cnn' | 'mlp',
  [C, H = 1, W = 1]: readonly number[],
): Block {
  if (network === 'mlp')
    return sequential(flatten(), linear(C * H * W, 256), { ...layer }, linear(256, 10))
  const stage = (from: number, to: number) => [
    conv2d(from, to, 3, { padding: 1, bias: false }),
    ...[batchNorm2d(to), { ...layer }, avgPool2d(2)],
  ]
  const last = 32 * (H >> 2) * (W >> 2)
  return sequential(...stage(C, 16), ...stage(16, 32), flatten(), linear(last, 10))
}
