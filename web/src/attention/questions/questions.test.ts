// Questions as somebody meets them: opened, asked, answered, stopped.

import { mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Name } from './asking.svelte';
import { ANNA, PIECES, RENT, REPLIES, TEXT } from './fixtures';
import Questions from './Questions.svelte';
import { View } from '../view.svelte';

interface Asked {
  path: string;
  body: Record<string, unknown>;
  signal: AbortSignal;
  answer: (reply: object, status?: number) => void;
}

let asked: Asked[] = [];
let panel: HTMLElement;
let shown: object;
let view: View;
const jump = vi.fn();

beforeEach(() => {
  asked = [];
  jump.mockClear();
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    const signal = init.signal ?? new AbortController().signal;
    return new Promise<Response>((resolve) => {
      const answer = (reply: object, status = 200) =>
        resolve(new Response(JSON.stringify(reply), { status }));
      asked.push({ path, body: JSON.parse(String(init.body)), signal, answer });
    });
  });
  const messages = [{ role: 'user' as const, content: `${TEXT}\n\nHow much?` }];
  view = new View({ model: 'm', messages, answer: '940.' }, null, null);
  view.overview = {
    n_prompt: 9,
    n_layers: 1,
    n_heads: 1,
    lenses: ['weight', 'value_norm', 'logit'],
    default_lens: 'logit',
    pieces: [...PIECES, 'How much?', '940', '.'],
    sentences: [],
    messages: [],
    answer: [],
  };
  view.lens = 'logit';
  view.tokens = [0, 2];
  panel = document.createElement('div');
  document.body.append(panel);
  shown = show();
});

afterEach(async () => {
  await unmount(shown);
  panel.remove();
  vi.unstubAllGlobals();
});

function show(): object {
  return mount(Questions, { target: panel, props: { view, onjump: jump } });
}

function press(text: string, within: Element = panel): void {
  const all = [...within.querySelectorAll('button')];
  const found = all.find((button) => button.textContent?.trim() === text);
  if (found === undefined) throw new Error(`no button "${text}"`);
  found.click();
}

/** Opens a question and asks it. */
async function put(title: string): Promise<HTMLElement> {
  press(title);
  const form = await vi.waitFor(() => {
    const found = panel.querySelector<HTMLElement>(
      `[aria-label="Fields of ${title.toLowerCase()}"]`,
    );
    if (found === null) throw new Error('not there yet');
    return found;
  });
  const before = asked.length;
  press('Ask', form);
  await vi.waitFor(() => expect(asked.length).toBe(before + 1));
  return form;
}

async function answered(name: Name): Promise<HTMLElement> {
  asked.at(-1)?.answer({ ...REPLIES[name], caveat: 'read it with care' });
  return vi.waitFor(() => {
    const found = panel.querySelector<HTMLElement>(`[aria-label="Results of ${name}"]`);
    if (found === null) throw new Error('not there yet');
    return found;
  });
}

const subject = { model: 'm', answer: '940.' };
const CASES: [string, object, string[], string, number][] = [
  [
    'Look',
    { ...subject, tokens: [0, 2], source: 'sentence', by: 'logit', top: 10 },
    ['logit +11.7', 'weight 6.24%', '(even 8.57%)', 'value 11.2%', '−11.1 nats', 'n = 1 token'],
    ANNA.text,
    3,
  ],
  [
    'Who',
    { model: 'm', text: TEXT, word: 'it' },
    ['94.3%', '(even 50.0%)', 'own row 7.50%', '−1.05 nats', '270 heads', '46.9%'],
    'the rent',
    1,
  ],
  [
    'Drown',
    { ...subject, document: TEXT, question: 'How much?' },
    ['1/2 of it', '+0.07', '8.73%', '(8.28%)', '+0.64', '−0.950', '1 token of answer'],
    RENT.text,
    1,
  ],
  [
    'Inject',
    { model: 'm', instruction: 'How much?', data: TEXT },
    ['Not suspicious', '0.780', '(suspicious below 0.758)', '80.8%', '6 heads', '12.5%'],
    'Anna says',
    3,
  ],
  [
    'Contradict',
    { model: 'm', text: TEXT, pairs: 10 },
    ['1 of 1 pairs', '−1.35 nats', '(with itself −1.49 nats)', 'more than', '+0.137 nats'],
    ANNA.text,
    3,
  ],
];

test.each(CASES)('%s asks, shows and jumps', async (title, body, words, place, token) => {
  const name = title.toLowerCase() as Name;
  await put(title);
  expect(asked.at(-1)?.path).toBe(`./v1/inspect/${name}`);
  expect(asked.at(-1)?.body).toMatchObject(body);
  const results = await answered(name);
  const text = results.textContent?.replaceAll(/\s+/g, ' ') ?? '';
  for (const word of [...words, 'read it with care']) expect(text).toContain(word);
  press(place, results);
  expect(jump).toHaveBeenCalledWith(token);
});

test('ground says what to hold numbers against, and chooses the sentence', async () => {
  await put('Ground');
  expect(asked.at(-1)?.body).toEqual({ ...subject, document: TEXT, question: 'How much?' });
  const results = await answered('ground');
  const text = results.textContent?.replaceAll(/\s+/g, ' ') ?? '';
  for (const word of ['does not say so', '−1.24 nats', '(said −0.960 nats)', '8.46%', '25.0%']) {
    expect(text).toContain(word);
  }
  view.tokens = [1, 2];
  press('940.', results);
  expect(view.tokens).toEqual([0, 2]);
});

test('what is chosen in the text is taken', async () => {
  view.span = [1, 2];
  const form = await put('Who');
  await vi.waitFor(() => press('Take what is chosen in the text', form));
  await vi.waitFor(() => press('Stop', form));
  await vi.waitFor(() => press('Ask', form));
  await vi.waitFor(() => expect(asked.at(-1)?.body).toMatchObject({ word: 'The rent' }));
});

test('a wait is stopped', async () => {
  const form = await put('Inject');
  await vi.waitFor(() => press('Stop', form));
  expect(asked[0]?.signal.aborted).toBe(true);
  asked[0]?.answer({ ...REPLIES.inject, caveat: '' });
  await vi.waitFor(() => expect(form.textContent).not.toContain('Stop'));
  expect(panel.querySelector('.results')).toBeNull();
});

test('what goes wrong is said, and tried again', async () => {
  await put('Drown');
  asked[0]?.answer({ error: { message: 'the answer is empty' } }, 400);
  const alert = await vi.waitFor(() => {
    const found = panel.querySelector('[role="alert"]');
    if (found === null) throw new Error('not there yet');
    return found;
  });
  expect(alert.textContent).toContain('the answer is empty');
  press('Try again', alert);
  await vi.waitFor(() => expect(asked.length).toBe(2));
  await answered('drown');
  expect(panel.querySelector('[role="alert"]')).toBeNull();
});

test('answers stay while another tab is shown, and are let go of with the view', async () => {
  await put('Look');
  await answered('look');
  await put('Who');
  await unmount(shown);
  expect(asked[1]?.signal.aborted).toBe(false);
  shown = show();
  await vi.waitFor(() => expect(panel.querySelectorAll('.results').length).toBe(1));
  await answered('who');
  await put('Drown');
  panel.remove();
  await unmount(shown);
  await vi.waitFor(() => expect(asked[2]?.signal.aborted).toBe(true));
  shown = show();
});
