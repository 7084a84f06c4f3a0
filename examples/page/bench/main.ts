/** The page of benchmarks: starts workers, shows their times, gives them as JSON. */
import {
  describeBrowser,
  listPageBenchmarks,
  type PageSelection,
  type PageTimes,
  pageBaseline,
} from 'spikewasm/bench'
import { $, make } from '../dom.js'
import { type Answer, peers as libraries, type Order, type PeerTimes } from './messages.js'

/** Whether the build found the other libraries. */
declare const PEERS: boolean

/** A row of the table. */
interface Result {
  readonly name: string
  /** One list for each worker. */
  readonly lists: (readonly number[])[]
  readonly work?: PageTimes['work']
  readonly density?: string
  failed?: string
}

/** No call takes longer; another library may compute in software what is made for a GPU. */
const PATIENCE_S = { own: 60, peers: 240 } as const

const form = $<HTMLFormElement>('form')
const isIsolated = globalThis.crossOriginIsolated === true
const isShared = isIsolated && typeof SharedArrayBuffer === 'function'
let times: PageTimes[] = []
let peers: PeerTimes[] = []
const results = new Map<string, Result>()
/** Names as the command line orders them; a worker measures them in an order of its own. */
let order: readonly string[] = []
/** Milliseconds by name, of a file to compare with. */
let other: Map<string, number> | undefined
interface Run {
  stop: boolean
  end?(): void
}
let running: Run | undefined

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

const msOf = (lists: readonly (readonly number[])[]): number => median(lists.map(median))

/** Three digits. */
const digits = (value: number): string => String(Number(value.toPrecision(3)))

function complain(error: unknown): void {
  $('problem').hidden = false
  $('problem').textContent = error instanceof Error ? error.message : String(error)
}

function show(): void {
  $('ratio-head').hidden = !other
  const known = order.flatMap((name) => results.get(name) ?? [])
  const others = [...results.values()].filter(({ name }) => !order.includes(name))
  const rows = [...known, ...others].map((result) => {
    const { name, lists, work, density = '', failed } = result
    const row = make('tr')
    const head = make('th', '', name)
    head.setAttribute('scope', 'row')
    row.append(head)
    const cell = (text: string): HTMLElement => row.appendChild(make('td', '', text))
    if (failed !== undefined) {
      const told = cell(failed)
      told.className = 'failed'
      told.setAttribute('colspan', '5')
      return row
    }
    const ms = msOf(lists)
    const all = lists.flat()
    const spread = (100 * median(all.map((one) => Math.abs(one - median(all))))) / median(all)
    cell(`${digits(ms)} ms`)
    // Of one call or two nothing can be said.
    cell(all.length < 3 ? '' : `${spread.toFixed(0)} %`)
    cell(work ? `${digits((1000 * work.amount) / ms)} ${work.unit}/s` : '')
    if (other) {
      const before = other.get(name)
      cell(before === undefined ? '' : `${(ms / before).toFixed(2)} ×`)
    }
    cell(density)
    return row
  })
  $('rows').replaceChildren(...rows)
  for (const id of ['copy', 'save'])
    $<HTMLButtonElement>(id).disabled = times.length === 0 || running !== undefined
}

function add(name: string, of: Omit<Result, 'name' | 'lists'>, ms?: readonly number[]): void {
  const result = results.get(name) ?? { name, lists: [], ...of }
  if (ms) result.lists.push(ms)
  if (of.failed !== undefined) result.failed = of.failed
  results.set(name, result)
}

/** Runs a worker to its end. */
function follow(order: Order, what: string, from: number, share: number): Promise<void> {
  return new Promise((resolve) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    let timer = 0
    let now = what
    const patience = PATIENCE_S[order.kind]
    const end = (): void => {
      clearTimeout(timer)
      worker.terminate()
      resolve()
    }
    /** A worker that hangs holds nobody up. */
    const watch = (name = now): void => {
      now = name
      clearTimeout(timer)
      timer = setTimeout(() => {
        const why = `a call takes more than ${patience} seconds`
        add(name, { failed: `left out, with what this worker had still to do: ${why}` })
        show()
        end()
      }, 1000 * patience)
    }
    watch(what)
    if (running) running.end = end
    let isAwake = false
    worker.onerror = (event) => {
      complain(`A worker has failed: ${event.message}`)
      // Workers of other libraries may fail, and the rest goes on.
      if (!isAwake) end()
    }
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      isAwake = true
      switch (data.kind) {
        case 'begin':
          watch(data.name)
          $('state').textContent = `${what}, ${data.index + 1} of ${data.count}: ${data.name}`
          $<HTMLProgressElement>('progress').value = from + (share * data.index) / data.count
          return
        case 'alive':
          watch()
          return
        case 'measured':
          times.push(data.times)
          add(data.times.name, data.times, data.times.ms)
          break
        case 'peer':
          peers.push(data.times)
          add(data.times.name, data.times, data.times.ms)
          break
        case 'failed':
          add(data.name, { failed: data.reason })
          break
        case 'done':
          end()
      }
      show()
    }
    worker.postMessage(order)
  })
}

async function start(): Promise<void> {
  if (running || !form.reportValidity()) return
  const fields = new FormData(form)
  const number = (name: string): number => Number(fields.get(name))
  const filter = String(fields.get('filter') ?? '').trim()
  const selection: PageSelection = {
    sections: fields.getAll('sections') as NonNullable<PageSelection['sections']>,
    quick: !fields.has('all'),
    model: String(fields.get('model')),
    threads: number('threads'),
    ...(filter !== '' && { filter }),
  }
  const wantsPeers = fields.has('peers')
  $('problem').hidden = true
  order = listPageBenchmarks(selection)
  if (order.length === 0 && !wantsPeers) {
    complain('Nothing to measure: choose something, or empty the field of names.')
    return
  }
  times = []
  peers = []
  results.clear()
  const now: Run = { stop: false }
  running = now
  $<HTMLButtonElement>('start').disabled = true
  $<HTMLButtonElement>('stop').disabled = false
  $('stop').focus()
  show()
  const [workers, seconds] = [number('processes'), number('seconds')]
  const parts = workers + (wantsPeers ? libraries.length : 0)
  for (let i = 0; i < workers && !now.stop; i++) {
    const job = { selection, seconds: seconds / parts, seed: Date.now() % 2 ** 31 }
    await follow({ kind: 'own', job }, `Worker ${i + 1} of ${workers}`, i / parts, 1 / parts)
  }
  for (const [i, title] of wantsPeers ? libraries.entries() : []) {
    if (now.stop) break
    const order: Order = { kind: 'peers', title, seconds: seconds / parts }
    await follow(order, 'Other libraries', (workers + i) / parts, 1 / parts)
  }
  running = undefined
  $<HTMLProgressElement>('progress').value = 1
  $('state').textContent = now.stop ? 'Stopped.' : `Done: ${results.size} benchmarks.`
  $<HTMLButtonElement>('start').disabled = false
  $<HTMLButtonElement>('stop').disabled = true
  $('start').focus()
  show()
}

const json = (): string =>
  `${JSON.stringify(pageBaseline(times, { isolated: isIsolated, peers }))}\n`

async function compareWith(file: File): Promise<void> {
  $('problem').hidden = true
  try {
    const value = JSON.parse(await file.text())
    if (value?.format !== 'spikewasm baseline' || !Array.isArray(value.benchmarks))
      throw new Error('it is no result of this page and no baseline of spikewasm bench')
    const found = [
      ...value.benchmarks.map(
        ({ name, processes }: { name: string; processes: { ms: number[] }[] }) =>
          [name, msOf(processes.map(({ ms }) => ms))] as const,
      ),
      ...(value.peers ?? []).map(({ name, ms }: PeerTimes) => [name, median(ms)] as const),
    ]
    other = new Map(found)
    const { page, node, date } = value.origin
    $('against').textContent =
      `Beside ${page ?? `Node ${node}`} of ${String(date).slice(0, 10)}: below 1 is faster here.`
    show()
  } catch (error) {
    complain(`${file.name} cannot be compared with: ${(error as Error).message}`)
  }
}

function connect(): void {
  const most = isShared ? Math.max(1, navigator.hardwareConcurrency || 1) : 1
  const threads = form.elements.namedItem('threads') as HTMLInputElement
  threads.max = String(most)
  $('host').textContent = describeBrowser()
  $('peers-label').hidden = !PEERS
  form.onsubmit = (event) => event.preventDefault()
  $('start').onclick = () => void start()
  $('stop').onclick = () => {
    if (!running) return
    running.stop = true
    running.end?.()
  }
  $('copy').onclick = async () => {
    try {
      await navigator.clipboard.writeText(json())
      $('state').textContent = 'Copied.'
    } catch {
      complain('The browser does not let the page copy; use Save JSON.')
    }
  }
  $('save').onclick = () => {
    const link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob([json()], { type: 'application/json' }))
    link.download = 'spikewasm-page-baseline.json'
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
  }
  const input = $<HTMLInputElement>('other')
  input.onchange = () => {
    const [file] = input.files ?? []
    input.value = ''
    if (file) void compareWith(file)
  }
}

connect()
