/** All kernels, beside the peak of the machine and naive loops. */

import { quick, thorough } from '../src/bench/measure.js'
import { peakGflops } from '../src/bench/peak.js'
import { addReport, digits, emptyReport, type Report } from '../src/bench/report.js'
import { benchConvolutions } from './convolutions.js'
import { benchElementwise } from './elementwise.js'
import { benchGroups } from './groups.js'
import { benchMatmuls } from './matmuls.js'
import { firstLayers, layerShapes, quickShapes } from './shapes.js'

const RATES = [0.05, 0.1, 0.2, 0.4]
const QUICK_RATES = [0.1, 0.4]

export function benchKernels(
  isQuick: boolean,
  label: string,
  progress: (text: string) => void,
): Report {
  const budget = isQuick ? quick : thorough
  const images = isQuick ? 4 : 16
  const report = emptyReport()
  peakGflops(isQuick ? 200 : 1000)
  const sizes = [
    [1024, 64, '64 @32'],
    [256, 128, '128 @16'],
    [64, 256, '256 @8'],
    [16, 512, '512 @4'],
  ] as const
  addReport(
    report,
    benchMatmuls(isQuick ? [128, 256] : [128, 256, 512, 1024], budget, label, progress),
  )
  const shapes = isQuick
    ? [...firstLayers.slice(0, 1), ...quickShapes]
    : [...firstLayers, ...layerShapes]
  addReport(
    report,
    benchConvolutions(shapes, images, isQuick ? QUICK_RATES : RATES, budget, label, progress)
      .report,
  )
  addReport(report, benchGroups(64, isQuick ? 8 : 16, images, budget, label, progress))
  const tensors = (isQuick ? sizes.slice(1, 2) : sizes).map(([pixels, C, name]) => ({
    pixels: pixels * images,
    C,
    name,
  }))
  addReport(
    report,
    benchElementwise(tensors, isQuick ? 2 ** 18 : 11_173_888, budget, label, progress),
  )
  const peak = peakGflops()
  report.tables.unshift({
    title: 'Peak',
    notes: [
      'The highest of many short runs between the kernels: twelve chains of f32x4 ' +
        'multiplications and additions in registers, one thread.',
    ],
    head: ['measure', 'GFLOP/s'],
    rows: [['multiply and add', digits(peak)]],
  })
  report.biggerIsBetter.push({
    name: 'peak | multiply and add',
    unit: 'GFLOP/s',
    value: peak,
    extra: `1 thread\n${label}`,
  })
  return report
}
