/** Collects the measurements of kernels: one row and one or two entries each. */
import type { Timing } from '../src/bench/measure.js'
import {
  deviation,
  digits,
  type Entry,
  emptyReport,
  percent,
  type Report,
} from '../src/bench/report.js'

/** One kernel on one shape. `work` is in GFLOP or in GB; the peak is in the same unit a second. */
export interface KernelResult {
  readonly kernel: string
  readonly shape: string
  /** Rate of spikes and what else the figure depends on; '' when it depends on the shape alone. */
  readonly density: string
  readonly timing: Timing
  readonly work: number
  readonly unit: 'GFLOP/s' | 'GB/s'
  readonly peak: number
  /** The naive loop's speed in the same unit; undefined when it was not run. */
  readonly naive?: number
}

export const speed = ({ work, timing }: KernelResult): number => (1000 * work) / timing.median

const LEGEND =
  'ms: median call behind a warm-up; of peak: by the median call (by the fastest); ' +
  'first: the first call; cold: the three behind it, while V8 optimises.'

/**
 * Share of the peak, of the median call and, in brackets, of the fastest: what the kernel reaches
 * when nobody else uses the processor.
 */
const share = (r: KernelResult): string =>
  `${percent(speed(r) / r.peak)} (${percent((1000 * r.work) / r.timing.best / r.peak)})`

export class KernelTable {
  private readonly results: KernelResult[] = []

  constructor(
    private readonly title: string,
    private readonly notes: readonly string[],
    private readonly group: string,
    private readonly label: string,
  ) {}

  add(result: KernelResult): KernelResult {
    this.results.push(result)
    return result
  }

  report(): Report {
    const report = emptyReport()
    const head = [
      'kernel',
      'shape',
      'density',
      'ms',
      'spread',
      this.results[0]?.unit ?? 'GFLOP/s',
      'of peak',
      '× naive JS',
      'first ms',
      'cold ms',
    ]
    const rows = this.results.map((r) => [
      r.kernel,
      r.shape,
      r.density,
      digits(r.timing.median),
      deviation(r.timing.spread),
      digits(speed(r)),
      share(r),
      r.naive === undefined ? '–' : digits(speed(r) / r.naive),
      digits(r.timing.first),
      digits(r.timing.cold),
    ])
    report.tables.push({ title: this.title, notes: [...this.notes, LEGEND], head, rows })
    for (const r of this.results) {
      const name = [this.group, r.kernel, r.shape, r.density]
        .filter((part) => part !== '')
        .join(' | ')
      const extra = [
        `${share(r)} of the peak ${digits(r.peak)} ${r.unit}`,
        r.naive === undefined ? '' : `${digits(speed(r) / r.naive)} × naive JavaScript`,
        `first call ${digits(r.timing.first)} ms, cold tier ${digits(r.timing.cold)} ` +
          `ms, fastest ${digits(r.timing.best)} ms, ${r.timing.samples} samples`,
        r.density,
        '1 thread',
        this.label,
      ]
      const shared: Pick<Entry, 'range' | 'extra'> = {
        range: deviation(r.timing.spread),
        extra: extra.filter((part) => part !== '').join('\n'),
      }
      report.smallerIsBetter.push({ name, unit: 'ms', value: r.timing.median, ...shared })
      report.biggerIsBetter.push({ name, unit: r.unit, value: speed(r), ...shared })
    }
    return report
  }
}
