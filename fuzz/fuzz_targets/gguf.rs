//! Any bytes are an error or a GGUF file that can be used: `cargo +nightly fuzz run gguf`.

#![no_main]

use format::Bytes;
use format::gguf::{GgufFile, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(file) = GgufFile::from_bytes(Bytes::from(input.to_vec()), "fuzz") else { return };
    let mut writer = Writer::new();
    for (key, value) in file.metadata().iter() {
        writer.set(key, value.clone());
        let _ = (file.metadata().u32(key), file.metadata().f32s(key), file.metadata().i32s(key));
    }
    for info in file.tensors() {
        let tensor = file.tensor(&info.name).expect("every listed tensor is there");
        writer.tensor(info.clone(), tensor.bytes);
    }
    // What was read can be written, and reads back the same.
    let written = writer.into_bytes("fuzz").expect("what was read is valid");
    let again = GgufFile::from_bytes(Bytes::from(written), "fuzz").expect("what was written");
    assert!(file.tensors().eq(again.tensors()));
    assert_eq!(file.metadata().iter().count(), again.metadata().iter().count());
});
