// Checks the built site: every link and anchor leads somewhere, and no page asks another origin for
// anything.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Attributes that make a browser request something, by tags; `link` depends on its `rel`. */
const requests = {
  script: ['src'],
  img: ['src', 'srcset'],
  source: ['src', 'srcset'],
  video: ['src', 'poster'],
  audio: ['src'],
  iframe: ['src'],
  object: ['data'],
  embed: ['src'],
  use: ['href', 'xlink:href'],
  image: ['href', 'xlink:href'],
  link: ['href'],
}
/** Links of these kinds are read by search engines, and requested by nobody. */
const namesOnly = /^(canonical|alternate|author|license|next|prev)$/

const TAG =
  /<([a-z][\w:-]*)((?:\s+[^\s"'<>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>`]+))?)*)\s*\/?>/gi
const ATTRIBUTE = /([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>`]+)))?/g
const entities = { amp: '&', quot: '"', lt: '<', gt: '>', apos: "'" }
const decoded = (text) =>
  text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) =>
    name
      ? (entities[name] ?? all)
      : String.fromCodePoint(hex ? Number.parseInt(hex, 16) : +decimal),
  )

/** What a page has: the ids, the links, and the addresses that it requests by itself. */
export function readPage(html) {
  const page = { ids: new Set(), links: new Set(), requested: new Set(requestsOfStyle(html)) }
  const text = html
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/(<(script|style)\b[^>]*>)[\s\S]*?<\/\2>/gi, '$1')
  for (const [, name, rest] of text.matchAll(TAG)) {
    const tag = name.toLowerCase()
    const has = Object.fromEntries(
      [...rest.matchAll(ATTRIBUTE)].map(([, key, ...values]) => [
        key.toLowerCase(),
        decoded(values.find((value) => value !== undefined) ?? ''),
      ]),
    )
    if (has.id) page.ids.add(has.id)
    if (tag === 'a' && has.name) page.ids.add(has.name)
    if ((tag === 'a' || tag === 'area') && has.href !== undefined) page.links.add(has.href)
    if (tag === 'link' && namesOnly.test(has.rel)) continue
    for (const key of requests[tag] ?? [])
      for (const part of key === 'srcset' ? (has[key] ?? '').split(/,\s+/) : [has[key]])
        if (part) page.requested.add(part.trim().split(/\s/)[0])
  }
  return page
}

/** Addresses in style sheets, and in styles of pages. */
const requestsOfStyle = (css) =>
  [...css.matchAll(/\burl\(\s*(?:&quot;|["'])?([^"')&\s]+)|@import\s+["']([^"']+)/g)].map(
    ([, url, imported]) => url ?? imported,
  )

/** The file that answers for a path of the site, as hosts find it; undefined for none. */
function fileFor(path, files) {
  const name = path.replace(/^\//, '')
  return [name, `${name}.html`, join(name, 'index.html')].find((file) => files.has(file))
}

/**
 * All that is wrong in a built site.
 *
 * @param base the path below which it will stand, with slashes at both ends
 */
export function checkSite(folder, base = '/') {
  if (!existsSync(folder)) throw new Error(`${folder} is not there: nothing to check`)
  const files = new Set(
    readdirSync(folder, { recursive: true }).map((f) => f.replaceAll('\\', '/')),
  )
  const read = (file) => readFileSync(join(folder, file), 'utf8')
  const pages = new Map()
  for (const file of files) if (file.endsWith('.html')) pages.set(file, readPage(read(file)))
  const problems = []
  const own = 'http://site.invalid'
  const counts = { pages: pages.size, links: 0 }
  const check = (file, link, isRequest) => {
    const from = new URL(base + file.replace(/(^|\/)index\.html$/, '$1'), own)
    if (!URL.canParse(link, from)) return problems.push(`${file}: ${link} is no address`)
    const { protocol, origin, pathname, hash } = new URL(link, from)
    if (origin !== own) {
      const isAllowed = isRequest ? /^(data|blob):$/ : /^(https?|mailto):$/
      if (!isAllowed.test(protocol)) problems.push(`${file}: ${link} leads to another origin`)
      return undefined
    }
    counts.links++
    const path = decodeURIComponent(pathname)
    const target = path.startsWith(base) ? fileFor(path.slice(base.length), files) : undefined
    if (target === undefined) return problems.push(`${file}: ${link} is not there`)
    const anchor = decodeURIComponent(hash.slice(1))
    if (anchor && !isRequest && pages.has(target) && !pages.get(target).ids.has(anchor))
      problems.push(`${file}: ${link} leads to no heading`)
    return undefined
  }
  for (const [file, { links, requested }] of pages) {
    for (const link of links) check(file, link, false)
    for (const link of requested) check(file, link, true)
  }
  for (const file of files)
    if (/\.(css|svg)$/.test(file))
      for (const link of requestsOfStyle(read(file)))
        if (!link.startsWith('#')) check(file, link, true)
  return { ...counts, problems }
}
