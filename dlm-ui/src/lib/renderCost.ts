import { nextTick } from 'vue'

/**
 * Draws, and resolves to what it cost once it is on the screen, in milliseconds: the time of the components, and of the
 * layout and the paint that follow in the next frame.
 */
export async function renderCost(draw: () => void): Promise<number> {
  const startedAt = performance.now()
  draw()
  // The components are rendered by then.
  await nextTick()
  const rendered = performance.now() - startedAt
  return new Promise((resolve) => {
    requestAnimationFrame(() => {
      const frameAt = performance.now()
      // A timer that is set in a frame runs after its layout and its paint.
      setTimeout(() => resolve(rendered + (performance.now() - frameAt)))
    })
  })
}
