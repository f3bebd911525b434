import { expect, test } from 'vitest';
import { charOfByte, Places, type Sought } from './places';

test('bytes become UTF-16 units', () => {
  const check = (text: string, byte: number, expected: number) =>
    expect(charOfByte(text, byte)).toBe(expected);
  check('abc', 0, 0);
  check('abc', 2, 2);
  check('é€x', 2, 1);
  check('é€x', 5, 2);
  check('😀x', 4, 2);
  check('abc', 99, 3);
});

test('parts of texts are found as tokens', () => {
  const pieces = ['<user>', '\n', 'The', ' rent', '.', ' The', ' rent', '.', '\n\n', 'é', ' The'];
  const places = new Places(pieces);
  const check = (sought: Sought, expected: number | null) =>
    expect(places.token(sought)).toBe(expected);
  check({ text: 'The rent.' }, 2);
  check({ text: ' rent' }, 3);
  check({ text: 'deposit' }, null);
  check({ text: '  ' }, null);
  // The second of two that are alike.
  check({ text: 'The rent.', of: 'The rent. The rent.', byte: 10 }, 5);
  check({ text: ' rent.', of: 'The rent. The rent.', byte: 13 }, 6);
  // Of a text that the template trimmed, and of one that is not in the prompt.
  check({ text: 'The rent.', of: ' \nThe rent. The rent.', byte: 12 }, 5);
  check({ text: 'The rent.', of: 'A text. The rent.', byte: 8 }, 2);
  check({ text: 'The', of: '\n\né The\n', byte: 5 }, 10);
});
