// What a view shows, to be shared.

import type { Run, Scene } from '../share/scene';
import { colour, hueOf, ofHeads, shade, solid } from './colours';
import { shown } from './lines';
import type { View } from './view.svelte';

const LENSES = {
  weight: 'share of attention, in the mean over heads',
  value_norm: 'share of what was added, by weights and lengths of values',
  logit: 'logits added to the words that were written, against the likeliest others',
};

/** A longer text is shown around its best sources. */
const N_TOKENS_MAX = 3000;
const N_AROUND = 120;

export function sceneOf(view: View): Scene {
  const signed = view.heat.signed;
  const heads = view.pinned.map(([layer, head], nth) => ({
    label: `layer ${layer}, head ${head}`,
    colour: shade(hueOf(nth), 1, 1),
  }));
  const of = signed
    ? [
        { label: 'for', colour: solid(1, true) },
        { label: 'against', colour: solid(-1, true) },
      ]
    : [{ label: 'read', colour: solid(1, false) }];
  const first = ((view.sink?.first ?? 0) * 100).toFixed(0);
  return {
    title: 'Where it looked',
    subtitle: `${view.subject.model}: ${heads.length > 0 ? 'weights of heads' : LENSES[view.lens]}. The first token, where heads rest, has ${first}% and is not coloured.`,
    legend: heads.length > 0 ? heads : of,
    paragraphs: [{ runs: answer(view) }, ...prompt(view)],
    table: {
      columns: ['Source', view.lens],
      rows: view.sources.map(({ span, value }) => [
        view.text(span).replaceAll(/\s+/g, ' ').trim(),
        value.toPrecision(4),
      ]),
    },
    grid: grid(view),
    caveat:
      'Weights say where rows read, not why. What was read may have come through other words.',
  };
}

function answer(view: View): Run[] {
  const [first, end] = view.tokens;
  const pieces = view.answerPieces;
  return [
    { text: pieces.slice(0, first).join('') },
    { text: pieces.slice(first, end).join(''), bold: true, underline: true },
    { text: pieces.slice(end).join('') },
  ].filter((run) => run.text !== '');
}

/** All of a short text; of a long one what is around its best sources. */
function prompt(view: View): { runs: Run[] }[] {
  if (view.nPrompt <= N_TOKENS_MAX) return [{ runs: runs(view, 0, view.nPrompt) }];
  const places = view.sources.map(({ span }) => span).sort((a, b) => a[0] - b[0]);
  const parts: [number, number][] = [];
  for (const [first, end] of places) {
    const from = Math.max(0, first - N_AROUND);
    const to = Math.min(view.nPrompt, end + N_AROUND);
    const last = parts.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else parts.push([from, to]);
  }
  return parts.map(([from, to]) => ({
    runs: [{ text: `… token ${from}: ` }, ...runs(view, from, to), { text: ' …' }],
  }));
}

function runs(view: View, from: number, to: number): Run[] {
  const { levels, signed, hues } = view.heat;
  const found: Run[] = [];
  for (let token = from; token < to; token += 1) {
    const strength = levels[token] ?? 0;
    const fill =
      hues === null ? colour(strength, signed) : shade(hueOf(hues[token] ?? 0), strength);
    const piece = view.pieces[token] ?? '';
    const text = piece.includes('\n') ? piece : shown(piece);
    const value = view.sourceUnit === 'token' ? view.value(token) : undefined;
    const last = found.at(-1);
    if (value === undefined && last?.fill === fill && last.note === undefined) last.text += text;
    else found.push({ text, fill, ...(value === undefined ? {} : { note: String(value) }) });
  }
  return found;
}

function grid(view: View): Scene['grid'] {
  const { grid: heads, overview } = view;
  if (heads === null || overview === null) return null;
  return {
    title: 'How much more than the rest each head looked at it',
    rowName: 'layers',
    columnName: 'heads',
    nRows: overview.n_layers,
    nColumns: overview.n_heads,
    colours: ofHeads(heads),
  };
}

/** The numbers, as the server said them. */
export function dataOf(view: View): unknown {
  const { subject, tokens, lens, span, pinned, sources, grid: heads, knockOut, overview } = view;
  return {
    model: subject.model,
    messages: subject.messages,
    answer: subject.answer,
    tokens,
    lens,
    span,
    pinned,
    sink: view.sink,
    blocks: view.blocks(),
    values:
      overview === null ? [] : view.pieces.slice(0, view.nPrompt).map((_, i) => view.value(i)),
    sources: sources.map((source) => ({ ...source, text: view.text(source.span) })),
    heads,
    knock_out: knockOut,
    overview,
    strip: view.strip,
  };
}
