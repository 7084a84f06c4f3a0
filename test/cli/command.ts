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
  /** Called with all of standard output so far, and a function that sends SIGINT. */
  readonly onOutput?: (stdout: string, interrupt: () => void) => void
  /** Arguments are node's, not the command's. */
  readonly node?: boolean
  /** Folder to run in. */
  readonly cwd?: string
}

export function run(
  args: readonly string[],
  { onOutput, node = false, cwd }: Options = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, node ? args : [main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd,
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      onOutput?.(stdout, () => child.kill('SIGINT'))
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

/** A training that takes no time. */
export const tiny = ['--limit-train', '96', '--limit-test', '71', '--epochs', '1', '--threads', '1']
