// Values as colours that people with any eyes tell apart (Okabe and Ito's), behind letters of the
// page's own colour: never so strong that these cannot be read.

import type { GridHead } from '../api/types';

type Rgb = readonly [number, number, number];

const PLAIN: Rgb = [230, 159, 0];
const POSITIVE: Rgb = [0, 114, 178];
const NEGATIVE: Rgb = [213, 94, 0];

/** Of pinned heads, in the order of pinning. */
export const HUES: readonly Rgb[] = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [204, 121, 167],
  [0, 114, 178],
  [213, 94, 0],
  [240, 228, 66],
  [138, 99, 210],
];

export const N_PINNED_MAX = HUES.length;

/** Of the head that was pinned so manieth. */
export function hueOf(nth: number): Rgb {
  return HUES[nth] ?? PLAIN;
}

const ALPHA_MAX = 0.55;
/** Small values show too. */
const GAMMA = 0.5;
const N_LEVELS = 64;

/** From a value and the largest there is: its sign, and how strong it shows, from 0 to 1. */
export function level(value: number, largest: number): number {
  if (!(largest > 0) || !Number.isFinite(value)) return 0;
  const strength = Math.min(1, Math.abs(value) / largest) ** GAMMA;
  return value < 0 ? -strength : strength;
}

/** How far the farthest of some values is from nothing. */
export function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i += 1) most = Math.max(most, Math.abs(values[i] ?? 0));
  return most;
}

/** Of a level; `signed`: whether it may be below nothing. */
export function colour(found: number, signed: boolean): string {
  const hue = signed ? (found < 0 ? NEGATIVE : POSITIVE) : PLAIN;
  return shade(hue, found);
}

export function shade(hue: Rgb, found: number, strongest = ALPHA_MAX): string {
  const step = Math.round(Math.min(1, Math.abs(found)) * N_LEVELS);
  if (step === 0) return 'transparent';
  const alpha = ((step / N_LEVELS) * strongest).toFixed(3);
  return `rgb(${hue[0]} ${hue[1]} ${hue[2]} / ${alpha})`;
}

/** For pictures, where nothing lies over it. */
export function solid(found: number, signed: boolean): string {
  const hue = signed ? (found < 0 ? NEGATIVE : POSITIVE) : PLAIN;
  return shade(hue, found, 1);
}

/** Of a grid of heads, by how much more than the rest each looked at a span. */
export function ofHeads(heads: GridHead[]): string[] {
  const lifts = heads.map((head) => head.log_lift);
  const most = largest(lifts);
  return lifts.map((lift) => solid(level(lift, most), true));
}
