// Numbers of results as people read them; all digits are in their tooltips.

import { onOneLine } from '../../ui/texts';

export function share(value: number): string {
  return `${(value * 100).toPrecision(3)}%`;
}

/** With three digits, or with so many behind the point, as columns need it. */
export function signed(value: number, nBehind?: number): string {
  const size = Math.abs(value);
  const digits = nBehind === undefined ? size.toPrecision(3) : size.toFixed(nBehind);
  return value < 0 ? `−${digits}` : `+${digits}`;
}

export function nats(value: number): string {
  return `${signed(value)} nats`;
}

/** On one line, and cut in its middle where it is long. */
export function shorten(text: string, nMax = 160): string {
  const flat = onOneLine(text);
  if (flat.length <= nMax) return flat || '(white space)';
  const half = Math.floor(nMax / 2);
  return `${flat.slice(0, half).trimEnd()} … ${flat.slice(-half).trimStart()}`;
}

/** From 0 to 1; below zero: to the other side. */
export interface Bar {
  value: number;
  /** Where the baseline is. */
  mark?: number;
}

/** A bar for each of some numbers, the longest of all being whole. */
export function bars(values: number[], marks?: number[]): Bar[] {
  const longest = [...values, ...(marks ?? [])].reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const of = (x: number) => (longest > 0 ? x / longest : 0);
  return values.map((value, nth) => {
    const mark = marks?.[nth];
    return mark === undefined ? { value: of(value) } : { value: of(value), mark: of(mark) };
  });
}

/** Logarithms of probabilities as shares of all. */
export function sharesOf(logprobs: number[]): number[] {
  const most = Math.max(...logprobs);
  const terms = logprobs.map((logprob) => Math.exp(logprob - most));
  const sum = terms.reduce((all, term) => all + term, 0);
  return terms.map((term) => term / sum);
}
