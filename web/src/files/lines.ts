// Pieces of a page of a PDF become lines, and lines paragraphs.

/** In the order of the file. */
export interface Piece {
  text: string;
  endsLine: boolean;
  /** From below, in points. */
  y: number;
  height: number;
}

interface Line {
  text: string;
  y: number;
  height: number;
}

export function joinLines(pieces: Piece[]): string {
  const lines = linesOf(pieces);
  const step = usualStep(lines);
  let text = '';
  lines.forEach((line, nth) => {
    const before = lines[nth - 1];
    if (before === undefined) text = line.text;
    else if (isApart(before, line, step)) text += `\n\n${line.text}`;
    else text = joined(text, line.text);
  });
  return text;
}

function linesOf(pieces: Piece[]): Line[] {
  const lines: Line[] = [];
  let line: Line | null = null;
  const end = () => {
    if (line !== null && line.text.trim() !== '') lines.push({ ...line, text: line.text.trim() });
    line = null;
  };
  for (const { text, endsLine, y, height } of pieces) {
    if (line === null) line = { text, y, height };
    else line = { text: line.text + text, y: line.y, height: Math.max(line.height, height) };
    if (endsLine) end();
  }
  end();
  return lines;
}

/** The distance between two lines of one paragraph: the median. */
function usualStep(lines: Line[]): number {
  const steps = lines.slice(1).map((line, nth) => (lines[nth]?.y ?? 0) - line.y);
  const down = steps.filter((step) => step > 0).sort((a, b) => a - b);
  return down[Math.floor(down.length / 2)] ?? 0;
}

/** Further below than usual, above (another column), or in letters of another size. */
function isApart(before: Line, line: Line, step: number): boolean {
  const down = before.y - line.y;
  return down > step * 1.35 || down < 0 || Math.abs(before.height - line.height) > 1.5;
}

function joined(text: string, next: string): string {
  // A word that was cut at the end of a line is whole again.
  if (/\p{Ll}-$/u.test(text) && /^\p{Ll}/u.test(next)) return text.slice(0, -1) + next;
  return `${text} ${next}`;
}
