import { onMounted, ref, shallowRef } from 'vue'

/**
 * What a figure runs in the page. It is loaded when the page is shown; until then, and where scripts
 * are off, a figure shows what Node computed when the site was built.
 *
 * @param load such as `() => import('./run.js')`
 * @returns a ref of the module, undefined before
 */
export function useLive(load) {
  const live = shallowRef()
  onMounted(async () => {
    const module = await load()
    await module.ready?.()
    live.value = module
  })
  return live
}

/**
 * A training that a button starts.
 *
 * @param work gets a function that waits for milliseconds, which do not count
 * @returns whether it runs, what `work` gave and how many seconds it took, and what starts it
 */
export function useTraining(work) {
  const running = ref(false)
  const result = shallowRef()
  async function start() {
    running.value = true
    result.value = undefined
    let begin = performance.now()
    const pause = async (milliseconds) => {
      const since = performance.now()
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
      begin += performance.now() - since
    }
    try {
      const found = await work(pause)
      result.value = { ...found, seconds: ((performance.now() - begin) / 1000).toFixed(1) }
    } finally {
      running.value = false
    }
  }
  return { running, result, start }
}
