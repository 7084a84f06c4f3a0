/** What a page may do: run the scripts and use the styles it was written with, load nothing. */

import { createHash } from 'node:crypto'

/** A browser takes an inline text whose hash is named, and none that was put in later. */
const hashesOf = (texts: readonly string[]): string =>
  texts.length === 0
    ? "'none'"
    : texts
        .map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`)
        .join(' ')

/** The policy that a page names, for the header of one that is served; all else is forbidden. */
export const policyOf = (html: string): string =>
  /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "default-src 'none'"

/**
 * A Content-Security-Policy.
 *
 * @param scripts texts of the page's script elements
 * @param styles texts of its style elements; attributes cannot have styles
 * @param live whether the page hears from its server
 */
export const pagePolicy = (
  scripts: readonly string[],
  styles: readonly string[],
  live = false,
): string =>
  [
    "default-src 'none'",
    `script-src ${hashesOf(scripts)}`,
    `style-src ${hashesOf(styles)}`,
    'img-src data: blob:',
    ...(live ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
