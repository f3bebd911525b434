// How answers of one conversation are drawn, and what of the text the model keeps.

/** What is `null` is left to the server. */
export interface Settings {
  temperature: number | null;
  top_p: number | null;
  top_k: number | null;
  min_p: number | null;
  repeat_penalty: number | null;
  seed: number | null;
  max_tokens: number | null;
  /** What the model goes on without: `all`, `window=N`, `blocks=N` and others. */
  kv_policy: string | null;
  reasoning_effort: string | null;
  /** JSON: a list of functions in OpenAI's form. */
  tools: string | null;
}

export const DEFAULTS: Settings = {
  temperature: null,
  top_p: null,
  top_k: null,
  min_p: null,
  repeat_penalty: null,
  seed: null,
  max_tokens: null,
  kv_policy: null,
  reasoning_effort: null,
  tools: null,
};

export interface NumberSetting {
  name: 'temperature' | 'top_p' | 'top_k' | 'min_p' | 'repeat_penalty' | 'seed' | 'max_tokens';
  label: string;
  about: string;
  min: number;
  max: number;
  step: number;
}

export const NUMBERS: NumberSetting[] = [
  {
    name: 'temperature',
    label: 'Temperature',
    about: '0 takes the likeliest token each time',
    min: 0,
    max: 5,
    step: 0.05,
  },
  {
    name: 'top_p',
    label: 'Top p',
    about: 'draws from the likeliest tokens that together have this probability',
    min: 0,
    max: 1,
    step: 0.01,
  },
  {
    name: 'top_k',
    label: 'Top k',
    about: 'draws from so many of the likeliest tokens',
    min: 0,
    max: 1000,
    step: 1,
  },
  {
    name: 'min_p',
    label: 'Min p',
    about: 'leaves out tokens less likely than this share of the likeliest',
    min: 0,
    max: 1,
    step: 0.01,
  },
  {
    name: 'repeat_penalty',
    label: 'Repeat penalty',
    about: '1 is none',
    min: 0.1,
    max: 5,
    step: 0.05,
  },
  {
    name: 'seed',
    label: 'Seed',
    about: 'the same seed gives the same answer',
    min: 0,
    max: 2147483647,
    step: 1,
  },
  {
    name: 'max_tokens',
    label: 'Most tokens of an answer',
    about: 'empty: as many as fit',
    min: 1,
    max: 1048576,
    step: 1,
  },
];

/** The fields of a request; throws a plain line where the tools are no JSON. */
export function requestFields(settings: Settings): Record<string, unknown> {
  const { tools, ...plain } = settings;
  const given = Object.entries(plain).filter(([, value]) => value !== null && value !== '');
  const fields: Record<string, unknown> = Object.fromEntries(given);
  if (tools !== null && tools.trim() !== '') fields['tools'] = readTools(tools);
  return fields;
}

export function readTools(text: string): unknown[] {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`Tools are no JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(found)) throw new Error('Tools: expected a list of functions');
  return found;
}
