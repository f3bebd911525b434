//! `cargo xtask new-arch NAME CLASS`: what a new architecture needs, but for what makes it one.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

const ARCH: &str = "crates/model/src/arch";
const RECIPES: &str = "tests/goldens/make_tiny.py";
/// Where the recipes end.
const CASES_END: &str = "}\n\n# GGUF has no name";

/// `name` is GGUF's; `class` is `architectures[0]` of config.json.
pub(crate) fn run(root: &Path, name: &str, class: &str) -> anyhow::Result<()> {
    ensure!(
        name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
            && name.starts_with(|c: char| c.is_ascii_lowercase()),
        "{name:?} is no name of an architecture: expected one like `qwen3` or `command-r`"
    );
    let Some(family) = class.strip_suffix("ForCausalLM") else {
        bail!("{class:?}: expected a class like `Qwen3ForCausalLM`");
    };
    let stem = name.replace('-', "_");
    let (list, recipes) = (root.join(ARCH).join("mod.rs"), root.join(RECIPES));
    let spec = root.join(ARCH).join(format!("{stem}.rs"));
    ensure!(!spec.exists(), "{} is there already", spec.display());
    let read = |path: &Path| fs::read_to_string(path).with_context(|| path.display().to_string());
    let (list_text, recipes_text) =
        (with_row(&read(&list)?, &stem)?, with_recipe(&read(&recipes)?, name, family)?);
    for (path, text) in
        [(&spec, spec_text(&stem, name, class)), (&list, list_text), (&recipes, recipes_text)]
    {
        fs::write(path, text).with_context(|| path.display().to_string())?;
        println!("{}", path.strip_prefix(root).unwrap_or(path).display());
    }
    println!("next: docs/adding-a-model.md");
    Ok(())
}

fn spec_text(stem: &str, name: &str, class: &str) -> String {
    let constant = stem.to_uppercase();
    format!(
        "//! {class} (authors and year): Llama but for the fields below.\n\n\
         use super::llama::LLAMA;\n\
         use crate::spec::{{ArchSpec, PerFormat, RopePairing}};\n\n\
         pub(super) const {constant}: ArchSpec = ArchSpec {{\n\
         \x20   name: \"{name}\",\n\
         \x20   hf_names: &[\"{class}\"],\n\
         \x20   rope: PerFormat::same(RopePairing::HalfSplit),\n\
         \x20   ..LLAMA\n\
         }};\n"
    )
}

/// The list of architectures with one more, in order.
fn with_row(list: &str, stem: &str) -> anyhow::Result<String> {
    let list = insert_sorted(list, "mod ", &format!("mod {stem};"))?;
    let is_row = |line: &str| line.starts_with("    ") && line.contains("::");
    let row = format!("    {stem}::{},", stem.to_uppercase());
    let rows: Vec<&str> = list.lines().filter(|line| is_row(line)).collect();
    let first = *rows.first().context("the list has rows")?;
    insert_sorted(&list, first.split(|c: char| c.is_alphanumeric()).next().unwrap_or(""), &row)
}

/// A line before the first greater one of the block of lines that begin like it, or behind it.
fn insert_sorted(text: &str, prefix: &str, line: &str) -> anyhow::Result<String> {
    let lines: Vec<&str> = text.lines().collect();
    let is_like =
        |other: &&str| other.starts_with(prefix) && other.ends_with(&line[line.len() - 1..]);
    let first = lines.iter().position(is_like).context("a block of such lines")?;
    let block = lines[first..].iter().take_while(|other| is_like(other));
    let n_before = block.take_while(|other| **other < line).count();
    let (before, after) = lines.split_at(first + n_before);
    Ok([before, &[line], after].concat().join("\n") + "\n")
}

/// The recipes with one more, the last.
fn with_recipe(recipes: &str, name: &str, family: &str) -> anyhow::Result<String> {
    let end = recipes.find(CASES_END).with_context(|| format!("{RECIPES}: no end of CASES"))?;
    let recipe = format!("    \"{name}\": transformers.{family}Config(**SHARED, **SMALL),\n");
    Ok([&recipes[..end], &recipe, &recipes[end..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order() {
        let list = "//! List.\n\nmod a;\nmod llama;\n\nuse x;\n\npub const ALL: &[Spec] = &[\n    \
                    a::A,\n    llama::LLAMA,\n];\n";
        let expected = "//! List.\n\nmod a;\nmod glm;\nmod llama;\n\nuse x;\n\npub const ALL: \
                        &[Spec] = &[\n    a::A,\n    glm::GLM,\n    llama::LLAMA,\n];\n";
        assert_eq!(with_row(list, "glm").expect("a list"), expected);
        let last = with_row(list, "z_1").expect("a list");
        assert!(
            last.contains("mod llama;\nmod z_1;\n") && last.contains("LLAMA,\n    z_1::Z_1,\n")
        );
    }

    #[test]
    fn the_files_of_the_tree_take_one_more() {
        let root = crate::root();
        let read = |path: &str| fs::read_to_string(root.join(path)).expect(path);
        let list = with_row(&read("crates/model/src/arch/mod.rs"), "new_one").expect("a list");
        assert!(list.contains("\nmod new_one;\n") && list.contains("\n    new_one::NEW_ONE,\n"));
        let recipes = with_recipe(&read(RECIPES), "new-one", "NewOne").expect("recipes");
        assert!(recipes.contains("\n    \"new-one\": transformers.NewOneConfig("));
    }
}
