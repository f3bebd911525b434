//! Write, then read: the same metadata, the same tensors, mapped or read.

use std::path::Path;

use format::gguf::{GgufFile, Strings, Value, Version, Writer};
use format::{Bytes, Error, Mapping, Tensor, TensorInfo};
use kernels::DType;
use proptest::collection::vec;
use proptest::prelude::*;

/// What a file holds, in order.
pub(crate) type Contents = (Vec<(String, Value)>, Vec<Tensor>);

pub(crate) fn contents(file: &GgufFile) -> Contents {
    let metadata = file.metadata().iter().map(|(key, value)| (key.into(), value.clone()));
    let tensors = file.tensors().map(|info| file.tensor(&info.name).unwrap());
    (metadata.collect(), tensors.collect())
}

pub(crate) fn writer((metadata, tensors): &Contents) -> Writer<'_> {
    let mut writer = Writer::new();
    for (key, value) in metadata {
        writer.set(key, value.clone());
    }
    for tensor in tensors {
        writer.tensor(tensor.info.clone(), &tensor.bytes);
    }
    writer
}

/// Bytes that count up, as many as the shape needs.
pub(crate) fn tensor(name: &str, dtype: DType, shape: &[usize]) -> Tensor {
    let (n_in, outer) = shape.split_last().unwrap();
    let n_bytes = dtype.row_bytes(*n_in).unwrap() * outer.iter().product::<usize>();
    let bytes: Vec<u8> = (0..n_bytes).map(|i| (i % 251) as u8).collect();
    let info = TensorInfo { name: name.into(), dtype, shape: shape.into() };
    Tensor { info, bytes: bytes.into() }
}

fn any_value() -> impl Strategy<Value = Value> {
    fn arrays<T>() -> impl Strategy<Value = Value>
    where
        T: Arbitrary + Clone,
        for<'a> Value: From<&'a [T]>,
    {
        vec(any::<T>(), 0..5).prop_map(|array| Value::from(&array[..]))
    }
    let scalars = prop_oneof![
        any::<u8>().prop_map_into(),
        any::<i8>().prop_map_into(),
        any::<u16>().prop_map_into(),
        any::<i16>().prop_map_into(),
        any::<u32>().prop_map_into(),
        any::<i32>().prop_map_into(),
        any::<u64>().prop_map_into(),
        any::<i64>().prop_map_into(),
        any::<f32>().prop_map_into(),
        any::<f64>().prop_map_into(),
        any::<bool>().prop_map_into::<Value>(),
    ];
    let number_arrays = prop_oneof![
        arrays::<u8>(),
        arrays::<i8>(),
        arrays::<u16>(),
        arrays::<i16>(),
        arrays::<u32>(),
        arrays::<i32>(),
        arrays::<u64>(),
        arrays::<i64>(),
        arrays::<f32>(),
        arrays::<f64>(),
        arrays::<bool>(),
    ];
    prop_oneof![
        scalars,
        number_arrays,
        any::<String>().prop_map_into(),
        vec(vec(any::<u8>(), 0..9), 0..6).prop_map(|s| Strings::from_iter(s).into()),
    ]
}

fn any_contents() -> impl Strategy<Value = Contents> {
    let dtypes: Vec<DType> = DType::all().collect();
    let dtype = proptest::sample::select(dtypes);
    let tensor = (dtype, 1..3_usize, vec(1..4_usize, 0..=3)).prop_map(|(dtype, n, mut shape)| {
        shape.push(n * dtype.block_len());
        tensor("?", dtype, &shape)
    });
    let alignment = prop_oneof![Just(None), (0..13_u32).prop_map(|bits| Some(1_u32 << bits))];
    (vec(any_value(), 0..6), vec(tensor, 0..6), alignment).prop_map(
        |(values, tensors, alignment)| {
            let numbered =
                values.into_iter().enumerate().map(|(i, value)| (format!("key {i}"), value));
            let alignment = alignment.map(|n| ("general.alignment".into(), n.into()));
            let metadata = numbered.chain(alignment).collect();
            let rename = |(i, mut tensor): (usize, Tensor)| {
                tensor.info.name = format!("tensor {i}");
                tensor
            };
            (metadata, tensors.into_iter().enumerate().map(rename).collect())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn write_then_read_is_the_identity(written in any_contents()) {
        for version in [Version::V2, Version::V3] {
            let mut writer = writer(&written);
            writer.version(version);
            let bytes = Bytes::from(writer.into_bytes("test").unwrap());
            let file = GgufFile::from_bytes(bytes.clone(), "test").unwrap();
            prop_assert_eq!(&contents(&file), &written);
            prop_assert_eq!(file.version(), version as u32);
            prop_assert_eq!(file.n_bytes(), bytes.len() as u64);
        }
    }
}

/// One tensor of every type.
pub(crate) fn every_dtype() -> Contents {
    let tensors = DType::all().map(|dtype| tensor(dtype.name(), dtype, &[3, 256])).collect();
    (vec![("general.name".into(), "every type".into())], tensors)
}

#[test]
fn mapped_equals_read_equals_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let written = every_dtype();
    writer(&written).write(&path).unwrap();
    for mapping in [Mapping::Mmap, Mapping::Read] {
        let file = GgufFile::open(&path, mapping).unwrap();
        assert_eq!(contents(&file), written);
        assert_eq!(file.n_bytes(), std::fs::metadata(&path).unwrap().len());
    }
    let bytes = writer(&written).into_bytes("test").unwrap();
    assert_eq!(bytes, std::fs::read(&path).unwrap());
}

#[test]
fn a_key_set_again_keeps_its_place() {
    let mut writer = Writer::new();
    writer.set("a", 1_u32).set("b", 2_u32).set("a", "new");
    let bytes = Bytes::from(writer.into_bytes("test").unwrap());
    let file = GgufFile::from_bytes(bytes, "test").unwrap();
    let expected = [("a".into(), "new".into()), ("b".into(), 2_u32.into())];
    assert_eq!(contents(&file).0, expected);
}

/// What the reader would refuse is an error, and what was at the path stays.
#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, "old").unwrap();
    let check = |contents: Contents, expected: &str| {
        let error = writer(&contents).write(&path).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_only_old(&path);
    };
    let with = |tensors: Vec<Tensor>| (vec![], tensors);
    let good = || tensor("good", DType::F32, &[2, 2]);
    let mut short = good();
    short.bytes = short.bytes.slice(0..15);
    check(with(vec![short]), "need 16 bytes, found 15");
    let mut ragged = tensor("ragged", DType::Q4_0, &[32]);
    ragged.info.shape = vec![33];
    check(with(vec![ragged]), "multiple of 32 values");
    check(with(vec![tensor(&"n".repeat(65), DType::F32, &[1])]), "1 to 64 bytes");
    check(with(vec![tensor("deep", DType::F32, &[1, 1, 1, 1, 1])]), "number of dimensions");
    check(with(vec![tensor("none", DType::F32, &[0])]), "at least 1");
    check(with(vec![good(), good()]), "appears twice");
    check((vec![("".into(), 1_u32.into())], vec![]), "metadata key");
    check((vec![("general.alignment".into(), 3_u32.into())], vec![]), "general.alignment");

    let mut writer = Writer::new();
    writer.tensor_with(good().info, |_| Err(std::io::Error::other("the source broke")));
    let error = writer.write(&path).unwrap_err();
    assert!(matches!(error, Error::Io { action: "write", .. }), "{error}");
    assert_only_old(&path);
}

fn assert_only_old(path: &Path) {
    assert_eq!(std::fs::read(path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}
