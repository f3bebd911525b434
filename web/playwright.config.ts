import { defineConfig } from '@playwright/test';

// Playwright's own browsers are fetched from elsewhere; the system's does as well.
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export default defineConfig({
  testDir: 'tests',
  outputDir: '../target/page-tests',
  // One model on few cores.
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 30_000 },
  reporter: 'line',
  projects: [
    { name: 'tests', testMatch: '*.spec.ts' },
    // What the page takes, and pictures of it for docs/page.md: run by name.
    { name: 'measure', testMatch: '*.measure.ts', timeout: 1_800_000 },
    { name: 'pictures', testMatch: '*.pictures.ts', timeout: 600_000 },
  ],
  use: {
    viewport: { width: 1280, height: 800 },
    launchOptions: { executablePath, args: ['--no-sandbox'] },
    trace: 'retain-on-failure',
  },
});
