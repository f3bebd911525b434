import { expect, test } from 'vitest';
import { sceneOf } from './scene';
import type { Message } from './tree';

test('a conversation is shared with its doubts', () => {
  const token = (piece: string, p: number) => ({ piece, logprob: Math.log(p), top: [] });
  const messages: Message[] = [
    { id: 'a', parent: null, role: 'user', text: 'How much?', created: 1 },
    {
      id: 'b',
      parent: 'a',
      role: 'assistant',
      text: 'It may be.',
      created: 2,
      model: 'm',
      tokens: [token('It', 0.9), token(' may', 0.1), token(' be.', 0.8)],
    },
  ];
  const { title, subtitle, paragraphs } = sceneOf('', messages);
  expect([title, subtitle]).toEqual(['A conversation', 'm']);
  expect(paragraphs.map(({ runs }) => runs.map((run) => run.text).join(''))).toEqual([
    'You',
    'How much?',
    'Answer',
    'It may be.',
  ]);
  const underlined = paragraphs[3]?.runs.filter((run) => run.underline).map((run) => run.text);
  expect(underlined).toEqual(['may']);
});
