//! Typed access to metadata.

use format::Bytes;
use format::gguf::{GgufFile, Metadata, Strings, Value, Writer};

fn file_with(key: &str, value: impl Into<Value>) -> GgufFile {
    let mut writer = Writer::new();
    writer.set(key, value);
    let bytes = Bytes::from(writer.into_bytes("test.gguf").unwrap());
    GgufFile::from_bytes(bytes, "test.gguf").unwrap()
}

/// Asks for one key with every getter; `expected` lists the getters that succeed.
fn check(value: impl Into<Value>, expected: &[&str]) {
    let file = file_with("key", value);
    let m: &Metadata = file.metadata();
    fn outcome<T, E: ToString>(result: Result<Option<T>, E>) -> Result<(), String> {
        result.map(|value| assert!(value.is_some())).map_err(|error| error.to_string())
    }
    let getters = [
        ("u32", outcome(m.u32("key"))),
        ("u64", outcome(m.u64("key"))),
        ("f32", outcome(m.f32("key"))),
        ("bool", outcome(m.bool("key"))),
        ("string", outcome(m.str("key"))),
        ("array of string", outcome(m.strings("key"))),
        ("array of u32", outcome(m.u32s("key"))),
        ("array of i32", outcome(m.i32s("key"))),
        ("array of f32", outcome(m.f32s("key"))),
        ("array of bool", outcome(m.bools("key"))),
    ];
    for (name, result) in getters {
        match result {
            Ok(()) => assert!(expected.contains(&name), "{name} is not among {expected:?}"),
            Err(message) => {
                assert!(!expected.contains(&name), "{message}");
                let start = format!("test.gguf: metadata key \"key\": expected {name}, found ");
                assert!(message.starts_with(&start), "{message}");
            }
        }
    }
}

#[test]
fn every_integer_type_that_fits() {
    let both = &["u32", "u64"];
    check(7_u8, both);
    check(7_i8, both);
    check(7_u16, both);
    check(7_i16, both);
    check(7_u32, both);
    check(7_i32, both);
    check(7_u64, both);
    check(7_i64, both);
    check(u64::from(u32::MAX) + 1, &["u64"]);
    check(-1_i32, &[]);
    check(-1_i64, &[]);
}

#[test]
fn other_scalars() {
    check(0.5_f32, &["f32"]);
    check(0.5_f64, &["f32"]);
    check(true, &["bool"]);
    check("text", &["string"]);
}

#[test]
fn arrays() {
    check(&[1_u8, 2][..], &["array of u32", "array of i32"]);
    check(&[1_i64, -2][..], &["array of i32"]);
    check(&[u32::MAX][..], &["array of u32"]);
    check(&[0.5_f32][..], &["array of f32"]);
    check(&[0.5_f64][..], &["array of f32"]);
    check(&[true, false][..], &["array of bool"]);
    check(Strings::from_iter(["a", "b"]), &["array of string"]);
}

#[test]
fn a_wrong_type_is_described() {
    let found = |value: Value| file_with("n", value).metadata().u32("n").unwrap_err().to_string();
    assert!(found(2.5_f32.into()).ends_with("expected u32, found f32 2.5"));
    assert!(found("two\nlines".into()).ends_with(r#"expected u32, found string "two\nlines""#));
    assert!(found((-1_i8).into()).ends_with("expected u32, found i8 -1"));
    assert!(found(Strings::from_iter(["a"]).into()).ends_with("found array of 1 string"));
    let file = file_with("n", &[1_i32, 2, -3][..]);
    let message = file.metadata().u32s("n").unwrap_err().to_string();
    assert!(message.ends_with("expected array of u32, found i32 -3 at index 2"), "{message}");
}

#[test]
fn absent_and_required_keys() {
    let file = file_with("there", 5_u32);
    let metadata = file.metadata();
    assert_eq!(metadata.u32("absent").unwrap(), None);
    assert_eq!(metadata.strings("absent").unwrap(), None);
    assert_eq!(metadata.require_u32("there").unwrap(), 5);
    let message = metadata.require_str("absent").unwrap_err().to_string();
    assert_eq!(message, "test.gguf: metadata key \"absent\" is missing");
}

#[test]
fn strings_keep_bytes_that_are_no_text() {
    let tokens: [&[u8]; 4] = [b"a", b"", b"\xff\xfe", "🦙".as_bytes()];
    let file = file_with("tokens", Strings::from_iter(tokens));
    let strings = file.metadata().require_strings("tokens").unwrap();
    assert_eq!(strings.iter().collect::<Vec<_>>(), tokens);
    assert_eq!(strings.get(2), Some(tokens[2]));
    assert_eq!(strings.get(4), None);
}
