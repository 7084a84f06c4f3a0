import DefaultTheme from 'vitepress/theme'
import { h } from 'vue'
import hero from '../../../docs/hero.svg'
import './style.css'

/** Parts of figures, for all pages. */
const kit = Object.entries(import.meta.glob('../../kit/*.vue', { eager: true, import: 'default' }))

const alt = 'After one step the network takes a digit for a 9, in the end for an 8, which is right'

export default {
  extends: DefaultTheme,
  Layout: () =>
    h(DefaultTheme.Layout, null, { 'home-hero-image': () => h('img', { src: hero, alt }) }),
  enhanceApp({ app }) {
    for (const [file, part] of kit) app.component(file.match(/(\w+)\.vue/)[1], part)
    // A lesson that says what its runs do not give (kit/Fact.vue) ends the build.
    app.config.throwUnhandledErrorInProduction = import.meta.env.SSR
  },
}
