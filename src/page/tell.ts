/**
 * Texts of messages in a page: `tools/page-errors.mjs` puts a call of `tell` in the place of each.
 * A page for development loads the texts; one for production shows numbers and values.
 */

/** Where the numbers are explained. */
const list = 'spikewasm/texts.js'

let write = (number: number, values: readonly unknown[]): string =>
  `${list}#${number}(${values.join('|')})`

/** The message of a number, with what stands in it. */
export const tell = (number: number, ...values: readonly unknown[]): string => write(number, values)

/** Gives the texts, with {} in the place of each value. */
export function showTexts(texts: Readonly<Record<number, string>>): void {
  write = (number, values) =>
    texts[number].split('{}').reduce((text, part, i) => `${text}${values[i - 1]}${part}`)
}
