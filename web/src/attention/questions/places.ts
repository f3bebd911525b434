// Where results stand in the prompt: questions are asked of texts, the page shows tokens.

import { offsets, tokensOf } from '../units';

/** Which UTF-16 unit of a text begins at a byte of its UTF-8. */
export function charOfByte(text: string, byte: number): number {
  let [char, at] = [0, 0];
  while (at < byte && char < text.length) {
    const code = text.codePointAt(char) ?? 0;
    at += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    char += code < 0x10000 ? 1 : 2;
  }
  return char;
}

/** A part of a text that was asked about. */
export interface Sought {
  text: string;
  /** The text that it is of, and its first byte in it. */
  of?: string;
  byte?: number;
}

/** The tokens of a prompt, by their text. */
export class Places {
  readonly #text: string;
  readonly #starts: number[];

  constructor(pieces: string[]) {
    this.#text = pieces.join('');
    this.#starts = offsets(pieces);
  }

  /** The first token of a part; `null`: the prompt has no such text. */
  token(sought: Sought): number | null {
    const text = sought.text.trim();
    const char = this.#within(sought, text) ?? this.#text.indexOf(text);
    if (char < 0 || text === '') return null;
    return tokensOf(this.#starts, [char, char + 1])[0];
  }

  /** A part may stand in the prompt more than once: its place in the text that it is of tells. */
  #within({ text, of, byte }: Sought, trimmed: string): number | null {
    if (of === undefined || byte === undefined) return null;
    // Templates trim messages.
    const said = of.trim();
    const first = this.#text.indexOf(said);
    if (first < 0) return null;
    const before = of.length - of.trimStart().length;
    const skipped = text.length - text.trimStart().length;
    const char = first + charOfByte(of, byte) - before + skipped;
    return this.#text.startsWith(trimmed, char) ? char : null;
  }
}
