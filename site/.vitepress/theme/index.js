import DefaultTheme from 'vitepress/theme'
import './style.css'

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    // A lesson that says what its runs do not give (kit/Fact.vue) ends the build.
    app.config.throwUnhandledErrorInProduction = import.meta.env.SSR
  },
}
