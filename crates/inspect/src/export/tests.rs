//! Every format holds the weights that were seen, and says so when it cannot.

use std::io::Read as _;

use serde_json::Value;

use super::*;

const NO_LIMIT: u64 = u64::MAX;
const N_TOKENS: usize = 3;

/// Two layers of eight, heads 1 and 4, every query of a text of three tokens.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    // Not in the order of the files.
    for query_pos in [2, 0, 1u32] {
        for (layer_idx, head_idx) in [(5, 1), (2, 4), (5, 4), (2, 1)] {
            let weight = weight(layer_idx, head_idx, query_pos);
            let keys = (0..=query_pos).rev().map(|key| (key, weight / (1 << key) as f32)).collect();
            rows.push(Row {
                layer_idx,
                head_idx,
                query_pos,
                keys,
                // As sums in another order round.
                tail: if query_pos == 1 { 1e-16 } else { 0.0 },
                virtual_sink: 0.125,
                log_sum_exp: 2.5,
                entropy: 0.75,
            });
        }
    }
    rows
}

fn weight(layer_idx: usize, head_idx: usize, query_pos: u32) -> f32 {
    (layer_idx * 100 + head_idx * 10) as f32 + query_pos as f32
}

/// What [`rows`] have at a place; zero where the query does not see the key.
fn expected(layer_idx: usize, head_idx: usize, query_pos: u32, key: u32) -> f32 {
    let is_seen = key <= query_pos;
    if is_seen { weight(layer_idx, head_idx, query_pos) / (1 << key) as f32 } else { 0.0 }
}

fn places() -> impl Iterator<Item = (usize, usize, u32, u32)> {
    let keys = || (0..3).flat_map(|query| (0..3).map(move |key| (query, key)));
    let heads = [(2, 1), (2, 4), (5, 1), (5, 4)].into_iter();
    heads.flat_map(move |(layer, head)| keys().map(move |(query, key)| (layer, head, query, key)))
}

fn export(rows: &[Row], n_tokens: usize, format: ExportFormat) -> Result<Vec<u8>, ExportError> {
    let ids: Vec<u32> = (0..n_tokens as u32).map(|i| 1000 + i).collect();
    let pieces: Vec<String> = (0..n_tokens).map(|i| format!(" \"ä{i}")).collect();
    let tokens = Tokens { ids: &ids, pieces: &pieces };
    let export = Export { model: "tiny", n_layers: 8, n_heads: 8, tokens, rows };
    let mut bytes = Vec::new();
    export.write(&mut bytes, format, NO_LIMIT).map(|()| bytes)
}

fn json(format: ExportFormat) -> Value {
    serde_json::from_slice(&export(&rows(), N_TOKENS, format).unwrap()).unwrap()
}

/// Little-endian values of a dense file, in the order of [`places`].
#[track_caller]
fn check_attention(bytes: &[u8]) {
    let found: Vec<f32> =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let expected: Vec<f32> = places().map(|(l, h, q, k)| expected(l, h, q, k)).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn check_integers(bytes: &[u8], expected: &[i64]) {
    let expected: Vec<u8> = expected.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn json_has_the_rows_as_they_are() {
    let value = json(ExportFormat::Json);
    assert_eq!(value["schema"], "lookback.attention/1");
    assert_eq!((&value["model"], &value["n_layers"]), (&"tiny".into(), &8.into()));
    assert_eq!(value["tokens"][1], serde_json::json!({"id": 1001, "text": " \"ä1"}));
    let expected = serde_json::json!({
        "layer": 5, "head": 1, "query": 2, "keys": [2, 1, 0],
        "weights": [expected(5, 1, 2, 2), expected(5, 1, 2, 1), expected(5, 1, 2, 0)],
        "tail": 0.0, "virtual_sink": 0.125, "log_sum_exp": 2.5, "entropy": 0.75,
    });
    assert_eq!(value["rows"][0], expected);
    assert_eq!(value["rows"].as_array().unwrap().len(), 12);
}

#[test]
fn safetensors_hold_every_weight() {
    let bytes = export(&rows(), N_TOKENS, ExportFormat::Safetensors).unwrap();
    let n_header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert!(n_header.is_multiple_of(8));
    let header: Value = serde_json::from_slice(&bytes[8..8 + n_header]).unwrap();
    assert_eq!(header["attention"]["shape"], serde_json::json!([2, 2, 3, 3]));
    let data = |name: &str| {
        let ends = &header[name]["data_offsets"];
        let [begin, end] = [0, 1].map(|i| ends[i].as_u64().unwrap() as usize);
        &bytes[8 + n_header + begin..8 + n_header + end]
    };
    check_attention(data("attention"));
    check_integers(data("layers"), &[2, 5]);
    check_integers(data("heads"), &[1, 4]);
    check_integers(data("queries"), &[0, 1, 2]);
    check_integers(data("token_ids"), &[1000, 1001, 1002]);
}

#[test]
fn npz_holds_every_weight() {
    let bytes = export(&rows(), N_TOKENS, ExportFormat::Npz).unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut data = |name: &str, n_header: usize| {
        let mut data = Vec::new();
        zip.by_name(name).unwrap().read_to_end(&mut data).unwrap();
        data.split_off(n_header)
    };
    check_attention(&data("attention.npy", 128));
    check_integers(&data("layers.npy", 128), &[2, 5]);
    check_integers(&data("token_ids.npy", 128), &[1000, 1001, 1002]);
}

#[test]
fn drawn_formats_have_every_weight() {
    let bertviz = json(ExportFormat::Bertviz);
    assert_eq!(bertviz["left_text"], bertviz["right_text"]);
    let circuits = json(ExportFormat::CircuitsVis);
    assert_eq!(circuits["attentionHeadNames"], serde_json::json!(["L2H1", "L2H4", "L5H1", "L5H4"]));
    assert_eq!(circuits["tokens"], bertviz["right_text"]);
    for (layer_idx, head_idx, query, key) in places() {
        let (layer, head) = (usize::from(layer_idx == 5), usize::from(head_idx == 4));
        let weight = expected(layer_idx, head_idx, query, key);
        let (query, key) = (query as usize, key as usize);
        assert_eq!(bertviz["attn"][layer][head][query][key], weight);
        assert_eq!(circuits["attention"][2 * layer + head][query][key], weight);
    }
}

/// The footer is where readers look for it and knows the columns; other programs read the rest.
#[test]
fn parquet_is_framed() {
    let bytes = export(&rows(), N_TOKENS, ExportFormat::Parquet).unwrap();
    let n = bytes.len();
    assert_eq!((&bytes[..4], &bytes[n - 4..]), (b"PAR1".as_slice(), b"PAR1".as_slice()));
    let n_footer = u32::from_le_bytes(bytes[n - 8..n - 4].try_into().unwrap()) as usize;
    let footer = &bytes[n - 8 - n_footer..n - 8];
    // Version 1; a schema of seven elements.
    assert_eq!(footer[..4], [0x15, 2, 0x19, 0x7c]);
    for name in ["layer", "head", "query", "key", "key_text", "weight", "lookback", "tiny"] {
        assert!(footer.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    }
    // The first page's data follows its header, whose struct of a page is the last field.
    let gzip = bytes.windows(2).position(|part| part == [0x1f, 0x8b]).unwrap();
    let mut layers = Vec::new();
    flate2::read::GzDecoder::new(&bytes[gzip..]).read_to_end(&mut layers).unwrap();
    let layers: Vec<u8> = layers.chunks_exact(4).map(|value| value[0]).collect();
    let expected: Vec<u8> =
        rows().iter().flat_map(|row| vec![row.layer_idx as u8; row.keys.len()]).collect();
    assert_eq!(layers, expected);
}

#[track_caller]
fn check_error(rows: &[Row], n_tokens: usize, format: ExportFormat, expected: &str) {
    let error = export(rows, n_tokens, format).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_a_format_cannot_hold_is_said() {
    let mut thinned = rows();
    thinned[4].tail = 0.25;
    let mut doubled = rows();
    doubled.push(doubled[0].clone());
    for format in [ExportFormat::Npz, ExportFormat::Safetensors, ExportFormat::Bertviz] {
        check_error(&thinned, N_TOKENS, format, "the others weigh 0.25; ask for all keys");
        check_error(&doubled, N_TOKENS, format, "layer 5, head 1, query 2: there are two");
        let hole = &rows()[1..];
        check_error(hole, N_TOKENS, format, "layer 5, head 1: no row of query 2");
        check_error(&[], N_TOKENS, format, "no rows");
    }
    for format in [ExportFormat::Json, ExportFormat::Parquet] {
        export(&thinned, N_TOKENS, format).unwrap();
        export(&[], N_TOKENS, format).unwrap();
    }
    check_error(&rows(), 257, ExportFormat::Bertviz, "257 tokens are more than bertviz can draw");
    check_error(&rows(), 257, ExportFormat::CircuitsVis, "at most 256");
    check_error(&rows(), 4, ExportFormat::CircuitsVis, "no row of query 3");
    let (rows, ids, pieces) = (rows(), [0; 3], [const { String::new() }; 3]);
    let tokens = Tokens { ids: &ids, pieces: &pieces };
    let export = Export { model: "tiny", n_layers: 8, n_heads: 8, tokens, rows: &rows };
    let error = export.write(&mut Vec::new(), ExportFormat::Npz, 143).unwrap_err();
    assert!(error.to_string().contains("144 bytes, more than the limit of 143"), "{error}");
    export.write(&mut Vec::new(), ExportFormat::Npz, 144).unwrap();
}

#[test]
fn names_say_the_format() {
    for (ending, format) in ExportFormat::ENDINGS {
        let name = format!("some.dir/x{}", ending.to_uppercase());
        assert_eq!(ExportFormat::of(Path::new(&name)).unwrap(), format);
    }
    let error = ExportFormat::of(Path::new("x.csv")).unwrap_err().to_string();
    assert!(error.contains("x.csv") && error.contains(".parquet"), "{error}");
}

#[test]
fn files_are_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let tokens = Tokens { ids: &[], pieces: &[] };
    let export = Export { model: "tiny", n_layers: 8, n_heads: 8, tokens, rows: &[] };
    export.write_file(&path, ExportFormat::Npz, NO_LIMIT).unwrap_err();
    assert!(!path.exists());
    export.write_file(&path, ExportFormat::Json, NO_LIMIT).unwrap();
    assert!(path.exists());
}
