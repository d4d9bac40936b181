// Text can be read in states that axe does not see.
import type { Locator, Page } from '@playwright/test'
import { expect, open, test } from './fixtures'

/** The contrast of an element's text with its own background, as WCAG defines it. */
function contrast(button: Locator): Promise<number> {
  return button.evaluate((element) => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
    const luminance = (color: string) => {
      if (!canvas) return 0
      canvas.fillStyle = color
      canvas.fillRect(0, 0, 1, 1)
      const [red = 0, green = 0, blue = 0] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => {
        const share = value / 255
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
    const { color, backgroundColor } = getComputedStyle(element)
    const [dark = 0, light = 0] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b)
    return (light + 0.05) / (dark + 0.05)
  })
}

async function expectReadableButtons(page: Page): Promise<void> {
  const buttons = await page.locator('.button:visible:enabled').all()
  expect(buttons.length).toBeGreaterThan(2)
  for (const button of buttons) {
    await button.hover()
    expect(await contrast(button), (await button.textContent()) ?? '').toBeGreaterThanOrEqual(4.5)
  }
}

for (const theme of ['light', 'dark'] as const) {
  test(`the text of a button under the pointer can be read in the ${theme} theme`, async ({
    page,
    server,
  }) => {
    await server.lock('job', { owner: 'first' })
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    for (const path of ['/playground', '/events', '/locks/job']) {
      await open(page, server, path)
      await expectReadableButtons(page)
    }
    await page.getByRole('button', { name: 'Force-release…' }).click()
    const dialog = page.getByRole('alertdialog')
    await dialog.getByLabel(/Reason/).fill('host is gone')
    const confirm = dialog.getByRole('button', { name: 'Force-release token 1' })
    await confirm.hover()
    expect(await contrast(confirm)).toBeGreaterThanOrEqual(4.5)
  })
}
