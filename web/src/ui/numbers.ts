// Numbers as people read them.

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  for (; n >= 1000 && at < units.length - 1; at += 1) n /= 1000;
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}

export function count(n: number): string {
  return n.toLocaleString('en');
}

export function tokens(n: number): string {
  return `${count(n)} ${n === 1 ? 'token' : 'tokens'}`;
}

export function seconds(s: number): string {
  if (s < 0.95) return `${Math.max(0.1, s).toFixed(1)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  const minutes = Math.round(s / 60);
  return minutes < 90 ? `${minutes} min` : `${(s / 3600).toFixed(1)} h`;
}

/** A probability from its logarithm. */
export function percent(logprob: number): string {
  const p = Math.exp(logprob) * 100;
  return p >= 99.95
    ? '100%'
    : p >= 10
      ? `${p.toFixed(0)}%`
      : p >= 0.1
        ? `${p.toFixed(1)}%`
        : '<0.1%';
}
