import { expect, test } from 'vitest';
import { cut, visible } from './texts';

test('texts fit where they are shown', () => {
  expect(cut(' one\n two ', 20)).toBe('one two');
  expect(cut('x'.repeat(30), 20)).toBe(`${'x'.repeat(19)}…`);
  expect([visible(' a\n'), visible('')]).toEqual(['␣a↵', '∅']);
});
