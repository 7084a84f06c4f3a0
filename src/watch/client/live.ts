/** The page of a run that goes on: it hears from its server what is new. */

import { figureText } from '../pages/chart.js'
import {
  columns,
  durationText,
  type EpochFigures,
  layerLabel,
  type RunState,
  type RunStatus,
  runFigures,
  type StepPoint,
} from '../pages/run.js'
import { FigureView } from './figure.js'
import { make } from './looks.js'

/** Drawing more often would only cost time. */
const DRAW_MS = 250
/** Points that the page keeps between two histories; the server keeps fewer. */
const MOST_POINTS = 4000

const find = (id: string): HTMLElement => document.getElementById(id)!

/** The server's state, which grows. */
type RunShown = { -readonly [K in keyof RunState]: RunState[K] } & { records: EpochFigures[] }

/** What each event of the server changes of the state. */
const changes = {
  step(run: RunShown, news: { status: RunStatus; point: StepPoint; layers: readonly string[] }) {
    run.status = news.status
    run.layers = news.layers
    const { steps } = run
    if (steps.at.length >= MOST_POINTS) return
    for (const key of columns) (steps[key] as unknown[]).push(news.point[key])
    for (const [i, rate] of news.point.rates.entries()) {
      steps.rates[i] ??= []
      steps.rates[i].push(rate)
    }
  },
  epoch(run: RunShown, { record, status }: { record: EpochFigures; status: RunStatus }) {
    run.status = status
    run.records.push(record)
  },
  status(run: RunShown, status: RunStatus) {
    run.status = status
  },
}

export function watch(): void {
  let state: RunShown | undefined
  let drawn: Map<string, FigureView> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const draw = (): void => {
    timer = undefined
    if (!state) return
    write(state)
    const figures = runFigures(state)
    if (drawn) for (const figure of figures) drawn.get(figure.id)?.update(figure)
    else
      drawn = new Map(
        figures.map((figure) => {
          const place = document.querySelector<HTMLElement>(`[data-figure="${figure.id}"]`)!
          return [figure.id, new FigureView(place, figure)]
        }),
      )
  }

  const source = new EventSource('events')
  const on = <T>(name: string, call: (value: T) => void): void =>
    source.addEventListener(name, (event) => {
      call(JSON.parse((event as MessageEvent<string>).data) as T)
      timer ??= setTimeout(draw, DRAW_MS)
    })
  on<RunShown>('history', (history) => {
    state = history
    listOptions(history)
    clearTimeout(timer)
    draw()
  })
  for (const [name, change] of Object.entries(changes))
    on<never>(name, (news) => state && change(state, news))
  on<RunStatus>('end', (status) => {
    // Nobody is there to ask again.
    source.close()
    if (state) state.status = status
  })
  source.onerror = () => {
    if (state?.status.ended === undefined) say('The connection is lost. Trying again …')
  }
}

const say = (text: string): void => {
  if (find('status').textContent !== text) find('status').textContent = text
}

/** The line of how far it is, and the cards. */
function write({ status, records, steps, layers }: RunShown): void {
  const { epoch, epochs, leftMs, ended } = status
  const share = epochs > 0 ? (epoch + (status.step + 1) / Math.max(1, status.steps)) / epochs : 0
  const left = leftMs === undefined ? '' : `, ${durationText(leftMs)} left`
  say(
    ended === undefined
      ? `Epoch ${Math.min(epoch + 1, epochs)} of ${epochs}${left}.`
      : `The run has ended: ${ended}. This page no longer changes.`,
  )
  const bar = find('share') as HTMLProgressElement
  bar.value = ended === 'finished' ? 1 : Math.min(1, share)
  const last = records.at(-1)
  const best = records.reduce<EpochFigures | undefined>(
    (a, b) => ((b.testAccuracy ?? -1) > (a?.testAccuracy ?? -1) ? b : a),
    undefined,
  )
  const percent = (value: number | null | undefined): string =>
    value === undefined || value === null ? '–' : figureText(value, true)
  const rates = steps.rates.map((rate) => rate.at(-1) ?? 0)
  const lowest = rates.indexOf(Math.min(...rates))
  const cards: Record<string, string> = {
    loss: steps.loss.length > 0 ? figureText(steps.loss.at(-1)!) : '–',
    accuracy: percent(last?.testAccuracy ?? steps.accuracy.at(-1)),
    best: best ? `${percent(best.testAccuracy)}, epoch ${best.epoch}` : '–',
    speed: last ? `${Math.round(last.samplesPerSecond)}/s` : '–',
    lowest: rates.length > 0 ? `${percent(rates[lowest])}, ${layerLabel(layers[lowest])}` : '–',
  }
  for (const [name, text] of Object.entries(cards)) find(`card-${name}`).textContent = text
}

function listOptions({ options }: Pick<RunState, 'options'>): void {
  find('options').replaceChildren(
    ...options.map(([name, value]) => {
      const head = make('th', { scope: 'row', textContent: name })
      return make('tr', {}, {}, [head, make('td', { textContent: value })])
    }),
  )
}
