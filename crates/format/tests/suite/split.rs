//! Models in several files.

use std::fs;
use std::path::{Path, PathBuf};

use format::gguf::{GgufFile, Writer};
use format::{Error, Mapping};
use tempfile::TempDir;

use crate::round_trip::{Contents, contents, every_dtype, writer};

/// A model of sixteen tensors.
fn sixteen() -> Contents {
    let (metadata, mut tensors) = every_dtype();
    tensors.truncate(16);
    (metadata, tensors)
}

/// The same in parts of four.
fn split() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = writer(&sixteen()).write_split(&folder.path().join("model.shard"), 4).unwrap();
    (folder, paths)
}

fn open(path: &Path) -> Result<GgufFile, Error> {
    GgufFile::open(path, Mapping::Mmap)
}

fn check_error(path: &Path, expected: &[&str]) {
    let message = open(path).unwrap_err().to_string();
    for part in expected {
        assert!(message.contains(part), "{message:?} does not contain {part:?}");
    }
}

#[test]
fn the_first_part_loads_all() {
    let (folder, paths) = split();
    let names = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    assert_eq!(
        names.collect::<Vec<_>>(),
        (1..=4).map(|n| format!("model.shard-0000{n}-of-00004.gguf")).collect::<Vec<_>>()
    );
    let model = open(&paths[0]).unwrap();
    let whole = sixteen();
    assert_eq!(contents(&model).1, whole.1);
    assert_eq!(contents(&model).0[0], whole.0[0]);
    let n_bytes: u64 = paths.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(model.n_bytes(), n_bytes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn another_part_names_the_first() {
    let (_folder, paths) = split();
    for (shard_idx, path) in paths.iter().enumerate().skip(1) {
        let part = format!("part {} of 4", shard_idx + 1);
        check_error(path, &[&part, "open part 1", paths[0].to_str().unwrap()]);
    }
}

#[test]
fn a_missing_part_is_named() {
    let (_folder, paths) = split();
    fs::remove_file(&paths[2]).unwrap();
    check_error(&paths[0], &[paths[2].to_str().unwrap(), "part 3 of 4 is missing"]);
}

#[test]
fn parts_out_of_order_are_refused() {
    let (folder, paths) = split();
    let aside = folder.path().join("aside");
    fs::rename(&paths[1], &aside).unwrap();
    fs::rename(&paths[2], &paths[1]).unwrap();
    fs::rename(&aside, &paths[2]).unwrap();
    check_error(&paths[0], &[paths[1].to_str().unwrap(), "split.no", "expected 1", "found 2"]);
}

#[test]
fn a_part_without_its_name_cannot_find_the_others() {
    let (folder, paths) = split();
    let renamed = folder.path().join("model.gguf");
    fs::rename(&paths[0], &renamed).unwrap();
    check_error(&renamed, &["part 1 of 4", "-00001-of-00004.gguf"]);
}

/// Keys count, not names.
#[test]
fn a_whole_model_may_be_named_like_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model-00001-of-00013.gguf");
    writer(&sixteen()).write(&path).unwrap();
    assert_eq!(contents(&open(&path).unwrap()), sixteen());
}

#[test]
fn a_merged_model_may_keep_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    for (shard_idx, n_shards) in [(0_u16, 0_u16), (0, 1)] {
        let path = folder.path().join("merged.gguf");
        let whole = sixteen();
        let mut writer = writer(&whole);
        writer.set("split.no", shard_idx).set("split.count", n_shards);
        writer.write(&path).unwrap();
        assert_eq!(contents(&open(&path).unwrap()).1, whole.1);
    }
}

/// Two parts by hand: what each holds and what it claims.
fn check_two_parts(first: &[(&str, u64)], second: &[(&str, u64)], expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (metadata, tensors) = sixteen();
    for (shard_idx, claims) in [first, second].into_iter().enumerate() {
        let part = (metadata.clone(), vec![tensors[0].clone()]);
        let mut writer: Writer<'_> = writer(&part);
        for &(key, value) in claims {
            writer.set(key, value);
        }
        let name = format!("model-0000{}-of-00002.gguf", shard_idx + 1);
        writer.write(&folder.path().join(name)).unwrap();
    }
    check_error(&folder.path().join("model-00001-of-00002.gguf"), expected);
}

#[test]
fn parts_that_disagree_are_refused() {
    let first = [("split.no", 0), ("split.count", 2)];
    let second = [("split.no", 1), ("split.count", 2)];
    check_two_parts(&first, &second, &["00002-of", "tensor \"F32\" appears twice"]);
    check_two_parts(&first, &[], &["00002-of", "\"split.no\" is missing"]);
    let other_model = [("split.no", 1), ("split.count", 3)];
    check_two_parts(&first, &other_model, &["00002-of", "expected 1 with split.count = 2"]);
}

#[test]
fn a_lost_tensor_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let whole = sixteen();
    let paths = writer(&whole).write_split(&folder.path().join("model"), 8).unwrap();
    let mut shorter = Writer::new();
    for tensor in &whole.1[8..15] {
        shorter.tensor(tensor.info.clone(), &tensor.bytes);
    }
    shorter.set("split.no", 1_u16).set("split.count", 2_u16);
    shorter.write(&paths[1]).unwrap();
    check_error(&paths[0], &["split.tensors.count", "expected 15", "found 16"]);
}
