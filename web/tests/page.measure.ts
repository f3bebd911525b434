// What the page takes: time to the first paint, frames a second over a long text, memory. Printed, not
// asserted: numbers of one machine. LOOKBACK names a release build, LOOKBACK_MODEL a model with a
// context of 32k tokens.

import { readdir, readFile, stat } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from '@playwright/test';
import { expect, open, say, serve, settle, test } from './lab';

const N_CTX = 32_768;
const N_DOCUMENT = 30_000;
const N_ANSWER = 500;

test('what the page takes', async ({ browser }) => {
  const server = await serve('--ctx', String(N_CTX));
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await open(page, server);
  console.log(`first paint: ${(await firstPaint(page)).toFixed(0)} ms`);
  console.log(`files: ${await sizes()}`);
  await settle(page, 300);
  await say(page, 'Count from one to one thousand, each number on a line of its own.');
  await expect(page.getByRole('article', { name: 'Answer' })).toContainText('3');
  await frames(browser, page, 'typing while an answer streams', async () => {
    const message = page.getByLabel('Message', { exact: true });
    await message.pressSequentially('Every letter is there at once. '.repeat(3));
  });
  const stop = page.getByRole('button', { name: 'Stop' }).first();
  if (await stop.isVisible()) await stop.click();
  await page.getByLabel('File to import').setInputFiles({
    name: 'long.json',
    mimeType: 'application/json',
    buffer: Buffer.from(await conversation(page)),
  });
  await page.getByRole('button', { name: 'Where it looked' }).click({ timeout: 60_000 });
  const started = Date.now();
  const best = page.getByRole('button', { name: 'Top source' });
  await expect(best.or(page.getByRole('alert')).first()).toBeVisible({ timeout: 900_000 });
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(best).toBeEnabled({ timeout: 900_000 });
  console.log(`read, and first sources: ${((Date.now() - started) / 1000).toFixed(1)} s`);
  await expect(page.getByText('parts of the text are here')).toHaveCount(0, { timeout: 600_000 });
  console.log(`all tokens of one lens: ${((Date.now() - started) / 1000).toFixed(1)} s`);
  await page.waitForLoadState('networkidle', { timeout: 900_000 });
  console.log(`all lenses: ${((Date.now() - started) / 1000).toFixed(1)} s`);
  const text = await page.locator('#attention-text').boundingBox();
  if (text === null) throw new Error('the text is not there');
  const [x, y] = [text.x + text.width / 2, text.y + text.height / 2];
  await page.mouse.move(x, y);
  await frames(browser, page, 'scroll', async () => {
    for (let i = 0; i < 120; i += 1) await page.mouse.wheel(0, 400);
  });
  await frames(browser, page, 'hover', async () => {
    for (let i = 0; i < 200; i += 1) {
      await page.mouse.move(text.x + 20 + ((i * 7) % 280), text.y + 30 + ((i * 3) % 300));
    }
  });
  await frames(browser, page, 'lens switch', async () => {
    for (let i = 0; i < 8; i += 1) {
      for (const lens of ['Weight', 'Value', 'Logit']) {
        await page.getByRole('group', { name: 'Lens' }).getByRole('button', { name: lens }).click();
      }
    }
  });
  console.log(`memory of the tab: ${(await memory(browser)).toFixed(0)} MB`);
  await server.kill();
});

async function firstPaint(page: Page): Promise<number> {
  return page.evaluate(
    () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
  );
}

/** Of the files that the page begins with, and of those that it may ask for later. */
async function sizes(): Promise<string> {
  const names = await readdir('dist/assets');
  const of = async (name: string) => {
    const packed = gzipSync(await readFile(`dist/assets/${name}`), { level: 9 }).length;
    return `${name} ${(packed / 1000).toFixed(1)} kB of ${((await stat(`dist/assets/${name}`)).size / 1000).toFixed(0)}`;
  };
  return (await Promise.all(names.map(of))).join(', ');
}

/** A document of so many tokens with an answer, as a file of the page. */
async function conversation(page: Page): Promise<string> {
  const part = (i: number) =>
    `Clause ${i}. The tenant tells the landlord of damage within ${i} days. `;
  const count = (text: string): Promise<number> =>
    page.evaluate(async (content) => {
      const body = JSON.stringify({ content });
      const headers = { 'content-type': 'application/json' };
      const reply = await fetch('/tokenize', { method: 'POST', headers, body });
      return ((await reply.json()) as { tokens: number[] }).tokens.length;
    }, text);
  const sample = Array.from({ length: 500 }, (_, i) => part(i + 500)).join('');
  const each = (await count(sample)) / 500;
  const clauses = Array.from({ length: Math.floor(N_DOCUMENT / each) }, (_, i) => part(i + 1));
  clauses.splice(Math.floor(clauses.length / 2), 0, 'The deposit is 1,880 euros. ');
  const sentence = 'The deposit is 1,880 euros, as the lease says. ';
  const answer = sentence.repeat(Math.floor(N_ANSWER / (await count(sentence))));
  const question = { id: 'q', parent: null, role: 'user', created: 1 };
  const message = { id: 'a', parent: 'q', role: 'assistant', created: 2, text: answer };
  const conversation = {
    id: 'long',
    title: 'A long lease',
    created: 1,
    updated: 2,
    leaf: 'a',
    messages: { q: { ...question, text: `${clauses.join('')}\n\nHow much is it?` }, a: message },
  };
  const format = { format: 'lookback-conversations', version: 1 };
  return JSON.stringify({ ...format, conversations: [conversation] });
}

/** Frames that the browser drew, and the longest that it was busy, by its own trace. */
async function frames(
  browser: Browser,
  page: Page,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const categories = ['disabled-by-default-devtools.timeline', 'devtools.timeline', 'toplevel'];
  await browser.startTracing(page, { categories });
  const deltas = page.evaluate(
    () =>
      new Promise<number[]>((resolve) => {
        const found: number[] = [];
        let last = performance.now();
        const next = (now: number) => {
          found.push(now - last);
          last = now;
          if ((window as unknown as { isDone?: boolean }).isDone) resolve(found);
          else requestAnimationFrame(next);
        };
        (window as unknown as { isDone?: boolean }).isDone = false;
        requestAnimationFrame(next);
      }),
  );
  const started = Date.now();
  await work();
  const seconds = (Date.now() - started) / 1000;
  await page.evaluate(() => ((window as unknown as { isDone?: boolean }).isDone = true));
  const found = (await deltas).slice(1).sort((a, b) => a - b);
  const trace = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: TraceEvent[];
  };
  const tasks = trace.traceEvents.filter((event) => event.name === 'RunTask');
  const longest = Math.max(...tasks.map((event) => event.dur ?? 0)) / 1000;
  const at = (share: number) => found[Math.floor((found.length - 1) * share)]?.toFixed(1);
  console.log(
    `${name}: ${(found.length / seconds).toFixed(1)} frames/s, between frames ${at(0.5)} ms in the ` +
      `median, ${at(0.95)} in 95 of 100, ${at(1)} at most; longest task ` +
      `${longest.toFixed(1)} ms`,
  );
}

interface TraceEvent {
  name: string;
  dur?: number;
}

/** What the process of the tab has for itself: the largest of the renderers. */
async function memory(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer');
  const of = async (id: number) => {
    const rollup = await readFile(`/proc/${id}/smaps_rollup`, 'utf8');
    const pss = /^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? '0';
    return Number(pss) / 1000;
  };
  return Math.max(...(await Promise.all(renderers.map(({ id }) => of(id)))));
}
