//! Safetensors files and folders.

use std::fs;
use std::path::Path;

use format::safetensors::{SafetensorsFile, SafetensorsFolder, write};
use format::{Bytes, Error, Mapping, Tensor};
use kernels::DType;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::round_trip::tensor;

fn float_tensors() -> Vec<Tensor> {
    vec![
        tensor("a", DType::F32, &[2, 3]),
        tensor("b", DType::BF16, &[5]),
        tensor("c", DType::F16, &[1, 2, 3]),
    ]
}

fn folder_with(files: &[(&str, Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, json) in files {
        fs::write(folder.path().join(name), json.to_string()).unwrap();
    }
    folder
}

fn config() -> (&'static str, Value) {
    ("config.json", json!({"n_layers": 2}))
}

fn open(folder: &Path) -> Result<SafetensorsFolder, Error> {
    SafetensorsFolder::open(folder, Mapping::Mmap)
}

fn tensors(folder: &SafetensorsFolder) -> Vec<Tensor> {
    folder.tensors().map(|info| folder.tensor(&info.name).unwrap().unwrap()).collect()
}

fn check_error(folder: &Path, expected: &[&str]) {
    let message = open(folder).unwrap_err().to_string();
    for part in expected {
        assert!(message.contains(part), "{message:?} does not contain {part:?}");
    }
}

#[test]
fn write_then_read_is_the_identity() {
    let folder = folder_with(&[config()]);
    let path = folder.path().join("model.safetensors");
    write(&path, &float_tensors(), &[("format", "pt")]).unwrap();
    for mapping in [Mapping::Mmap, Mapping::Read] {
        let model = SafetensorsFolder::open(folder.path(), mapping).unwrap();
        assert_eq!(tensors(&model), float_tensors());
        assert_eq!(model.n_bytes(), fs::metadata(&path).unwrap().len());
        assert_eq!(model.tensor("absent").unwrap(), None);
    }
    let bytes = fs::read(&path).unwrap();
    let n_header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert_eq!(n_header % 8, 0);
    let header: Value = serde_json::from_slice(&bytes[8..8 + n_header]).unwrap();
    assert_eq!(header["__metadata__"], json!({"format": "pt"}));
}

#[test]
fn what_safetensors_cannot_hold_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, "old").unwrap();
    let check = |tensors: &[Tensor], expected: &str| {
        let error = write(&path, tensors, &[]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    };
    check(&[tensor("q", DType::Q4_0, &[32])], "tensor \"q\": expected F32, F16 or BF16");
    let twice = tensor("a", DType::F32, &[1]);
    check(&[twice.clone(), twice.clone()], "appears twice");
    let mut short = twice;
    short.bytes = short.bytes.slice(0..3);
    check(&[short], "need 4 bytes, found 3");
}

#[test]
fn every_file_of_a_folder_without_an_index() {
    let folder = folder_with(&[config()]);
    let all = float_tensors();
    write(&folder.path().join("two.safetensors"), &all[1..], &[]).unwrap();
    write(&folder.path().join("one.safetensors"), &all[..1], &[]).unwrap();
    assert_eq!(tensors(&open(folder.path()).unwrap()), float_tensors());
    write(&folder.path().join("three.safetensors"), &all[..1], &[]).unwrap();
    check_error(folder.path(), &["tensor \"a\" appears twice"]);
}

/// A folder of two files, and an index that puts tensors in files.
fn indexed(weight_map: Value) -> TempDir {
    let index = ("model.safetensors.index.json", json!({"weight_map": weight_map}));
    let folder = folder_with(&[config(), index]);
    let all = float_tensors();
    write(&folder.path().join("1.safetensors"), &all[..1], &[]).unwrap();
    write(&folder.path().join("2.safetensors"), &all[1..], &[]).unwrap();
    write(&folder.path().join("other.safetensors"), &all, &[]).unwrap();
    folder
}

#[test]
fn an_index_names_the_files() {
    let [one, two] = ["1.safetensors", "2.safetensors"];
    let folder = indexed(json!({"a": one, "b": two, "c": two}));
    assert_eq!(tensors(&open(folder.path()).unwrap()), float_tensors());

    let check = |weight_map, expected: &[&str]| {
        check_error(indexed(weight_map).path(), expected);
    };
    check(json!({"d": one}), &["1.safetensors", "tensor \"d\" is missing", "index.json"]);
    check(json!({"d": "3.safetensors"}), &["3.safetensors", "cannot open"]);
    check(json!({"a": 5}), &["index.json", "file of tensor \"a\"", "a number"]);
    check(json!([]), &["index.json", "weight_map", "an array"]);
    let names = ["../1.safetensors", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "C:x", "a\0"];
    for name in names.map(Value::from) {
        check(json!({"a": name}), &["index.json", "is not the name of a file in this folder"]);
    }
}

#[test]
fn what_a_model_folder_needs() {
    let needs = "a model folder needs config.json, tokenizer.json and *.safetensors";
    let empty = folder_with(&[]);
    check_error(empty.path(), &[empty.path().to_str().unwrap(), "no config.json", needs]);
    let no_weights = folder_with(&[config()]);
    check_error(no_weights.path(), &["no *.safetensors", needs]);
}

#[test]
fn json_files() {
    let folder = folder_with(&[config()]);
    let path = folder.path();
    write(&path.join("model.safetensors"), &float_tensors(), &[]).unwrap();
    let model = open(path).unwrap();
    assert_eq!(model.read_json("config.json").unwrap(), Some(config().1));
    assert_eq!(model.read_json("absent.json").unwrap(), None);
    assert!(matches!(model.require_json("absent.json"), Err(Error::MissingFile { .. })));
    assert!(matches!(model.read_json("../config.json"), Err(Error::FileName { .. })));
    assert_eq!(model.require_bytes("config.json").unwrap(), br#"{"n_layers":2}"#);
    assert_eq!(model.read_bytes("absent.json").unwrap(), None);
    assert!(matches!(model.require_bytes("absent.json"), Err(Error::MissingFile { .. })));

    fs::write(path.join("deep.json"), "[".repeat(100_000)).unwrap();
    assert!(matches!(model.read_json("deep.json"), Err(Error::Json { .. })));
    fs::write(path.join("cut.json"), "{\"a\": ").unwrap();
    assert!(matches!(model.read_json("cut.json"), Err(Error::Json { .. })));
    fs::File::create(path.join("large.json")).unwrap().set_len((16 << 20) + 1).unwrap();
    assert!(matches!(model.read_json("large.json"), Err(Error::TooLarge { .. })));
}

fn file_bytes(header: &str, n_data: usize) -> Bytes {
    let length = (header.len() as u64).to_le_bytes();
    Bytes::from([&length, header.as_bytes(), &vec![0; n_data]].concat())
}

/// A tensor of another type is an error only when it is asked for.
#[test]
fn unreadable_types() {
    let folder = folder_with(&[config()]);
    let header = json!({
        "ids": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]},
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
    });
    let bytes = file_bytes(&header.to_string(), 12);
    fs::write(folder.path().join("model.safetensors"), &*bytes).unwrap();
    let model = open(folder.path()).unwrap();
    assert_eq!(model.tensors().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(model.unreadable().collect::<Vec<_>>(), [("ids", "I64")]);
    let message = model.tensor("ids").unwrap_err().to_string();
    assert!(message.contains("tensor \"ids\" has type I64"), "{message}");
}

/// One entry `t` of a header: type, shape and offsets as JSON, over 16 bytes of data.
fn check_entry(entry: Value, expected: &str) {
    check_header(&json!({ "t": entry }).to_string(), expected);
}

fn check_header(header: &str, expected: &str) {
    let error = SafetensorsFile::from_bytes(file_bytes(header, 16), "corpus").unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("corpus: "), "{message}");
    assert!(message.contains(expected), "{header}: {message}");
}

#[test]
fn malformed_headers() {
    let entry = |shape: Value, offsets: Value| {
        let dtype = "F32";
        json!({"dtype": dtype, "shape": shape, "data_offsets": offsets})
    };
    let fits = json!([0, 16]);
    // Wraps around to 16 bytes where nobody checks.
    let wraps = json!([4_194_305_u64, 4_194_305_u64, 211_106_198_978_564_u64]);
    check_entry(entry(wraps, fits.clone()), "shape of tensor \"t\"");
    check_entry(entry(json!([1_u64 << 62]), fits.clone()), "shape of tensor \"t\"");
    check_entry(entry(json!([0]), json!([0, 16])), "shape of tensor \"t\"");
    check_entry(entry(json!([3]), fits.clone()), "tensor \"t\": its type and shape need 12");
    check_entry(entry(json!([4]), json!([0, 20])), "tensor \"t\" ends at byte");
    check_entry(entry(json!([4]), json!([0, u64::MAX])), "tensor \"t\" ends at byte");
    check_entry(entry(json!([4]), json!([16, 0])), "tensor \"t\": expected offset 0");
    check_entry(entry(json!([3]), json!([4, 16])), "tensor \"t\": expected offset 0");
    check_entry(entry(json!([3]), json!([0, 12])), "length of the data: expected 12");
    check_entry(entry(json!([-1]), fits.clone()), "tensor \"t\"");
    check_entry(entry(json!([1.5]), fits.clone()), "tensor \"t\"");
    check_entry(entry(json!("4"), fits.clone()), "tensor \"t\"");
    check_entry(entry(json!([4]), json!([0])), "tensor \"t\"");
    check_entry(entry(json!([4]), json!([0, 16, 16])), "tensor \"t\"");
    check_entry(json!({"dtype": "F32", "shape": [4]}), "data_offsets");
    check_entry(json!({"dtype": 5, "shape": [4], "data_offsets": [0, 16]}), "tensor \"t\"");
    check_entry(json!([]), "tensor \"t\"");

    let t = r#""t": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}"#;
    check_header(&format!("{{{t}, {t}}}"), "\"t\" appears twice");
    let empty = r#""e": {"dtype": "F32", "shape": [0], "data_offsets": [8, 8]}"#;
    check_header(&format!("{{{t}, {empty}}}"), "tensor \"e\": expected offset 16");
    let overlap = r#""o": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}"#;
    check_header(&format!("{{{t}, {overlap}}}"), "tensor \"o\": expected offset 16");
    check_header(&format!("{{{t}}} {{}}"), "not valid JSON");
    check_header(&"[".repeat(100_000), "not valid JSON");
    check_header(&format!("{{\"t\": {}", "[".repeat(100_000)), "not valid JSON");
    let many = (0..100_000)
        .map(|n| format!(r#""{n}": {{"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}"#));
    let header = format!("{{{}}}", many.collect::<Vec<_>>().join(","));
    check_header(&header, "length of the data");
}

#[test]
fn truncated_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write(&path, &float_tensors(), &[]).unwrap();
    let bytes = Bytes::from(fs::read(&path).unwrap());
    for n in 0..bytes.len() {
        SafetensorsFile::from_bytes(bytes.slice(0..n), "cut").unwrap_err();
    }
    for n_header in [u64::MAX, 1 << 62, 100_000_001, 1 << 20] {
        let bytes = Bytes::from([n_header.to_le_bytes(), [0; 8]].concat());
        let message = SafetensorsFile::from_bytes(bytes, "cut").unwrap_err().to_string();
        assert!(message.contains("the header"), "{message}");
    }
}
