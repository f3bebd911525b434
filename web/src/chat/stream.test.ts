import { expect, test } from 'vitest';
import { emptyDraft, Reader, secondsLeft } from './stream';

function read(chunks: unknown[]) {
  const reader = new Reader(emptyDraft());
  for (const chunk of chunks) reader.take(JSON.stringify(chunk));
  return reader.draft;
}

function token(text: string, bytes: number[] | null = null) {
  return { token: text, bytes, logprob: -0.5, top_logprobs: [{ token: text, logprob: -0.5 }] };
}

function delta(delta: object, ...content: object[]) {
  return { choices: [{ delta, logprobs: content.length > 0 ? { content } : null }] };
}

test('an answer is what its chunks say', () => {
  const found = read([
    { choices: [], prompt_progress: { total: 40, processed: 10, time_ms: 100 } },
    delta({ role: 'assistant', content: '' }),
    delta({ content: 'It' }, token('It')),
    delta({ content: ' is.' }, token(' is'), token('.')),
    { choices: [{ delta: {}, finish_reason: 'stop' }] },
    { choices: [], usage: { prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 } },
  ]);
  expect(found.text).toBe('It is.');
  expect(found.tokens.map((each) => each.piece)).toEqual(['It', ' is', '.']);
  expect(found.tokens[0]?.top).toEqual([['It', -0.5]]);
  expect(found.finish).toBe('stop');
  expect(found.usage?.total_tokens).toBe(7);
  expect(secondsLeft(found.progress!)).toBeCloseTo(0.3);
});

test('a character that tokens split belongs to the last of them', () => {
  const found = read([
    delta({ content: '' }, token('\ufffd', [0xc3])),
    delta({ content: 'é' }, token('\ufffd', [0xa9])),
  ]);
  expect(found.tokens.map((each) => each.piece)).toEqual(['', 'é']);
});

test('reasoning stands apart, and its tokens are not those of the answer', () => {
  const found = read([
    delta({ reasoning_content: 'Hm' }, token('Hm')),
    delta({ content: '' }, token('</think>')),
    delta({ content: 'Yes' }, token('Yes')),
  ]);
  expect(found.reasoning).toBe('Hm');
  expect(found.tokens.map((each) => each.piece)).toEqual(['Yes']);
});

test('calls are put together', () => {
  const call = (part: object) => delta({ tool_calls: [{ index: 0, ...part }] });
  const found = read([
    call({ id: 'x', type: 'function', function: { name: 'add', arguments: '{"a"' } }),
    call({ function: { arguments: ': 1}' } }),
  ]);
  expect(found.calls).toEqual([
    { id: 'x', type: 'function', function: { name: 'add', arguments: '{"a": 1}' } },
  ]);
});

test('an error ends it', () => {
  expect(() => read([{ error: { message: 'the context is full' } }])).toThrow(/context is full/);
});
