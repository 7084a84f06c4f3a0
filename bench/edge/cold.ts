/** From files on the disk to the first class, each time in a fresh process. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { deviation, digits, type Report, type ResultTable } from '../../src/bench/report.js'
import { median as medianOf } from '../../src/median.js'
import { T, type TrainedNetwork } from './networks.js'

const execute = promisify(execFile)
const child = fileURLToPath(new URL('./cold-child.js', import.meta.url))

/** A program with its arguments, whose last line is JSON { ms, importMs }. */
export interface ColdStart {
  readonly label: string
  readonly args: readonly string[]
}

/** Writes what the processes read into a folder. */
export async function coldStarts(
  network: TrainedNetwork,
  builds: ReadonlyMap<string, Uint8Array>,
  folder: string,
): Promise<ColdStart[]> {
  const image = join(folder, 'image.f32')
  writeFileSync(image, network.images[0])
  const starts: ColdStart[] = []
  for (const [label, bytes] of builds) {
    const path = join(folder, `${label.replace(' ', '-')}.wasm`)
    writeFileSync(path, bytes)
    starts.push({ label, args: [child, 'file', path, image] })
  }
  const weights = join(folder, 'weights.safetensors')
  const model = await network.compile()
  await model.save(weights)
  await model.dispose()
  const { name, input } = network
  const args = [child, 'library', name, input.join(','), weights, image]
  return [...starts, { label: 'library', args }]
}

interface Sample {
  readonly ms: number
  readonly importMs: number
}

/** One round after the other, each with one process of every kind, and each in another order. */
export async function measureColdStarts(
  starts: readonly ColdStart[],
  rounds: number,
): Promise<Map<string, Sample[]>> {
  const samples = new Map(starts.map(({ label }) => [label, [] as Sample[]]))
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < starts.length; i++) {
      const { label, args } = starts[(round + i) % starts.length]
      const { stdout } = await execute(process.execPath, [...args])
      samples.get(label)!.push(JSON.parse(stdout.trim().split('\n').at(-1)!) as Sample)
    }
  return samples
}

/** A row of the table and an entry for each kind of process. */
export function reportColdStarts(
  name: string,
  samples: ReadonlyMap<string, readonly Sample[]>,
  rows: string[][],
  report: Report,
  machine: string,
): void {
  for (const [label, all] of samples) {
    const times = all.map(({ ms }) => ms)
    const median = medianOf(times)
    const range = deviation((100 * medianOf(times.map((t) => Math.abs(t - median)))) / median)
    const before = medianOf(all.map(({ importMs }) => importMs))
    const importMs = before > 0 ? digits(before) : '–'
    rows.push([name, label, digits(median), range, digits(Math.min(...times)), importMs])
    report.smallerIsBetter.push({
      name: `edge cold start | ${name} | ${label}`,
      unit: 'ms',
      value: median,
      range,
      extra: `${all.length} processes, import before it ${digits(before)} ms\n${machine}`,
    })
  }
}

export const coldTable = (rows: string[][], notes: readonly string[]): ResultTable => ({
  title: `Exported networks: first image of a process, T ${T}, one thread`,
  notes: [
    'Median and fastest of fresh processes, each kind in turn. A file: read, compile, instantiate, first ' +
      'infer(). library: compile, load, predict. import ms: what importing the JavaScript takes ' +
      'before; a file needs none.',
    ...notes,
  ],
  head: ['network', 'what', 'ms', 'spread', 'fastest ms', 'import ms'],
  rows,
})
