// Where links of pages lead on the site, and what headings are called there.
import { existsSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addresses, elsewhere } from './shelves.js'

export const root = fileURLToPath(new URL('../', import.meta.url))

const { repository } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
/** Files that are no pages are linked to there. */
const SOURCES = `${repository.url.replace(/^git\+|\.git$/g, '')}/blob/main/`

/** A heading's anchor, as GitHub makes it of the text. */
export const anchorOf = (heading) =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

/** Whether an address of the site is of a part that VitePress does not build. */
export const isElsewhere = (address) =>
  Object.keys(elsewhere).some((part) => address.startsWith(part))

/**
 * Where a link leads on the site.
 *
 * @param page the file in which it stands, from the root
 */
export function addressOf(page, link) {
  if (/^([a-z]+:|#|\/)/i.test(link)) return link
  const [path, anchor] = link.split('#')
  const target = posix.join(posix.dirname(page), path).replace(/\/$/, '')
  const hash = anchor ? `#${anchor}` : ''
  if (target === 'README.md' && !hash) return '/'
  if (addresses[target]) return `/${addresses[target].replace(/^index$/, '')}${hash}`
  if (existsSync(root + target)) return SOURCES + target + hash
  throw new Error(`${page} links to ${link}, which is not there`)
}

/** Turns the links of a page round: a plugin of markdown-it. Pictures stay beside their pages. */
export function turnLinks(md) {
  md.core.ruler.push('links', ({ tokens, env }) => {
    const file = env.realPath ?? env.path
    // A title is parsed for itself.
    if (!file) return
    const page = posix.relative(root, file)
    for (const token of tokens.flatMap(({ children }) => children ?? []))
      if (token.type === 'link_open') {
        const address = addressOf(page, token.attrGet('href'))
        token.attrSet('href', address)
        // The router would look for a page of its own.
        if (isElsewhere(address)) token.attrSet('target', '_self')
      }
  })
}
