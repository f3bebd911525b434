// Where two answers part, and how differently they read what they were asked.

import type { Span } from '../api/types';
import type { TokenInfo } from '../chat/tree';

/** The first token of each that the other has not. */
export interface Parting {
  a: number;
  b: number;
}

/** `null`: they are the same, as far as both go. Their tokens may be cut differently. */
export function parting(a: TokenInfo[], b: TokenInfo[]): Parting | null {
  const [textA, textB] = [a, b].map((tokens) => tokens.map((token) => token.piece).join(''));
  if (textA === undefined || textB === undefined) return null;
  let at = 0;
  while (at < textA.length && textA.charAt(at) === textB.charAt(at)) at += 1;
  if (at >= textA.length && at >= textB.length) return null;
  return { a: tokenAt(a, at), b: tokenAt(b, at) };
}

/** The token that holds a character; behind the last one, where the text has ended. */
function tokenAt(tokens: TokenInfo[], at: number): number {
  let end = 0;
  const found = tokens.findIndex((token) => (end += token.piece.length) > at);
  return found < 0 ? tokens.length : found;
}

export interface Reading {
  sentences: Span[];
  /** The text of each sentence. */
  texts: string[];
  /** What each was worth. */
  values: number[];
}

export interface Difference {
  text: string;
  a: number;
  b: number;
}

/** Sentences that both read, those first that they read most differently. */
export function differences(a: Reading, b: Reading): Difference[] {
  const ofB = new Map(b.texts.map((text, nth) => [text.trim(), b.values[nth] ?? 0]));
  const both = a.texts.flatMap((text, nth): Difference[] => {
    const other = ofB.get(text.trim());
    return other === undefined ? [] : [{ text: text.trim(), a: a.values[nth] ?? 0, b: other }];
  });
  return both.sort((x, y) => Math.abs(y.a - y.b) - Math.abs(x.a - x.b));
}
