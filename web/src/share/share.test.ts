import { expect, test } from 'vitest';
import { toHtml } from './html';
import type { Scene } from './scene';
import { toSvg } from './svg';

const EVIL = '</script><script>alert(1)</script> & "\u0000\ud800';

const SCENE: Scene = {
  title: `Where it looked ${EVIL}`,
  subtitle: 'a model, weight',
  legend: [{ label: 'read', colour: 'rgb(230 159 0 / 0.5)' }],
  paragraphs: [
    {
      runs: [
        { text: 'The deposit is', fill: 'rgb(230 159 0 / 0.5)', note: '0.123' },
        { text: ` ${EVIL} 1,880 euros. `.repeat(20), bold: true },
        { text: 'one\n\ntwo' },
      ],
    },
  ],
  table: { columns: ['Source', 'Weight'], rows: [[EVIL, '12.3%']] },
  grid: {
    title: 'Heads',
    rowName: 'layers',
    columnName: 'heads',
    nRows: 2,
    nColumns: 2,
    colours: ['#111111', 'transparent', '#222222', '#333333'],
  },
  caveat: 'Weights say where rows read, not why.',
};

test('an SVG is XML, with all that is shown', () => {
  const found = new DOMParser().parseFromString(toSvg(SCENE), 'image/svg+xml');
  expect(found.querySelector('parsererror')).toBe(null);
  expect(found.querySelector('title')?.textContent).toContain('Where it looked');
  expect(found.querySelectorAll('script')).toHaveLength(0);
  expect(found.documentElement.textContent).toContain('not why');
  expect(found.querySelector('rect title')?.textContent).toBe('0.123');
  const [, , width = 0, height = 0] = (found.documentElement.getAttribute('viewBox') ?? '')
    .split(' ')
    .map(Number);
  const ends = [...found.querySelectorAll('text')].map((text) => Number(text.getAttribute('y')));
  expect(Math.max(...ends)).toBeLessThan(height);
  const starts = [...found.querySelectorAll('tspan')].map((span) => Number(span.getAttribute('x')));
  expect(Math.max(...starts)).toBeLessThan(width);
});

test('an HTML file needs nothing else, and holds the data', () => {
  const text = toHtml(SCENE, { text: EVIL, values: [0.123] });
  expect(text).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
  const found = new DOMParser().parseFromString(text, 'text/html');
  expect(found.querySelectorAll('script')).toHaveLength(1);
  expect(JSON.parse(found.querySelector('#data')?.textContent ?? '')).toEqual({
    text: EVIL,
    values: [0.123],
  });
  expect(found.querySelector('p span')?.getAttribute('title')).toBe('0.123');
  expect(found.querySelectorAll('td')).toHaveLength(2);
  expect(found.querySelectorAll('svg rect').length).toBeGreaterThanOrEqual(4);
});
