//! What is in the models folder, and finding and removing it.

use super::*;

/// A store that holds files of these names, one byte each.
fn store_with(file_names: &[&str]) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    for file_name in file_names {
        fs::write(dir.path().join(file_name), "x").unwrap();
    }
    let store = Store::at(dir.path());
    (dir, store)
}

const SMOLLM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

#[test]
fn lists_complete_models_only() {
    let hidden = format!(".{SMOLLM2}.lock");
    let partial = format!("{SMOLLM2}.partial");
    let files = ["mine.gguf", "a--b--c.gguf", SMOLLM2, &hidden, &partial, "notes.txt", ".x.gguf"];
    let (dir, store) = store_with(&files);
    fs::create_dir(dir.path().join("folder.gguf")).unwrap();
    let listed = store.list().unwrap();
    let names: Vec<&str> = listed.iter().map(|stored| stored.name.as_str()).collect();
    assert_eq!(names, ["hf:a/b/c.gguf", "mine.gguf", "smollm2"]);
    assert!(listed.iter().all(|stored| stored.n_bytes == 1 && stored.path.is_file()));
}

#[test]
fn store_that_does_not_exist_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(&dir.path().join("none"));
    assert_eq!(store.list().unwrap(), []);
    assert!(matches!(store.remove("smollm2"), Err(HubError::NotPulled { .. })));
}

#[test]
fn resolves_every_name_of_a_model() {
    let (dir, store) = store_with(&["mine.gguf", "a--b--c.gguf", SMOLLM2]);
    for (name, file_name) in [
        ("smollm2", SMOLLM2),
        (SMOLLM2, SMOLLM2),
        ("SmolLM2-135M-Instruct.Q4_1", SMOLLM2),
        ("hf:a/b/c.gguf", "a--b--c.gguf"),
        ("mine", "mine.gguf"),
        ("mine.gguf", "mine.gguf"),
    ] {
        assert_eq!(store.resolve(name).unwrap(), dir.path().join(file_name), "{name}");
    }
}

#[test]
fn existing_path_wins() {
    let (_dir, store) = store_with(&[SMOLLM2]);
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("model.gguf");
    fs::write(&path, "x").unwrap();
    assert_eq!(store.resolve(path.to_str().unwrap()).unwrap(), path);
    let folder = elsewhere.path().to_str().unwrap();
    assert_eq!(store.resolve(folder).unwrap(), elsewhere.path());
}

#[test]
fn unresolved_names_say_what_to_do() {
    let (_dir, store) = store_with(&[&format!("{SMOLLM2}.partial")]);
    for (name, message) in [
        ("smollm2", "model `smollm2` is not on this machine; get it with `lookback pull smollm2`"),
        (
            "hf:a/b/c.gguf",
            "model `hf:a/b/c.gguf` is not on this machine; \
             get it with `lookback pull hf:a/b/c.gguf`",
        ),
        ("none.gguf", "no file or folder at none.gguf"),
        ("folder/none", "no file or folder at folder/none"),
        (
            "hf:a/b",
            "model name `hf:a/b`: expected hf:owner/repo/file.gguf, \
             found 2 parts between slashes",
        ),
    ] {
        assert_eq!(store.resolve(name).unwrap_err().to_string(), message);
    }
    assert!(matches!(store.resolve("smolm2"), Err(HubError::UnknownModel { .. })));
}

#[test]
fn removes_model_and_partial_and_nothing_else() {
    let partial = format!("{SMOLLM2}.partial");
    let (dir, store) = store_with(&[SMOLLM2, &partial, "mine.gguf", "notes.txt"]);
    assert_eq!(store.remove("smollm2").unwrap(), 2);
    assert_eq!(store.remove("mine").unwrap(), 1);
    assert!(matches!(store.remove("smollm2"), Err(HubError::NotPulled { .. })));
    assert!(matches!(store.remove("notes.txt"), Err(HubError::UnknownModel { .. })));
    assert!(matches!(store.remove("../notes.txt"), Err(HubError::UnknownModel { .. })));
    assert!(dir.path().join("notes.txt").exists());
}
