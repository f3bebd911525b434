//! Public functions that take arrays say their shapes.

use crate::report;
use crate::source::{Function, Source, sources};

const CRATES: &[&str] = &["crates/kernels/src/", "crates/model/src/"];
const ARRAYS: &[&str] = &["Rows<", "Heads<", "RowsMut<", "HeadsMut<", "&[f32]", "&mut [f32]"];

#[test]
fn arrays_have_shapes() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| CRATES.iter().any(|c| s.path.starts_with(c))) {
        for function in source.functions().iter().filter(|function| is_mute(source, function)) {
            let (path, line, name) = (&source.path, function.line, &function.name);
            let advice = "write them under `# Shapes`, or as `[outer, inner]` in its documentation";
            problems
                .push(format!("{path}:{line}: fn {name} takes arrays of unsaid shape; {advice}"));
        }
    }
    report(problems);
}

fn is_mute(source: &Source, function: &Function) -> bool {
    let lines: Vec<&str> = source.text.lines().collect();
    let is_public = lines[function.line - 1].trim_start().starts_with("pub fn ");
    let signature = &function.signature;
    let parameters = signature.rsplit_once(" -> ").map_or(signature.as_str(), |(before, _)| before);
    let takes_arrays = ARRAYS.iter().any(|array| parameters.contains(array));
    let above = lines[..function.line - 1].iter().rev().map(|line| line.trim_start());
    let mut docs = above.take_while(|line| line.starts_with("///") || line.starts_with("#["));
    let says = docs.any(|line| line.contains("# Shapes") || line.contains("`["));
    is_public && takes_arrays && !source.is_test(function.line) && !says
}
