//! Thousands of damaged files: an error or a file that can be used, never a panic. Seeded, so that
//! a failure can be repeated; `fuzz/` searches further.

use format::Bytes;
use format::gguf::GgufFile;
use format::safetensors::SafetensorsFile;

use crate::raw_gguf::{array, string, valid};

const N_MUTANTS: u64 = 20_000;

/// Numbers at which length checks tend to break.
const EDGES: [u64; 12] =
    [0, 1, 7, 9, 32, 255, 0x7fff_ffff, 0xffff_ffff, 1 << 32, (1 << 42) + 1, 1 << 63, u64::MAX];

/// xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    /// One to four damages.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.below(256) as u8,
                2 => bytes.truncate(at),
                3 => bytes.insert(at, self.below(256) as u8),
                4 => {
                    let end = (at + self.below(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let edge = EDGES[self.below(EDGES.len())].to_le_bytes();
                    let width = [4, 8][self.below(2)].min(bytes.len() - at);
                    bytes[at..at + width].copy_from_slice(&edge[..width]);
                }
            }
        }
    }
}

/// Damages `original` again and again; `use_file` must not panic, and says whether it was read.
fn check(original: &[u8], use_file: impl Fn(&Bytes) -> bool) {
    assert!(use_file(&Bytes::from(original.to_vec())));
    let mut random = Random(0x5eed);
    let mut n_read = 0;
    for _ in 0..N_MUTANTS {
        let mut bytes = original.to_vec();
        random.damage(&mut bytes);
        n_read += u64::from(use_file(&Bytes::from(bytes)));
    }
    // Both happen: otherwise the damage is too small or too large to test anything.
    assert!(n_read > N_MUTANTS / 100, "{n_read} of {N_MUTANTS} were read");
    assert!(n_read < N_MUTANTS * 99 / 100, "{n_read} of {N_MUTANTS} were read");
}

#[test]
fn gguf() {
    let original = valid()
        .with_entry("general.alignment", 4, &32_u32.to_le_bytes())
        .with_entry("strings", 9, &array(8, 2, &[string(b"x"), string(b"yz")].concat()))
        .with_entry("numbers", 9, &array(5, 3, &[1; 12]))
        .with_entry("flags", 9, &array(7, 2, &[0, 1]))
        .with_entry("flag", 7, &[1])
        .with_entry("double", 12, &[0; 8]);
    check(&original.bytes(), |bytes| {
        let Ok(file) = GgufFile::from_bytes(bytes.clone(), "mutant") else { return false };
        let mut n_data = 0;
        for info in file.tensors() {
            n_data += file.tensor(&info.name).unwrap().bytes.len();
        }
        assert!(n_data <= bytes.len());
        for (key, _) in file.metadata().iter() {
            let _ =
                (file.metadata().i32s(key), file.metadata().f32s(key), file.metadata().u32(key));
            if let Ok(Some(strings)) = file.metadata().strings(key) {
                assert_eq!(strings.iter().count(), strings.len());
            }
        }
        true
    });
}

#[test]
fn safetensors() {
    let header = serde_json::json!({
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "I64", "shape": [1], "data_offsets": [24, 32]},
    });
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    let original = [&length, header.as_bytes(), &[1; 32]].concat();
    check(&original, |bytes| {
        let Ok(file) = SafetensorsFile::from_bytes(bytes.clone(), "mutant") else { return false };
        for info in file.tensors() {
            assert!(file.tensor(&info.name).unwrap().bytes.len() <= bytes.len());
        }
        true
    });
}
