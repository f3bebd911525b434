// Light or dark: as the system says, or as somebody chose here.

export type Scheme = 'system' | 'light' | 'dark';

const KEY = 'lookback.scheme';
const SCHEMES: Scheme[] = ['system', 'light', 'dark'];

export class ColourScheme {
  chosen = $state<Scheme>(read());

  constructor() {
    this.#apply();
  }

  next(): void {
    const at = SCHEMES.indexOf(this.chosen);
    this.chosen = SCHEMES[(at + 1) % SCHEMES.length] ?? 'system';
    try {
      localStorage.setItem(KEY, this.chosen);
    } catch {
      // It holds until the page is closed.
    }
    this.#apply();
  }

  #apply(): void {
    const root = document.documentElement;
    if (this.chosen === 'system') delete root.dataset['scheme'];
    else root.dataset['scheme'] = this.chosen;
  }
}

function read(): Scheme {
  try {
    const found = localStorage.getItem(KEY);
    return SCHEMES.find((scheme) => scheme === found) ?? 'system';
  } catch {
    return 'system';
  }
}
