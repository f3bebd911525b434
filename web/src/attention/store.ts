// Values of the tokens of a text, as far as they are here: blocks of all of it first, then tokens,
// a tile of them at a time.

import type { Span, Tiles } from '../api/types';

/** Tokens of a tile. */
export const TILE = 8192;
/** Blocks of a text are at most so many, however long it is. */
const N_BLOCKS_MAX = 2048;
const BLOCK_MIN = 64;

export function blockOf(nKeys: number): number {
  let block = BLOCK_MIN;
  while (nKeys / block > N_BLOCKS_MAX) block *= 2;
  return block;
}

export interface Series {
  sink: number;
  values: number[];
}

/** Of one lens and one part of the answer. */
export class Store {
  blocks: Tiles | null = null;
  /** As they came, so that they are shown to the digit. */
  #tiles = new Map<number, Tiles>();

  constructor(readonly nKeys: number) {}

  nTiles(): number {
    return Math.ceil(this.nKeys / TILE);
  }

  keysOf(tile: number): Span {
    return [tile * TILE, Math.min(this.nKeys, (tile + 1) * TILE)];
  }

  has(tile: number): boolean {
    return this.#tiles.has(tile);
  }

  nHere(): number {
    return this.#tiles.size;
  }

  take(tile: number, found: Tiles): void {
    this.#tiles.set(tile, found);
  }

  /** The tile nearest to a token that is not here; `null`: all are. */
  missing(near: number): number | null {
    const wanted = Math.floor(near / TILE);
    let best: number | null = null;
    for (let tile = 0; tile < this.nTiles(); tile += 1) {
      if (this.has(tile)) continue;
      if (best === null || Math.abs(tile - wanted) < Math.abs(best - wanted)) best = tile;
    }
    return best;
  }

  /** Of a token; `undefined`: not here yet. `head`: of one of the heads that were asked for. */
  value(token: number, head?: number): number | undefined {
    const tile = this.#tiles.get(Math.floor(token / TILE));
    const values = head === undefined ? tile?.values : tile?.heads[head]?.values;
    return values?.[token % TILE];
  }

  /** The mean of a token's block, where nothing better is here. */
  coarse(token: number, head?: number): number {
    if (this.blocks === null) return 0;
    const { block, values, heads, keys } = this.blocks;
    const of = head === undefined ? values : (heads[head]?.values ?? []);
    return (of[Math.floor((token - keys[0]) / block)] ?? 0) / block;
  }

  /** All tokens, from what there is. */
  all(head?: number): Float64Array {
    const found = new Float64Array(this.nKeys);
    for (let token = 0; token < this.nKeys; token += 1) {
      found[token] = this.value(token, head) ?? this.coarse(token, head);
    }
    return found;
  }
}

/** Sums over spans: a sentence has what its tokens have. */
export function sums(values: ArrayLike<number>, spans: Span[]): Float64Array {
  const found = new Float64Array(spans.length);
  spans.forEach(([first, end], nth) => {
    let sum = 0;
    for (let token = first; token < Math.min(end, values.length); token += 1) {
      sum += values[token] ?? 0;
    }
    found[nth] = sum;
  });
  return found;
}
