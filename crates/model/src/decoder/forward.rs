//! The loop over the layers, and the way from the last hidden state to logits.

use std::ops::Range;

use super::attention_block::{attention_block, cross_attention_block};
use super::compute::Norm;
use super::feed_forward::feed_forward_block;
use super::show::observe;
use super::workspace::Workspace;
use crate::batch::Batch;
use crate::kv::KvCache;
use crate::probe::{Probe, Site};
use crate::shape::Rows;
use crate::spec::{Direction, Positions};
use crate::weights::Model;

/// What a block of a layer needs to know.
pub(super) struct ForwardCtx<'a> {
    pub(super) model: &'a Model,
    pub(super) batch: &'a Batch,
    pub(super) layer_idx: usize,
}

/// Computes the batch: appends its keys and values to the cache and leaves the hidden states of
/// `batch.logit_rows` in the workspace, for [`unembed`] or to be read by [`hidden`].
///
/// The batch holds at least one token; token ids are below `n_vocab`, positions follow those
/// already cached, and the cache has room (`KvCache::reserve` made sure). Where tokens look ahead
/// too ([`Direction::Bidirectional`]), a sequence's rows are its whole text.
pub fn forward<P: Probe>(
    model: &Model,
    batch: &Batch,
    kv: &mut KvCache,
    ws: &mut Workspace,
    probe: &mut P,
) {
    let n_tokens = batch.n_tokens();
    assert!((1..=ws.size.n_tokens_max).contains(&n_tokens));
    ws.first_keys.clear();
    for sequence in &batch.sequences {
        let rows = sequence.rows.clone();
        let first_key =
            kv.append(sequence.id, &batch.token_ids[rows.clone()], &batch.positions[rows]);
        assert!(first_key == 0 || model.config.direction == Direction::Causal, "a whole text");
        ws.first_keys.push(first_key);
    }
    ws.ropes.fill(&batch.positions);
    embed(model, batch, ws);
    let d_model = model.config.d_model;
    observe(probe, Site::Embedding, &ws.residual[..n_tokens * d_model], d_model);
    for layer_idx in 0..model.config.n_layers {
        let ctx = ForwardCtx { model, batch, layer_idx };
        attention_block(&ctx, kv, ws, probe);
        if let Some(cross) = &model.layers[layer_idx].cross {
            cross_attention_block(&ctx, cross, kv, ws, probe);
        }
        feed_forward_block(&ctx, ws);
        let residual = &ws.residual[..n_tokens * d_model];
        observe(probe, Site::Residual { layer_idx }, residual, d_model);
    }
    norm_output(model, batch, ws);
    let hidden = &ws.hidden[..batch.logit_rows.len() * d_model];
    observe(probe, Site::OutputNorm, hidden, d_model);
}

/// Hidden states of some of the last batch's logit rows, after the last norm: what embeddings are
/// made of, and what another model may look at.
///
/// # Shapes
/// - result: `[rows.len(), d_model]`
pub fn hidden<'a>(model: &Model, rows: Range<usize>, ws: &'a Workspace) -> Rows<'a> {
    let d_model = model.config.d_model;
    Rows::new(&ws.hidden[rows.start * d_model..rows.end * d_model], d_model)
}

/// Logits of some of the last batch's logit rows (`rows` counts within `batch.logit_rows`).
///
/// # Shapes
/// - result: `[rows.len(), n_vocab]`
///
/// The model has logits ([`Model::output_matrix`]).
pub fn unembed<'a>(model: &Model, rows: Range<usize>, ws: &'a mut Workspace) -> &'a mut [f32] {
    assert!(rows.len() <= ws.size.n_logit_rows_max);
    let (d_model, n_vocab) = (model.config.d_model, model.config.n_vocab);
    let hidden = &ws.hidden[rows.start * d_model..rows.end * d_model];
    let logits = &mut ws.logits[..rows.len() * n_vocab];
    if rows.is_empty() {
        return logits;
    }
    let matrix = model.output_matrix().expect("a model with logits");
    ws.compute.multiply_matrix(hidden, matrix, logits);
    if let Some(bias) = &model.output_bias {
        logits.chunks_exact_mut(n_vocab).for_each(|row| (ws.compute.kernels.add)(row, bias));
    }
    if model.config.logit_scale != 1.0 {
        logits.iter_mut().for_each(|x| *x *= model.config.logit_scale);
    }
    if let Some(cap) = model.config.logit_softcap {
        (ws.compute.kernels.softcap)(logits, cap);
    }
    logits
}

fn embed(model: &Model, batch: &Batch, ws: &mut Workspace) {
    let (d_model, scale) = (model.config.d_model, model.config.embedding_scale);
    let residual = &mut ws.residual[..batch.n_tokens() * d_model];
    let first_pos = match model.config.positions {
        Positions::Learned { first_row } => first_row,
        Positions::Sinusoidal { first } => first,
        Positions::Rope | Positions::Alibi | Positions::Buckets { .. } => 0,
    };
    let norm = model.token_embd_norm.as_ref();
    let norm = norm.map(|weights| Norm { weights, eps: model.config.norm_eps });
    ws.compute.for_each_row([(residual, d_model)], |kernels, spare, token_idx, [row]| {
        model.token_embd.decode_row(batch.token_ids[token_idx] as usize, row);
        if scale != 1.0 {
            row.iter_mut().for_each(|x| *x *= scale);
        }
        let spare = &mut spare[..d_model];
        let pos = first_pos + batch.positions[token_idx] as usize;
        if let Some(positions) = &model.position_embd {
            positions.decode_row(pos, spare);
            (kernels.add)(row, spare);
        }
        if let Some(sinusoids) = &model.sinusoids {
            sinusoids.fill(pos, spare);
            (kernels.add)(row, spare);
        }
        if let Some(token_type) = &model.token_type {
            (kernels.add)(row, token_type);
        }
        if let Some(norm) = norm {
            spare.copy_from_slice(row);
            norm.apply(kernels, spare, row);
        }
    });
}

fn norm_output(model: &Model, batch: &Batch, ws: &mut Workspace) {
    let d_model = model.config.d_model;
    let rows = batch.logit_rows.iter().zip(ws.hidden.chunks_exact_mut(d_model));
    for (&token_idx, hidden) in rows {
        let residual = &ws.residual[token_idx * d_model..][..d_model];
        match &model.output_norm {
            None => hidden.copy_from_slice(residual),
            Some(weights) => {
                let norm = Norm { weights, eps: model.config.norm_eps };
                norm.apply(ws.compute.kernels, residual, hidden);
            }
        }
    }
}
