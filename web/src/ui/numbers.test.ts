import { expect, test } from 'vitest';
import { bytes, percent, seconds, tokens } from './numbers';

test('numbers are short and say their unit', () => {
  const check = (found: string, expected: string) => expect(found).toBe(expected);
  check(bytes(0), '0 B');
  check(bytes(999), '999 B');
  check(bytes(96_600_000), '96.6 MB');
  check(bytes(196_600_000), '197 MB');
  check(seconds(0.01), '0.1 s');
  check(seconds(12.4), '12 s');
  check(seconds(600), '10 min');
  check(seconds(7200), '2.0 h');
  check(percent(0), '100%');
  check(percent(Math.log(0.5)), '50%');
  check(percent(Math.log(0.012)), '1.2%');
  check(percent(-20), '<0.1%');
  check(tokens(1), '1 token');
  check(tokens(1234), '1,234 tokens');
});
