/** Exported networks: how large they are, how fast, how soon the first image is through. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { emptyReport, type Report } from '../src/bench/report.js'
import { quickTurns, type TurnsBudget, thoroughTurns } from './alternate.js'
import { inferBuilds, trainBuilds } from './edge/builds.js'
import { coldStarts, coldTable, measureColdStarts, reportColdStarts } from './edge/cold.js'
import { networkNames, type TrainedNetwork, trainNetwork } from './edge/networks.js'
import { comparePeer, peerColdStart, peerTable, reportPeer } from './edge/peers.js'
import { reportSizes, sizeTable } from './edge/sizes.js'
import { reportSpeed, speedTable } from './edge/speed.js'
import type { BenchOptions } from './options.js'
import { installPeers } from './peers.js'

interface Rows {
  readonly sizes: string[][]
  readonly speed: string[][]
  readonly cold: string[][]
  readonly peers: string[][]
}

/** How long calls are timed, and how many fresh processes: fewer where they read many bytes. */
function effort({ quick }: BenchOptions, large: boolean): { budget: TurnsBudget; rounds: number } {
  return quick
    ? { budget: quickTurns, rounds: 2 }
    : { budget: thoroughTurns, rounds: large ? 7 : 15 }
}

/** Everything about one network; `folder` is its own. */
async function benchNetwork(
  network: TrainedNetwork,
  options: BenchOptions,
  into: { rows: Rows; notes: Set<string>; report: Report },
  folder: string,
  label: string,
  progress: (text: string) => void,
): Promise<void> {
  const { rows, notes, report } = into
  const { name, large } = network
  const { budget, rounds } = effort(options, large)
  progress(`edge ${name}: export`)
  const builds = await inferBuilds(network, notes)
  const inferring = [...builds].map(([label, bytes]) => ({ label, bytes }))
  const all = [...inferring, ...(await trainBuilds(network, options.quick, notes))]
  reportSizes(name, all, rows.sizes, report, label)
  await reportSpeed(network, builds, budget, { ...into, rows: rows.speed }, label, progress)

  const starts = await coldStarts(network, builds, folder)
  const simd = builds.get('simd f32')
  if (options.peers && !large && simd) {
    progress(`edge ${name} beside others`)
    reportPeer(network, await comparePeer(network, simd, budget, folder), rows.peers, report, label)
    starts.push(peerColdStart(network, folder))
  }
  progress(`edge ${name}: first images`)
  reportColdStarts(name, await measureColdStarts(starts, rounds), rows.cold, report, label)
}

export async function benchEdge(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  if (options.peers) installPeers(progress)
  const report = emptyReport()
  const rows: Rows = { sizes: [], speed: [], cold: [], peers: [] }
  const notes = new Set<string>()
  for (const name of networkNames(options)) {
    progress(`edge ${name}: training first`)
    const network = await trainNetwork(name, options.quick, options.threads)
    notes.add(
      `${name}: [${network.input.join(', ')}], ${network.data}, ${network.images.length} images.`,
    )
    const folder = mkdtempSync(join(tmpdir(), 'spikewasm-bench-'))
    try {
      await benchNetwork(network, options, { rows, notes, report }, folder, label, progress)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  report.tables.push(
    sizeTable(rows.sizes, [...notes]),
    speedTable(rows.speed, []),
    coldTable(rows.cold, []),
  )
  if (rows.peers.length > 0) report.tables.push(peerTable(rows.peers))
  return report
}
