// Tokens joined to what readers read: words and sentences.

import type { Span } from '../api/types';

export const UNITS = ['token', 'word', 'sentence'] as const;
export type Unit = (typeof UNITS)[number];

/** Where each token begins in the text that they spell, and where the last one ends. */
export function offsets(pieces: string[]): number[] {
  const found = [0];
  let at = 0;
  for (const piece of pieces) found.push((at += piece.length));
  return found;
}

/** Tokens that share a character with a part of the text. */
export function tokensOf(starts: number[], [first, end]: Span): Span {
  const n = starts.length - 1;
  let from = 0;
  while (from < n - 1 && (starts[from + 1] ?? 0) <= first) from += 1;
  let to = from + 1;
  while (to < n && (starts[to] ?? 0) < end) to += 1;
  return [from, Math.min(to, n)];
}

/**
 * Words or sentences as spans of tokens, ascending, counted from `first`. A token that reaches over
 * two belongs to the one that has most of it; tokens of white space and of punctuation alone belong
 * to no word.
 */
export function spansOf(pieces: string[], unit: Unit, first = 0): Span[] {
  if (unit === 'token') return pieces.map((_, i): Span => [first + i, first + i + 1]);
  const starts = offsets(pieces);
  const segmenter = new Intl.Segmenter('en', { granularity: unit });
  const spans: Span[] = [];
  let token = 0;
  for (const { index, segment, isWordLike } of segmenter.segment(pieces.join(''))) {
    if (unit === 'word' && !isWordLike) continue;
    const end = index + segment.trimEnd().length;
    const middle = (i: number) =>
      ((starts[i] ?? 0) + skipSpace(pieces, i) + (starts[i + 1] ?? 0)) / 2;
    while (token < pieces.length && middle(token) <= index) token += 1;
    const from = token;
    while (token < pieces.length && middle(token) < end) token += 1;
    if (from < token) spans.push([first + from, first + token]);
  }
  return spans;
}

/** The white space that a token begins with belongs to no unit. */
function skipSpace(pieces: string[], i: number): number {
  const piece = pieces[i] ?? '';
  return piece.length - piece.trimStart().length;
}

/** Which of some ascending spans has a token; -1: none. */
export function indexOf(spans: Span[], token: number): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle]?.[1] ?? 0) <= token) low = middle + 1;
    else high = middle;
  }
  const found = spans[low];
  return found !== undefined && found[0] <= token ? low : -1;
}
