import { expect, test } from 'vitest';
import { colour, level } from './colours';

test('levels keep the sign and the order', () => {
  expect(level(4, 4)).toBe(1);
  expect(level(-1, 4)).toBe(-0.5);
  expect(level(0, 4)).toBe(0);
  expect(level(9, 4)).toBe(1);
  expect(level(1, 0)).toBe(0);
  expect(level(NaN, 1)).toBe(0);
});

test('colours tell signs apart, and nothing is no colour', () => {
  expect(colour(0, true)).toBe('transparent');
  expect(colour(0.5, true)).not.toBe(colour(-0.5, true));
  expect(colour(0.5, false)).toBe(colour(-0.5, false));
});

/** WCAG's contrast of letters on a shade over a ground. */
function contrast(letters: number[], ground: number[], css: string): number {
  const [r = 0, g = 0, b = 0, alpha = 0] = css.match(/[\d.]+/g)!.map(Number);
  const mixed = [r, g, b].map((x, i) => x * alpha + (ground[i] ?? 0) * (1 - alpha));
  const light = (colour: number[]) => {
    const [x = 0, y = 0, z = 0] = colour.map((c) => {
      const s = c / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const [high = 0, low = 0] = [light(letters), light(mixed)].sort((p, q) => q - p);
  return (high + 0.05) / (low + 0.05);
}

test('letters can be read on every colour, light and dark', () => {
  for (const strongest of [colour(1, false), colour(1, true), colour(-1, true)]) {
    expect(contrast([26, 31, 38], [255, 255, 255], strongest)).toBeGreaterThan(4.5);
    expect(contrast([230, 234, 240], [20, 23, 28], strongest)).toBeGreaterThan(4.5);
  }
});
