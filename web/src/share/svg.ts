// A scene as an SVG that needs nothing else.

import { escape, type Grid, type Run, type Scene } from './scene';

const WIDTH = 900;
const MARGIN = 28;
const LINE = 22;
const SIZE = 14;
const CELL = 12;
const FONT = "system-ui, 'DejaVu Sans', sans-serif";

type Measure = (text: string, bold: boolean) => number;

interface Drawn {
  y: number;
  parts: string[];
}

export function toSvg(scene: Scene, measure: Measure = measurer()): string {
  const drawn: Drawn = { y: MARGIN + 6, parts: [] };
  line(drawn, [{ text: scene.title, bold: true }], measure);
  for (const run of [scene.subtitle]) paragraph(drawn, [{ text: run }], measure, '#555555');
  legend(drawn, scene, measure);
  drawn.y += LINE / 2;
  for (const { runs } of scene.paragraphs) {
    paragraph(drawn, runs, measure);
    drawn.y += LINE / 3;
  }
  table(drawn, scene, measure);
  if (scene.grid !== null) grid(drawn, scene.grid);
  drawn.y += LINE / 2;
  paragraph(drawn, [{ text: scene.caveat }], measure, '#555555');
  const height = Math.ceil(drawn.y + MARGIN / 2);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ` +
    `viewBox="0 0 ${WIDTH} ${height}" font-family="${escape(FONT)}" font-size="${SIZE}">` +
    `<title>${escape(scene.title)}</title><desc>${escape(scene.subtitle)}</desc>` +
    `<rect width="100%" height="100%" fill="#ffffff"/>${drawn.parts.join('')}</svg>`
  );
}

/** Widths of the browser's letters; where there is no canvas, of letters that are all alike. */
function measurer(): Measure {
  const context = globalThis.document?.createElement('canvas').getContext('2d') ?? null;
  if (context === null) return (text) => text.length * SIZE * 0.56;
  return (text, bold) => {
    context.font = `${bold ? 'bold ' : ''}${SIZE}px ${FONT}`;
    return context.measureText(text).width;
  };
}

/** Wraps runs at spaces and line feeds. */
function paragraph(drawn: Drawn, runs: Run[], measure: Measure, colour?: string): void {
  let [row, width]: [Run[], number] = [[], 0];
  const end = () => {
    line(drawn, row, measure, colour);
    [row, width] = [[], 0];
  };
  for (const run of runs) {
    for (const word of run.text.match(/\n|[^\S\n]*[^\s]+|[^\S\n]+/g) ?? []) {
      if (word === '\n') {
        end();
        continue;
      }
      const own = measure(word, run.bold ?? false);
      if (width + own > WIDTH - 2 * MARGIN && row.length > 0) end();
      row.push({ ...run, text: row.length === 0 ? word.trimStart() : word });
      width += own;
    }
  }
  if (row.length > 0) end();
}

function line(drawn: Drawn, runs: Run[], measure: Measure, colour = '#1a1f26'): void {
  let x = MARGIN;
  const spans: string[] = [];
  for (const { text, fill, underline, bold, note } of runs) {
    const width = measure(text, bold ?? false);
    if (fill !== undefined && fill !== 'transparent') {
      const title = note === undefined ? '' : `<title>${escape(note)}</title>`;
      const box = `x="${round(x)}" y="${round(drawn.y - 15)}" width="${round(width)}" height="20"`;
      drawn.parts.push(`<rect ${box} fill="${escape(fill)}">${title}</rect>`);
    }
    const style = `${bold ? ' font-weight="bold"' : ''}${underline ? ' text-decoration="underline"' : ''}`;
    spans.push(`<tspan x="${round(x)}"${style}>${escape(text)}</tspan>`);
    x += width;
  }
  const place = `y="${round(drawn.y)}" fill="${colour}" xml:space="preserve"`;
  drawn.parts.push(`<text ${place}>${spans.join('')}</text>`);
  drawn.y += LINE;
}

function legend(drawn: Drawn, { legend }: Scene, measure: Measure): void {
  if (legend.length === 0) return;
  let x = MARGIN;
  for (const { label, colour } of legend) {
    const box = `x="${round(x)}" y="${round(drawn.y - 11)}" width="12" height="12"`;
    drawn.parts.push(`<rect ${box} fill="${escape(colour)}"/>`);
    drawn.parts.push(`<text x="${round(x + 17)}" y="${round(drawn.y)}">${escape(label)}</text>`);
    x += 17 + measure(label, false) + 18;
  }
  drawn.y += LINE;
}

/** Numbers stand right of what they are of. */
function table(drawn: Drawn, { table }: Scene, measure: Measure): void {
  if (table === null) return;
  drawn.y += LINE / 2;
  line(drawn, [{ text: table.columns.join(' · '), bold: true }], measure);
  for (const [first = '', ...numbers] of table.rows) {
    paragraph(drawn, [{ text: `${numbers.join('  ')}  `, bold: true }, { text: first }], measure);
  }
}

function grid(drawn: Drawn, { title, rowName, columnName, nRows, nColumns, colours }: Grid): void {
  drawn.y += LINE / 2;
  const caption = `${title}: ${rowName} downwards, ${columnName} across`;
  drawn.parts.push(`<text x="${MARGIN}" y="${round(drawn.y)}">${escape(caption)}</text>`);
  drawn.y += LINE / 2;
  for (let row = 0; row < nRows; row += 1) {
    for (let column = 0; column < nColumns; column += 1) {
      const colour = colours[row * nColumns + column] ?? 'transparent';
      if (colour === 'transparent') continue;
      const place = `x="${MARGIN + column * CELL}" y="${round(drawn.y + row * CELL)}"`;
      const size = `width="${CELL - 1}" height="${CELL - 1}"`;
      drawn.parts.push(`<rect ${place} ${size} fill="${escape(colour)}"/>`);
    }
  }
  drawn.y += nRows * CELL + LINE;
}

function round(x: number): number {
  return Math.round(x * 10) / 10;
}
