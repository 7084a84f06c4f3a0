/** `spikewasm info` of an exported network: what it says about itself. */

import type { NetInfo } from '../edge/abi.js'
import { plainText } from '../errors.js'
import { isSealed, openFile, sealLine } from './net-file.js'
import { keyValueTable } from './report.js'
import { expectLeftOut } from './spec.js'

/** Options of a network that is planned. */
const superfluous = [
  ...['model', 'run', 'nir', 'dataset', 'batchSize', 'timeSteps', 'tau', 'method', 'stepMode'],
  ...['gradientCheckpoint', 'threads', 'program'],
]

/** What `info` shows of a file. */
export interface NetFacts {
  readonly json: object
  readonly text: string
}

/**
 * Opens an exported network, which checks it from end to end.
 *
 * @param args the command's options
 * @throws SpikewasmError for a file that is none, and for options that plan a network
 */
export async function netFacts(path: string, args: object): Promise<NetFacts> {
  expectLeftOut(args, superfluous, 'with an exported network', '; it is planned')
  const { bytes, net } = await openFile(path, '--weights')
  await net.close()
  const { info } = net
  const { state: _, ...json } = info
  return {
    json: { file: path, bytes: bytes.length, sealed: isSealed(info), ...json },
    text: `${path}\n${keyValueTable(rowsOf(info, bytes.length))}`,
  }
}

function rowsOf(info: NetInfo, bytes: number): [string, string][] {
  const { name, version, mode, target, weights, input, inputType, frames, method } = info
  const { classes, timeSteps, stepMode, batchSize, labels, synops } = info
  const batch: [string, string][] = mode === 'train' ? [['batch size', String(batchSize)]] : []
  return [
    ['name', plainText(name ?? 'none')],
    ['written by', `spikewasm ${plainText(version)}, ABI ${info.abi}`],
    ['sealed', sealLine(info)],
    ['mode', method === undefined ? mode : `${mode}, method ${method}`],
    ['target', target],
    ['weights', `${weights}, ${info.weightBytes} bytes, ${info.parameters} parameters`],
    ['input', `${inputType} [${input.join(', ')}]${frames ? `, ${timeSteps} frames` : ''}`],
    ['time steps', `${timeSteps}, step mode ${stepMode}`],
    ['classes', labels ? plainText(`${classes}: ${labels.join(', ')}`) : String(classes)],
    ...batch,
    ['file', `${bytes} bytes`],
    ['memory', `${info.memoryBytes} bytes, used ${info.usedBytes}`],
    ['synaptic operations', `at most ${synops.max}`],
  ]
}
