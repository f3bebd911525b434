// Where the characters of a rendered text stood in the text that it was rendered from.

/** How far a character of the source is looked for: marks, links and entities lie between. */
const N_AHEAD = 400;

/**
 * For each UTF-16 unit of `shown` its place in `source`, ascending; what the renderer made up has
 * the place of what comes next.
 */
export function align(shown: string, source: string): number[] {
  const places: number[] = new Array(shown.length);
  let at = 0;
  for (let i = 0; i < shown.length; i += 1) {
    const unit = shown.charAt(i);
    if (isSpace(unit)) {
      places[i] = at;
      if (isSpace(source.charAt(at))) at += 1;
      continue;
    }
    const next = find(shown, i, source, at);
    places[i] = next ?? at;
    if (next !== null) at = next + 1;
  }
  return places;
}

/** Prefers a place where the following characters agree too. */
function find(shown: string, i: number, source: string, from: number): number | null {
  const pair = shown.slice(i, i + 2);
  if (source.startsWith(pair, from)) return from;
  const end = Math.min(source.length, from + N_AHEAD);
  const word = /^\S{1,12}/.exec(shown.slice(i, i + 12))?.[0] ?? pair;
  for (const wanted of [word, shown.charAt(i)]) {
    const found = source.slice(from, end).indexOf(wanted);
    if (found >= 0) return from + found;
  }
  return null;
}

function isSpace(unit: string): boolean {
  return /\s/.test(unit);
}

/** The word around a place of a text, from its first unit to behind its last. */
export function wordAround(text: string, at: number): [number, number] | null {
  const isWord = (i: number) => /[\p{L}\p{N}\p{M}_'’.,-]/u.test(text.charAt(i));
  const isCore = (i: number) => /[\p{L}\p{N}\p{M}_]/u.test(text.charAt(i));
  if (!isWord(at) && !isWord(at - 1)) return null;
  let [start, end] = [at, at];
  while (start > 0 && isWord(start - 1)) start -= 1;
  while (end < text.length && isWord(end)) end += 1;
  while (start < end && !isCore(start)) start += 1;
  while (end > start && !isCore(end - 1)) end -= 1;
  return start < end ? [start, end] : null;
}
