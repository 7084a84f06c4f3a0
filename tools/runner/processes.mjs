// Ends processes of tests with all that they have started.
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Stands in the environment of a process and, with it, of all that it starts. */
const MARK = 'SPIKEWASM_TEST_PROCESS'
const isWindows = process.platform === 'win32'
const running = new Map()

/** Starts a program of Node in a process group of its own. Its descriptor 3 is a pipe. */
export function startGroup(args, { cwd, env }) {
  const mark = `${process.pid}-${performance.now()}`
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    cwd,
    env: { ...env, [MARK]: mark },
    // On Windows it would have a window of its own.
    detached: !isWindows,
  })
  running.set(child, mark)
  return child
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {}
}

/** Ends what bears a mark: members of the group may have made groups of their own. */
function killMarked(mark) {
  const isMarked = (pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${MARK}=${mark}\0`)
    } catch {
      return false
    }
  }
  for (const pid of readdirSync('/proc')) if (/^\d+$/.test(pid) && isMarked(pid)) kill(Number(pid))
}

/** Ends a process and what it has started, also where the process itself has ended. */
export function endGroup(child) {
  const mark = running.get(child)
  if (mark === undefined) return
  running.delete(child)
  if (isWindows) spawnSync('taskkill', ['/T', '/F', '/PID', String(child.pid)])
  else kill(-child.pid)
  if (process.platform === 'linux') killMarked(mark)
}

export function endAllGroups() {
  for (const child of running.keys()) endGroup(child)
}

// Groups of their own get no signal of the terminal.
process.on('exit', endAllGroups)
for (const [signal, number] of Object.entries({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }))
  process.on(signal, () => process.exit(128 + number))
