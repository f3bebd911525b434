// Two answers as they are shared.

import type { Run, Scene } from '../share/scene';
import type { Difference, Parting } from './diverge';
import type { Side } from './side.svelte';

const PARTED = 'rgb(213 94 0 / 0.45)';

export function sceneOf(
  prompt: string,
  sides: readonly Side[],
  parts: Parting | null,
  read: Difference[] | null,
): Scene {
  const ends = [parts?.a, parts?.b];
  return {
    title: 'Two answers',
    subtitle: prompt,
    legend: parts === null ? [] : [{ label: 'where they part', colour: PARTED }],
    paragraphs: sides.flatMap((side, nth) => [
      { runs: [{ text: `${side.model ?? ''} ${side.kvPolicy}`.trim(), bold: true }] },
      { runs: answer(side, ends[nth]) },
    ]),
    table:
      read === null
        ? null
        : {
            columns: ['Sentence', 'Left', 'Right'],
            rows: read.map(({ text, a, b }) => [text, a.toPrecision(4), b.toPrecision(4)]),
          },
    grid: null,
    caveat: 'Shares of attention where the answers part say where rows read, not why.',
  };
}

function answer(side: Side, end: number | undefined): Run[] {
  return side.draft.tokens.map(({ piece }, nth) =>
    nth === end ? { text: piece, fill: PARTED, bold: true } : { text: piece },
  );
}
