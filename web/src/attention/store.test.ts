import { expect, test } from 'vitest';
import type { Tiles } from '../api/types';
import { blockOf, Store, sums, TILE } from './store';

function tiles(keys: [number, number], block: number, value: (token: number) => number): Tiles {
  const values: number[] = [];
  for (let token = keys[0]; token < keys[1]; token += block) {
    let sum = 0;
    for (let i = token; i < Math.min(token + block, keys[1]); i += 1) sum += value(i);
    values.push(sum);
  }
  return { by: 'weight', block, keys, n_rows: 1, sink: 0, virtual_sink: 0, values, heads: [] };
}

test('tokens are there as they came, and as parts of their blocks before', () => {
  const n = 2 * TILE + 10;
  const store = new Store(n);
  const value = (token: number) => token / 1000;
  store.blocks = tiles([0, n], 64, value);
  expect(store.value(70)).toBe(undefined);
  expect(store.coarse(70)).toBeCloseTo((64 + 127) / 2 / 1000);
  expect([store.nTiles(), store.missing(TILE + 5), store.missing(n)]).toEqual([3, 1, 2]);
  for (let tile = store.missing(n); tile !== null; tile = store.missing(n)) {
    store.take(tile, tiles(store.keysOf(tile), 1, value));
  }
  expect(store.nHere()).toBe(store.nTiles());
  expect(store.value(n - 1)).toBe(value(n - 1));
  expect(store.all()[TILE]).toBe(value(TILE));
});

test('blocks stay few', () => {
  expect(blockOf(100)).toBe(64);
  expect(blockOf(131072)).toBe(64);
  expect(blockOf(131073)).toBe(128);
});

test('units have what their tokens have', () => {
  expect([
    ...sums(
      [1, 2, 3, 4],
      [
        [0, 2],
        [3, 9],
      ],
    ),
  ]).toEqual([3, 4]);
});
