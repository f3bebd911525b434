// A server of our own for each file of tests, and what people do with its page.

import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { test as base, expect, type Page } from '@playwright/test';
import axe from 'axe-core';

export const LEASE = [
  'The landlord lets the flat on the second floor to the tenant.',
  'The tenant pays a rent of 940 euros on the first day of each month.',
  'The tenant pays a deposit of 1,880 euros before moving in.',
  "Either side may end the lease with three months' notice.",
  'Pets are allowed if the neighbours agree.',
].join(' ');
export const QUESTION = 'How much is the deposit?';

export interface Lookback {
  address: string;
  /** Ends it as a crash would. */
  kill: () => Promise<void>;
}

/** Starts `lookback serve` with the model that the tests are given. */
export async function serve(...more: string[]): Promise<Lookback> {
  const binary = process.env.LOOKBACK ?? '../target/debug/lookback';
  const model = process.env.LOOKBACK_MODEL;
  if (model === undefined) throw new Error('LOOKBACK_MODEL: expected the path of a model');
  const words = ['serve', '--port', '0', '--log', 'off', '-m', model, ...more];
  const child = spawn(binary, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const address = await firstLine(child);
  const kill = () =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  return { address, kill };
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`lookback serve ended with ${code}`)));
    if (child.stdout) createInterface(child.stdout).once('line', resolve);
  });
}

/** Tests of one server, which all of a file share. */
export const test = base.extend<{ shown: Page }, { server: Lookback }>({
  server: [
    // Playwright reads what a fixture needs from its first argument.
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const server = await serve();
      await use(server);
      await server.kill();
    },
    { scope: 'worker', timeout: 60_000 },
  ],
  /** The page, opened; what fails in it fails the test. */
  shown: async ({ page, server }, use) => {
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && message.text().includes('Content Security Policy')) {
        errors.push(message.text());
      }
    });
    await open(page, server);
    await use(page);
    expect(errors).toEqual([]);
  },
});

export async function open(page: Page, server: Lookback): Promise<void> {
  await page.goto(server.address);
  await expect(page.getByText('The server is there.')).toBeVisible();
}

/** Answers that are short and the same each time. */
export async function settle(page: Page, nMax = 24): Promise<void> {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Temperature').fill('0');
  await page.getByLabel('Most tokens of an answer').fill(String(nMax));
  await page.getByLabel('Most tokens of an answer').blur();
  await page.getByRole('button', { name: 'Settings' }).click();
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.keyboard.press('Enter');
}

/** Asks, and waits for the whole answer. */
export async function ask(page: Page, text: string): Promise<void> {
  const answers = await page.getByRole('article', { name: 'Answer' }).count();
  await say(page, text);
  const answer = page.getByRole('article', { name: 'Answer' }).nth(answers);
  await expect(answer.getByRole('button', { name: 'Answer again' })).toBeVisible();
}

export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`);
  });
  expect(found).toEqual([]);
}

/** Nothing is wider than the page. */
export async function expectNarrow(page: Page): Promise<void> {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide).toBeLessThanOrEqual(0);
}

export { expect };
