// A server that asks for a key, and one that goes away.

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from '@playwright/test';
import { ask, expect, expectAccessible, open, say, serve, settle } from './lab';

test('a wrong key is said, the right one opens', async ({ page }) => {
  const keys = join(await mkdtemp(join(tmpdir(), 'lookback-')), 'keys');
  await writeFile(keys, 'secret\n');
  const server = await serve('--api-key-file', keys);
  await page.goto(server.address);
  await expect(page.getByText('This server asks for a key')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('dialog').getByLabel('API key').fill('wrong');
  await page.getByRole('button', { name: 'Use this key' }).click();
  await expect(page.getByRole('alert')).toContainText('does not know this key');
  await page.getByRole('dialog').getByLabel('API key').fill('secret');
  await page.getByRole('button', { name: 'Use this key' }).click();
  await expect(page.getByText('The server is there.')).toBeVisible();
  await settle(page, 8);
  await ask(page, 'Say hi.');
  await server.kill();
});

test('what was written stays when the server goes', async ({ page }) => {
  const server = await serve();
  await open(page, server);
  await settle(page, 4000);
  await say(page, 'Count from one to one thousand, each number on a line of its own.');
  const answer = page.getByRole('article', { name: 'Answer' });
  await expect(answer).toContainText('3');
  await server.kill();
  await expect(answer.getByRole('alert')).toBeVisible();
  await expect(answer).toContainText('3');
  await page.getByLabel('Message', { exact: true }).fill('Are you there?');
  await answer.getByRole('button', { name: 'Answer again' }).click();
  await expect(page.getByRole('alert').first()).toContainText('does not answer');
  await expectAccessible(page);
});
