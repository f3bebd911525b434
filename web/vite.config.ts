import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// A running `lookback serve`, for `npm run dev`.
const server = process.env.LOOKBACK_SERVER ?? 'http://127.0.0.1:8080';
const addresses = ['/v1', '/tokenize', '/detokenize', '/props', '/health', '/metrics'];

export default defineConfig({
  plugins: [svelte()],
  // Tests mount components: not the part of the package that renders on servers.
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
  // Also behind an address with a path.
  base: './',
  build: {
    target: 'es2023',
    modulePreload: { polyfill: false },
    // Names without hashes: the server sends an ETag, and the build that is checked in stays one
    // set of files.
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
      },
    },
  },
  server: { proxy: Object.fromEntries(addresses.map((path) => [path, proxied(server)])) },
  test: { environment: 'jsdom', include: ['src/**/*.test.ts'] },
});

/** The server refuses pages of other origins; the page under development is one. */
function proxied(target: string) {
  return { target, changeOrigin: true, headers: { origin: target } };
}
