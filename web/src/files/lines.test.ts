import { expect, test } from 'vitest';
import { joinLines, type Piece } from './lines';

/** Lines of a height of 10, by where they stand. */
function page(...lines: [string, number, number?][]): Piece[] {
  return lines.map(([text, y, height = 10]) => ({ text, endsLine: true, y, height }));
}

test('lines become paragraphs', () => {
  const check = (pieces: Piece[], expected: string) => expect(joinLines(pieces)).toBe(expected);
  check(page(['One', 100], ['two.', 88], ['three.', 76]), 'One two. three.');
  check(page(['One', 100], ['two.', 88], ['Three.', 60], ['four', 48]), 'One two.\n\nThree. four');
  check(page(['Title', 100, 18], ['text', 88], ['more', 76]), 'Title\n\ntext more');
  check(page(['left', 100], ['end.', 88], ['Right', 100], ['end.', 88]), 'left end.\n\nRight end.');
  check(page(['a cut-', 100], ['ted word', 88], ['x', 76]), 'a cutted word x');
  check(page(['Anna-', 100], ['Maria', 88], ['x', 76]), 'Anna- Maria x');
  check([], '');
});

test('pieces of a line are joined as they are', () => {
  const piece = (text: string, endsLine: boolean): Piece => ({ text, endsLine, y: 1, height: 9 });
  expect(joinLines([piece('It', false), piece(' ', false), piece('is', true)])).toBe('It is');
});
