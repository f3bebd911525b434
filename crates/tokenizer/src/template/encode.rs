//! A conversation as token ids, in which only the template can place control tokens.

use super::conversation::{Conversation, Message};
use super::mask::{Mask, markable};
use super::{ChatTemplate, Options};
use crate::error::Error;
use crate::pipeline::After;
use crate::special::Segment;
use crate::tokenizer::{Special, Tokenizer};

impl Tokenizer {
    /// The ids of a conversation. Control tokens come from the template alone: a message that
    /// contains `<|im_end|>` has the pieces of that text.
    ///
    /// BOS is put in front if the model adds one and the template does not print it.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`].
    pub fn encode_chat(
        &self,
        template: &ChatTemplate,
        messages: &[Message],
        options: &Options,
    ) -> Result<Vec<u32>, Error> {
        let conversation = Conversation::new(messages, options)?;
        let mask = Mask::new(self.control(), &template.source, &conversation)?;
        let masked = conversation.map_texts(&|text| mask.hide(text));
        let prompt = template.render_conversation(&masked, options)?;
        let mut ids = Vec::new();
        let mut after = After::Nothing;
        self.control().split(&prompt, |segment| match segment {
            Segment::Text(text) => self.encode_text(&mask.reveal(text), &mut after, &mut ids),
            Segment::Token(id) => {
                let text = String::from_utf8_lossy(self.token_bytes(id, Special::Show));
                if markable(&text).is_some() {
                    ids.push(id);
                    after = After::Control;
                } else {
                    self.encode_text(&text, &mut after, &mut ids);
                }
            }
        });
        let bos = self.bos().filter(|bos| self.adds_bos() && ids.first() != Some(bos));
        Ok(bos.into_iter().chain(ids).collect())
    }
}
