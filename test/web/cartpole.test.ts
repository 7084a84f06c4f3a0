/** The page that learns to hold a pole, examples/cartpole.html, in a real browser. */
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hasBrowser, launch, open, serve } from '../support/browser.js'
import { allow } from '../support/runner.js'

const folder = fileURLToPath(new URL('../../../', import.meta.url))

if (await hasBrowser())
  test('the page learns to hold the pole, and draws it', async () => {
    // It loads each module of the package by itself, and the machine may be busy.
    allow(300)
    const [site, browser] = [await serve({ folder }), await launch()]
    try {
      const { page, problems } = await open(browser, site, '/examples/cartpole.html#1')
      page.setDefaultTimeout(120_000)
      const until = async (words: RegExp): Promise<string[]> => {
        const found = await page.waitForFunction(
          (source) => new RegExp(source).exec(document.getElementById('state')!.textContent),
          words.source,
        )
        return [...((await found.jsonValue()) as string[])]
      }
      /** Pixels of what is drawn of poles. */
      const orange = (): Promise<number> =>
        page.evaluate(() => {
          const view = document.getElementById('view') as HTMLCanvasElement
          const { data } = view.getContext('2d')!.getImageData(0, 0, view.width, view.height)
          let count = 0
          for (let i = 0; i < data.length; i += 4)
            if (data[i] > 200 && data[i + 1] < 120 && data[i + 3] === 255) count++
          return count
        })
      const [, mean] = await until(/^Learning: \d+ steps, ([\d.]+) in the mean of episodes$/)
      assert.ok(Number(mean) < 195, mean)
      // Without a network that has learnt, the pole falls after about ten steps.
      await until(/^Learnt\. Episode \d+: upright for (1\d\d|[2-9]\d\d) steps$/)
      // A pole is 120 long and 8 wide.
      const pixels = await orange()
      assert.ok(pixels > 600 && pixels < 1200, `${pixels} pixels of a pole`)
      assert.equal(problems, [])
    } finally {
      await Promise.all([browser.close(), site.close()])
    }
  })

test.run()
