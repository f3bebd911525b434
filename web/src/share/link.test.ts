import { expect, test } from 'vitest';
import { fromHash, toHash, type View } from './link';
import { safeName } from './save';

test('a view comes back from its link', () => {
  const check = (view: View) => expect(fromHash(toHash(view))).toEqual(view);
  check({ conversation: 'a_-b', message: 'c' });
  check({
    conversation: 'a',
    message: 'b & c',
    panel: 'attention',
    tokens: [3, 7],
    lens: 'value_norm',
    unit: 'sentence',
    span: [100, 130],
    pinned: [
      [0, 1],
      [29, 8],
    ],
  });
});

test('what is bad in a link is left out', () => {
  const check = (hash: string, expected: View | null) => expect(fromHash(hash)).toEqual(expected);
  check('', null);
  check('#c=a', null);
  check('#%', null);
  check('#c=a&m=b&t=7-3&l=magic&u=&s=x&p=1.2.3_4', { conversation: 'a', message: 'b' });
  check('#c=a&m=b&p=1.2_x_3.4', {
    conversation: 'a',
    message: 'b',
    pinned: [
      [1, 2],
      [3, 4],
    ],
  });
});

test('names of files are safe', () => {
  const check = (name: string, expected: string) => expect(safeName(name)).toBe(expected);
  check('a/b\\c:d.png', 'a-b-c-d.png');
  check('../../x', 'x');
  check('...', 'lookback');
});
