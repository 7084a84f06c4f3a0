/** Where figures come from: the commit, the machine, and what ran the code. */
import { execFile } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'
import { promisify } from 'node:util'
import * as v from '../../runtime/vendor/valibot/index.js'

const text = v.pipe(v.string(), v.maxLength(400))

/** Commit of a checkout: its hash, and whether files differ from it. */
const commitSchema = v.object({
  hash: v.pipe(v.string(), v.regex(/^[0-9a-f]{7,64}$/)),
  dirty: v.boolean(),
})
export type Commit = v.InferOutput<typeof commitSchema>

const common = {
  /** ISO 8601, UTC. */
  date: v.pipe(v.string(), v.isoTimestamp()),
  version: text,
  commit: v.optional(commitSchema),
  processor: text,
  processors: v.pipe(v.number(), v.integer(), v.minValue(1)),
  platform: text,
  /** Whether V8 uses wide vectors. */
  wide: v.boolean(),
}
export const originSchema = v.object({ ...common, node: text, v8: text })
/** Of times that were measured in a page: its browser, which does not tell its processor. */
const pageOrigin = v.object({ ...common, page: text })
export type Origin = v.InferOutput<typeof originSchema>
export type PageOrigin = v.InferOutput<typeof pageOrigin>

/** Of a baseline: of Node, or of a page. */
export const anyOriginSchema = v.union(
  [originSchema, pageOrigin],
  'must tell date, version, processor, processors, platform, wide, and node and v8 or page',
)

/** @param root folder of the package */
export async function originOf(root: string, version: string, wide: boolean): Promise<Origin> {
  return {
    date: new Date().toISOString(),
    version,
    ...((await commitOf(root)) ?? {}),
    processor: cpus()[0]?.model.trim() || 'unknown processor',
    processors: availableParallelism(),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    wide,
  }
}

const run = promisify(execFile)

/** Absent where the folder is no checkout of its own, or there is no git. */
async function commitOf(root: string): Promise<{ commit: Commit } | undefined> {
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['-C', root, ...args], { timeout: 5000, maxBuffer: 1 << 24 })).stdout.trim()
  try {
    // An installed package may lie in somebody else's repository.
    if ((await git('rev-parse', '--show-prefix')) !== '') return undefined
    const hash = await git('rev-parse', 'HEAD')
    const dirty = (await git('status', '--porcelain', '--untracked-files=no')) !== ''
    return v.is(commitSchema, { hash, dirty }) ? { commit: { hash, dirty } } : undefined
  } catch {
    return undefined
  }
}

/** `1a2b3c4`, or `1a2b3c4 with changes`; else the version. */
export const nameOf = ({ commit, version }: Pick<Origin, 'commit' | 'version'>): string =>
  commit === undefined ? version : commit.hash.slice(0, 7) + (commit.dirty ? ' with changes' : '')

/**
 * What must be equal before times of two runs can be compared; the part that differs, in words. A
 * page is another engine, perhaps on another device: who compares with one knows that.
 */
export function obstacleBetween(now: Origin, then: Origin | PageOrigin): string | undefined {
  if ('page' in then) return undefined
  const major = (version: string): string => version.split('.')[0]
  const parts: [string, string, string][] = [
    ['processor', now.processor, then.processor],
    ['number of processors', String(now.processors), String(then.processors)],
    ['platform', now.platform, then.platform],
    ['Node', major(now.node), major(then.node)],
    ['V8', now.v8, then.v8],
    ['wide vectors', now.wide ? 'on' : 'off', then.wide ? 'on' : 'off'],
  ]
  const other = parts.find(([, a, b]) => a !== b)
  return other && `its ${other[0]} is "${other[2]}", now it is "${other[1]}"`
}
