import { expect, test } from 'vitest';
import { align, wordAround } from './align';

test('rendered characters are found in their source', () => {
  const check = (shown: string, source: string, word: string, expected: string) => {
    const places = align(shown, source);
    const start = places[shown.indexOf(word)] ?? -1;
    const end = (places[shown.indexOf(word) + word.length - 1] ?? -1) + 1;
    expect(source.slice(start, end)).toBe(expected);
  };
  check('Paris is it', '**Paris** is it', 'Paris', 'Paris');
  check('one two', '- one\n- two', 'two', 'two');
  check('see here now', 'see [here](http://h.example/now) now', 'here', 'here');
  check('a & b', 'a &amp; b', 'b', 'b');
  check('x\n', '```\nx\n```', 'x', 'x');
  check('1 2', '| 1 | 2 |', '2', '2');
});

test('places ascend, whatever the texts', () => {
  for (const [shown, source] of [
    ['abc', ''],
    ['', 'abc'],
    ['aaa bbb', 'bbb aaa'],
    ['zzz', 'abc'],
  ] as const) {
    const places = align(shown, source);
    expect(places).toHaveLength(shown.length);
    expect(places.every((place, i) => i === 0 || place >= (places[i - 1] ?? 0))).toBe(true);
  }
});

test('words are whole', () => {
  const text = 'It is 1,880 euros, per month.';
  const check = (at: number, expected: string | null) => {
    const found = wordAround(text, at);
    expect(found && text.slice(...found)).toBe(expected);
  };
  check(0, 'It');
  check(8, '1,880');
  check(13, 'euros');
  check(28, 'month');
});
