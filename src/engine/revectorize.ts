/**
 * Wide vectors. V8 can join two operations on 128 bits into one on 256 bits when it optimises
 * WebAssembly. Lanes stay what they are, so all numbers keep their bits. It is a flag of V8 that
 * holds for the whole process; code that is optimised already does not change.
 */

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
