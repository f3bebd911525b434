// Where one answer looked: what is chosen of it, what the server has said of that so far, and what
// of it is shown.

import { isStop, wordsOf } from '../api/http';
import * as ask from '../api/inspect';
import type {
  GridHead,
  KnockOut,
  Lens,
  Overview,
  Reader,
  Span,
  StripToken,
  Subject,
  Tiles,
} from '../api/types';
import type { View as Restored } from '../share/link';
import { largest, level, N_PINNED_MAX } from './colours';
import { blockOf, Store, sums } from './store';
import { indexOf, offsets, spansOf, tokensOf, type Unit } from './units';

export type Head = [number, number];

/** What each token of the prompt is coloured by. */
export interface Heat {
  /** Of each token: from -1 to 1. */
  levels: Float64Array;
  signed: boolean;
  /** Where heads are pinned: which of them, of each token. */
  hues: Uint8Array | null;
}

/** A part of the prompt, by what it was worth. */
export interface Source {
  span: Span;
  value: number;
}

const NO_HEAT: Heat = { levels: new Float64Array(0), signed: false, hues: null };
/** Of the sources that one can jump to. */
const N_SOURCES = 10;

export class View {
  phase = $state<'loading' | 'there' | 'failed'>('loading');
  problem = $state('');
  overview = $state.raw<Overview | null>(null);
  /** What each token of the answer rests on; `null`: not here yet. */
  strip = $state.raw<StripToken[] | null>(null);
  /** Tokens of the answer, counted from its first. */
  tokens = $state<Span>([0, 1]);
  /** How the answer is chosen from, and how the prompt is coloured. */
  answerUnit = $state<Unit>('sentence');
  sourceUnit = $state<Unit>('sentence');
  lens = $state<Lens>('weight');
  /** Tokens of the prompt that are chosen. */
  span = $state<Span | null>(null);
  cursor = $state<number | null>(null);
  hovered = $state<number | null>(null);
  pinned = $state<Head[]>([]);
  preview = $state<Head | null>(null);
  grid = $state.raw<GridHead[] | null>(null);
  gridProblem = $state('');
  readers = $state.raw<Reader[] | null>(null);
  knockOut = $state.raw<KnockOut | null>(null);
  /** A request that somebody waits for. */
  waiting = $state('');
  /** What is asked for in the background failed. */
  dataProblem = $state('');

  /** Counts what has come: what is shown is derived again. */
  #came = $state(0);
  #stores = new Map<string, Store>();
  #gone = new AbortController();
  #loading = new AbortController();
  #asking = new AbortController();
  /** The first token that is in sight: what is near it is asked for first. */
  near = 0;

  nPrompt = $derived(this.overview?.n_prompt ?? 0);
  pieces = $derived(this.overview?.pieces ?? []);
  answerPieces = $derived(this.pieces.slice(this.nPrompt));
  answerSpans = $derived(this.#spansOfAnswer());
  /** Units of the prompt: sentences are the server's, words of its messages alone. */
  promptSpans = $derived(this.#spansOfPrompt(this.sourceUnit));
  /** Heads that the prompt is coloured by, in place of the mean of all. */
  shownHeads = $derived<Head[]>(this.preview !== null ? [this.preview] : this.pinned);
  /** Whose numbers are told: of the mean of all, where no head is shown. */
  #firstHead = $derived(this.shownHeads.length > 0 ? 0 : undefined);
  store = $derived.by(() => this.#store(this.lens, this.tokens, this.shownHeads));
  heat = $derived.by(() => this.#heat());
  sources = $derived.by(() => this.#sources());
  sink = $derived.by(() => this.#sink());
  /** What all tokens of the prompt have together. */
  total = $derived.by(() => this.#total());

  constructor(
    readonly subject: Subject,
    readonly restored: Restored | null,
    readonly chars: [number, number] | null,
  ) {}

  async start(): Promise<void> {
    this.phase = 'loading';
    const { signal } = this.#gone;
    try {
      const found = await ask.overview(this.subject, signal);
      this.lens = found.default_lens;
      this.overview = found;
      this.#choose(found);
      this.phase = 'there';
      await this.load();
      // It takes longer in a long text, and nobody waits for it.
      this.strip = await ask.strip(this.subject, signal);
      void this.loadOthers();
    } catch (error) {
      if (isStop(error)) return;
      if (this.overview === null) [this.phase, this.problem] = ['failed', wordsOf(error)];
      else this.dataProblem = wordsOf(error);
    }
  }

  end(): void {
    for (const each of [this.#gone, this.#loading, this.#asking]) each.abort();
  }

  /** What a link says, the word that was clicked, or the first sentence. */
  #choose(found: Overview): void {
    const n = found.answer.length;
    const { restored, chars } = this;
    if (restored?.lens && found.lenses.includes(restored.lens)) this.lens = restored.lens;
    if (restored?.unit) this.sourceUnit = restored.unit;
    if (restored?.span && restored.span[1] <= found.n_prompt) this.span = restored.span;
    const heads = restored?.pinned ?? [];
    this.pinned = heads.filter(([l, h]) => l < found.n_layers && h < found.n_heads);
    const pieces = found.pieces.slice(found.n_prompt);
    if (restored?.tokens && restored.tokens[1] <= n) this.tokens = restored.tokens;
    else if (chars !== null) {
      this.answerUnit = 'word';
      this.tokens = tokensOf(offsets(pieces), chars);
    } else this.tokens = spansOf(pieces, 'sentence')[0] ?? [0, n];
  }

  chooseTokens(tokens: Span): void {
    if (tokens[0] === this.tokens[0] && tokens[1] === this.tokens[1]) return;
    this.tokens = tokens;
    this.knockOut = null;
    this.grid = null;
    void this.#loadAll();
  }

  /** The unit of the answer that a token is in. */
  chooseAround(token: number): void {
    const at = indexOf(this.answerSpans, token);
    this.chooseTokens(this.answerSpans[at] ?? [token, token + 1]);
  }

  chooseLens(lens: Lens): void {
    this.lens = lens;
    void this.#loadAll();
  }

  chooseSpan(span: Span | null): void {
    this.span = span;
    this.readers = null;
    this.knockOut = null;
    this.grid = null;
    void this.loadGrid();
  }

  pin(head: Head): void {
    const isIt = ([layer, of]: Head) => layer === head[0] && of === head[1];
    if (this.pinned.some(isIt)) this.pinned = this.pinned.filter((other) => !isIt(other));
    else if (this.pinned.length < N_PINNED_MAX) this.pinned = [...this.pinned, head];
    void this.#loadAll();
  }

  previewHead(head: Head | null): void {
    this.preview = head;
    void this.#loadAll();
  }

  /** Asks for what is shown, the nearest first. */
  async load(): Promise<boolean> {
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    return this.#try(async () => {
      await this.#fill(this.lens, this.tokens, this.shownHeads, signal);
      await this.loadGrid();
    });
  }

  async #loadAll(): Promise<void> {
    if (await this.load()) await this.loadOthers();
  }

  /** And for the other lenses, so that they are there when they are chosen. */
  async loadOthers(): Promise<void> {
    const { signal } = this.#loading;
    await this.#try(async () => {
      for (const other of this.overview?.lenses ?? []) {
        await this.#fill(other, this.tokens, this.shownHeads, signal);
      }
    });
  }

  /** Whether it came to its end; who has chosen something else meanwhile has stopped it. */
  async #try(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      this.dataProblem = '';
      return true;
    } catch (error) {
      if (!isStop(error)) this.dataProblem = wordsOf(error);
      return false;
    }
  }

  async #fill(lens: Lens, tokens: Span, heads: Head[], signal: AbortSignal): Promise<void> {
    const store = this.#store(lens, tokens, heads);
    const wanted = { tokens, by: lens, heads };
    if (store.nKeys === 0) return;
    if (store.blocks === null) {
      const block = blockOf(store.nKeys);
      const found = await ask.tiles(this.subject, { ...wanted, block }, signal);
      store.blocks = found;
      this.#came += 1;
    }
    for (let tile = store.missing(this.near); tile !== null; tile = store.missing(this.near)) {
      const keys = store.keysOf(tile);
      store.take(tile, await ask.tiles(this.subject, { ...wanted, keys, block: 1 }, signal));
      this.#came += 1;
    }
  }

  /** Of the chosen span, or of the top source. */
  async loadGrid(): Promise<void> {
    const span = this.span ?? this.sources[0]?.span;
    if (span === undefined || this.overview === null) return;
    try {
      const { signal } = this.#loading;
      this.grid = await ask.grid(this.subject, { tokens: this.tokens, span }, signal);
      this.gridProblem = '';
    } catch (error) {
      if (!isStop(error)) this.gridProblem = wordsOf(error);
    }
  }

  /** Lets the server measure what heads do, where it does not know. */
  async nameHeads(): Promise<void> {
    await this.#wait('Measuring heads', async (signal) => {
      await ask.ask('heads', { model: this.subject.model }, signal);
      await this.loadGrid();
    });
  }

  async findReaders(span: Span): Promise<void> {
    await this.#wait('Looking who read this', async (signal) => {
      this.readers = await ask.readers(this.subject, span, signal);
      this.knockOut = null;
    });
  }

  async findKnockOut(span: Span): Promise<void> {
    await this.#wait('Scoring the answer without this', async (signal) => {
      const wanted = { tokens: this.tokens, span };
      this.knockOut = await ask.knockOut(this.subject, wanted, signal);
      this.readers = null;
    });
  }

  async #wait(what: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.waiting = what;
    this.dataProblem = '';
    try {
      await work(signal);
    } catch (error) {
      if (!isStop(error)) this.dataProblem = wordsOf(error);
    } finally {
      if (!signal.aborted) this.waiting = '';
    }
  }

  /** A value as the server said it; `undefined`: it is not here yet. */
  value(token: number): number | undefined {
    void this.#came;
    return this.store.value(token, this.#firstHead);
  }

  /** Tiles of tokens that are here, and all. */
  progress(): { here: number; of: number } {
    void this.#came;
    return { here: this.store.nHere(), of: this.store.nTiles() };
  }

  /** What blocks are worth: of the map beside the text. */
  blocks(): Tiles | null {
    void this.#came;
    return this.store.blocks;
  }

  #store(lens: Lens, tokens: Span, heads: Head[]): Store {
    // Weights are all that is shown of single heads.
    const key = [heads.length > 0 ? 'weight' : lens, ...tokens, ...heads.flat()].join();
    let store = this.#stores.get(key);
    if (store === undefined) {
      store = new Store(this.nPrompt);
      // A text is looked at from a few places: more is asked for again.
      if (this.#stores.size > 60) this.#stores.clear();
      this.#stores.set(key, store);
    }
    return store;
  }

  #spansOfAnswer(): Span[] {
    return spansOf(this.answerPieces, this.answerUnit);
  }

  #spansOfPrompt(unit: Unit): Span[] {
    if (unit === 'token' || this.overview === null) return [];
    if (unit === 'sentence') return this.overview.sentences;
    const words = (tokens: Span) => spansOf(this.pieces.slice(...tokens), 'word', tokens[0]);
    return this.overview.messages.flatMap(({ tokens }) => words(tokens));
  }

  #heat(): Heat {
    void this.#came;
    if (this.nPrompt === 0) return NO_HEAT;
    if (this.shownHeads.length > 0) return this.#heatOfHeads();
    const signed = this.lens === 'logit';
    const values = this.store.all();
    return { levels: this.#levels(values), signed, hues: null };
  }

  /** The strongest head of each token, in its hue. */
  #heatOfHeads(): Heat {
    const of = this.shownHeads.map((_, nth) => this.#levels(this.store.all(nth)));
    const levels = new Float64Array(this.nPrompt);
    const hues = new Uint8Array(this.nPrompt);
    of.forEach((own, nth) => {
      own.forEach((found, token) => {
        if (found <= (levels[token] ?? 0)) return;
        levels[token] = found;
        hues[token] = nth;
      });
    });
    return { levels, signed: false, hues };
  }

  #levels(values: Float64Array): Float64Array {
    const spans = this.promptSpans;
    const levels = new Float64Array(values.length);
    if (this.sourceUnit === 'token') {
      const most = largest(values);
      values.forEach((value, token) => (levels[token] = level(value, most)));
      return levels;
    }
    const ofSpans = sums(values, spans);
    const most = largest(ofSpans);
    spans.forEach(([first, end], nth) => {
      levels.fill(level(ofSpans[nth] ?? 0, most), first, end);
    });
    return levels;
  }

  #sources(): Source[] {
    void this.#came;
    if (this.overview === null || this.store.blocks === null) return [];
    const spans = this.sourceUnit === 'token' ? this.#tokensOfMessages() : this.promptSpans;
    const values = sums(this.store.all(this.#firstHead), spans);
    const found = spans.map((span, nth): Source => ({ span, value: values[nth] ?? 0 }));
    return found.sort((a, b) => b.value - a.value).slice(0, N_SOURCES);
  }

  #total(): number {
    const found = this.blocks();
    const of = this.#firstHead === undefined ? found?.values : found?.heads[0]?.values;
    return of?.reduce((sum, value) => sum + value, 0) ?? 0;
  }

  #tokensOfMessages(): Span[] {
    const all = this.overview?.messages ?? [];
    const tokens = ([first, end]: Span) =>
      Array.from({ length: end - first }, (_, i): Span => [first + i, first + i + 1]);
    return all.flatMap((message) => tokens(message.tokens));
  }

  #sink(): { first: number; virtual: number } | null {
    const found = this.blocks();
    if (found === null) return null;
    const head = this.#firstHead === undefined ? undefined : found.heads[0];
    return { first: head?.sink ?? found.sink, virtual: found.virtual_sink };
  }

  text([first, end]: Span): string {
    return this.pieces.slice(first, end).join('');
  }

  /** The sentence of a token of the prompt. */
  sentenceOf(token: number): Span | null {
    const spans = this.overview?.sentences ?? [];
    return spans[indexOf(spans, token)] ?? null;
  }
}
