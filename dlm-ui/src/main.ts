import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './App.vue'
import { router } from './router'
import './styles/tokens.css'
import './styles/base.css'
import './styles/overlays.css'
import './styles/cards.css'
import './styles/owner-colors.css'
import './styles/forced-colors.css'

createApp(App).use(createPinia()).use(router).mount('#app')
