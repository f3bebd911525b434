import { expect, test } from 'vitest';
import { differences, parting } from './diverge';

const tokens = (text: string) => text.split('|').map((piece) => ({ piece, logprob: 0, top: [] }));

test('answers part where their texts do', () => {
  const check = (a: string, b: string, expected: [number, number] | null) => {
    const found = parting(tokens(a), tokens(b));
    expect(found && [found.a, found.b]).toEqual(expected);
  };
  check('It| is| here', 'It| is| there', [2, 2]);
  check('It| is', 'It| is', null);
  check('It| is', 'I|t| i|s', null);
  check('I|t| is', 'It| was', [2, 1]);
  check('It| is', 'It| is| not', [2, 2]);
});

test('sentences are compared by what they say', () => {
  const a = { sentences: [], texts: ['One. ', 'Two.', 'Mine.'], values: [0.1, 0.5, 1] };
  const b = { sentences: [], texts: ['One.', 'Two.'], values: [0.15, 0.1] };
  expect(differences(a, b)).toEqual([
    { text: 'Two.', a: 0.5, b: 0.1 },
    { text: 'One.', a: 0.1, b: 0.15 },
  ]);
});
