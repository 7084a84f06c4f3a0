/**
 * A page without a browser: elements that can be written out, and canvases that keep what is drawn.
 * Where things lie is made up: every element is as wide as `screen` says.
 */

/** What the page lies on; a test changes it and calls `layOut` or `changeScheme`. */
export const screen = { width: 400, dark: false, ratio: 1 }

/** What is drawn since it was last read, a line for each call. */
export const drawn: string[] = []

const observers: (() => void)[] = []
const schemes: (() => void)[] = []
/** Event sources that were opened. */
export const sources: FakeElement[] = []

/** The page has another width. */
export function layOut(width: number): void {
  screen.width = width
  for (const call of [...observers]) call()
}

/** The page is light or dark now. */
export function changeScheme(dark: boolean): void {
  screen.dark = dark
  for (const call of schemes) call()
}

const short = (value: unknown): string =>
  typeof value === 'number'
    ? String(Number(value.toFixed(2)) + 0)
    : value instanceof FakePath
      ? `{${value.steps.join(' ')}}`
      : Array.isArray(value)
        ? `[${value.map(short).join(' ')}]`
        : String(value)

class FakePath {
  readonly steps: string[]

  constructor(from?: FakePath) {
    this.steps = [...(from?.steps ?? [])]
    for (const name of ['moveTo', 'lineTo', 'arc', 'closePath', 'rect'])
      Object.assign(this, {
        [name]: (...args: unknown[]) => this.steps.push(`${name[0]}${args.map(short).join(',')}`),
      })
  }
}

/** Methods and properties of a canvas, told as they come. */
const context = (): unknown =>
  new Proxy({} as Record<string, unknown>, {
    get:
      (_, name) =>
      (...args: unknown[]) => {
        drawn.push(`${String(name)} ${args.map(short).join(' ')}`.trimEnd())
      },
    set: (_, name, value) => {
      drawn.push(`${String(name)} = ${short(value)}`)
      return true
    },
  })

type Listener = (event: Record<string, unknown>) => void

export class FakeElement {
  readonly children: FakeElement[] = []
  readonly attributes: Record<string, string> = {}
  readonly dataset: Record<string, string> = {}
  readonly listeners: Record<string, Listener[]> = {}
  readonly style: Record<string, unknown> = {
    setProperty: (name: string, value: string) => {
      this.style[name] = value
    },
  }
  readonly classList = {
    add: (name: string) => {
      this.className = `${this.className} ${name}`.trim()
    },
    remove: () => {},
    contains: () => false,
  }
  className = ''
  text = ''
  parentNode: FakeElement | undefined
  #context: unknown;
  [property: string]: unknown

  constructor(readonly tag: string) {}

  get textContent(): string {
    return this.text
  }
  set textContent(text: string) {
    this.text = text
  }
  append(...children: FakeElement[]): void {
    for (const child of children) this.insertBefore(child, null)
  }
  appendChild(child: FakeElement): void {
    this.append(child)
  }
  insertBefore(child: FakeElement, before: FakeElement | null | undefined): void {
    child.remove()
    child.parentNode = this
    const at = before ? this.children.indexOf(before) : this.children.length
    this.children.splice(at, 0, child)
  }
  remove(): void {
    const siblings = this.parentNode?.children
    siblings?.splice(siblings.indexOf(this), 1)
    this.parentNode = undefined
  }
  replaceChildren(...children: FakeElement[]): void {
    for (const child of [...this.children]) child.remove()
    this.append(...children)
  }
  contains(other: unknown): boolean {
    return other === this || this.children.some((child) => child.contains(other))
  }
  setAttribute(name: string, value: string): void {
    this.attributes[name] = value
  }
  getAttribute(name: string): string | undefined {
    return this.attributes[name]
  }
  addEventListener(name: string, call: Listener): void {
    this.listeners[name] ??= []
    this.listeners[name].push(call)
  }
  removeEventListener(): void {}
  getBoundingClientRect() {
    return { left: 0, top: 0, width: screen.width, height: 100 }
  }
  getContext(): unknown {
    this.#context ??= context()
    return this.#context
  }
  focus(): void {
    page.activeElement = this
  }
  /** Something happens to it; returns whether the browser's own answer was prevented. */
  happen(name: string, event: Record<string, unknown> = {}): boolean {
    let prevented = false
    const preventDefault = (): void => {
      prevented = true
    }
    for (const call of this.listeners[name] ?? []) call({ ...event, preventDefault })
    return prevented
  }
  /** The elements of a tag below this one. */
  all(tag: string): FakeElement[] {
    return this.children.flatMap((child) => [
      ...(child.tag === tag ? [child] : []),
      ...child.all(tag),
    ])
  }
  /** Element by element, as text. */
  written(indent = ''): string {
    // What uPlot itself puts there is its own.
    if (this.className.startsWith('uplot')) return `${indent}(plot)\n`
    const own = ['type', 'title', 'tabIndex', 'scope', 'value', 'ariaHidden', 'width', 'height']
    const told = [
      ...(this.className ? [`class=${this.className}`] : []),
      ...own.filter((name) => this[name] !== undefined).map((name) => `${name}=${this[name]}`),
      ...Object.entries({ ...this.attributes, ...this.dataset }).map(
        // Sines differ in their last bits.
        ([k, v]) => `${k}=${v.replace(/\d+\.\d{3,}/g, (number) => short(Number(number)))}`,
      ),
      ...Object.entries(this.style)
        .filter(([, value]) => typeof value !== 'function')
        .map(([name, value]) => `${name}: ${value}`),
      ...(this.text ? [`'${this.text}'`] : []),
    ]
    const children = this.children.map((child) => child.written(`${indent}  `)).join('')
    return `${indent}${[this.tag, ...told].join(' ')}\n${children}`
  }
}

const byId: Record<string, FakeElement> = {}
const byFigure: Record<string, FakeElement> = {}

/** The document. */
const page = {
  activeElement: undefined as FakeElement | undefined,
  documentElement: new FakeElement('html'),
  createElement: (tag: string) => new FakeElement(tag),
  createElementNS: (_: string, tag: string) => new FakeElement(tag),
  getElementById: (id: string) => byId[id],
  querySelector: (selector: string) => byFigure[/"(.*)"/.exec(selector)?.[1] ?? ''],
  addEventListener: () => {},
}

/** Puts elements on the page: some that have a name, some that hold a figure. */
export function place(ids: readonly string[], figures: readonly string[]): void {
  for (const id of ids) byId[id] = new FakeElement(id)
  for (const id of figures) byFigure[id] = new FakeElement(id)
}

export const placed = (name: string): FakeElement => byId[name] ?? byFigure[name]

const globals: Record<string, unknown> = {
  document: page,
  window: globalThis,
  navigator: { language: 'en-US' },
  addEventListener: () => {},
  removeEventListener: () => {},
  dispatchEvent: () => {},
  Path2D: FakePath,
  HTMLElement: FakeElement,
  getComputedStyle: () => ({ getPropertyValue: (name: string) => ` ${name} ` }),
  matchMedia: (query: string) => ({
    get matches() {
      return query.includes('dark') && screen.dark
    },
    addEventListener: (_: string, call: () => void) => {
      if (query.includes('dark')) schemes.push(call)
    },
    removeEventListener: () => {},
  }),
  ResizeObserver: class {
    constructor(readonly call: () => void) {}
    observe(): void {
      observers.push(this.call)
      this.call()
    }
  },
  EventSource: class extends FakeElement {
    constructor(address: string) {
      super(address)
      sources.push(this)
    }
    close(): void {
      this.text = 'closed'
    }
  },
}

/** Gives the process what a page has. @returns takes it away again */
export function openPage(): () => void {
  for (const list of [observers, schemes, sources, drawn]) list.length = 0
  Object.assign(screen, { width: 400, ratio: 1, dark: false })
  const names = [...Object.keys(globals), 'devicePixelRatio']
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)])
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
  Object.defineProperty(globalThis, 'devicePixelRatio', {
    get: () => screen.ratio,
    configurable: true,
  })
  return () => {
    for (const [name, own] of before as [string, PropertyDescriptor | undefined][])
      if (own) Object.defineProperty(globalThis, name, own)
      else Reflect.deleteProperty(globalThis, name)
  }
}
