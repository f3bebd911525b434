import { expect, test } from 'vitest';
import { ranges, unsure } from './confidence';

const token = (piece: string, p: number) => ({ piece, logprob: Math.log(p), top: [] });

test('unlikely words are found, without the space before them', () => {
  const tokens = [token('It', 0.9), token(' may', 0.2), token('\n', 0.1), token('be', 0.39)];
  const text = tokens.map((each) => each.piece).join('');
  expect(ranges(tokens)[1]).toEqual([2, 6]);
  expect(unsure(tokens).map((range) => text.slice(...range))).toEqual(['may', 'be']);
});
