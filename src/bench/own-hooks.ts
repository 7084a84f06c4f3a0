/**
 * Resolves imports, in older versions of Node on a thread of its own. Files with benchmarks of a
 * user's own carry a mark in their URLs. What a marked file imports as 'spikewasm' is the build
 * that the mark names, whatever node_modules hold, and files that it imports are marked too. So the
 * same files can be loaded for two builds in one process.
 */

import { readFileSync } from 'node:fs'

/** From what users import to the URL of the build's file. */
export type Targets = Readonly<Record<string, string>>

export interface Registration {
  readonly mark: string
  readonly targets: Targets
  /** What error messages call the build. */
  readonly label: string
}

/** Parameter of a URL. */
export const PARAMETER = 'spikewasm-build'

interface Context {
  readonly parentURL?: string
}
interface Resolved {
  readonly url: string
  readonly format?: string | null
  readonly shortCircuit?: boolean
}
type NextNow = (specifier: string, context: Context) => Resolved
type Next = (...of: Parameters<NextNow>) => Promise<Resolved>

const registrations = new Map<string, Registration>()

/** Called by Node for each registration. */
export function initialize(registration: Registration): void {
  registrations.set(registration.mark, registration)
}

const markOf = (url: string | undefined): string | null =>
  url?.includes(PARAMETER) ? new URL(url).searchParams.get(PARAMETER) : null

/**
 * Whether a user's own `.js` file reads as an ES module. Where no package.json tells, Node would
 * find out by itself, in newer versions and with a warning.
 */
function isModuleText(url: URL): boolean {
  if (!url.pathname.endsWith('.js') || url.pathname.includes('/node_modules/')) return false
  try {
    const text = readFileSync(url, 'utf8')
    return /^(import|export)[\s{*'"]/m.test(text) && !/\b(module\.)?exports\b/.test(text)
  } catch {
    return false
  }
}

/** What is known before Node has looked for it. */
function known(specifier: string, { parentURL }: Context): Resolved | undefined {
  const registration = registrations.get(markOf(parentURL) ?? '')
  if (!registration) return undefined
  const { targets, label } = registration
  if (Object.hasOwn(targets, specifier))
    return { url: targets[specifier], format: 'module', shortCircuit: true }
  if (/^spikewasm(\/|$)/.test(specifier) && specifier !== 'spikewasm/package.json')
    throw new Error(`${label} has no ${specifier}`)
  return undefined
}

/** What Node has found, with a mark. */
function marked(specifier: string, { parentURL }: Context, resolved: Resolved): Resolved {
  const registration = registrations.get(markOf(parentURL) ?? '')
  if (!registration) {
    // A user's own file is an ES module, also where no package.json says so.
    const isOwn = specifier.startsWith('file:') && markOf(specifier) !== null
    return isOwn && /\.js\?/.test(resolved.url) ? { ...resolved, format: 'module' } : resolved
  }
  if (!resolved.url.startsWith('file:') || markOf(resolved.url) !== null) return resolved
  const url = new URL(resolved.url)
  const isModule = resolved.format !== 'module' && isModuleText(url)
  url.searchParams.set(PARAMETER, registration.mark)
  return { ...resolved, url: url.href, ...(isModule && { format: 'module' }) }
}

/** Node's hook on a thread of its own: from what an import names to a URL. */
export const resolve = async (specifier: string, context: Context, next: Next): Promise<Resolved> =>
  known(specifier, context) ?? marked(specifier, context, await next(specifier, context))

/** The same on the thread that imports, which newer versions of Node ask for. */
export const resolveNow = (specifier: string, context: Context, next: NextNow): Resolved =>
  known(specifier, context) ?? marked(specifier, context, next(specifier, context))
