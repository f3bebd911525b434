// Where an answer looked.

import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { ask, expect, expectAccessible, expectNarrow, LEASE, QUESTION, settle, test } from './lab';

async function look(page: Page, text = `${LEASE}\n\n${QUESTION}`): Promise<void> {
  await settle(page);
  await ask(page, text);
  await page.getByRole('button', { name: 'Where it looked' }).click();
  await expect(page.getByRole('button', { name: 'Top source' })).toBeEnabled();
}

/** A token of the prompt's text. */
function token(page: Page, text: string) {
  return page.locator('[data-token]', { hasText: text }).first();
}

test('a word of the answer shows what it read', async ({ shown: page }) => {
  await settle(page);
  await ask(page, `${LEASE}\n\n${QUESTION}`);
  await page
    .getByRole('article', { name: 'Answer' })
    .getByText('deposit')
    .click({ position: { x: 8, y: 8 } });
  await expect(page.getByRole('heading', { name: 'Where it looked' })).toBeVisible();
  await expect(page.getByRole('listitem').filter({ hasText: 'deposit of 1,880' })).toBeVisible();
  await expect(page.getByText(/first token \d+%/)).toBeVisible();
  await expectAccessible(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectAccessible(page);
  await page.setViewportSize({ width: 360, height: 740 });
  await expectNarrow(page);
  await expectAccessible(page);
});

test('a value that is shown is the one that came', async ({ shown: page }) => {
  const said = new Map<number, number>();
  page.on('response', async (response) => {
    if (!response.url().endsWith('/v1/inspect/tiles')) return;
    const { by, block, keys, values, heads } = await response.json();
    if (by !== 'weight' || block !== 1 || heads.length > 0) return;
    values.forEach((value: number, nth: number) => said.set(keys[0] + nth, value));
  });
  await look(page);
  await page.getByRole('group', { name: 'Lens' }).getByRole('button', { name: 'Weight' }).click();
  for (const word of [' deposit', ' euros', ' rent']) {
    const found = token(page, word);
    await found.hover();
    const place = Number(await found.getAttribute('data-token'));
    await expect.poll(() => said.get(place)).toBeDefined();
    await expect(page.locator('[data-value]')).toHaveText(String(said.get(place)));
    await expect(found).toHaveAttribute('title', String(said.get(place)));
  }
});

test('lenses, units and parts of the answer change what is shown', async ({ shown: page }) => {
  await look(page);
  const sources = () => page.getByRole('tabpanel').getByRole('listitem').allTextContents();
  const seen = new Set<string>();
  for (const lens of ['Logit', 'Weight', 'Value']) {
    await page.getByRole('group', { name: 'Lens' }).getByRole('button', { name: lens }).click();
    const now = async () => (await sources()).join();
    await expect.poll(async () => ['', ...seen].includes(await now())).toBe(false);
    seen.add(await now());
  }
  await page
    .getByRole('group', { name: 'Sources by' })
    .getByRole('button', { name: 'word' })
    .click();
  await expect.poll(async () => (await sources()).length).toBe(10);
});

test('the top source is jumped to, and the map scrolls', async ({ shown: page }) => {
  const filler = Array.from({ length: 150 }, (_, i) => `Clause ${i + 1} says nothing of money.`);
  filler.splice(75, 0, 'The tenant pays a deposit of 1,880 euros before moving in.');
  await look(page, `${filler.join(' ')}\n\n${QUESTION}`);
  const text = page.locator('#attention-text');
  const map = page.getByRole('scrollbar', { name: 'Map of the text' });
  expect(await text.evaluate((element) => element.scrollTop)).toBe(0);
  const box = await map.boundingBox();
  if (box === null) throw new Error('the map is not there');
  await page.mouse.click(box.x + box.width / 2, box.y + box.height * 0.6);
  await expect.poll(() => text.evaluate((element) => element.scrollTop)).toBeGreaterThan(200);
  await map.focus();
  await page.keyboard.press('Home');
  await expect.poll(() => text.evaluate((element) => element.scrollTop)).toBe(0);
  await page.getByRole('listitem').filter({ hasText: '1,880' }).getByRole('button').click();
  await expect(token(page, ' deposit')).toBeVisible();
  await expect.poll(() => text.evaluate((element) => element.scrollTop)).toBeGreaterThan(200);
});

test('a sentence is hidden, and the answer loses what it gave', async ({ shown: page }) => {
  await look(page);
  await page.getByRole('button', { name: 'all of it' }).click();
  await page.locator('[data-token]', { hasText: '88' }).or(token(page, '1')).first().waitFor();
  const deposit = page.locator('[data-token]', { hasText: ' deposit' }).first();
  await deposit.dblclick();
  const bar = page.getByRole('group', { name: 'The chosen part of the prompt' });
  await expect(bar).toContainText('deposit of 1,880 euros');
  await bar.getByRole('button', { name: 'Knock out' }).click();
  await expect(page.getByText(/times less likely/)).toBeVisible();
  await bar.getByRole('button', { name: 'Who read this' }).click();
  await expect(page.getByText('coloured by how much the rows')).toBeVisible();
  await expectAccessible(page);
});

test('everything is reached by keys', async ({ shown: page }) => {
  await look(page);
  await page.locator('#attention-text').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowRight');
  await expect(page.locator('[data-value]')).toHaveText(/^-?[\d.e-]+$/);
  await page.keyboard.press('Space');
  await expect(page.getByRole('button', { name: 'Knock out' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Knock out' })).toHaveCount(0);
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('Shift+ArrowRight');
  await expect(page.getByRole('button', { name: 'Knock out' })).toBeVisible();
});

test('a link brings the view back', async ({ shown: page }) => {
  await look(page);
  await page.getByRole('group', { name: 'Lens' }).getByRole('button', { name: 'Value' }).click();
  await token(page, ' deposit').dblclick();
  await expect.poll(() => page.url()).toContain('l=value_norm');
  await page.reload();
  await expect(page.getByRole('button', { name: 'Knock out' })).toBeVisible();
  await expect(
    page.getByRole('group', { name: 'Lens' }).getByRole('button', { name: 'Value' }),
  ).toHaveAttribute('aria-pressed', 'true');
});

test('a model without attention weights has none to show', async ({ page, server }) => {
  await page.route('**/v1/models', async (route) => {
    const found = await (await route.fetch()).json();
    for (const model of found.data) model.attention = false;
    await route.fulfill({ json: found });
  });
  await page.goto(server.address);
  await settle(page, 8);
  await ask(page, 'Say hi.');
  await expect(page.getByRole('button', { name: 'Where it looked' })).toHaveCount(0);
  await expect(page.getByText('no attention weights to show')).toBeVisible();
});

test('a view leaves as pictures and as a page that needs nothing', async ({ shown: page }) => {
  await look(page);
  const view = page.getByRole('region', { name: 'Where it looked' });
  const saved = async (words: string) => {
    await view.getByRole('button', { name: 'Share' }).click();
    await expect(page.getByRole('menuitem', { name: 'Picture (PNG)' })).toBeFocused();
    const download = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: words }).click();
    const found = await download;
    return { name: found.suggestedFilename(), bytes: await readFile(await found.path()) };
  };
  const png = await saved('Picture (PNG)');
  expect([png.name, png.bytes.subarray(1, 4).toString()]).toEqual(['where-it-looked.png', 'PNG']);
  const svg = await saved('Picture (SVG)');
  expect(svg.bytes.toString()).toContain('deposit');
  const html = (await saved('Page (HTML)')).bytes.toString();
  expect(html).toContain('1,880');
  expect(html).not.toMatch(/<script(?! type="application\/json")|<link|@import/);
  await view.getByRole('button', { name: 'Share' }).click();
  await page.keyboard.press('ArrowUp');
  await expect(page.getByRole('menuitem', { name: 'Copy a link' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(view.getByRole('button', { name: 'Share' })).toBeFocused();
});
