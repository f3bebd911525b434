//! Hostile GGUF files: each has one thing wrong, and the error says which.

use format::gguf::GgufFile;
use format::{Bytes, Error};
use kernels::DType;

use crate::raw_gguf::{F32, Q4_0, RawGguf, array, entry, string, valid};

struct Case {
    label: String,
    bytes: Vec<u8>,
    /// Name of the error's variant.
    variant: &'static str,
    /// What the message must name.
    names: String,
}

#[derive(Default)]
struct Corpus {
    cases: Vec<Case>,
}

impl Corpus {
    fn add(&mut self, label: &str, bytes: Vec<u8>, variant: &'static str, names: &str) {
        self.cases.push(Case { label: label.into(), bytes, variant, names: names.into() });
    }

    fn change(
        &mut self,
        label: &str,
        variant: &'static str,
        names: &str,
        change: impl FnOnce(&mut RawGguf),
    ) {
        self.add(label, valid().with(change).bytes(), variant, names);
    }

    /// A file whose last entry is `key: type_id payload`.
    fn entry(&mut self, variant: &'static str, names: &str, type_id: u32, payload: &[u8]) {
        let label = format!("entry of type {type_id}: {names}");
        self.add(&label, valid().with_entry("key", type_id, payload).bytes(), variant, names);
    }
}

fn read(bytes: &[u8]) -> Result<GgufFile, Error> {
    GgufFile::from_bytes(Bytes::from(bytes.to_vec()), "corpus.gguf")
}

fn check(case: &Case) {
    let Case { label, bytes, variant, names } = case;
    let error = read(bytes).err().unwrap_or_else(|| panic!("{label}: was accepted"));
    let message = error.to_string();
    assert!(format!("{error:?}").starts_with(variant), "{label}: {error:?}");
    assert!(message.contains(names.as_str()), "{label}: {message}");
    assert!(message.starts_with("corpus.gguf: "), "{label}: {message}");
    assert!(!message.contains('\n'), "{label}: {message}");
}

#[test]
fn malformed_corpus() {
    read(&valid().bytes()).unwrap();
    let mut corpus = Corpus::default();
    preamble(&mut corpus);
    keys_and_values(&mut corpus);
    arrays(&mut corpus);
    alignments(&mut corpus);
    tensor_infos(&mut corpus);
    tensor_types(&mut corpus);
    tensor_data(&mut corpus);
    split_keys(&mut corpus);
    corpus.cases.iter().for_each(check);
    assert!(corpus.cases.len() >= 250, "{} cases", corpus.cases.len());
}

fn preamble(corpus: &mut Corpus) {
    for magic in [*b"GGML", *b"FUGG", *b"gguf", *b"PK\x03\x04", *b"<!DO", [0; 4], [0xff; 4]] {
        corpus.change("magic", "NotGguf", "GGUF", |file| file.magic = magic);
    }
    for version in [0, 1, 4, 5, 0xffff, u32::MAX] {
        let names = format!("version {version} cannot");
        corpus.change("version", "Version", &names, |file| file.version = version);
    }
    for version in [1_u32, 2, 3] {
        corpus.change("byte order", "BigEndian", "big-endian", |file| {
            file.version = version.swap_bytes();
        });
    }
    for n in [u64::MAX, 1 << 31, 1 << 62, u64::MAX / 33, u64::MAX / 8, 1000] {
        let (tensors, entries) = ("number of tensors", "number of metadata entries");
        corpus.change(tensors, "Malformed", tensors, |file| file.n_tensors = Some(n));
        corpus.change(entries, "Malformed", entries, |file| file.n_entries = Some(n));
    }
    // One more than there are: what follows is read as the next one.
    corpus.change("tensors + 1", "", "tensor", |file| file.n_tensors = Some(3));
    corpus.change("entries + 1", "", "tensor", |file| file.n_entries = Some(2));
    corpus.add("only the magic", b"GGUF".to_vec(), "Truncated", "version");
    corpus.add("empty", vec![], "Truncated", "the first four bytes");
}

fn keys_and_values(corpus: &mut Corpus) {
    let mut key = |label: &str, variant, names: &str, encoded: Vec<u8>| {
        corpus.change(label, variant, names, |file| file.entries.push(encoded));
    };
    key("empty key", "Malformed", "metadata key 1", entry("", 4, &[0; 4]));
    key("long key", "Malformed", "metadata key 1", entry(&"k".repeat(65_536), 4, &[0; 4]));
    let not_text = [string(b"k\xff"), vec![4, 0, 0, 0, 0, 0, 0, 0]].concat();
    key("key that is no text", "Malformed", "UTF-8", not_text);
    for len in [1 << 63, u64::MAX, 1 << 30, 10_000] {
        let encoded = [&len.to_le_bytes()[..], &[b'k'; 40]].concat();
        key("key length", "Truncated", "metadata key 1", encoded);
    }
    key("duplicate key", "DuplicateKey", "\"general.name\"", entry("general.name", 0, &[0]));

    for type_id in [13, 14, 255, 1 << 31, u32::MAX] {
        corpus.entry("Malformed", "value type of metadata key \"key\"", type_id, &[0; 16]);
    }
    for len in [u64::MAX, 1 << 63, (1 << 30) + 1, 10_000] {
        corpus.entry("Truncated", "value of metadata key \"key\"", 8, &len.to_le_bytes());
    }
    for bytes in [&b"\xff"[..], b"ab\xc3", b"\xed\xa0\x80"] {
        corpus.entry("Malformed", "UTF-8", 8, &string(bytes));
    }
    for byte in [2, 255] {
        corpus.entry("Malformed", "value of metadata key \"key\": expected a bool", 7, &[byte]);
    }
    for (type_id, n_bytes) in WIDTHS {
        // Ends the file inside the value.
        let mut file = valid().with_entry("key", type_id, &vec![0; n_bytes - 1]);
        file.tensors.clear();
        let label = format!("value of type {type_id} cut off");
        corpus.add(&label, file.header(), "Truncated", "value of metadata key \"key\"");
    }
}

/// (type number, bytes) of numbers and bools
const WIDTHS: [(u32, usize); 11] =
    [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4), (7, 1), (10, 8), (11, 8), (12, 8)];

fn arrays(corpus: &mut Corpus) {
    let strings = (8, 8);
    for (element, _) in WIDTHS.into_iter().chain([strings]) {
        let names = "array length of metadata key \"key\"";
        for n in [(1 << 30) + 1, 1 << 61, 1 << 62, u64::MAX] {
            corpus.entry("Malformed", names, 9, &array(element, n, &[0; 16]));
        }
    }
    for element in [13, 255, 1 << 31, u32::MAX] {
        let names = "element type of metadata key \"key\"";
        corpus.entry("Malformed", names, 9, &array(element, 1, &[0; 16]));
    }
    for depth in [1, 64, 100_000] {
        let nested = array(9, 1, &[]).repeat(depth);
        let names = "element type of metadata key \"key\"";
        corpus.entry("Malformed", names, 9, &[nested, array(0, 1, &[0])].concat());
    }
    let bools = array(7, 3, &[0, 1, 2]);
    corpus.entry("Malformed", "element 2 of metadata key \"key\"", 9, &bools);
    for len in [u64::MAX, 1 << 63, (1 << 30) + 1, 10_000] {
        let second = [string(b"first"), len.to_le_bytes().to_vec()].concat();
        corpus.entry("Truncated", "string 1 of metadata key \"key\"", 9, &array(8, 2, &second));
    }
}

fn alignments(corpus: &mut Corpus) {
    let mut alignment = |type_id, payload: &[u8]| {
        let file = valid().with_entry("general.alignment", type_id, payload);
        corpus.add("alignment", file.bytes(), "Malformed", "\"general.alignment\"");
    };
    for n in [0_u32, 3, 31, 33, 48, 1 << 22, 1 << 31, u32::MAX] {
        alignment(4, &n.to_le_bytes());
    }
    alignment(5, &32_i32.to_le_bytes());
    alignment(6, &32_f32.to_le_bytes());
    alignment(7, &[1]);
    alignment(8, &string(b"32"));
    alignment(9, &array(4, 1, &32_u32.to_le_bytes()));
    alignment(10, &32_u64.to_le_bytes());
}

fn tensor_infos(corpus: &mut Corpus) {
    let mut name = |variant, names: &str, name: &[u8]| {
        corpus.change("tensor name", variant, names, |file| file.tensors[1].name = name.into());
    };
    name("Malformed", "name of tensor 1: expected 1 to 64", b"");
    name("Malformed", "name of tensor 1: expected 1 to 64", &[b'n'; 65]);
    name("Malformed", "name of tensor 1: expected UTF-8", b"\xff");
    name("DuplicateTensor", "\"a\"", b"a");
    for len in [1 << 63, u64::MAX, 10_000] {
        corpus.change("name length", "Truncated", "name of tensor 1", |file| {
            file.tensors[1].name_len = Some(len);
        });
    }
    for n_dims in [0, 5, 6, 1_000_000, 1 << 31, u32::MAX] {
        let names = "number of dimensions of tensor \"b\"";
        corpus.change("n_dims", "Malformed", names, |file| file.tensors[1].n_dims = Some(n_dims));
    }
    for dim_idx in [0, 1] {
        let mut dim = |variant, n| {
            corpus.change("dimension", variant, "tensor \"b\"", |file| {
                file.tensors[1].dims[dim_idx] = n;
            });
        };
        dim("Malformed", 0);
        dim("Malformed", u64::MAX);
    }
    for n in [1 << 20, (1 << 42) + 1, 1 << 57] {
        corpus.change("rows", "TensorOutside", "\"b\"", |file| file.tensors[1].dims[1] = n);
    }
    for n in [1 << 60, 1 << 63] {
        corpus.change("rows", "Malformed", "tensor \"b\"", |file| file.tensors[1].dims[1] = n);
    }
    let products: [&[u64]; 6] = [
        &[1 << 32, 1 << 32],
        &[1 << 16, 1 << 16, 1 << 16, 1 << 16],
        &[1 << 31, 1 << 31, 4],
        &[1 << 62, 1],
        &[32, 1 << 63, 2],
        // G23: wraps around to 16 bytes where nobody checks.
        &[211_106_198_978_564, 4_194_305, 4_194_305],
    ];
    for type_id in [F32, Q4_0] {
        for dims in products.iter().filter(|dims| type_id == F32 || dims[0] % 32 == 0) {
            let file = valid().with(|file| {
                file.tensors[1].dims = dims.to_vec();
                file.tensors[1].type_id = type_id;
            });
            // Either no address can hold it, or no file of this size.
            corpus.add(&format!("product of {dims:?}"), file.bytes(), "", "tensor \"b\"");
        }
    }
}

fn tensor_types(corpus: &mut Corpus) {
    let removed = [4, 5, 31, 32, 33, 36, 37, 38];
    let unknown = [9, 43, 200, 1 << 31, u32::MAX];
    let without_kernels = [24, 25, 26, 27, 28];
    for type_id in removed.into_iter().chain(unknown).chain(without_kernels) {
        let names = format!("tensor \"b\" has type {type_id} (");
        corpus.change("type", "UnknownDType", &names, |file| file.tensors[1].type_id = type_id);
    }
    for dtype in DType::all().filter(|dtype| dtype.is_quantized()) {
        let block_len = dtype.block_len() as u64;
        for n_in in [1, block_len - 1, block_len + 1, block_len * 3 / 2] {
            let label = format!("{n_in} columns of {dtype}");
            let names = format!("multiple of {block_len} values ({dtype})");
            corpus.change(&label, "Malformed", &names, |file| {
                file.tensors[1].type_id = dtype.gguf_id();
                file.tensors[1].dims[0] = n_in;
            });
        }
    }
}

fn tensor_data(corpus: &mut Corpus) {
    let mut offset = |variant, offset| {
        corpus.change(&format!("offset {offset}"), variant, "tensor \"b\"", |file| {
            file.tensors[1].offset = offset;
        });
    };
    [1, 16, 31, 33, 63, u64::MAX].into_iter().for_each(|n| offset("TensorOffset", n));
    for n in [64, 1 << 20, 1 << 62, 1 << 63, u64::MAX - 31] {
        offset("TensorOutside", n);
    }
    offset("TensorOffset", 0); // where "a" is
    corpus.change("overlap by one block", "TensorOffset", "tensor \"b\"", |file| {
        file.tensors[0].dims = vec![9];
    });
    corpus.change("decreasing", "TensorOffset", "tensor \"b\"", |file| {
        file.tensors[0].offset = 64;
        file.tensors[1].offset = 0;
        file.n_data = 96;
    });
    for n_missing in [1, 35, 36] {
        corpus.change("data of b cut off", "TensorOutside", "\"b\"", |file| {
            file.n_data -= n_missing;
        });
    }
    for n_data in [0, 1, 31] {
        corpus.change("data of a cut off", "TensorOutside", "\"a\"", |file| file.n_data = n_data);
    }
}

fn split_keys(corpus: &mut Corpus) {
    let u16 = |n: u16| n.to_le_bytes();
    let count = |n| valid().with_entry("split.count", 2, &u16(n));
    corpus.add("no split.no", count(2).bytes(), "MissingKey", "\"split.no\"");
    for shard_idx in [2, 3, u16::MAX] {
        let file = count(2).with_entry("split.no", 2, &u16(shard_idx));
        corpus.add("split.no", file.bytes(), "Malformed", "\"split.no\"");
    }
    let file = count(2).with_entry("split.no", 8, &string(b"0"));
    corpus.add("split.no as text", file.bytes(), "MetadataType", "\"split.no\"");
    let file = valid().with_entry("split.count", 6, &2_f32.to_le_bytes());
    corpus.add("split.count as float", file.bytes(), "MetadataType", "\"split.count\"");
    let file = count(2).with_entry("split.no", 2, &u16(0));
    corpus.add("parts in memory", file.bytes(), "ShardName", "-00001-of-00002.gguf");
}

#[test]
fn truncation_at_every_byte() {
    let text = string(b"text");
    let strings = array(8, 2, &[string(b"x"), string(b"\xff")].concat());
    let mut file = valid().with_entry("string", 8, &text).with_entry("strings", 9, &strings);
    for (type_id, n_bytes) in WIDTHS {
        file = file.with_entry(&format!("number {type_id}"), type_id, &vec![1; n_bytes]);
        let numbers = array(type_id, 2, &vec![1; 2 * n_bytes]);
        file = file.with_entry(&format!("numbers {type_id}"), 9, &numbers);
    }
    let bytes = file.bytes();
    read(&bytes).unwrap();
    for n in 0..bytes.len() {
        let error = read(&bytes[..n]).expect_err("the last byte belongs to a tensor");
        assert!(error.to_string().starts_with("corpus.gguf: "), "{n}: {error}");
    }
}

/// Time must stay linear in the number of tensors; quadratic would take minutes.
#[test]
fn a_hundred_thousand_tensors() {
    let mut file = valid();
    let tensor = file.tensors[0].clone();
    file.tensors = (0..100_000_u64)
        .map(|n| {
            let mut tensor = tensor.clone();
            tensor.name = n.to_string().into_bytes();
            tensor.offset = 32 * n;
            tensor
        })
        .collect();
    file.n_data = 32 * file.tensors.len();
    assert_eq!(read(&file.bytes()).unwrap().tensors().count(), 100_000);
    file.tensors[99_999].name = b"0".to_vec();
    assert!(matches!(read(&file.bytes()), Err(Error::DuplicateTensor { .. })));
}
