/** Colours of lines, for light and dark pages; the colour-blind tell the first eight apart. */

import type { Series } from '../chart.js'

const dark = matchMedia('(prefers-color-scheme: dark)')

/** Calls back when the page changes between light and dark. */
export const onScheme = (call: () => void): void => dark.addEventListener('change', call)

const apart = {
  light: '#0072b2 #d55e00 #008760 #b04a8c #2b8fc9 #8a6d00 #6a3d9a #5f6670 #882255'.split(' '),
  dark: '#5bb8f0 #ff9a4d #35d3a2 #f39ac4 #9fd4f7 #e3c33a #b9a0ec #b4bac4 #ff7fa8'.split(' '),
}

/** Without the yellow that white swallows, and the violet that black swallows. */
const orders = {
  light: ['#440154', '#3b528b', '#21807c', '#4aa84a'],
  dark: ['#c39bff', '#7fa8ff', '#3fd0c0', '#d8e36a'],
}

/** A place between colours, 0…1. */
function between(colours: readonly string[], share: number): string {
  const at = share * (colours.length - 1)
  const low = Math.min(Math.floor(at), colours.length - 2)
  const parts = [low, low + 1].map((i) =>
    [1, 3, 5].map((from) => Number.parseInt(colours[i].slice(from, from + 2), 16)),
  )
  const mixed = parts[0].map((value, c) => Math.round(value + (parts[1][c] - value) * (at - low)))
  return `rgb(${mixed.join(', ')})`
}

/** The colour of a series that stands at a place of its chart. */
export function colourOf({ share, colour }: Pick<Series, 'share' | 'colour'>, place = 0): string {
  const scheme = dark.matches ? 'dark' : 'light'
  if (share !== undefined) return between(orders[scheme], share)
  const list = apart[scheme]
  return list[(colour ?? place) % list.length]
}

/** A colour of the page's style. */
export const styled = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()
