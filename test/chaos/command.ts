/** `spikewasm train` under kill -9 at random moments, with --out and --resume. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { scheduleNames } from '../../src/cli/commands/training-flags.js'
import { optimizerNames } from '../../src/compile/optimizer-kind.js'
import { main } from '../cli/command.js'
import { testRandom } from '../support/engine.js'
import { type Ended, Program } from '../support/program.js'
import { lossesOfOneOutput, usualMethods } from '../support/tables.js'
import {
  type ChaosOptions,
  type ChaosResult,
  differentFile,
  expectWhole,
  oneByOne,
} from './chaos.js'
import { between, pick, type Random } from './scenario.js'

/** The command in a process of its own. */
export const startTrain = (args: readonly string[], cwd = process.cwd()): Program => {
  const env = { ...process.env, SPIKEWASM_ALL_THREADS: '1' }
  return new Program([main, 'train', '--json', ...args], { cwd, env })
}

async function train(args: readonly string[], killAfter?: number): Promise<Ended> {
  const { child, ended } = startTrain(args)
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill(9), killAfter)
  return ended.finally(() => clearTimeout(timer))
}

/** Options of a run of about a second. */
function optionsOf(seed: number, random: Random): string[] {
  const method = usualMethods[seed % usualMethods.length]
  const optimizer = pick(random, optimizerNames)
  const online = method === 'ottt' || method === 'sltt'
  const loss = pick(
    random,
    lossesOfOneOutput.filter((kind) => kind !== 'tet' || method !== 'rate'),
  )
  const everyStep = online && random() < 0.5
  const maybe = (...args: string[]): string[] => (random() < 0.5 ? args : [])
  return [
    ...['--method', method, '--model', 'cnn', '--seed', `${seed}`],
    ...['--time-steps', `${between(random, 2, 4)}`, '--batch-size', `${between(random, 8, 32)}`],
    ...['--epochs', `${between(random, 6, 10)}`, '--limit-train', '400'],
    ...['--optimizer', optimizer, '--loss', loss],
    ...(loss === 'crossEntropy' ? maybe('--label-smoothing', '0.1') : []),
    ...['--schedule', pick(random, scheduleNames)],
    ...maybe('--clip-norm', '1'),
    ...(everyStep ? ['--update', 'everyStep'] : maybe('--accumulate', '3')),
    ...maybe('--ema', '0.9'),
    ...maybe('--early-stopping', '5'),
    ...(random() < 0.5 ? ['--validation-split', '0.2'] : ['--limit-test', '80']),
    ...maybe('--monitor', 'trainLoss'),
    ...['--checkpoint-every', `${pick(random, [1, 3, 10, 50])}`],
  ]
}

async function commandChaosOf(
  seed: number,
  args: readonly string[],
  ends: number,
  folder: string,
): Promise<{ told: string[]; kills: number }> {
  const random = testRandom(seed * 6007 + 5)
  const whole = join(folder, 'whole')
  const began = performance.now()
  const alone = await train([...args, '--threads', '1', '--out', whole])
  const aloneMs = performance.now() - began
  if (alone.code !== 0) throw new Error(`the run alone: ${alone.stderr}`)
  const told: string[] = []
  let kills = 0
  const fail = (what: string, { code, signal, stderr }: Ended): Error =>
    new Error(`${what} ended with ${code ?? signal}, behind ${told.join(', ')}: ${stderr}`)
  for (let round = 0; round === 0 || (kills < ends && round < 2 * ends); round++) {
    const broken = join(folder, `broken${round}`)
    const go = (killAfter?: number): Promise<Ended> => {
      const isBegun = existsSync(join(broken, 'manifest.json'))
      const threads = `${between(random, 1, 2)}`
      return isBegun
        ? train(['--resume', broken, '--threads', threads], killAfter)
        : train([...args, '--threads', '1', '--out', broken], killAfter)
    }
    while (kills < ends) {
      const after = random() * aloneMs
      const end = await go(after)
      told.push(`${Math.round(after)} ms (${end.code ?? end.signal})`)
      if (end.signal === 'SIGKILL') kills++
      else if (end.code !== 0) throw fail('a part', end)
      await expectWhole(broken)
      if (end.code === 0) break
    }
    const last = await go()
    if (last.code !== 0) throw fail('the last part', last)
    const names = ['weights.safetensors', 'best.safetensors', 'options.json', 'history.jsonl']
    const different = await differentFile(whole, broken, names)
    if (different !== undefined) throw new Error(`${different} differs, behind ${told.join(', ')}`)
  }
  return { told, kills }
}

/** Runs of the command, one after the other, each killed `ends` times; each prints a line. */
export function commandChaos({ runs, seed, ends, print }: ChaosOptions): Promise<ChaosResult> {
  return oneByOne(runs, seed, print, (of, folder) => {
    const random = testRandom(of * 9973 + 1)
    for (let i = 0; i < 8; i++) random()
    const args = optionsOf(of, random)
    return { name: args.join(' '), done: commandChaosOf(of, args, ends, folder) }
  })
}
