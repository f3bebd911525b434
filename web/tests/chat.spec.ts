// Conversations: asked, stopped, changed, kept.

import { readFile } from 'node:fs/promises';
import {
  ask,
  expect,
  expectAccessible,
  expectNarrow,
  LEASE,
  open,
  QUESTION,
  say,
  settle,
  test,
} from './lab';

const PARIS = 'What is the capital of France? Answer in one short sentence.';

test('a question is answered, and asked again after a reload', async ({ shown: page }) => {
  await expectAccessible(page);
  await settle(page);
  await ask(page, PARIS);
  await expect(page.getByRole('article', { name: 'Answer' })).toContainText('Paris');
  await expectAccessible(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 360, height: 740 });
  await expectNarrow(page);
  await expectAccessible(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.reload();
  await page.getByRole('button', { name: PARIS, exact: true }).click();
  await expect(page.getByRole('article', { name: 'Answer' })).toContainText('Paris');
  await ask(page, 'And of Italy?');
  await expect(page.getByRole('article', { name: 'Answer' })).toHaveCount(2);
});

test('an answer is stopped, keeps what it has, and goes on', async ({ shown: page }) => {
  await settle(page, 2000);
  await say(page, 'Count from one to one thousand, each number on a line of its own.');
  const answer = page.getByRole('article', { name: 'Answer' });
  await expect(answer).toContainText('3');
  // What is typed meanwhile is there at once.
  await page.getByLabel('Message', { exact: true }).fill('typed while it writes');
  await page.getByRole('button', { name: 'Stop' }).first().click();
  await expect(answer.getByText('stopped')).toBeVisible();
  await expect(page.getByLabel('Message', { exact: true })).toHaveValue('typed while it writes');
  const kept = (await answer.locator('.markdown').textContent()) ?? '';
  await settle(page, 5);
  await answer.getByRole('button', { name: 'Go on' }).click();
  await expect(answer.getByText('cut at the most tokens')).toBeVisible();
  const now = (await answer.locator('.markdown').textContent()) ?? '';
  expect(now.length).toBeGreaterThan(kept.length);
  expect(now.startsWith(kept.trimEnd())).toBe(true);
});

test('an edited question is a branch beside the first', async ({ shown: page }) => {
  await settle(page, 12);
  await ask(page, 'Say one.');
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Another text for this message').fill('Say two.');
  await page.getByRole('button', { name: 'Ask this instead' }).click();
  await expect(page.getByText('2 of 2')).toBeVisible();
  await expect(page.getByRole('article', { name: 'You' })).toContainText('Say two.');
  await page.getByRole('button', { name: 'Branch before' }).click();
  await expect(page.getByRole('article', { name: 'You' })).toContainText('Say one.');
  await page.getByRole('button', { name: 'Answer again' }).click();
  await expect(page.getByRole('article', { name: 'Answer' }).getByText('2 of 2')).toBeVisible();
});

test('a file is attached, counted and asked about', async ({ shown: page }) => {
  await settle(page);
  const chosen = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Attach files' }).click();
  const file = { name: 'lease.txt', mimeType: 'text/plain', buffer: Buffer.from(LEASE) };
  await (await chosen).setFiles(file);
  await expect(page.getByLabel('Attached files')).toContainText('lease.txt');
  await expect(page.getByLabel('Context')).toContainText('to read');
  await ask(page, QUESTION);
  await expect(page.getByRole('article', { name: 'You' })).toContainText('lease.txt');
});

test('what is no text is refused in words', async ({ shown: page }) => {
  const picture = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0]);
  const input = page.getByLabel('Files to attach');
  await input.setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: picture });
  await expect(page.getByRole('alert')).toContainText('a.png is no text');
});

test('a document over the context says what fits', async ({ shown: page }) => {
  const long = Buffer.from(`${LEASE}\n\n`.repeat(200));
  const input = page.getByLabel('Files to attach');
  await input.setInputFiles({ name: 'long.txt', mimeType: 'text/plain', buffer: long });
  await expect(page.getByLabel('Context')).toContainText('This does not fit');
  await expect(page.getByLabel('Context')).toContainText('of it would');
});

test('tokens show what could have stood there, and another is tried', async ({ shown: page }) => {
  await settle(page, 10);
  await ask(page, PARIS);
  await page.getByRole('button', { name: 'Tokens', exact: true }).click();
  const tokens = page.locator('[data-nth]');
  await tokens.first().click();
  const card = page.getByRole('group', { name: 'What could have stood here' });
  await expect(card).toContainText('ln p');
  await expectAccessible(page);
  const other = card
    .getByRole('listitem')
    .filter({ has: page.getByRole('button', { name: 'Try' }) });
  const piece = ((await other.first().locator('code').textContent()) ?? '').replaceAll('␣', ' ');
  await other.first().getByRole('button', { name: 'Try' }).click();
  await expect(page.getByRole('article', { name: 'Answer' }).getByText('2 of 2')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Answer again' })).toBeEnabled();
  const text = await page
    .getByRole('article', { name: 'Answer' })
    .locator('.markdown')
    .textContent();
  expect(text?.trimStart().startsWith(piece.trim())).toBe(true);
});

test('conversations leave as a file and come back', async ({ shown: page }) => {
  await settle(page, 8);
  await ask(page, 'Say hi to export.');
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export', exact: true }).click();
  const path = await (await saved).path();
  expect(await readFile(path, 'utf8')).toContain('Say hi to export.');
  await page.getByLabel('Delete Say hi to export.').click();
  await page.getByText('Sure?').click();
  await expect(page.getByText('Nothing yet.')).toBeVisible();
  await page.getByLabel('File to import').setInputFiles(path);
  await expect(page.getByRole('article', { name: 'You' })).toContainText('Say hi to export.');
  const other = { name: 'x.json', mimeType: 'application/json', buffer: Buffer.from('{}') };
  await page.getByLabel('File to import').setInputFiles(other);
  await expect(page.getByText('holds no conversations')).toBeVisible();
});

// The browser itself tells of the handler that the page's policy has stopped.
test('scripts in an answer are inert', async ({ page, server }) => {
  await open(page, server);
  const text = '<img src=x onerror="document.title=1"><script>document.title=2</script> **done**';
  await page.route('**/v1/chat/completions', (route) => {
    const chunk = { choices: [{ delta: { content: text }, finish_reason: 'stop' }] };
    const body = `data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`;
    return route.fulfill({ contentType: 'text/event-stream', body });
  });
  await ask(page, 'Be evil.');
  const answer = page.getByRole('article', { name: 'Answer' });
  await expect(answer.locator('strong')).toHaveText('done');
  await expect(answer.locator('img, script')).toHaveCount(0);
  await expect(page).toHaveTitle('lookback');
});

test('two answers are compared where they part', async ({ shown: page }) => {
  await page.getByRole('button', { name: 'Compare two answers' }).click();
  await page.getByLabel('One prompt for both').fill(`${LEASE}\n\n${QUESTION}`);
  await page.getByLabel('Keeps').nth(1).fill('window=16');
  await page.getByRole('button', { name: 'Ask both' }).click();
  await expect(page.getByText(/They part at token/)).toBeVisible();
  await page.getByRole('button', { name: 'What did they read there?' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'deposit of 1,880' })).toBeVisible();
  await expectAccessible(page);
});

test('a PDF becomes text in the browser', async ({ shown: page }) => {
  const input = page.getByLabel('Files to attach');
  const buffer = pdf(['The tenant pays a deposit of 1,880 euros', 'before moving in.']);
  await input.setInputFiles({ name: 'lease.pdf', mimeType: 'application/pdf', buffer });
  await expect(page.getByLabel('Attached files')).toContainText('lease.pdf');
  await settle(page, 4);
  await ask(page, QUESTION);
  await page.getByText('lease.pdf').click();
  await expect(page.getByRole('article', { name: 'You' })).toContainText(
    'The tenant pays a deposit of 1,880 euros before moving in.',
  );
  const damaged = { name: 'b.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4 x') };
  await input.setInputFiles(damaged);
  await expect(page.getByRole('alert')).toContainText('b.pdf is a damaged PDF');
});

/** One page of lines, as small as a PDF can be. */
function pdf(lines: string[]): Buffer {
  const text = lines.map((line) => `(${line}) Tj T*`).join(' ');
  const stream = `BT /F 12 Tf 14 TL 72 700 Td ${text} ET`;
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>',
    `<</Length ${stream.length}>>stream\n${stream}\nendstream`,
    '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
  ];
  let file = '%PDF-1.4\n';
  const places = objects.map((object, nth) => {
    const at = file.length;
    file += `${nth + 1} 0 obj${object}endobj\n`;
    return at;
  });
  const start = file.length;
  const rows = places.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('');
  const size = objects.length + 1;
  file += `xref\n0 ${size}\n0000000000 65535 f \n${rows}trailer<</Size ${size}/Root 1 0 R>>\n`;
  return Buffer.from(`${file}startxref\n${start}\n%%EOF\n`, 'latin1');
}
