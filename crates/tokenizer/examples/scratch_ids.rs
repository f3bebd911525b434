//! scratch
use format::Mapping;
use format::gguf::GgufFile;
use std::io::Read;
use tokenizer::{GgufVocab, SpecialText, Tokenizer};
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let t0 = std::time::Instant::now();
    let raw =
        if path.ends_with(".vocab") { std::fs::read(&path).unwrap() } else { b"null".to_vec() };
    let v: serde_json::Value = serde_json::from_slice(&raw).unwrap();
    let tok = if path.ends_with(".vocab") {
        let g = GgufVocab {
            model: v["model"].as_str().unwrap(),
            tokens: v["tokens"]
                .as_array()
                .unwrap()
                .iter()
                .map(|t| t.as_str().unwrap().as_bytes())
                .collect(),
            scores: Some(
                v["scores"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|t| t.as_f64().unwrap() as f32)
                    .collect(),
            ),
            token_types: Some(
                v["types"].as_array().unwrap().iter().map(|t| t.as_i64().unwrap() as i32).collect(),
            ),
            precompiled_charsmap: v["charsmap"]
                .as_array()
                .map(|a| a.iter().map(|t| t.as_u64().unwrap() as u8).collect()),
            add_space_prefix: v["prefix"].as_bool(),
            unknown_id: Some(0),
            ..GgufVocab::default()
        };
        Tokenizer::from_gguf(&g).unwrap()
    } else if path.ends_with(".json") {
        Tokenizer::from_json(&std::fs::read(&path).unwrap(), None).unwrap()
    } else {
        let file = GgufFile::open(path.as_ref(), Mapping::Mmap).unwrap();
        let metadata = file.metadata();
        let key = |name: &str| format!("tokenizer.ggml.{name}");
        let merges = metadata.strings(&key("merges")).unwrap();
        let vocab = GgufVocab {
            model: metadata.require_str(&key("model")).unwrap(),
            pre: metadata.str(&key("pre")).unwrap(),
            tokens: metadata.require_strings(&key("tokens")).unwrap().iter().collect(),
            scores: metadata.f32s(&key("scores")).unwrap(),
            token_types: metadata.i32s(&key("token_type")).unwrap(),
            merges: merges.iter().flat_map(|merges| merges.iter()).collect(),
            bos_id: metadata.u32(&key("bos_token_id")).unwrap(),
            eos_id: metadata.u32(&key("eos_token_id")).unwrap(),
            unknown_id: metadata.u32(&key("unknown_token_id")).unwrap(),
            add_bos: metadata.bool(&key("add_bos_token")).unwrap(),
            add_space_prefix: metadata.bool(&key("add_space_prefix")).unwrap(),
            chat_template: metadata.str("tokenizer.chat_template").unwrap(),
            ..GgufVocab::default()
        };
        eprintln!("metadata {:?}", t0.elapsed());
        Tokenizer::from_gguf(&vocab).unwrap()
    };
    eprintln!("load {:?}", t0.elapsed());
    if let Some(kind) = std::env::args().nth(2) {
        for (name, text) in [
            ("a", "a".repeat(524288)),
            ("sp", " ".repeat(524288) + "x"),
            ("nl", "\n".repeat(400000)),
            ("words", "The quick brown fox, 123 times.\n".repeat(32768)),
            ("cjk", "東京は日本の首都です。".repeat(32768)),
            ("mixed", "x y".repeat(200000)),
        ] {
            let t = std::time::Instant::now();
            let ids = tok.encode(&text, SpecialText::AsText);
            let e = t.elapsed();
            let t = std::time::Instant::now();
            let back = tok.decode(&ids);
            eprintln!(
                "{kind} {name}: {} bytes {} ids encode {:?} decode {:?} same {}",
                text.len(),
                ids.len(),
                e,
                t.elapsed(),
                back == text
            );
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        for l in status.lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("RssAnon")) {
            eprintln!("{l}");
        }
        return;
    }
    let mut s = String::new();
    std::io::stdin().read_to_string(&mut s).unwrap();
    let texts: Vec<String> = serde_json::from_str(&s).unwrap();
    let out: Vec<Vec<u32>> = texts.iter().map(|t| tok.encode(t, SpecialText::AsText)).collect();
    let bad = texts.iter().zip(&out).filter(|(t, i)| tok.decode(i) != **t).count();
    eprintln!("round trips lost: {bad}");
    println!("{}", serde_json::to_string(&out).unwrap());
}
