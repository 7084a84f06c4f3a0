/** A diagnosis as one HTML page that needs no other file and no network. */

import { figureHtml, pageHtml } from '../pages/frame.js'
import { escapeHtml, type Table, tableHtml } from '../pages/html.js'
import type { Diagnosis } from './diagnosis.js'
import { figures } from './figures.js'
import { claimTable, costTable, type Origin, processTables, toJson } from './report.js'

/** @returns the page; it holds the whole diagnosis as JSON in the element `diagnosis` */
export function page(diagnosis: Diagnosis, origin: Origin): Promise<string> {
  const { setup } = diagnosis
  const all = figures(diagnosis)
  const sections = all.map((figure) =>
    figureHtml(figure, (tablesOf[figure.id]?.(diagnosis) ?? []).map(table).join('')),
  )
  return pageHtml({
    title: `spikewasm diagnose: ${setup.network} on ${setup.dataset}`,
    body: `<h1>How well does rate-based backpropagation stand in for BPTT?</h1>
<p class="lead">${escapeHtml(describe(diagnosis))}</p>
${table(claimTable(diagnosis))}
${sections.join('')}<footer>${escapeHtml(footer(origin))}</footer>
`,
    figures: all,
    data: { diagnosis: toJson(diagnosis, origin) },
  })
}

/** Tables below a figure. */
const tablesOf: Readonly<Record<string, (diagnosis: Diagnosis) => readonly Table[]>> = {
  memory: (diagnosis) => [costTable(diagnosis)],
  processes: processTables,
}

const table = (of: Table): string =>
  tableHtml({ ...of, cells: of.head[0] === 'claim' ? 'text' : 'numbers' })

function describe({ setup, training }: Diagnosis): string {
  const { network, dataset, parameters, batchSize, steps, learningRate, probes, seed } = setup
  const accuracies = training.map(({ testAccuracy }) => (100 * testAccuracy).toFixed(1))
  const T = training.map(({ timeSteps }) => timeSteps)
  return [
    `Network ${network} with ${parameters.toLocaleString('en-US')} parameters on ${dataset}.`,
    `For each T it was trained with BPTT for ${steps} steps of ${batchSize} samples`,
    `(SGD, learning rate ${learningRate} to 0 along a cosine, seed ${seed}),`,
    `to a test accuracy of ${accuracies.join(', ')} % for T ${T.join(', ')}.`,
    `Each cosine is the mean over ${probes} training batches.`,
  ].join(' ')
}

const footer = ({ version, node, processor, cores }: Origin): string =>
  `spikewasm ${version}, Node ${node}, ${processor}, ${cores} cores. ` +
  'Method and claims: Yu et al., NeurIPS 2024, arXiv 2410.11488.'
