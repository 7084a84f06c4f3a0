// Runs test files in one process and watches it. The time limit of each test is kept here: in a
// process whose kernel hangs no timer runs.
import { createInterface } from 'node:readline'
import { FileRun } from './file-run.mjs'
import { endGroup, startGroup } from './processes.mjs'

const CHILD = 'tools/runner/child.mjs'
/** For what a process has written before it ended. Somebody else may keep the pipe open. */
const REST_MS = 2000

/**
 * Runs files in one process. One that hangs or ends the process has failed.
 *
 * @param files each with its `source` and what is `built` from it
 * @param options `limit` seconds for each test; `grep`, what names of tests must match; `failed`,
 *   called with a file when one of its tests has failed: where it returns true, the process is
 *   ended and what follows is ignored; `cwd`, a copy of this package, and its environment `env`
 * @returns `runs`, what is known of the files that began, and the process's `output`
 */
export function runGroup(files, { limit, grep = '', failed, cwd = '.', env = process.env }) {
  const child = startGroup([CHILD, JSON.stringify({ files, grep })], { cwd, env })
  const runs = []
  let [output, problem, isDone, isOver, timer] = ['', '', false, false, undefined]
  const watch = (seconds) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      problem = `did not end within ${seconds} s`
      endGroup(child)
    }, seconds * 1000)
  }
  const take = (event) => {
    if (isOver) return
    watch(event.kind === 'limit' ? Math.max(event.seconds, limit) : limit)
    if (event.kind === 'file') {
      runs.at(-1)?.close(grep !== '')
      runs.push(new FileRun(event.source))
    } else runs.at(-1)?.take(event)
    if (event.kind === 'done') isDone = true
    if (event.kind === 'fail' && failed(runs.at(-1))) {
      isOver = true
      endGroup(child)
    }
  }
  watch(limit)
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  createInterface({ input: child.stdio[3] }).on('line', (line) => take(JSON.parse(line)))
  child.on('exit', () => {
    endGroup(child)
    setTimeout(() => {
      for (const stream of child.stdio) stream?.destroy()
    }, REST_MS).unref()
  })
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (runs.length === 0) runs.push(new FileRun(files[0].source))
      if (isOver) return resolve({ runs, output })
      const last = runs.at(-1)
      const how = problem || (signal ? `ended by ${signal}` : `exit code ${code}`)
      // Who has ended the process, or keeps it alive, is the file that ran last, or one before.
      if (!isDone || how !== 'exit code 0') last.fail(how, files.length > 1)
      last.close(grep !== '')
      resolve({ runs, output })
    })
  })
}
