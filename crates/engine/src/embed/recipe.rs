//! How a model's file says that a text becomes a vector: `pooling_type` in GGUF, the modules of
//! sentence-transformers in folders.

use std::collections::BTreeMap;

use format::safetensors::SafetensorsFolder;
use model::arch::ARCHITECTURES;
use model::load::ModelFile;
use serde_json::Value;

use super::pooling::Pooling;
use crate::open_error::OpenError;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// `None`: the file does not say.
    pub pooling: Option<Pooling>,
    /// The longest text that the model is meant for, in tokens, where that is less than it has
    /// positions for.
    pub n_tokens_max: Option<usize>,
    /// What stands before texts of a kind, by the name of the kind.
    pub prompts: BTreeMap<String, String>,
    /// The kind of texts of which nothing else is said.
    pub default_prompt: Option<String>,
}

impl Recipe {
    /// # Errors
    /// Modules that are not known here, ways of pooling that are none of [`Pooling`], and files
    /// that cannot be read.
    pub fn of(file: &ModelFile) -> Result<Self, OpenError> {
        match file {
            ModelFile::Gguf(file) => {
                let metadata = file.metadata();
                let key = format!("{}.pooling_type", metadata.require_str("general.architecture")?);
                Ok(Self { pooling: of_type(&key, metadata.u32(&key)?)?, ..Self::default() })
            }
            ModelFile::HuggingFace { folder, .. } => Self::of_folder(folder),
        }
    }

    fn of_folder(folder: &SafetensorsFolder) -> Result<Self, OpenError> {
        let mut recipe = Self::default();
        if let Some(modules) = folder.read_json(MODULES)? {
            for module in modules.as_array().into_iter().flatten() {
                recipe.add_module(folder, module)?;
            }
        }
        // Named after an architecture, and not always that of the model.
        let names = ARCHITECTURES.iter().map(|spec| format!("sentence_{}_config.json", spec.name));
        let limits: Vec<Value> = names
            .filter_map(|name| folder.read_json(&name).transpose())
            .collect::<Result<_, _>>()?;
        let n_tokens_max = limits.iter().find_map(|json| json["max_seq_length"].as_u64());
        recipe.n_tokens_max = n_tokens_max.filter(|&n| n > 0).map(|n| n as usize);
        if let Some(json) = folder.read_json("config_sentence_transformers.json")? {
            let prompts = json["prompts"].as_object().into_iter().flatten();
            let text = |value: &Value| value.as_str().map(str::to_owned);
            recipe.prompts =
                prompts.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect();
            recipe.default_prompt = text(&json["default_prompt_name"]);
        }
        Ok(recipe)
    }

    fn add_module(&mut self, folder: &SafetensorsFolder, module: &Value) -> Result<(), OpenError> {
        let full_name = module["type"].as_str().unwrap_or_default();
        match full_name.rsplit('.').next() {
            // Whether vectors are normed is for whoever asks.
            Some("Transformer" | "Normalize") => Ok(()),
            Some("Pooling") => {
                let path = module["path"].as_str().unwrap_or_default();
                let name = format!("{path}/config.json");
                self.pooling = Some(of_config(&name, &folder.require_json(&name)?)?);
                Ok(())
            }
            _ => Err(OpenError::Recipe {
                file: MODULES.into(),
                expected: "modules of the kinds Transformer, Pooling and Normalize",
                found: module["type"].to_string(),
            }),
        }
    }
}

const MODULES: &str = "modules.json";

fn of_type(key: &str, found: Option<u32>) -> Result<Option<Pooling>, OpenError> {
    match found {
        None | Some(0) => Ok(None),
        Some(1) => Ok(Some(Pooling::Mean)),
        Some(2) => Ok(Some(Pooling::Cls)),
        Some(3) => Ok(Some(Pooling::Last)),
        Some(found) => Err(OpenError::Recipe {
            file: key.into(),
            expected: "1 (mean), 2 (cls) or 3 (last)",
            found: found.to_string(),
        }),
    }
}

/// Older files have a flag for each way, newer ones a name.
fn of_config(file: &str, json: &Value) -> Result<Pooling, OpenError> {
    const FLAGS: [(&str, &str, Pooling); 3] = [
        ("pooling_mode_mean_tokens", "mean", Pooling::Mean),
        ("pooling_mode_cls_token", "cls", Pooling::Cls),
        ("pooling_mode_lasttoken", "lasttoken", Pooling::Last),
    ];
    if json["include_prompt"] == false {
        let (expected, found) = ("pooling that counts the prompt too", "include_prompt false");
        return Err(OpenError::Recipe { file: file.into(), expected, found: found.into() });
    }
    let set = json.as_object().into_iter().flatten();
    let mut set: Vec<&str> = set
        .filter(|(name, value)| name.starts_with("pooling_mode_") && **value == true)
        .map(|(name, _)| name.as_str())
        .collect();
    set.sort_unstable();
    let named = json["pooling_mode"].as_str();
    let is_asked = |(flag, name, _): &&(&str, &str, Pooling)| match named {
        Some(named) => named == *name,
        None => set == [*flag],
    };
    let found = FLAGS.iter().find(is_asked).map(|(_, _, pooling)| *pooling);
    found.ok_or_else(|| OpenError::Recipe {
        file: file.into(),
        expected: "pooling by mean, cls or lasttoken alone",
        found: named.map_or_else(|| format!("{set:?}"), str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ways_of_pooling_are_read() {
        let check = |json: Value, expected: Result<Pooling, &str>| {
            let found = of_config("1_Pooling/config.json", &json).map_err(|err| err.to_string());
            let expected = expected.map_err(|found| {
                format!(
                    "1_Pooling/config.json: expected pooling by mean, cls or lasttoken alone, \
                     found {found}"
                )
            });
            assert_eq!(found, expected);
        };
        let (mean, cls) = ("pooling_mode_mean_tokens", "pooling_mode_cls_token");
        check(json!({mean: true, cls: false, "include_prompt": true}), Ok(Pooling::Mean));
        check(json!({mean: false, cls: true}), Ok(Pooling::Cls));
        check(json!({"pooling_mode_lasttoken": true}), Ok(Pooling::Last));
        check(json!({"pooling_mode": "mean"}), Ok(Pooling::Mean));
        check(json!({"pooling_mode": "max"}), Err("max"));
        check(json!({mean: true, cls: true}), Err(&format!("{:?}", [cls, mean])));
        check(json!({"pooling_mode_max_tokens": true}), Err("[\"pooling_mode_max_tokens\"]"));
        check(json!({}), Err("[]"));
        assert_eq!(of_type("x", Some(0)).expect("none"), None);
        let message = of_type("bert.pooling_type", Some(4)).expect_err("ranks").to_string();
        assert!(message.contains("bert.pooling_type") && message.ends_with("found 4"), "{message}");
    }
}
