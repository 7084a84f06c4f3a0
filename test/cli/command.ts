/** Runs the command line as its own process. */

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  /** Called with all of standard output so far. */
  readonly onOutput?: (stdout: string) => void
  /** Whether standard output is so far that Ctrl-C is pressed, once. */
  readonly interruptWhen?: (stdout: string) => boolean
  /** Arguments are node's, not the command's. */
  readonly node?: boolean
  /** Folder to run in. */
  readonly cwd?: string
}

export function run(
  args: readonly string[],
  { onOutput, interruptWhen, node = false, cwd }: Options = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, node ? args : [main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd,
    })
    let [stdout, stderr] = ['', '']
    let isDue = interruptWhen
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      onOutput?.(stdout)
      if (!isDue?.(stdout)) return
      isDue = undefined
      child.kill('SIGINT')
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      // A process that a signal ended has no code: tests then show which it was.
      if (signal !== null) stderr += `\nended by ${signal}`
      resolve({ code, stdout, stderr })
    })
  })
}

/** The objects that `--json` wrote; throws for a line that is not one. */
export function parseLines(stdout: string): Record<string, unknown>[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** A training that takes no time: its options in a line, and as words. */
export const small = '--limit-train 96 --limit-test 71 --epochs 1 --threads 1'
export const tiny = small.split(' ')
