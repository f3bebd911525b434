//! What may be said where: kernels, CPU features, unsafe, the scheduler, features, environment
//! (K1, K3, K4, E1, X1, X2).

use crate::report;
use crate::source::{Source, has_word, numbered, sources};
use crate::words::starts_with_any;

/// Words that stand nowhere under `within`, except under `allowed`.
struct Boundary {
    words: &'static [&'static str],
    within: &'static [&'static str],
    allowed: &'static [&'static str],
    advice: &'static str,
}

#[test]
fn kernels_do_no_io() {
    check(&[
        Boundary {
            words: &[
                "std::thread",
                "std::io",
                "std::fs",
                "std::net",
                "std::env",
                "std::sync",
                "std::process",
                "std::time",
                "std::path",
            ],
            within: &["crates/kernels/src/"],
            // Tables are checked once a process.
            allowed: &["crates/kernels/src/choice.rs"],
            advice: "kernels map slices to slices; do it in the caller (K1)",
        },
        // What can go wrong is naming: a block format by a file's number, a table by its name.
        Boundary {
            words: &["Result<"],
            within: &["crates/kernels/src/"],
            allowed: &["crates/kernels/src/dtype.rs", "crates/kernels/src/choice.rs"],
            advice: "kernels cannot fail; check in the caller, assert here (K1)",
        },
        Boundary {
            words: &["Vec<", "Vec::", "vec!", "Box<", "Box::", "String", "to_vec", "collect"],
            within: &["crates/kernels/src/scalar/", "crates/kernels/src/arch/"],
            allowed: &[],
            advice: "kernels allocate nothing; take a buffer from the caller (K1)",
        },
    ]);
}

#[test]
fn features_are_asked_once() {
    check(&[
        Boundary {
            words: &["is_x86_feature_detected!", "is_aarch64_feature_detected!", "core_detect"],
            within: &[""],
            allowed: &["crates/kernels/src/table.rs", "crates/kernels/src/arch/mod.rs"],
            advice: "take a `Kernels` table instead of asking the CPU (K3)",
        },
        Boundary {
            words: &["cfg(target_feature", "cfg!(target_feature"],
            within: &[""],
            allowed: &[],
            advice: "choose at run time, by a `Kernels` table (K3)",
        },
    ]);
}

const UNSAFE_ROOMS: &[&str] =
    &["crates/kernels/src/arch/", "crates/format/src/mapped.rs", "crates/model/src/pool.rs"];
/// How far above a block its reason may stand: attributes and the start of a statement lie between.
const SAFETY_LINES_MAX: usize = 6;

/// Tests may be unsafe anywhere, a counting allocator for one, but give their reasons too.
#[test]
fn unsafe_stays_in_its_rooms() {
    let mut problems = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (line, _) in numbered(&source.code).filter(|(_, code)| has_word(code, "unsafe")) {
            let path = &source.path;
            if !starts_with_any(path, UNSAFE_ROOMS) && !source.is_test(line) {
                let rooms = UNSAFE_ROOMS.join(", ");
                problems.push(format!("{path}:{line}: `unsafe` outside {rooms}; do without (K4)"));
            }
        }
        for (line, _) in numbered(&source.code).filter(|(_, code)| opens_unsafe(code)) {
            let above = &lines[line.saturating_sub(1 + SAFETY_LINES_MAX)..line];
            if !above.iter().any(|text| text.contains("// SAFETY: ")) {
                let advice = "say above it in `// SAFETY:` which fact makes it sound (K4)";
                problems.push(format!("{}:{line}: unsafe without a reason; {advice}", source.path));
            }
        }
    }
    report(problems);
}

/// A block or an impl; an `unsafe fn` states its conditions in its documentation.
fn opens_unsafe(code: &str) -> bool {
    has_word(code, "unsafe {") || has_word(code, "unsafe impl") || code.trim_end() == "unsafe"
}

#[test]
fn scheduler_is_pure() {
    check(&[Boundary {
        words: &[
            "Instant",
            "SystemTime",
            "std::io",
            "std::fs",
            "std::env",
            "std::sync",
            "std::thread",
            "std::cell",
            "model::",
            "tokenizer::",
            "format::",
            "kernels::",
            "async",
        ],
        within: &["crates/engine/src/scheduler"],
        allowed: &[],
        advice: "the scheduler is a function of queues, budget and free blocks; pass it in (E1)",
    }]);
}

/// Features add modules: a `cfg` on anything else could change a type.
#[test]
fn features_only_add() {
    let asks = |code: &str| code.contains("cfg") && has_word(code, "feature");
    let mut problems = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.code.lines().map(str::trim).collect();
        for (line, code) in numbered(&source.code).filter(|(_, code)| asks(code)) {
            let item = lines[line..].iter().find(|code| !code.starts_with("#["));
            let item = item.copied().unwrap_or_default();
            let bare = item.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let adds = bare.starts_with("mod ") || bare.starts_with("use ");
            if !adds || !code.trim().starts_with("#[cfg(") {
                let (path, code) = (&source.path, code.trim());
                let advice = "let the feature add a module, in one `mod imp` switch (X1)";
                problems.push(format!("{path}:{line}: `{code}` before `{item}`; {advice}"));
            }
        }
    }
    report(problems);
}

#[test]
fn environment_is_read_once() {
    check(&[Boundary {
        words: &[
            "env::var",
            "env::var_os",
            "env::vars",
            "env::vars_os",
            "env::set_var",
            "env::remove_var",
            "option_env!",
        ],
        within: &["crates/"],
        allowed: &["crates/cli/src/env.rs", "crates/cli/build.rs"],
        advice: "read it in crates/cli/src/env.rs and pass the value on (X2)",
    }]);
}

/// Looks at production code, comments and strings apart.
fn check(boundaries: &[Boundary]) {
    let sources = sources();
    let mut problems = Vec::new();
    for boundary in boundaries {
        let inside = |source: &&Source| {
            starts_with_any(&source.path, boundary.within)
                && !starts_with_any(&source.path, boundary.allowed)
        };
        for source in sources.iter().filter(inside) {
            for (line, code) in source.production(&source.code) {
                for word in boundary.words.iter().filter(|word| has_word(code, word)) {
                    problems.push(format!("{}:{line}: `{word}`; {}", source.path, boundary.advice));
                }
            }
        }
    }
    report(problems);
}
