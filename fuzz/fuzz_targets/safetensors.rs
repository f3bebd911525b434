//! Any bytes are an error or a safetensors file: `cargo +nightly fuzz run safetensors`.

#![no_main]

use format::Bytes;
use format::safetensors::SafetensorsFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(file) = SafetensorsFile::from_bytes(Bytes::from(input.to_vec()), "fuzz") else {
        return;
    };
    for info in file.tensors() {
        let tensor = file.tensor(&info.name).expect("every listed tensor is there");
        assert!(tensor.bytes.len() <= input.len());
    }
});
