// Texts as people see them in little room.

/** On one line, cut at its end where it is long. */
export function cut(text: string, nMax: number): string {
  const flat = onOneLine(text);
  return flat.length > nMax ? `${flat.slice(0, nMax - 1)}…` : flat;
}

export function onOneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** A token with its white space to be seen. */
export function visible(piece: string): string {
  return piece.replaceAll('\n', '↵').replaceAll(' ', '␣') || '∅';
}
