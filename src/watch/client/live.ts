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
import { drawFigure } from './figure.js'
import { make } from './looks.js'

/** Drawing more often would only cost time. */
const DRAW_MS = 250
/** Points that the page keeps between two histories; the server keeps fewer. */
const MOST_POINTS = 4000

const find = (id: string): HTMLElement => document.getElementById(id)!

/** The server's state, which grows. */
type Growing = { -readonly [K in keyof RunState]: RunState[K] } & { records: EpochFigures[] }

export function watch(): void {
  let state: Growing | undefined
  let drawn: Map<string, ReturnType<typeof drawFigure>> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const draw = (): void => {
    timer = undefined
    if (!state) return
    tell(state)
    const figures = runFigures(state)
    if (drawn) for (const figure of figures) drawn.get(figure.id)?.update(figure)
    else
      drawn = new Map(
        figures.map((figure) => {
          const place = document.querySelector<HTMLElement>(`[data-figure="${figure.id}"]`)!
          return [figure.id, drawFigure(place, figure)]
        }),
      )
  }
  const soon = (): void => {
    timer ??= setTimeout(draw, DRAW_MS)
  }

  const source = new EventSource('events')
  const on = <T>(name: string, call: (value: T) => void): void =>
    source.addEventListener(name, (event) => {
      call(JSON.parse((event as MessageEvent<string>).data) as T)
      soon()
    })
  on<Growing>('history', (history) => {
    state = history
    listOptions(history)
    clearTimeout(timer)
    draw()
  })
  on<{ status: RunStatus; point: StepPoint; layers: readonly string[] }>('step', (told) => {
    if (!state) return
    const { status, point, layers } = told
    state = { ...state, status, layers }
    const { steps } = state
    if (steps.at.length >= MOST_POINTS) return
    for (const key of columns) (steps[key] as unknown[]).push(point[key])
    for (const [i, rate] of point.rates.entries()) {
      steps.rates[i] ??= []
      steps.rates[i].push(rate)
    }
  })
  on<{ record: EpochFigures; status: RunStatus }>('epoch', ({ record, status }) => {
    if (!state) return
    state.status = status
    state.records.push(record)
  })
  on<RunStatus>('status', (status) => {
    if (state) state.status = status
  })
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
function tell({ status, records, steps, layers }: Growing): void {
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
