// Which words of an answer the model was not sure of.

import type { TokenInfo } from '../chat/tree';

/** Less likely tokens are underlined. */
export const P_LOW = 0.4;

/** Where each token lies in the text, from its first unit to behind its last. */
export function ranges(tokens: TokenInfo[]): [number, number][] {
  let at = 0;
  return tokens.map(({ piece }) => [at, (at += piece.length)]);
}

/** Parts of the text whose tokens are unlikely, white space aside. */
export function unsure(tokens: TokenInfo[]): [number, number][] {
  const found: [number, number][] = [];
  ranges(tokens).forEach(([start, end], nth) => {
    const token = tokens[nth];
    if (token === undefined || Math.exp(token.logprob) >= P_LOW) return;
    const { piece } = token;
    const trimmed: [number, number] = [
      start + (piece.length - piece.trimStart().length),
      end - (piece.length - piece.trimEnd().length),
    ];
    if (trimmed[0] < trimmed[1]) found.push(trimmed);
  });
  return found;
}
