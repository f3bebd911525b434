// What the server answers to each question: the fields that are shown.

/** Of bytes or of tokens. */
export interface Range {
  start: number;
  end: number;
}

/** A part of a text. */
export interface Part {
  text: string;
  bytes: Range;
  tokens: Range;
}

/** How often something was right, with the interval for 95%. */
export interface Rate {
  n: number;
  rate: number;
  low: number;
  high: number;
}

/** Above what a score is called positive, and how often that is right. */
export interface Cut {
  at: number;
  found: Rate;
  false_alarms: Rate;
}

export interface Looked {
  sources: Part[];
  parts: (Part & { logprob: number; sink: number; virtual_sink: number; ranked: LookedSource[] })[];
  caveat: string;
}

export interface LookedSource {
  source_idx: number;
  weight: number;
  weight_if_even: number;
  log_lift: number;
  value_norm: number | null;
  logit: number | null;
  /** In nats; `null`: it was not hidden. */
  knock_out: number | null;
}

export interface WhoFound {
  n_heads: number;
  word: Part;
  sentence: string;
  ranked_by: string;
  candidates: Candidate[];
  n_left_out: number;
  /** Which of `candidates`. */
  first_by_attention: number;
  do_agree: boolean;
  n_tokens_before: number;
  sink: number;
  caveat: string;
}

export interface Candidate {
  name: string;
  mentions: { bytes: Range; knock_out: number | null }[];
  own: Read | null;
  after: Read | null;
  knock_out: number | null;
  substituted: { probability: number; probability_if_even: number } | null;
}

export interface Read {
  share: number;
  share_if_even: number;
  log_lift: number;
}

export interface Grounded {
  sentences: (Part & {
    probability: number;
    lookback: number;
    nats_per_token: number;
    logprob_per_token: number;
  })[];
  baselines: { grounded: Means; ungrounded: Means; cut: Cut };
  caveat: string;
}

/** Of planted sentences. */
export interface Means {
  probability: number;
  lookback: number;
  nats_per_token: number;
  n: number;
  n_nats: number;
}

export interface Drowned {
  answer: string;
  span: string;
  curve: DrownPoint[];
  moved: DrownPoint[];
  change: { log_lift: number; knock_out_per_token: number; n: number };
  caveat: string;
}

export interface DrownPoint {
  kind: 'actual' | 'start' | 'middle' | 'end' | { cut: { one_of: number } };
  n_tokens: number;
  depth: number;
  log_lift: number;
  span_share: number;
  span_share_if_even: number;
  sink: number;
  logprob_per_token: number;
  knock_out_per_token: number;
  n_rows: number;
}

export interface Injection {
  cut: Cut;
  focus: number;
  focus_min: number;
  is_suspicious: boolean;
  focus_normal: number;
  focus_attacked: number;
  n_heads: number;
  windows: (Part & { share: number; share_if_even: number })[];
  caveat: string;
}

export interface Contradicted {
  sentences: Part[];
  pairs: JudgedPair[];
  n_pairs_all: number;
  caveat: string;
}

export interface JudgedPair {
  first_idx: number;
  second_idx: number;
  log_lift: number;
  n_of_distance: number;
  judged: { score: number; yes_over_no: number; null: number; order_effect: number };
}
