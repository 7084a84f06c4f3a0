/**
 * Wide vectors. V8 can join two operations on 128 bits into one on 256 bits when it optimises
 * WebAssembly. Lanes stay what they are, so all numbers keep their bits. It is a flag of V8 that
 * holds for the whole process; code that is optimised already does not change.
 */

import { instantiateEngine, loadApart } from './load.js'
import type { Platform } from './platform.js'

const FLAG = '--experimental-wasm-revectorize'
/** Node's versions whose V8 has the flag and gains by it. V8 complains of a flag that it lacks. */
const FIRST_NODE = 24
const LAST_NODE = 26

/** Whether wide vectors are on in this process, and why not. */
export interface WideVectors {
  readonly on: boolean
  /** Absent when they are on. */
  readonly why?: string
}

/** What decides whether wide vectors can be switched on. */
export interface Host {
  /** Version of Node; undefined in a page. */
  readonly node: string | undefined
  /** `process.arch` */
  readonly arch: string
  /** What the processor can do, as Linux writes it; undefined where nobody tells. */
  readonly features: string | undefined
}

/** Why wide vectors can't be switched on; undefined where they can. */
export function obstacle({ node, arch, features }: Host): string | undefined {
  if (node === undefined) return 'only Node can switch them on'
  const major = Number.parseInt(node, 10)
  if (major < FIRST_NODE) return `Node ${FIRST_NODE} or newer is needed`
  if (major > LAST_NODE) return `tried with Node ${FIRST_NODE} to ${LAST_NODE} alone`
  if (arch !== 'x64') return `an x64 processor is needed, this is ${arch}`
  if (features !== undefined && !/\bavx2\b/.test(features)) return 'the processor has no AVX2'
  return undefined
}

/** Settled when somebody has asked for wide vectors in this process. */
let asked: Promise<WideVectors> | undefined

/** Switches wide vectors on for the whole process, where that helps. */
export function switchOnWideVectors(): Promise<WideVectors> {
  asked ??= switchOn()
  return asked
}

/** Whether they are on: switched on here, or by a flag of Node's own command line. */
export async function wideVectors(): Promise<WideVectors> {
  if (asked) return asked
  const why = obstacle(await thisHost())
  if (why === undefined && process.execArgv.includes(FLAG)) return { on: true }
  return { on: false, why: why ?? 'nobody asked for them' }
}

/**
 * What wide vectors change of a model's settings: the engine too, where it is the package's and V8
 * joins what is in the one for wide vectors. Bits are the same in both.
 *
 * @throws SpikewasmError where the file of that engine is missing
 */
export const wideSettings: NonNullable<Platform['wideSettings']> = async ({ engine, wasm }) => {
  const { on: revectorized } = await switchOnWideVectors()
  if (!revectorized || engine !== 'release' || wasm) return { engine, revectorized }
  joining ??= joins()
  // A file that comes back may be read again.
  joining.catch(() => {
    joining = undefined
  })
  return { engine: (await joining) ? 'wide' : engine, revectorized }
}

/** Settled when V8 has been looked at in this thread. */
let joining: Promise<boolean> | undefined

/** Two functions of the engine for wide vectors: assembly/base/stack.ts. */
type StackOf = Record<'stackOfNeighbours' | 'stackOfOthers', (at: number, turns: number) => void>

/** Turns of their loops, three times as many as V8 lets code run before it optimises. */
const TURNS = 100_000
/** Should another thread switch the flag off before V8 has optimised, the next round will do. */
const ROUNDS = 3

/**
 * Whether V8 joins neighbours, as it does in what it optimises where it has the flag, the processor
 * has AVX2 and no debugger looks on. Joined code takes another stack: of two functions, of which
 * nothing can be joined in the second, V8 makes code that takes the same stack unless it joins. It
 * is told to optimise where it stands, not in a thread of its own, so that nothing has to be waited
 * for; without its baseline compiler both are optimised already, without the other none ever is.
 */
async function joins(): Promise<boolean> {
  const { setFlagsFromString } = await import('node:v8')
  const { threadId } = await import('node:worker_threads')
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  const module = await loadApart('engine-wide', `thread ${threadId}`)
  const engine = instantiateEngine(module, memory) as unknown as StackOf
  const both = [engine.stackOfNeighbours, engine.stackOfOthers]
  for (let round = 0; round < ROUNDS; round++) {
    setFlagsFromString('--wasm-sync-tier-up')
    for (const fill of both) fill(0, TURNS)
    setFlagsFromString('--no-wasm-sync-tier-up')
  }
  const calls = new Uint32Array(memory.buffer, 0, 1)
  const [joined, plain] = both.map((fill) => {
    calls[0] = 0
    try {
      fill(0, 0)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
    }
    return calls[0]
  })
  // Stacks of the same code hold as many calls, but for what else is on them.
  return Math.abs(joined - plain) > plain / 100
}

async function switchOn(): Promise<WideVectors> {
  const why = obstacle(await thisHost())
  if (why !== undefined) return { on: false, why }
  const { setFlagsFromString } = await import('node:v8')
  setFlagsFromString(FLAG)
  return { on: true }
}

async function thisHost(): Promise<Host> {
  const inNode = typeof process !== 'undefined' && process.versions?.node !== undefined
  if (!inNode) return { node: undefined, arch: 'unknown', features: undefined }
  const { arch, platform, versions } = process
  const features = platform === 'linux' && arch === 'x64' ? await readFeatures() : undefined
  return { node: versions.node, arch, features }
}

async function readFeatures(): Promise<string | undefined> {
  const { readFile } = await import('node:fs/promises')
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '')
  return /^flags\s*:(.*)$/m.exec(text)?.[1]
}
