// Colours of code, fetched when the first code is there.

import type { HLJSApi } from 'highlight.js';

let loading: Promise<HLJSApi> | null = null;

function library(): Promise<HLJSApi> {
  loading ??= import('./languages').then((module) => module.default);
  return loading;
}

/** Code as HTML of spans; `null`: nobody knows this language. */
export async function highlight(text: string, language: string): Promise<string | null> {
  const hljs = await library();
  if (language === '' || hljs.getLanguage(language) === undefined) return null;
  return hljs.highlight(text, { language, ignoreIllegals: true }).value;
}
