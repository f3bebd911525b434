//! Requests that make no sense: one line that says why. Status 2 for a flag, 1 for the rest.

use tiny_random::TinyRandom;

use crate::lab::{Lab, Ran, tiny};

/// clap explains a flag in several lines.
fn check_flag(args: &[&str], parts: &[&str]) {
    let (lab, model) = Lab::with_tiny();
    let ran = lab.run(&[&["run", "-m", &model, "hello"], args].concat());
    assert_eq!(ran.status, Some(2), "{ran:?}");
    assert_eq!(ran.stdout, "", "{ran:?}");
    for part in parts {
        assert!(ran.stderr.contains(part), "expected {part:?} in: {}", ran.stderr);
    }
}

/// A value that clap cannot judge: still a bad flag, found before the model is looked for.
fn check_value(args: &[&str], parts: &[&str]) {
    let lab = Lab::new();
    lab.run(&[&["run", "-m", "absent.gguf", "hello"], args].concat()).is_error(2, parts);
    let ran = lab.run(&[&["chat", "-m", "absent.gguf"], args].concat());
    ran.is_error(2, parts);
}

#[test]
fn flags() {
    check_flag(&["--kv", "f8"], &["--kv", "f8", "f32, f16, bf16, q8_0, q5_0, q4_0"]);
    check_flag(&["--ctx", "0"], &["--ctx", "0"]);
    check_flag(&["--threads", "0"], &["--threads", "1..=1024"]);
    check_flag(&["-n", "0"], &["-n"]);
    check_flag(&["--top-k", "-1"], &["--top-k", "-1"]);
    check_flag(&["--seed", "x"], &["--seed", "x"]);
    check_flag(&["--stop", ""], &["--stop"]);
    check_flag(&["--logit-bias", "5"], &["--logit-bias", "ID=B"]);
    check_flag(&["--logit-bias", "x=1"], &["--logit-bias", "x"]);
    check_flag(&["--raw", "--system", "Be brief."], &["--raw", "--system"]);
    check_flag(&["--nonsense"], &["--nonsense"]);
}

#[test]
fn sampling_values() {
    check_value(&["--temperature", "-1"], &["temperature", "found -1"]);
    check_value(&["--temperature", "NaN"], &["temperature", "found NaN"]);
    check_value(&["--top-p", "2"], &["top_p", "from 0 to 1", "found 2"]);
    check_value(&["--min-p", "-0.5"], &["min_p", "from 0 to 1", "found -0.5"]);
    check_value(&["--repeat-penalty", "0"], &["repeat_penalty", "found 0"]);
    check_value(&["--presence-penalty", "-3"], &["presence_penalty", "from -2 to 2", "-3"]);
    check_value(&["--logit-bias", "5=NaN"], &["logit_bias", "token 5", "NaN"]);
}

#[test]
fn a_bias_outside_the_vocabulary_names_both_numbers() {
    let (lab, model) = Lab::with_tiny();
    lab.fails(&["run", "-m", &model, "a", "--logit-bias", "5000=1"], &["below 288", "found 5000"]);
}

#[test]
fn unknown_names_list_the_known_ones() {
    let lab = Lab::new();
    let known = ["smollm2, gemma3-270m, qwen2.5-coder-0.5b", "hf:owner/repo/file.gguf"];
    for args in [
        &["run", "-m", "smolm2", "hello"][..],
        &["chat", "-m", "smolm2"],
        &["tokenize", "-m", "smolm2", "hello"],
        &["score", "-m", "smolm2", "hello"],
        &["bench", "-m", "smolm2"],
        &["show", "smolm2"],
        &["pull", "smolm2"],
        &["rm", "smolm2"],
    ] {
        lab.fails(args, &["`smolm2`", "did you mean `smollm2`?", known[0], known[1]]);
    }
    lab.fails(&["pull", "hf:owner/file.gguf"], &["hf:owner/repo/file.gguf", "2 parts"]);
    lab.fails(&["rm", "smollm2"], &["smollm2", "not on this machine"]);
}

#[test]
fn an_empty_prompt_is_refused() {
    let (lab, model) = Lab::with_chat();
    for args in
        [&["run", "-m", &model, ""][..], &["run", "-m", &model, " \n"], &["run", "-m", &model]]
    {
        lab.fails(args, &["the prompt is empty"]);
    }
    // Unless it is meant: the model begins with its own first token.
    let value = lab.json(&["run", "-m", &model, "--raw", "", "-n", "2", "--json"]);
    assert_eq!(value["prompt_ids"], serde_json::json!([1]));
    lab.fails(&["score", "-m", &model, ""], &["longer text"]);
}

#[test]
fn a_prompt_longer_than_the_context_names_both_numbers() {
    let (lab, model) = Lab::with_tiny();
    let text = "e".repeat(19);
    let parts = ["20 tokens", "holds 8"];
    lab.fails(&["run", "-m", &model, "--ctx", "8", &text], &parts);
    lab.fails(&["score", "-m", &model, "--ctx", "8", &text], &parts);
    let long = "e".repeat(600);
    lab.fails(&["run", "-m", &model, &long], &["601 tokens", "holds 512"]);
}

#[test]
fn a_context_beyond_the_training_is_allowed_and_noted() {
    let (lab, model) = Lab::with_tiny();
    let long = "e".repeat(600);
    let note = |ran: &Ran| ran.stderr.contains("note: --ctx 1024: the model was trained for 512");
    let args = ["run", "-m", &model, "-n", "2", "--json"];
    assert!(note(&lab.succeeds(&[&args[..], &["--ctx", "1024", &long]].concat())));
    assert!(!note(&lab.succeeds(&[&args[..], &["--ctx", "512", "e"]].concat())));
}

/// A cache for the whole of this would need more memory than any machine has.
#[cfg(target_os = "linux")]
#[test]
fn a_context_that_no_memory_holds() {
    let lab = Lab::new();
    let model = lab.model(TinyRandom::default().writer());
    let huge = u32::MAX.to_string();
    let parts = ["f32 cache for 4294967295 tokens", "memory"];
    for command in ["run", "score"] {
        lab.fails(&[command, "-m", &model, "--kv", "f32", "--ctx", &huge, "hello"], &parts);
    }
    for depth in [&huge, "18446744073709551615"] {
        let args = ["bench", "-m", &model, "-p", "1", "-n", "1", "-d", depth, "--json"];
        lab.fails(&args, &["f16 cache", "memory"]);
    }
    // The file may ask for it, the machine gives what it has.
    let mut writer = TinyRandom::default().writer();
    writer.set("llama.context_length", 1u32 << 30);
    let model = lab.model(writer);
    let ran = lab.succeeds(&["run", "-m", &model, "hello", "-n", "2", "--kv", "f32"]);
    assert!(ran.stderr.contains("note: the context is "), "{ran:?}");
}

#[test]
fn a_bench_of_nothing() {
    let (lab, model) = Lab::with_tiny();
    let bench = |args: &[&str]| lab.run(&[&["bench", "-m", &model], args].concat());
    bench(&["-p", "0", "-n", "0"]).is_error(2, &["-p 0 -n 0"]);
    bench(&["-r", "0"]).is_error(2, &["-r 0"]);
    bench(&["--parallel", "2,0"]).is_error(2, &["--parallel 0"]);
}

#[test]
fn ids_that_are_none() {
    let (lab, model) = Lab::with_tiny();
    lab.fails(&["score", "-m", &model, "--ids", "1,5000"], &["token 1", "below 288", "5000"]);
    let ran = lab.run(&["score", "-m", &model, "--ids", "1,x"]);
    assert_eq!(ran.status, Some(2), "{ran:?}");
}

#[test]
fn texts_that_cannot_be_read() {
    let (lab, model) = Lab::with_tiny();
    let latin1 = lab.file("latin1.txt", b"caf\xe9");
    for command in ["run", "tokenize", "score"] {
        lab.fails(&[command, "-m", &model, "-f", &latin1], &["latin1.txt", "UTF-8"]);
        lab.fails(&[command, "-m", &model, "-f", "absent.txt"], &["absent.txt"]);
    }
}

#[test]
fn environment_variables_are_named() {
    let (lab, model) = Lab::with_tiny();
    let check = |name: &str, value: &str, parts: &[&str]| {
        let output = lab.command(&["run", "-m", &model, "hello"]).env(name, value).output();
        Ran::of(output.expect("the binary starts")).is_error(1, &[&[name, value], parts].concat());
    };
    for value in ["0", "1025", "many", "-1"] {
        check("LOOKBACK_THREADS", value, &["1 to 1024"]);
    }
    check("LOOKBACK_KERNELS", "fastest", &["no kernels", "this CPU runs", "scalar"]);
    for name in kernels::names().filter(|name| kernels::find(name).is_err()) {
        check("LOOKBACK_KERNELS", name, &["need", "CPU with", "this one runs", "scalar"]);
    }
}

/// Other systems refuse such a name for a folder.
#[cfg(target_os = "linux")]
#[test]
fn a_models_folder_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let lab = Lab::new();
    let folder = lab.path("x").with_file_name(std::ffi::OsStr::from_bytes(b"mod\xe8les"));
    std::fs::create_dir(&folder).expect("a writable folder");
    std::fs::write(folder.join("mine.gguf"), crate::lab::tiny().bytes()).expect("writable");
    let mut command = lab.command(&["show", "mine"]);
    let output = command.env("LOOKBACK_MODELS", &folder).output().expect("the binary starts");
    assert_eq!(Ran::of(output).status, Some(0));
}

#[test]
fn a_context_beyond_learned_positions_is_refused() {
    let lab = Lab::new();
    let model = format!("{}/../../tests/goldens/gpt2/model.gguf", env!("CARGO_MANIFEST_DIR"));
    lab.fails(&["run", "hen", "--ctx", "129", "-m", &model], &["learned 128 positions"]);
}

#[test]
fn an_encoder_answers_nothing() {
    let lab = Lab::new();
    let model = lab.model(TinyRandom { is_causal: false, ..tiny() }.writer());
    let parts = ["tiny.gguf is an encoder", "writes none"];
    lab.fails(&["run", "-m", &model, "a"], &parts);
    lab.fails(&["score", "-m", &model, "a"], &parts);
    lab.fails(&["plan", "-m", &model], &parts);
}

#[test]
fn what_an_encoder_decoder_cannot_do_is_refused() {
    let lab = Lab::new();
    let model = format!("{}/../../tests/goldens/t5/model.gguf", env!("CARGO_MANIFEST_DIR"));
    let parts = ["reads a prompt with an encoder", "answers `lookback run`"];
    lab.fails(&["chat", "-m", &model], &parts);
    lab.fails(&["score", "-m", &model, "the sun"], &parts);
    lab.fails(&["plan", "-m", &model], &parts);
    lab.fails(&["bench", "-m", &model], &parts);
    lab.fails(&["kv", "compare", "-m", &model], &parts);
    let run = ["run", "-m", &model, "the sun", "-n", "2"];
    let path = lab.path("saved");
    for flag in ["--save-kv", "--load-kv"] {
        let args = [&run[..], &[flag, path.to_str().expect("a path")]].concat();
        lab.fails(&args, &[flag, "no other text begins like it"]);
    }
    lab.fails(&[&run[..], &["--kv-policy", "window=64"]].concat(), &["two: expected all"]);
    let long = "the sun ".repeat(400);
    lab.fails(&["run", "-m", &model, &long], &["1601 tokens", "512"]);
}
