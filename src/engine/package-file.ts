/**
 * Files of the package: of the engine, data. They lie beside the code, or where a bundler has put
 * them.
 */

import { fail, SpikewasmError } from '../base/errors.js'
import { platform } from './platform.js'

/** Where this code is: of a bundle, where the bundle is. */
const codeUrl = (): string => import.meta.url

/**
 * The first of the addresses of a file that is there.
 *
 * @param path in the package
 * @param isRight of its bytes
 * @param mend what to do where there is none
 * @throws SpikewasmError that says what was found where, and for what comes into no page by itself
 */
export async function readOwn(
  path: string,
  isRight: (bytes: Uint8Array) => boolean,
  mend: string,
): Promise<{ readonly url: URL; readonly bytes: Uint8Array }> {
  const url = platform().packageFile(path)
  if (url) return readFirst(addressesOf(url, path), isRight, mend)
  fail(`${path} of spikewasm comes into no page by itself; ${mend}`)
}

/**
 * Addresses at which a file may be. Vite's development server moves the code alone, to
 * `node_modules/.vite/deps`; the file stays in the package.
 *
 * @param url beside the code
 * @param path in the package
 */
export function addressesOf(url: URL, path: string): URL[] {
  const found = /^(.*\/node_modules\/)(?!spikewasm\/)/.exec(codeUrl())
  if (!found || platform().kind === 'node') return [url]
  return [url, new URL(`${found[1]}spikewasm/${path}`)]
}

/**
 * The first of the files that is there and is what it should be.
 *
 * @param isRight of its bytes
 * @param mend what to do where there is none
 * @throws SpikewasmError that says what was found where
 */
export async function readFirst(
  urls: readonly URL[],
  isRight: (bytes: Uint8Array) => boolean,
  mend: string,
): Promise<{ readonly url: URL; readonly bytes: Uint8Array }> {
  const found: string[] = []
  let cause: unknown
  for (const url of urls)
    try {
      const bytes = await platform().readPackageFile(url)
      if (isRight(bytes)) return { url, bytes }
      found.push(`${show(url)} holds ${beginning(bytes)}`)
    } catch (error) {
      cause = error
      found.push(`${show(url)} cannot be read (${messageOf(error)})`)
    }
  fail(
    `a file of spikewasm is missing or damaged: ${found.join('; ')}; ${
      platform().kind === 'node' && urls.every(isFile) ? 'install spikewasm again' : mend
    }`,
    cause,
  )
}

/** What to say of files of the package that cannot be used. */
export function broken(urls: readonly URL[], cause: unknown): SpikewasmError {
  if (cause instanceof SpikewasmError) return cause
  return new SpikewasmError(
    `${urls.map(show).join(', ')}, a file of spikewasm, is missing or damaged ` +
      `(${messageOf(cause)}); install spikewasm again`,
    { cause },
  )
}

const isFile = (url: URL): boolean => url.protocol === 'file:'

const show = (url: URL): string =>
  isFile(url) ? decodeURIComponent(url.pathname) : url.href.slice(0, 200)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : `${error}`)

/** How a file begins that is another than it should be: mostly a page that says "not found". */
function beginning(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'nothing'
  const text = new TextDecoder().decode(bytes.subarray(0, 40)).trim()
  const isPage = /^<(!doctype|html)/i.test(text)
  return `${bytes.length} bytes that begin with ${JSON.stringify(text)}${isPage ? ', a page' : ''}`
}
