// A scene as one HTML file that is read without a network and without scripts, and holds the numbers
// for programs.

import { escape, type Run, type Scene } from './scene';
import { toSvg } from './svg';

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
p { white-space: pre-wrap; overflow-wrap: anywhere; }
i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; }
td, th { text-align: left; padding: .1rem .8rem .1rem 0; vertical-align: top; }
svg { max-width: 100%; height: auto; }
.muted { opacity: .75; }
`;

export function toHtml(scene: Scene, data: unknown): string {
  const legend = scene.legend.map(
    ({ label, colour }) => `<i style="background:${escape(colour)}"></i> ${escape(label)}`,
  );
  const paragraphs = scene.paragraphs.map(({ runs }) => `<p>${runs.map(run).join('')}</p>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(scene.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escape(scene.title)}</h1>
<p class="muted">${escape(scene.subtitle)}</p>
<p>${legend.join(' &nbsp; ')}</p>
${paragraphs.join('\n')}
${table(scene)}
${grid(scene)}
<p class="muted">${escape(scene.caveat)}</p>
<script type="application/json" id="data">${script(data)}</script>
</body>
</html>
`;
}

function run({ text, fill, underline, bold, note }: Run): string {
  const style = fill === undefined || fill === 'transparent' ? '' : `background:${fill};`;
  const more = `${bold ? 'font-weight:bold;' : ''}${underline ? 'text-decoration:underline;' : ''}`;
  if (style + more === '' && note === undefined) return escape(text);
  const title = note === undefined ? '' : ` title="${escape(note)}"`;
  return `<span style="${escape(style + more)}"${title}>${escape(text)}</span>`;
}

function table({ table }: Scene): string {
  if (table === null) return '';
  const row = (cells: string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
  const rows = table.rows.map((cells) => row(cells, 'td')).join('\n');
  return `<table>\n${row(table.columns, 'th')}\n${rows}\n</table>`;
}

function grid(scene: Scene): string {
  if (scene.grid === null) return '';
  const bare = { ...scene, title: '', subtitle: '', legend: [], paragraphs: [], table: null };
  return toSvg({ ...bare, caveat: '' });
}

/** JSON that ends no script. */
function script(data: unknown): string {
  return JSON.stringify(data).replaceAll('<', '\\u003c');
}
