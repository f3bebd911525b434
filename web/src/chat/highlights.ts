// Underlines on words of rendered answers, drawn by the browser without touching what they are in.

const NAME = 'unsure';
const marked = new Map<object, Range[]>();

/** Of one answer, known by `key`; replaces those that it had. */
export function mark(key: object, ranges: Range[]): void {
  marked.set(key, ranges);
  draw();
}

export function unmark(key: object): void {
  marked.delete(key);
  draw();
}

function draw(): void {
  // A browser without them shows doubt in the view of tokens alone.
  if (typeof Highlight === 'undefined') return;
  const all = [...marked.values()].flat();
  if (all.length === 0) CSS.highlights.delete(NAME);
  else CSS.highlights.set(NAME, new Highlight(...all));
}
