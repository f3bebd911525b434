// Replies to each question about a small text, in the form in which the server sends them. For tests.

import type { Name } from './asking.svelte';

export const PIECES = [
  '<user>',
  'The rent',
  ' is 940.',
  ' Anna',
  ' says',
  ' it',
  ' is late.',
  '\n\n',
];
export const TEXT = 'The rent is 940. Anna says it is late.';
const part = (text: string, start: number, tokens: [number, number]) => ({
  text,
  bytes: { start, end: start + text.length },
  tokens: { start: tokens[0], end: tokens[1] },
});
export const RENT = part('The rent is 940.', 0, [1, 3]);
export const ANNA = part('Anna says it is late.', 17, [3, 7]);
const RATE = { n: 100, rate: 0.25, low: 0.2, high: 0.3 };
const CUT = { at: 0.345, found: RATE, false_alarms: { ...RATE, rate: 0.125 } };
const READ = { share: 0.075, share_if_even: 0.5, log_lift: -0.7 };
const POINT = {
  kind: 'actual',
  n_tokens: 70,
  depth: 0.5,
  log_lift: 0.07,
  span_share: 0.0873,
  span_share_if_even: 0.0828,
  sink: 0.3,
  logprob_per_token: -0.5,
  knock_out_per_token: 0.64,
  n_rows: 270,
};
const MEANS = { probability: 0.7, lookback: 0.28, nats_per_token: 0.96, n: 100, n_nats: 30 };

export const REPLIES: Record<Name, object> = {
  look: {
    sources: [RENT, ANNA],
    parts: [
      {
        ...part('940.', 50, [9, 10]),
        logprob: -5.89,
        sink: 0.305,
        virtual_sink: 0,
        ranked: [
          {
            source_idx: 1,
            weight: 0.0624,
            weight_if_even: 0.0857,
            log_lift: -0.39,
            value_norm: 0.112,
            logit: 11.72,
            knock_out: 11.08,
          },
        ],
      },
    ],
  },
  who: {
    n_heads: 270,
    word: part('it', 27, [5, 6]),
    sentence: ANNA.text,
    ranked_by: 'substitution',
    candidates: [
      {
        name: 'the rent',
        mentions: [{ bytes: { start: 0, end: 8 }, knock_out: 1.05 }],
        own: READ,
        after: null,
        knock_out: 1.05,
        substituted: {
          logprob_after: -2,
          logprob_name: -1,
          probability: 0.943,
          probability_if_even: 0.5,
        },
      },
    ],
    n_left_out: 0,
    first_by_attention: 0,
    do_agree: true,
    n_tokens_before: 4,
    sink: 0.469,
  },
  ground: {
    sentences: [
      {
        ...part('940.', 50, [9, 10]),
        probability: 0.0846,
        lookback: 0.305,
        nats_per_token: 1.24,
        logprob_per_token: -0.53,
      },
    ],
    baselines: { grounded: MEANS, ungrounded: { ...MEANS, probability: 0.34 }, cut: CUT },
  },
  drown: {
    answer: '940.',
    span: RENT.text,
    curve: [{ ...POINT, kind: { cut: { one_of: 2 } }, n_tokens: 35 }, POINT],
    moved: [{ ...POINT, kind: 'start' }],
    change: { log_lift: -0.95, knock_out_per_token: -0.47, n: 1 },
  },
  inject: {
    cut: CUT,
    focus: 0.78,
    focus_min: 0.758,
    is_suspicious: false,
    focus_normal: 0.9,
    focus_attacked: 0.835,
    n_heads: 6,
    windows: [{ ...part(' Anna says', 16, [3, 5]), share: 0.808, share_if_even: 0.25 }],
  },
  contradict: {
    sentences: [RENT, ANNA],
    pairs: [
      {
        first_idx: 0,
        second_idx: 1,
        log_lift: 0.73,
        n_of_distance: 1,
        judged: { score: 0.137, yes_over_no: -1.35, null: -1.49, order_effect: 0.195 },
      },
    ],
    n_pairs_all: 1,
  },
};
