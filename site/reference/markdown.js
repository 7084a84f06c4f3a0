// Comments and tables as markdown.
import { addresses, titles } from '../shelves.js'

const linkTo = (page) => `[${titles[page]}](/${addresses[page]})`

/** A comment as markdown in which nothing is a tag of HTML or emphasis; code stays as it is. */
export function prose(text) {
  const parts = text.split(/(```[\s\S]*?```|(?<=\n\n)(?: {4}.*\n?)+|`[^`]*`)/)
  const plain = (part) =>
    part
      .replaceAll('<', '&lt;')
      .replaceAll(/[*_]/g, '\\$&')
      .replaceAll(/\bdocs\/[\w-]+\.md/g, linkTo)
  return parts.map((part, i) => (i % 2 ? part : plain(part))).join('')
}

/** The same in a cell of a table. */
export function cell(text) {
  const items = text.replaceAll(/:\n+- /g, ': ').replaceAll('\n- ', '; ')
  return prose(items.replaceAll(/\s+/g, ' ')).replaceAll('|', '\\|').trim()
}

export const code = (text) => `\`${text.replaceAll('|', '\\|').replaceAll('`', "'")}\``

/** A table of markdown, or nothing without rows; columns that are empty are left out. */
export function table(heads, rows) {
  const kept = heads.map((_, i) => rows.some((row) => row[i] !== '' && row[i] !== undefined))
  const line = (cells) => `| ${cells.filter((_, i) => kept[i]).join(' | ')} |\n`
  if (rows.length === 0) return ''
  return `${[heads, heads.map(() => '---'), ...rows].map(line).join('')}\n`
}

/** A block of JSON in lines, in which lists longer than `most` are cut. */
export function jsonBlock(object, most = Number.POSITIVE_INFINITY) {
  const short = (_, value) =>
    Array.isArray(value) && value.length > most ? [value[0], '…'] : value
  const lines = JSON.stringify(object, short, 2)
  const text = lines.replaceAll(/[[{][^[\]{}]{1,80}[\]}]/g, (all) => all.replaceAll(/\s+/g, ' '))
  return `\`\`\`json\n${text}\n\`\`\`\n\n`
}
