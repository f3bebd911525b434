import { describe, expect, test } from 'vitest';
import { layOut, lineOf, Widths } from './lines';

const widths = new Widths((text) => text.length);

function words(text: string): string[] {
  return text.match(/ ?[^ \n]{1,4}|\n| /g) ?? [];
}

describe('lines', () => {
  const check = (pieces: string[], width: number, expected: string[]) => {
    const found = layOut(pieces, widths, width);
    expect(found.map(({ start, end }) => pieces.slice(start, end).join(''))).toEqual(expected);
  };
  test('break where words end', () => {
    check(words('one two six'), 8, ['one two', ' six']);
    check(words('one sevenths'), 9, ['one', ' sevenths']);
    check(words('abcdefghijkl'), 8, ['abcdefgh', 'ijkl']);
    check(['wider than a line'], 4, ['wider than a line']);
    check([], 4, []);
  });
  test('break at line feeds, and keep empty ones', () => {
    check(['a', '\n', 'b'], 9, ['a\n', 'b']);
    check(['a', '\n\n', 'b'], 9, ['a\n\n', '', 'b']);
    check(['a.\n', 'b'], 9, ['a.\n', 'b']);
  });
});

test('lines hold each token once, however they are made', () => {
  const pieces = words(
    'It was a dark and stormy night\nand nobody knew why.\n\nIt rained. '.repeat(9),
  );
  for (const width of [5, 17, 60]) {
    const whole = layOut(pieces, widths, width);
    let at = 0;
    for (const line of whole) {
      expect(line.start).toBe(at);
      at = line.end;
    }
    expect(at).toBe(pieces.length);
    pieces.forEach((_, token) => {
      const line = whole[lineOf(whole, token)];
      expect(line && line.start <= token && token < line.end).toBe(true);
    });
  }
});
