/** What checkpoints cost: pairs of runs of the command, with and without them, a b b a. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from '../../src/base/numbers.js'
import { main } from '../cli/command.js'
import { removeFolder } from '../files/temporary.js'
import { Program } from '../support/program.js'

const PAIRS = 8

/** Seconds: of a clock, of processors, and of the thread that trains, where the system tells. */
interface Times {
  readonly wall: number
  readonly cpu: number
  readonly thread: number
}

/** Prints what its process took when it ends. */
const tell = `data:text/javascript,${encodeURIComponent(
  `import { readFileSync } from 'node:fs'
  process.on('exit', () => {
    let thread = 'NaN'
    try {
      const path = '/proc/self/task/' + process.pid + '/schedstat'
      thread = Number(readFileSync(path, 'utf8').split(' ')[0]) / 1e9
    } catch {}
    const { userCPUTime, systemCPUTime } = process.resourceUsage()
    process.stderr.write('cpu ' + (userCPUTime + systemCPUTime) / 1e6 + ' ' + thread + '\\n')
  })`,
)}`

async function time(args: readonly string[]): Promise<Times> {
  const began = performance.now()
  const { code, stderr } = await new Program(['--import', tell, main, 'train', ...args]).ended
  if (code !== 0) throw new Error(stderr)
  const [cpu, thread] = /cpu (\S+) (\S+)/.exec(stderr)?.slice(1).map(Number) ?? []
  return { wall: (performance.now() - began) / 1000, cpu, thread }
}

/** Prints the share of a run's time that checkpoints take every 100 steps, `cnn` on digits. */
export async function cost(print: (line: string) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-cost-'))
  const shares: Record<keyof Times, number[]> = { wall: [], cpu: [], thread: [] }
  try {
    for (let pair = 0; pair < PAIRS; pair++) {
      const args = ['--json', '--threads', '1', '--epochs', '200']
      const written = ['--out', join(folder, `${pair}`), '--checkpoint-every', '100']
      // What the machine does meanwhile hits both alike.
      const isFirst = pair % 2 === 0
      const before = isFirst ? undefined : await time([...args, ...written])
      const without = await time(args)
      const whole = before ?? (await time([...args, ...written]))
      for (const of of ['wall', 'cpu', 'thread'] as const)
        shares[of].push(whole[of] / without[of] - 1)
      const show = ({ wall, cpu, thread }: Times): string =>
        `${wall.toFixed(2)} s (cpu ${cpu.toFixed(2)} s, thread ${thread.toFixed(2)} s)`
      print(`without ${show(without)}, with checkpoints ${show(whole)}`)
    }
  } finally {
    await removeFolder(folder)
  }
  const show = (list: number[]): string => {
    const percent = (share: number): string => (100 * share).toFixed(1)
    return `${percent(median(list))} % (${percent(Math.min(...list))} to ${percent(Math.max(...list))})`
  }
  print(`checkpoints cost ${show(shares.wall)} of the time,`)
  print(`${show(shares.cpu)} of all threads' processor time,`)
  print(`${show(shares.thread)} of the training thread's`)
}
