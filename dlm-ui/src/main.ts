import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './App.vue'
import { router } from './router'
import { useFaults } from './stores/faults'
import './styles/tokens.css'
import './styles/base.css'
import './styles/overlays.css'
import './styles/cards.css'
import './styles/pages.css'
import './styles/owner-colors.css'
import './styles/forced-colors.css'
import './styles/print.css'

const app = createApp(App).use(createPinia()).use(router)
// To the window, like all other errors that nothing has handled.
app.config.errorHandler = (error) => reportError(error)
useFaults().watchWindow()
app.mount('#app')
