/**
 * Runs the command line within this process: a test then costs no start of Node and no compilation
 * of the engine. What only a process of its own can show is left to `command.ts`: signals, how the
 * event loop ends, flags of V8, output that cannot be written, threads that outlive a command.
 */

import * as assert from 'uvu/assert'
import { FAILED } from '../../src/cli/mistakes.js'
import { runProgram } from '../../src/cli/program.js'
import { Session } from '../../src/engine/session.js'
import { withFolder } from '../files/temporary.js'
import { parseLines, type Result } from './command.js'

export { parseLines, small, tiny } from './command.js'

export interface Options {
  /** Folder to run in. */
  readonly cwd?: string
  /** Columns of a terminal that shows what goes to standard error. */
  readonly columns?: number
  /** Columns of one that shows standard output. */
  readonly wide?: number
  /** Called with all of standard output so far. */
  readonly onOutput?: (stdout: string) => void
  /** Another command than `spikewasm`; nothing is thrown. */
  readonly program?: (args: readonly string[]) => Promise<void>
}

const spikewasm = (args: readonly string[]): Promise<void> =>
  runProgram(args, { wideVectors: false })

let last: Promise<unknown> = Promise.resolve()

/** Arguments, or a text of them with a space between two. */
export type Line = string | readonly string[]

const wordsOf = (line: Line): readonly string[] =>
  typeof line === 'string' ? line.split(' ') : line

/** As in `command.ts`. One command runs at a time, whoever asks. */
export function run(
  line: Line,
  { program = spikewasm, ...options }: Options = {},
): Promise<Result> {
  const args = wordsOf(line)
  const result = last.then(() => runAlone(() => program(args), options))
  last = result.catch(() => {})
  return result
}

/** Runs a command that does what it is asked. */
export async function succeed(...of: Parameters<typeof run>): Promise<Result> {
  const result = await run(...of)
  assert.is(result.code, 0, result.stderr)
  return result
}

/** The last line that a command with --json prints. */
export async function lastOf(line: Line, options?: Options): Promise<Record<string, unknown>> {
  const { stdout } = await succeed([...wordsOf(line), '--json'], options)
  return parseLines(stdout).at(-1)!
}

/** One line on standard error, nothing on standard output, exit code 1, no stack. */
export async function refuse(
  line: Line,
  message: RegExp,
  options?: Options,
  how: (args: readonly string[], options?: Options) => Promise<Result> = run,
): Promise<void> {
  const args = wordsOf(line)
  const { code, stdout, stderr } = await how(args, options)
  const where = `${args.join(' ')} → ${code}: ${stderr}`
  assert.is(code, 1, where)
  assert.match(stderr, message, where)
  assert.match(stderr, /^spikewasm: [^\n]+\n$/, where)
  assert.is(stdout, '', where)
}

/** The same where they run in a folder. */
export const commandsIn = (cwd: string) => ({
  run: (line: Line, options?: Options) => run(line, { cwd, ...options }),
  succeed: (line: Line, options?: Options) => succeed(line, { cwd, ...options }),
  lastOf: (line: Line) => lastOf(line, { cwd }),
  refuse: (line: Line, message: RegExp) => refuse(line, message, { cwd }),
})

export type Commands = ReturnType<typeof commandsIn>

/** Runs `body` with a new folder, and commands that run in it. */
export const inFolder = (body: (folder: string, commands: Commands) => Promise<void>) =>
  withFolder((folder) => body(folder, commandsIn(folder)))

/** Where commands listen, and for what. */
const emitters = [
  [process, ['warning', 'uncaughtException', 'SIGINT', 'SIGTERM', 'SIGHUP']],
  [process.stdout, ['error']],
  [process.stderr, ['error']],
] as const

type Listener = (...args: unknown[]) => void

/** Removes the listeners that come from now on, and brings back those that go. */
function keepListeners(): () => void {
  const kept = emitters.flatMap(([emitter, events]) =>
    events.map((event) => [emitter, event, emitter.rawListeners(event) as Listener[]] as const),
  )
  return () => {
    for (const [emitter, event, listeners] of kept) {
      emitter.removeAllListeners(event)
      for (const listener of listeners) emitter.on(event, listener)
    }
  }
}

/** Sees to it that a command leaves no model, and nobody who hears Ctrl-C. */
function watchLeft(): { expectNothing(code: number): void; release(): void } {
  const { follow } = Session.prototype
  const made = new Set<Session>()
  Session.prototype.follow = async function (plan) {
    await follow.call(this, plan)
    made.add(this)
  }
  // One that ends the process may stay.
  const heard = (): number =>
    process.rawListeners('SIGINT').filter((listener) => !('listener' in listener)).length
  const before = heard()
  return {
    expectNothing(code) {
      for (const session of made) assert.throws(() => session.checkAlive(), /was disposed/)
      // What has failed in `bench` ends the process.
      if (code !== FAILED) assert.is(heard(), before, 'a command still hears Ctrl-C')
    },
    release() {
      Session.prototype.follow = follow
    },
  }
}

/** Keeps what is written, as to a file, or as to a terminal of a width. */
function capture(
  stream: NodeJS.WriteStream,
  { columns, onOutput }: Pick<Options, 'columns' | 'onOutput'>,
): { text: string; release(): void } {
  const own = Object.getOwnPropertyDescriptors(stream)
  const captured = {
    text: '',
    release() {
      for (const name of ['write', 'isTTY', 'columns'] as const)
        if (own[name]) Object.defineProperty(stream, name, own[name])
        else Reflect.deleteProperty(stream, name)
    },
  }
  const define = (name: string, value: unknown): void => {
    Object.defineProperty(stream, name, { value, configurable: true, writable: true })
  }
  define('write', (chunk: string | Uint8Array, ...rest: unknown[]) => {
    captured.text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
    onOutput?.(captured.text)
    const done = rest.at(-1)
    if (typeof done === 'function') process.nextTick(done as () => void)
    return true
  })
  define('isTTY', columns === undefined ? undefined : true)
  define('columns', columns)
  return captured
}

async function runAlone(
  program: () => Promise<void>,
  { cwd = process.cwd(), columns, wide, onOutput }: Omit<Options, 'program'>,
): Promise<Result> {
  const [folder, before, exit] = [process.cwd(), process.exitCode, process.exit]
  const release = keepListeners()
  const left = watchLeft()
  const stdout = capture(process.stdout, { columns: wide, onOutput })
  const stderr = capture(process.stderr, { columns })
  process.exitCode = undefined
  process.exit = (code) => {
    stderr.text += `\nprocess.exit(${code}) was called; run this command in a process of its own\n`
    throw new Error(stderr.text)
  }
  try {
    process.chdir(cwd)
    await program()
    // Warnings come with the next tick.
    await new Promise((resolve) => setImmediate(resolve))
    const code = Number(process.exitCode ?? 0)
    left.expectNothing(code)
    return { code, stdout: stdout.text, stderr: stderr.text }
  } finally {
    process.chdir(folder)
    for (const kept of [stdout, stderr, left]) kept.release()
    process.exit = exit
    process.exitCode = before
    release()
  }
}
