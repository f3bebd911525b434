//! An annotated text as one page that works without a network: click a part of the answer, and the
//! context is coloured by what it read there.

use std::path::Path;

use ::format::Output;
use serde::Serialize;

use super::ExportError;

/// What the page shows. Texts are shown as they are, whatever they hold.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    pub title: String,
    pub model: String,
    /// What the colours do not say.
    pub caveat: String,
    /// Ways to measure what was read; readings are in their order.
    pub lenses: Vec<Lens>,
    /// Tokens, words or sentences, with the blanks between them.
    pub context: Vec<String>,
    /// Of the whole answer, `[n_lenses]`.
    pub whole: Vec<Reading>,
    pub answer: Vec<Answer>,
    /// Below the text: settings, counts.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Lens {
    pub name: String,
    pub is_signed: bool,
}

/// A part of the answer: a token, a word, a sentence.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    pub text: String,
    /// `[n_lenses]`
    pub readings: Vec<Reading>,
}

/// What one lens sees of a part of the answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reading {
    /// Parts of the context by their index, and their values; those that are not listed have none.
    pub values: Vec<(u32, f32)>,
    /// What the sink took, which is no part of the text. Shown apart if there is any.
    pub sink: f32,
}

const TEMPLATE: &str = include_str!("page.html");
const TITLE: &str = "{{title}}";
const DATA: &str = "{{data}}";

impl Page {
    /// # Errors
    /// What the system says.
    pub fn write_file(&self, path: &Path) -> Result<(), ExportError> {
        let mut output = Output::create(path)?;
        let written = output.writer().write_all(self.html().as_bytes());
        written.map_err(|err| ExportError::from(err).at(path))?;
        Ok(output.commit()?)
    }

    pub fn html(&self) -> String {
        let n_lenses = self.lenses.len();
        assert_eq!(self.whole.len(), n_lenses, "a reading for each lens");
        for part in &self.answer {
            assert_eq!(part.readings.len(), n_lenses, "a reading for each lens");
        }
        let readings = self.answer.iter().flat_map(|part| &part.readings).chain(&self.whole);
        let mut parts = readings.flat_map(|reading| &reading.values).map(|value| value.0);
        assert!(parts.all(|idx| (idx as usize) < self.context.len()), "parts of this context");
        let data = serde_json::to_string(self).expect("names and numbers are JSON");
        // Nothing in a script of JSON can end it, nor begin a comment, without this letter.
        let data = data.replace('<', "\\u003c");
        let (head, rest) = TEMPLATE.split_once(TITLE).expect("a place for the title");
        let (body, tail) = rest.split_once(DATA).expect("a place for the data");
        [head, &escaped(&self.title), body, &data, tail].concat()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        let reading = Reading { values: vec![(0, 0.5)], sink: 0.25 };
        Page {
            title: text.into(),
            model: text.into(),
            caveat: text.into(),
            lenses: vec![Lens { name: text.into(), is_signed: false }],
            context: vec![text.into(), " end".into()],
            whole: vec![reading.clone()],
            answer: vec![Answer { text: text.into(), readings: vec![reading] }],
            notes: vec![text.into()],
        }
    }

    /// The page of a text that tries to get out is that of a harmless one, but for the text.
    #[track_caller]
    fn check(text: &str) {
        let count = |html: &str, part: &str| html.matches(part).count();
        let (harmless, html) = (page("x").html(), page(text).html());
        for part in ["<", "</script", "<!--", "<script", DATA, TITLE] {
            let n_own = if part.starts_with('{') { count(text, part) * 8 } else { 0 };
            assert!(count(&html, part) <= count(&harmless, part) + n_own, "{part:?}");
        }
        let data = html.split("type=\"application/json\">").nth(1).unwrap();
        let data: serde_json::Value =
            serde_json::from_str(data.split("</script>").next().unwrap()).unwrap();
        assert_eq!(data["context"][0], text);
        assert_eq!(data["answer"][0]["text"], text);
        assert_eq!(data["whole"][0]["values"][0], serde_json::json!([0, 0.5]));
    }

    #[test]
    fn text_stays_text() {
        check("</script><script>alert(1)</script>");
        check("<!-- <script> ]]> & \u{2028} \" ' `${x}`");
        check("{{data}} {{title}}");
        check("<img src=x onerror=alert(1)>");
    }

    #[test]
    fn the_page_needs_nothing_else() {
        let html = page("x").html();
        for part in ["http:", "https:", "src=", "url(", "import", "fetch", "eval", "innerHTML"] {
            assert!(!html.contains(part), "{part}");
        }
        assert!(TEMPLATE.lines().count() < 300);
    }
}
