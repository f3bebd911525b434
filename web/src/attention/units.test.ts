import { describe, expect, test } from 'vitest';
import { indexOf, offsets, spansOf, tokensOf, type Unit } from './units';

const PIECES = [
  'The',
  ' deposit',
  ' is',
  ' ',
  '1',
  ',',
  '8',
  '8',
  '0',
  ' euros',
  '.',
  ' It',
  ' is.',
];

describe('units', () => {
  const check = (unit: Unit, expected: string[], pieces = PIECES) => {
    const found = spansOf(pieces, unit).map((span) => pieces.slice(...span).join(''));
    expect(found).toEqual(expected);
  };
  test('are words and sentences of whole tokens', () => {
    check('word', ['The', ' deposit', ' is', '1,880', ' euros', ' It', ' is.']);
    check('sentence', ['The deposit is 1,880 euros.', ' It is.']);
    check('token', PIECES);
    check('word', ['undo'], ['un', 'do']);
    check('word', [], []);
    check('sentence', [], []);
  });
});

test('parts of a text are of the tokens that hold them', () => {
  const starts = offsets(PIECES);
  const check = (part: [number, number], expected: string) =>
    expect(PIECES.slice(...tokensOf(starts, part)).join('')).toBe(expected);
  check([0, 3], 'The');
  check([4, 11], ' deposit');
  check([15, 20], '1,880');
  check([0, 999], PIECES.join(''));
  check([999, 1000], ' is.');
});

test('tokens are found in spans', () => {
  const spans: [number, number][] = [
    [1, 3],
    [5, 6],
  ];
  expect([0, 1, 2, 3, 4, 5, 6].map((token) => indexOf(spans, token))).toEqual([
    -1, 0, 0, -1, -1, 1, -1,
  ]);
});
