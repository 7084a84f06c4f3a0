import DefaultTheme from 'vitepress/theme'
import { h } from 'vue'
import hero from '../../../docs/hero.svg'
import './style.css'

const alt = 'After one step the network takes a digit for a 9, in the end for an 8, which is right'

export default {
  extends: DefaultTheme,
  Layout: () =>
    h(DefaultTheme.Layout, null, { 'home-hero-image': () => h('img', { src: hero, alt }) }),
  enhanceApp({ app }) {
    // A lesson that says what its runs do not give (kit/Fact.vue) ends the build.
    app.config.throwUnhandledErrorInProduction = import.meta.env.SSR
  },
}
