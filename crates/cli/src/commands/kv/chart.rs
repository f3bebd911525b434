//! What was measured, as a picture: divergence against bytes.

use engine::kv_compare::Measured;
use inspect::plot::{Legend, Point, Scatter};
use model::kv::KvType;

pub(super) fn scatter(model: &str, measured: &[Measured]) -> Scatter {
    // Types have the same look in every picture.
    let idx = |kind: KvType| KvType::ALL.iter().position(|&other| other == kind).unwrap_or(0);
    let legend = |title: &str, kind: fn(&Measured) -> KvType| {
        let is_used = |wanted: &KvType| measured.iter().any(|measured| kind(measured) == *wanted);
        let used = KvType::ALL.into_iter().filter(is_used);
        let names = used.map(|kind| (idx(kind), kind.name().to_owned())).collect();
        Legend { title: title.into(), names }
    };
    let points = measured.iter().map(|measured| Point {
        x: measured.bytes_a_token(),
        y: measured.divergence.kl_mean,
        name: measured.setting.to_string(),
        colour_idx: idx(measured.setting.k_type),
        outline_idx: idx(measured.setting.v_type),
    });
    Scatter {
        title: format!("What a smaller cache costs: {model}"),
        x_label: "bytes of cache a token".into(),
        y_label: "mean KL divergence to an f32 cache, nats".into(),
        points: points.collect(),
        colours: legend("keys", |measured| measured.setting.k_type),
        outlines: legend("values", |measured| measured.setting.v_type),
    }
}
