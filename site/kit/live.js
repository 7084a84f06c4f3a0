import { onMounted, shallowRef } from 'vue'

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
