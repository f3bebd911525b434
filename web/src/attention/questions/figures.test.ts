import { expect, test } from 'vitest';
import { nats, share, shorten, signed } from './figures';

test('numbers are short and have their sign', () => {
  const check = (found: string, expected: string) => expect(found).toBe(expected);
  check(share(0.06242473792375272), '6.24%');
  check(share(1), '100%');
  check(share(0), '0.00%');
  check(signed(11.721658180786928), '+11.7');
  check(signed(-0.3928179667065371), '−0.393');
  check(signed(0), '+0.00');
  check(nats(-11.08), '−11.1 nats');
});

test('long texts are cut in their middle', () => {
  const check = (text: string, nMax: number, expected: string) =>
    expect(shorten(text, nMax)).toBe(expected);
  check('a  b\n c', 10, 'a b c');
  check(' \n', 10, '(white space)');
  check('one two three four', 8, 'one … four');
});
