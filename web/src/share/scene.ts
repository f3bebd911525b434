// What is shared of a view, however it is drawn.

export interface Run {
  text: string;
  /** CSS colour behind it. */
  fill?: string;
  underline?: boolean;
  bold?: boolean;
  /** The number behind the colour. */
  note?: string;
}

export interface Scene {
  title: string;
  subtitle: string;
  legend: { label: string; colour: string }[];
  paragraphs: { runs: Run[] }[];
  table: { columns: string[]; rows: string[][] } | null;
  grid: Grid | null;
  caveat: string;
}

/** A colour for each cell. */
export interface Grid {
  title: string;
  rowName: string;
  columnName: string;
  nRows: number;
  nColumns: number;
  colours: string[];
}

/** What XML 1.0 and HTML can hold of a text, with nothing that they would read. */
export function escape(text: string): string {
  return text
    .replaceAll(/[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
