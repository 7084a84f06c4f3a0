/** Runs an exported network on hosts and compares its outputs with those that are expected. */

import { mkdtempSync, rmSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fail } from '../../base/errors.js'
import type { NetInfo } from '../abi.js'
import { hostNames, hosts } from './hosts/index.js'
import { type FoundHost, type Host, HostFailure, type Job, type Outcome } from './job.js'
import type { Trial } from './trial.js'

/** One line of the result. */
export interface Row {
  readonly host: string
  readonly version: string
  readonly call: Trial['call']
  /** Undefined: it failed. */
  readonly outcome: Outcome | undefined
  /** Why it failed. */
  readonly failure?: string
}

/** A host that did not run, and why: how to install it, or what it cannot do. */
export interface Absent {
  readonly host: string
  readonly why: string
}

export interface Verification {
  readonly rows: readonly Row[]
  readonly absent: readonly Absent[]
}

export interface VerifyOptions {
  /** `all`, or names with commas between. Default all: those that are found. */
  readonly hosts?: string
  /** A host shows no further samples after so many seconds. Default 20. */
  readonly seconds?: number
  /** Called before a host runs. */
  readonly onHost?: (name: string) => void
}

/**
 * @param bytes the exported network
 * @param trials samples with their expected outputs, for each way to call it
 * @throws SpikewasmError for a host that is unknown, or named but missing
 */
export async function verifyNet(
  bytes: Uint8Array,
  info: NetInfo,
  trials: readonly Trial[],
  { hosts: names = 'all', seconds = 20, onHost = () => {} }: VerifyOptions = {},
): Promise<Verification> {
  const { found, absent } = await findHosts(names, info)
  const rows: Row[] = []
  for (const [host, program] of found)
    for (const trial of trials) {
      onHost(host.name)
      const result = await runTrial(bytes, trial, program, seconds)
      rows.push({ host: host.name, version: program.version, call: trial.call, ...result })
    }
  return { rows, absent }
}

/** Whether every host gave the expected bits. */
export const isExact = ({ rows }: Verification): boolean =>
  rows.every(({ outcome }) => outcome !== undefined && outcome.differ === 0)

/**
 * The hosts that can run a file.
 *
 * @param names `all`, or names with commas between
 * @throws SpikewasmError for a host that is unknown, or named but missing
 */
export async function findHosts(names: string, info: NetInfo) {
  const wanted = names.split(',').map((name) => name.trim())
  const all = wanted.includes('all')
  for (const name of wanted)
    if (name !== 'all' && !hostNames.includes(name))
      fail(`--hosts must be all or any of ${hostNames.join(',')}, got ${JSON.stringify(name)}`)
  const found: [Host, FoundHost][] = []
  const absent: Absent[] = []
  for (const host of hosts.filter(({ name }) => all || wanted.includes(name))) {
    const refusal = host.refuses?.(info)
    const program = refusal === undefined ? await host.find() : undefined
    if (program !== undefined) {
      found.push([host, program])
      continue
    }
    if (!all)
      fail(
        `--hosts must be hosts that can run the file here, got ${host.name}: ` +
          (refusal ?? `it was not found; ${host.install}`),
      )
    absent.push({ host: host.name, why: refusal ?? `not found; ${host.install}` })
  }
  return { found, absent }
}

/** Runs one host in a folder of its own, which is then removed. */
async function runTrial(
  bytes: Uint8Array,
  trial: Trial,
  program: FoundHost,
  seconds: number,
): Promise<Pick<Row, 'outcome' | 'failure'>> {
  // At once: a signal that comes meanwhile would leave it.
  const folder = mkdtempSync(join(tmpdir(), 'spikewasm-verify-'))
  const leave = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', leave)
  try {
    return { outcome: await program.run(await writeJob(folder, bytes, trial, seconds)) }
  } catch (error) {
    if (error instanceof HostFailure) return { outcome: undefined, failure: error.message }
    throw error
  } finally {
    process.off('exit', leave)
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

async function writeJob(
  folder: string,
  bytes: Uint8Array,
  { input, expected, ...numbers }: Trial,
  seconds: number,
): Promise<Job> {
  const path = (name: string): string => join(folder, name)
  const files = { net: path('net.wasm'), input: path('input.bin'), expected: path('expected.bin') }
  await writeFile(files.net, bytes)
  await writeFile(files.input, input)
  const { buffer, byteOffset, byteLength } = expected
  await writeFile(files.expected, new Uint8Array(buffer, byteOffset, byteLength))
  return { ...numbers, seconds, ...files, folder }
}
