// Numbers of results as people read them; all digits are in their tooltips.

export function share(value: number): string {
  return `${(value * 100).toPrecision(3)}%`;
}

export function signed(value: number): string {
  const digits = Math.abs(value).toPrecision(3);
  return value < 0 ? `−${digits}` : `+${digits}`;
}

export function nats(value: number): string {
  return `${signed(value)} nats`;
}

/** On one line, and cut in its middle where it is long. */
export function shorten(text: string, nMax = 160): string {
  const flat = text.replaceAll(/\s+/g, ' ').trim();
  if (flat.length <= nMax) return flat || '(white space)';
  const half = Math.floor(nMax / 2);
  return `${flat.slice(0, half).trimEnd()} … ${flat.slice(-half).trimStart()}`;
}
