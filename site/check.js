// Checks the built site: every link and anchor leads somewhere, and no page asks another origin for
// anything.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Parser } from 'htmlparser2'

/** Attributes that make a browser request something, with their tags; of `link` by its `rel`. */
const requests = /^(\w+ (src|srcset|poster)|object data|(use|image|link) (xlink:)?href)$/
/** Links of these kinds are read by search engines, and requested by nobody. */
const namesOnly = /^(canonical|alternate|author|license|next|prev)$/

/** What a page has: the ids, the links, and the addresses that it requests by itself. */
function readPage(html) {
  const page = { ids: new Set(), links: new Set(), requested: new Set(requestsOfStyle(html)) }
  const onopentag = (tag, has) => {
    if (has.id) page.ids.add(has.id)
    if (tag === 'a' && has.name) page.ids.add(has.name)
    if (/^(a|area)$/.test(tag) && has.href !== undefined) page.links.add(has.href)
    if (tag === 'link' && namesOnly.test(has.rel)) return
    for (const [key, value] of Object.entries(has))
      if (value && requests.test(`${tag} ${key}`))
        for (const one of key === 'srcset' ? value.split(/,\s+/) : [value])
          page.requested.add(one.trim().split(/\s/)[0])
  }
  new Parser({ onopentag }).end(html)
  return page
}

/** Addresses in style sheets, and in styles of pages. */
const requestsOfStyle = (css) =>
  [...css.matchAll(/\burl\(\s*(?:&quot;|["'])?([^#"')&\s][^"')&\s]*)|@import\s+["']([^"']+)/g)].map(
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
  const names = readdirSync(folder, { recursive: true }).map((name) => name.replaceAll('\\', '/'))
  const files = new Set(names)
  const read = (file) => readPage(readFileSync(join(folder, file), 'utf8'))
  const pages = new Map(
    names.filter((name) => /\.(html|css|svg)$/.test(name)).map((file) => [file, read(file)]),
  )
  const own = 'http://site.invalid'
  let links = 0
  /** What is wrong with a link, or nothing. */
  const faultOf = (file, link, isRequest) => {
    const from = new URL(base + file.replace(/(^|\/)index\.html$/, '$1'), own)
    if (!URL.canParse(link, from)) return 'is no address'
    const { protocol, origin, pathname, hash } = new URL(link, from)
    const isAllowed = isRequest ? /^(data|blob):$/ : /^(https?|mailto):$/
    if (origin !== own) return isAllowed.test(protocol) ? '' : 'leads to another origin'
    links++
    const path = decodeURIComponent(pathname)
    const target = path.startsWith(base) ? fileFor(path.slice(base.length), files) : undefined
    if (target === undefined) return 'is not there'
    const anchor = decodeURIComponent(hash.slice(1))
    const isMissing = anchor && !isRequest && pages.get(target)?.ids.has(anchor) === false
    return isMissing ? 'leads to no heading' : ''
  }
  const problems = []
  for (const [file, page] of pages)
    for (const kind of ['links', 'requested'])
      for (const link of page[kind]) {
        const fault = faultOf(file, link, kind === 'requested')
        if (fault) problems.push(`${file}: ${link} ${fault}`)
      }
  const html = names.filter((name) => name.endsWith('.html')).length
  return { pages: html, links, problems, measured: [`${html} pages, ${links} links`] }
}
