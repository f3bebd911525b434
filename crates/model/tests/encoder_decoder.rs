//! Laws of models whose decoder looks at what an encoder has read.

use std::path::Path;

use format::Mapping;
use kernels::Kernels;
use model::batch::LogitRows;
use model::kv::KvShape;
use model::load::ModelFile;
use model::{
    Batch, KvCache, KvType, LoadOptions, Model, SequenceId, ThreadPool, Workspace, WorkspaceSize,
};

/// More than a block of keys each.
const N_SOURCE: usize = 100;
const N_TARGET: usize = 70;

fn load() -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/t5/model.gguf");
    let file = ModelFile::open(&path, Mapping::Mmap).expect("a file");
    model::load(&file, LoadOptions::default(), &mut |_, _| ()).expect("a model")
}

fn text(seed: u32, n: usize) -> Vec<u32> {
    (0..n as u32).map(|i| 3 + (i * i * seed + 7 * i) % 60).collect()
}

struct Run<'a> {
    model: &'a Model,
    kv: KvCache,
    encoder_kv: KvCache,
    ws: Workspace,
    batch: Batch,
}

impl<'a> Run<'a> {
    fn new(model: &'a Model, (kernels, n_threads): (&'static Kernels, usize), kv: KvType) -> Self {
        let cache = |model: &Model| KvCache::new(KvShape::of(&model.config, kv, kv), usize::MAX);
        let n = 2 * N_SOURCE;
        let size = WorkspaceSize { n_ctx: n, n_tokens_max: n, n_logit_rows_max: n };
        Self {
            model,
            kv: cache(model),
            encoder_kv: cache(model.encoder.as_ref().expect("an encoder")),
            ws: Workspace::new(model, kernels, ThreadPool::new(n_threads), size),
            batch: Batch::default(),
        }
    }

    /// A text that is read, and one that looks at it.
    fn admit(&mut self, source: &[u32]) -> [SequenceId; 2] {
        let ids = [self.kv.admit(), self.kv.admit()];
        ids.iter().for_each(|&id| self.kv.reserve(id, N_SOURCE).expect("room"));
        let kv = (&mut self.kv, ids[0]);
        model::encode(self.model, source, &mut self.encoder_kv, kv, &mut self.ws, &mut ());
        ids
    }

    fn push(&mut self, [source, id]: [SequenceId; 2], ids: &[u32], first_pos: usize) {
        self.batch.push(id, ids, first_pos as u32, LogitRows::All);
        self.batch.set_source(source);
    }

    fn forward(&mut self) -> Vec<f32> {
        model::forward(self.model, &self.batch, &mut self.kv, &mut self.ws, &mut ());
        let n_rows = self.batch.logit_rows.len();
        self.batch.clear();
        model::unembed(self.model, 0..n_rows, &mut self.ws).to_vec()
    }

    fn feed_in_chunks(&mut self, source: &[u32], ids: &[u32], n_chunk: usize) -> Vec<f32> {
        let both = self.admit(source);
        let chunks = ids.chunks(n_chunk).enumerate();
        let logits = chunks.map(|(i, chunk)| {
            self.push(both, chunk, i * n_chunk);
            self.forward()
        });
        logits.collect::<Vec<_>>().concat()
    }
}

/// M6, bitwise: chunks, threads and company change nothing, but the text that is read does.
#[test]
fn a_row_depends_on_its_text_and_its_source_alone() {
    let model = load();
    let (source, ids) = (text(1, N_SOURCE), text(5, N_TARGET));
    let (other_source, other_ids) = (text(2, 80), text(3, 33));
    let n_vocab = model.config.n_vocab;
    for kv in [KvType::F16, KvType::Q8_0, KvType::Q4_0] {
        for kernels in kernels::tables() {
            let run = |n_threads| Run::new(&model, (kernels, n_threads), kv);
            let bits = |logits: &[f32]| logits.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let whole = run(1).feed_in_chunks(&source, &ids, N_TARGET);
            let expected = bits(&whole);
            for (n_threads, n_chunk) in [(1, 1), (2, 30), (3, N_TARGET)] {
                let found = run(n_threads).feed_in_chunks(&source, &ids, n_chunk);
                assert!(bits(&found) == expected, "{kv:?}, {}, {n_chunk}", kernels.name);
            }
            let mut both = run(2);
            let (other, own) = (both.admit(&other_source), both.admit(&source));
            both.push(other, &other_ids, 0);
            both.push(own, &ids, 0);
            let found = both.forward();
            let rest = &found[other_ids.len() * n_vocab..];
            assert!(bits(rest) == expected, "{kv:?}, {}: beside another", kernels.name);
            let mut changed = source.clone();
            changed[N_SOURCE - 1] ^= 1;
            let found = run(1).feed_in_chunks(&changed, &ids, N_TARGET);
            assert_ne!(
                found[..n_vocab],
                whole[..n_vocab],
                "the first token sees the last one read"
            );
        }
    }
}
