// Tokens laid out in lines of a width: only those that can be seen are put into the document.

/** From the first token to before the last. */
export interface Line {
  start: number;
  end: number;
}

/** Widths of pieces are measured once each. */
export class Widths {
  #known = new Map<string, number>();

  constructor(readonly measure: (text: string) => number) {}

  of(piece: string): number {
    let width = this.#known.get(piece);
    if (width === undefined) {
      width = this.measure(shown(piece));
      this.#known.set(piece, width);
    }
    return width;
  }
}

/** A piece as it is drawn: breaks of lines are made by the lines. */
export function shown(piece: string): string {
  return piece.replaceAll('\n', '').replaceAll('\r', '').replaceAll('\t', '    ');
}

/**
 * Lines break at line feeds and, where a word does not fit any more, before it; a word that fits on
 * no line is broken between its tokens. Goes on in `lines` from its end, up to token `until`.
 */
export function layOut(
  pieces: string[],
  widths: Widths,
  width: number,
  lines: Line[] = [],
  until = pieces.length,
): Line[] {
  const last = lines.at(-1);
  let start = last?.end ?? 0;
  // Where the word began that is being read, and how wide line and word are.
  let [word, ofLine, ofWord] = [start, 0, 0];
  const close = (end: number) => {
    lines.push({ start, end });
    start = end;
  };
  for (let i = start; i < until; i += 1) {
    const piece = pieces[i] ?? '';
    const own = widths.of(piece);
    if (/^\s/.test(piece) || i === start) [word, ofWord] = [i, 0];
    ofLine += own;
    ofWord += own;
    if (ofLine > width && i > start) {
      if (word > start) {
        close(word);
        ofLine = ofWord;
      } else {
        close(i);
        [word, ofLine, ofWord] = [i, own, own];
      }
    }
    for (let n = count(piece, '\n'); n > 0; n -= 1) {
      close(i + 1);
      [word, ofLine, ofWord] = [i + 1, 0, 0];
    }
  }
  if (start < until) close(until);
  return lines;
}

function count(text: string, letter: string): number {
  let n = 0;
  for (const each of text) if (each === letter) n += 1;
  return n;
}

/** The line of a token; the last of several where lines are empty. */
export function lineOf(lines: Line[], token: number): number {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle]?.end ?? 0) <= token) low = middle + 1;
    else high = middle;
  }
  return Math.min(low, Math.max(0, lines.length - 1));
}
