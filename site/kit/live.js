import { getCurrentInstance, onMounted, shallowRef } from 'vue'

const SOON = { rootMargin: '300px' }

/**
 * What a figure runs in the page. It is loaded when the figure is about to be seen; until then, and
 * where scripts are off, it shows what Node computed when the site was built.
 *
 * @param load such as `() => import('./run.js')`
 * @returns a ref of the module, undefined before
 */
export function useLive(load) {
  const live = shallowRef()
  const { vnode } = getCurrentInstance()
  onMounted(() => {
    const { el } = vnode
    const seen = new IntersectionObserver(async ([{ isIntersecting }]) => {
      if (!isIntersecting) return
      seen.disconnect()
      const module = await load()
      await module.ready?.()
      live.value = module
    }, SOON)
    // A component of several elements begins with a text.
    seen.observe(el.closest ? el : el.parentElement)
  })
  return live
}
