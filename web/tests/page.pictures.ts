// Pictures of the page for docs/page.md.

import type { Page } from '@playwright/test';
import { ask, expect, LEASE, open, QUESTION, serve, settle, test } from './lab';

const FOLDER = '../docs/pictures';

test('pictures', async ({ browser }) => {
  const server = await serve();
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme });
    const shoot = (name: string) => picture(page, `${name}-${colorScheme}`);
    await open(page, server);
    await settle(page, 60);
    const lease = { name: 'lease.txt', mimeType: 'text/plain', buffer: Buffer.from(LEASE) };
    await page.getByLabel('Files to attach').setInputFiles(lease);
    await page.getByLabel('Message', { exact: true }).fill(QUESTION);
    await expect(page.getByLabel('Context')).toContainText('to read');
    if (colorScheme === 'light') await shoot('attach');
    await ask(page, QUESTION);
    await shoot('chat');
    await page.getByRole('button', { name: 'Tokens', exact: true }).click();
    await page.locator('[data-nth]').nth(3).click();
    if (colorScheme === 'light') await shoot('tokens');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Where it looked' }).click();
    await expect(page.locator('p', { hasText: 'spread' })).toBeVisible();
    await page.waitForLoadState('networkidle');
    await shoot('attention');
    await page.locator('[data-token]', { hasText: ' deposit' }).first().dblclick();
    await page.getByRole('button', { name: 'Knock out' }).click();
    await expect(page.getByText(/times less likely/)).toBeVisible();
    await page.getByRole('tab', { name: 'Heads' }).click();
    await page.waitForLoadState('networkidle');
    if (colorScheme === 'light') await shoot('heads');
    if (colorScheme === 'dark') {
      await page.setViewportSize({ width: 390, height: 800 });
      await shoot('phone');
    }
    await page.close();
  }
  await server.kill();
});

async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${FOLDER}/${name}.png` });
}
