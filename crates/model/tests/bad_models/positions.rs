//! How positions are scaled.

use serde_json::json;

use super::*;

#[test]
fn position_scaling_is_known_and_positive() {
    let kind = |name: &str| Parts::of(&llama()).set("llama.rope.scaling.type", name);
    let kinds = "none, linear, yarn or longrope";
    let unknown = format!("config: llama.rope.scaling.type: expected {kinds}, found su");
    check(kind("su").load(), &unknown);
    let missing = "tensor rope_factors_short.weight is missing: expected shape [4]";
    check(kind("longrope").load(), missing);
    let key = "llama.rope.scaling.factor";
    for name in ["linear", "yarn"] {
        let expected = format!("expected a number, for {name} scaling, found nothing");
        check(kind(name).load(), &format!("config: {key}: {expected}"));
    }
    let n_ctx = "llama.rope.scaling.original_context_length";
    let missing = format!("tiny: metadata key {n_ctx:?} is missing");
    check(kind("yarn").set(key, 4.0f32).load(), &missing);
    let none = format!("config: {n_ctx}: expected a positive number, found 0");
    check(kind("yarn").set(key, 4.0f32).set(n_ctx, 0u32).load(), &none);
    for factor in [0.0f32, -2.0, f32::NAN] {
        let key = "llama.rope.scaling.factor";
        let expected = format!("config: {key}: expected a positive number, found {factor}");
        check(kind("linear").set(key, factor).load(), &expected);
    }
    assert!(kind("none").load().is_ok());
    assert!(kind("linear").set("llama.rope.scaling.factor", 4.0f32).load().is_ok());
    let factors = |name: &str| Parts::of(&llama()).with_tensor(name, &[4]);
    let missing = "tensor rope_factors_long.weight is missing: expected shape [4]";
    check(factors("rope_factors_short.weight").load(), missing);
    let beta = "attention.temperature_scale";
    check_key(&llama(), beta, -1.0f32, "a positive number, found -1");
    let sections = &[1u32, 1, 2, 0][..];
    let expected = "nothing, with this architecture, found [1, 1, 2, 0]";
    check_key(&llama(), "rope.dimension_sections", sections, expected);
}

#[test]
fn config_json_with_bad_position_scaling_is_named() {
    let llama3 = |key: &str, value: f64| {
        let mut scaling = json!({
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
        });
        scaling[key] = json!(value);
        load_folder("llama", &[("rope_scaling", Some(scaling))])
    };
    assert!(llama3("factor", 2.0).is_ok());
    for key in ["factor", "low_freq_factor", "original_max_position_embeddings"] {
        for x in [0.0, -4.0] {
            let key_found = format!("rope_scaling.{key}: expected a positive number, found {x}");
            check(llama3(key, x), &format!("config: {key_found}"));
        }
    }
    // Equal factors would be a division by zero.
    let expected =
        "config: rope_scaling.high_freq_factor: expected more than low_freq_factor, 1, found 1";
    check(llama3("high_freq_factor", 1.0), expected);
    let scaling = |value| load_folder("llama", &[("rope_scaling", Some(value))]);
    let factor = "config: rope_scaling.factor: expected a number, found nothing";
    check(scaling(json!({ "type": "linear" })), factor);
    check(scaling(json!({ "rope_type": "yarn" })), factor);
    let kinds = "default, linear, dynamic, yarn, longrope, llama3 or mrope";
    let kinds = format!("config: rope_type: expected {kinds}, found");
    check(scaling(json!({ "rope_type": "ntk" })), &format!("{kinds} \"ntk\""));
    check(scaling(json!({ "rope_type": 3 })), &format!("{kinds} 3"));
    let long = |short: &[f32], long: &[f32]| {
        scaling(json!({"type": "longrope", "short_factor": short, "long_factor": long}))
    };
    let factors = |key: &str, what: &str| format!("config: rope_scaling.{key}: expected {what}");
    check(scaling(json!({"type": "su", "short_factor": [1.0]})), &{
        factors("long_factor", "a list of numbers, found null")
    });
    check(long(&[1.0; 11], &[1.0; 12]), &factors("short_factor", "12 numbers, found 11"));
    check(long(&[1.0; 12], &[0.0; 12]), &factors("long_factor", "a positive number, found 0"));
    assert!(long(&[1.0; 12], &[1.0; 12]).is_ok());
    let sections = |sections: &[u32]| scaling(json!({"type": "mrope", "mrope_section": sections}));
    let sum = "a sum of 12, half the rotated part of a head, found [4, 4]";
    check(sections(&[4, 4]), &factors("mrope_section", sum));
    assert!(sections(&[4, 4, 4]).is_ok());
}
