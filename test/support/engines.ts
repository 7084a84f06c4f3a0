/**
 * Browsers with other engines than Chromium's: Firefox, and WebKit as GTK has it. They need no
 * driver: a page does its work when it is opened, and posts what it has found.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram, firstPath, runProgram } from '../../src/edge/verify/job.js'

/** What opens a page: called with its address behind the arguments. */
export interface Program {
  readonly path: string
  readonly args: readonly string[]
}

export interface Engine {
  readonly name: string
  /** How to get it. */
  readonly mend: string
  /** @param folder an empty one, for what it keeps. Undefined where the browser is missing. */
  find(folder: string): Promise<Program | undefined>
}

/** WebKit's own small browser, which no folder of programs holds. */
async function findMiniBrowser(): Promise<string | undefined> {
  const below = async (folder: string): Promise<string[]> =>
    (await readdir(folder).catch(() => [])).map((name) => join(folder, name))
  const folders = (await below('/usr/lib')).filter((name) => /linux-gnu$/.test(name))
  const kits = (await Promise.all(['/usr/lib', '/usr/libexec', ...folders].map(below))).flat()
  const found = kits.filter((path) => /\/webkit2?gtk-[\d.]+$/.test(path))
  return firstPath(...found.map((path) => join(path, 'MiniBrowser')))
}

export const engines: readonly Engine[] = [
  {
    name: 'Firefox',
    mend: 'apt-get install firefox-esr',
    async find(folder) {
      const path = await findProgram('firefox', 'firefox-esr')
      const args = ['--headless', '--no-remote', '--profile', folder]
      return path ? { path, args } : undefined
    },
  },
  {
    name: 'WebKitGTK',
    mend: 'apt-get install webkit2gtk-driver xvfb xauth',
    async find(folder) {
      const [path, browser] = [await findProgram('xvfb-run'), await findMiniBrowser()]
      if (!path || !browser || !(await findProgram('xauth'))) return undefined
      // Its sandbox needs what containers seldom allow. Only pages of the tests are opened.
      const sandbox = 'WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1'
      const env = [sandbox, 'WEBKIT_DISABLE_COMPOSITING_MODE=1', `XDG_CACHE_HOME=${folder}`]
      return { path: 'env', args: [...env, path, '-a', browser] }
    },
  },
]

/** Why an engine cannot be used; nothing where it is there. */
export const missing = async ({ name, mend, find }: Engine): Promise<string | undefined> =>
  (await find('')) ? undefined : `there is no ${name}: ${mend}`

/**
 * Opens a page in a browser that is there, and ends it when `over` is settled.
 *
 * @throws HostFailure when it ends before, or after so many `seconds`
 */
export async function openIn(
  engine: Engine,
  address: string,
  over: Promise<unknown>,
  seconds: number,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-engine-'))
  try {
    const { path, args } = (await engine.find(folder))!
    await runProgram(path, [...args, address], { seconds, until: over })
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
