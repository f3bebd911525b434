import { expect, test } from 'vitest';
import { bars, nats, share, sharesOf, shorten, signed, type Bar } from './figures';

test('numbers are short and have their sign', () => {
  const check = (found: string, expected: string) => expect(found).toBe(expected);
  check(share(0.06242473792375272), '6.24%');
  check(share(1), '100%');
  check(share(0), '0.00%');
  check(signed(11.721658180786928), '+11.7');
  check(signed(-0.3928179667065371), '−0.393');
  check(signed(0), '+0.00');
  check(signed(-0.0483, 2), '−0.05');
  check(nats(-11.08), '−11.1 nats');
});

test('long texts are cut in their middle', () => {
  const check = (text: string, nMax: number, expected: string) =>
    expect(shorten(text, nMax)).toBe(expected);
  check('a  b\n c', 10, 'a b c');
  check(' \n', 10, '(white space)');
  check('one two three four', 8, 'one … four');
});

test('bars are by the longest', () => {
  const check = (values: number[], marks: number[] | undefined, expected: Bar[]) =>
    expect(bars(values, marks)).toEqual(expected);
  check([2, -4, 0], undefined, [{ value: 0.5 }, { value: -1 }, { value: 0 }]);
  check([1], [2], [{ value: 0.5, mark: 1 }]);
  check([0, 0], undefined, [{ value: 0 }, { value: 0 }]);
  check([], [], []);
});

test('probabilities are shares of all', () => {
  const check = (logprobs: number[], expected: number[]) =>
    sharesOf(logprobs).forEach((found, nth) => expect(found).toBeCloseTo(expected[nth] ?? NaN, 12));
  check([0, 0], [0.5, 0.5]);
  check([-1000, -1000 + Math.log(3)], [0.25, 0.75]);
  check([-7], [1]);
});
