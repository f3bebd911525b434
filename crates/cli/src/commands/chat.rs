//! `lookback chat`: a conversation in the terminal.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use engine::{ChatTemplate, ContextUse, Engine, FinishReason, Loaded, Message, SpecialText};
use rustyline::error::ReadlineError;
use rustyline::{Behavior, Config, DefaultEditor};
use serde::{Deserialize, Serialize};

use crate::args::ChatArgs;
use crate::generate::{Answer, SpeculationJson, Timings, closing_line, cut_by, generate};
use crate::interrupt::{EXIT_INTERRUPTED, Interrupt};
use crate::open::{self, Show, Text};
use crate::{output, saved_kv};

const HELP: &str = "\
/system TEXT   set the system prompt (nothing: show it)
/regen         another answer to the last message
/clear         forget the conversation
/save FILE     write the conversation as JSON
/load FILE     continue a saved conversation
/stats         numbers of the last answer
/exit          leave (also Ctrl-D)
A line that ends in \\ goes on in the next one; \"\"\" begins and ends a block of lines.
Ctrl-C stops an answer.";

/// What a line at the prompt asks for.
#[derive(Debug, PartialEq)]
enum Input<'a> {
    Message(&'a str),
    Help,
    System(Option<&'a str>),
    Regen,
    Clear,
    Save(&'a str),
    Load(&'a str),
    Stats,
    Exit,
    Unknown(&'a str),
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Turn {
    role: String,
    content: String,
}

#[derive(Serialize)]
struct AnswerJson<'a> {
    text: &'a str,
    finish_reason: FinishReason,
    timings: Timings,
    context: ContextUse,
    speculation: SpeculationJson,
    kv_bytes: usize,
}

/// Instead of an answer.
#[derive(Serialize)]
struct ErrorJson {
    error: String,
}

struct Chat<'a> {
    args: &'a ChatArgs,
    loaded: &'a Loaded,
    /// `None`: the model continues plain text.
    template: Option<ChatTemplate>,
    engine: Engine,
    interrupt: Interrupt,
    load_ms: f64,
    system: Option<String>,
    turns: Vec<Turn>,
    last: Option<Answer>,
    /// Prompt and answer of the last turn, as the model saw them.
    text: Vec<u32>,
}

pub(crate) fn chat(args: &ChatArgs) -> Result<ExitCode> {
    args.sampling.check()?;
    let interrupt = Interrupt::install()?;
    let show = if args.json { Show::Nothing } else { Show::Progress };
    let opened = open::open(&args.model, open::arithmetic(&args.runtime), show, &interrupt)?;
    open::check_one_text(&opened.loaded.model, &args.model.model)?;
    let template = opened.loaded.compile_template()?;
    let mut engine = open::engine(&opened.loaded, &args.runtime, &args.cache, Text::Conversation)?;
    saved_kv::begin(&args.saved_kv, &mut engine)?;
    if template.is_none() {
        output::note("note: this model has no chat template; it continues plain text");
    }
    if interrupt.is_requested() {
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    }
    let mut chat = Chat {
        args,
        loaded: &opened.loaded,
        template,
        engine,
        interrupt,
        load_ms: opened.load_ms,
        system: args.system.clone(),
        turns: Vec::new(),
        last: None,
        text: Vec::new(),
    };
    let mut lines = Lines::new()?;
    if lines.origin == Origin::Terminal {
        let name = open::short_name(&args.model.model);
        output::note(format_args!("{name}  (/help for commands, Ctrl-D to leave)\n"));
    }
    let mut status = ExitCode::SUCCESS;
    while let Some(text) = lines.message()? {
        let input = parse(&text);
        if input == Input::Exit {
            break;
        }
        match chat.handle(input) {
            Ok(()) => continue,
            Err(err) if err.is::<output::Closed>() => return Err(err),
            // A mistake in a command or a full context ends the turn, not the conversation.
            Err(err) if args.json => output::json(&ErrorJson { error: format!("{err:#}") })?,
            Err(err) => output::note(format_args!("error: {err:#}")),
        }
        // A person has read it; a script looks at the status.
        if lines.origin == Origin::Pipe {
            status = ExitCode::FAILURE;
        }
    }
    if !chat.text.is_empty() {
        saved_kv::end(&args.saved_kv, &mut chat.engine, &chat.text)?;
    }
    Ok(status)
}

/// Where messages come from.
struct Lines {
    editor: DefaultEditor,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Prompts, history, editing.
    Terminal,
    /// Bare lines.
    Pipe,
}

impl Lines {
    fn new() -> Result<Self> {
        let origin = if std::io::stdin().is_terminal() { Origin::Terminal } else { Origin::Pipe };
        let behavior = match origin {
            // Prompts go to the terminal even where standard output does not.
            Origin::Terminal => Behavior::PreferTerm,
            Origin::Pipe => Behavior::Stdio,
        };
        let config = Config::builder().auto_add_history(true).behavior(behavior).build();
        Ok(Self { editor: rustyline::Editor::with_config(config)?, origin })
    }

    /// One message: a line, several joined by `\`, or a `"""` block. `None` at the end of input.
    fn message(&mut self) -> Result<Option<String>> {
        let mut text = String::new();
        let mut in_block = false;
        loop {
            let prompt = match self.origin {
                Origin::Pipe => "",
                Origin::Terminal if text.is_empty() && !in_block => "> ",
                Origin::Terminal => ". ",
            };
            let line = match self.editor.readline(prompt) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => {
                    (text, in_block) = (String::new(), false);
                    continue;
                }
                Err(ReadlineError::Eof) => {
                    return Ok(Some(text).filter(|text| !text.trim().is_empty()));
                }
                Err(err) => return Err(err).context("cannot read a message"),
            };
            if line.trim() == "\"\"\"" {
                if in_block {
                    return Ok(Some(text));
                }
                in_block = true;
            } else if in_block {
                text.push_str(&line);
                text.push('\n');
            } else if let Some(line) = line.strip_suffix('\\') {
                text.push_str(line);
                text.push('\n');
            } else {
                text.push_str(&line);
                if !text.trim().is_empty() {
                    return Ok(Some(text));
                }
            }
        }
    }
}

fn parse(text: &str) -> Input<'_> {
    let text = text.trim();
    let Some(command) = text.strip_prefix('/') else { return Input::Message(text) };
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    match (name, rest.is_empty()) {
        ("help" | "?", true) => Input::Help,
        ("system", empty) => Input::System((!empty).then_some(rest)),
        ("regen", true) => Input::Regen,
        ("clear", true) => Input::Clear,
        ("save", false) => Input::Save(rest),
        ("load", false) => Input::Load(rest),
        ("stats", true) => Input::Stats,
        ("exit" | "quit" | "bye", true) => Input::Exit,
        _ => Input::Unknown(text),
    }
}

impl Chat<'_> {
    fn handle(&mut self, input: Input<'_>) -> Result<()> {
        match input {
            Input::Message(text) => {
                let mut turns = self.turns.clone();
                turns.push(Turn { role: "user".into(), content: text.into() });
                self.answer(turns)
            }
            Input::Regen => {
                let keep = self.turns.iter().rposition(|turn| turn.role == "user");
                let Some(last) = keep else { bail!("there is no message to answer again") };
                self.answer(self.turns[..=last].to_vec())
            }
            Input::Help => {
                output::note(HELP);
                Ok(())
            }
            Input::System(Some(text)) => {
                self.system = Some(text.into());
                output::note("the system prompt is set");
                Ok(())
            }
            Input::System(None) => {
                output::note(self.system.as_deref().unwrap_or("(no system prompt)"));
                Ok(())
            }
            Input::Clear => {
                self.turns.clear();
                output::note("the conversation is forgotten");
                Ok(())
            }
            Input::Save(path) => {
                save(Path::new(path), self.system.as_deref(), &self.turns)?;
                output::note(format_args!("saved {} messages", self.turns.len()));
                Ok(())
            }
            Input::Load(path) => {
                (self.system, self.turns) = load(Path::new(path))?;
                output::note(format_args!("loaded {} messages", self.turns.len()));
                Ok(())
            }
            Input::Stats => {
                let last = self.last.as_ref().context("there is no answer yet")?;
                output::note(closing_line(last, &self.args.sampling));
                Ok(())
            }
            Input::Unknown(text) => bail!("{text:?} is not a command; /help lists them"),
            Input::Exit => Ok(()),
        }
    }

    /// Answers `turns`; with the answer they become the conversation. Without one, because of an
    /// error or a Ctrl-C before its first word, the conversation stays as it was.
    fn answer(&mut self, mut turns: Vec<Turn>) -> Result<()> {
        let answer = self.generate(&turns).map_err(|err| match err.downcast_ref() {
            Some(engine::Error::PromptTooLong { .. }) => {
                err.context("the conversation is too long, /clear forgets it")
            }
            _ => err,
        })?;
        if answer.finish_reason == FinishReason::Cancelled && answer.text.is_empty() {
            output::note("stopped before the answer began; the conversation is as it was");
            return Ok(());
        }
        turns.push(Turn { role: "assistant".into(), content: answer.text.clone() });
        self.turns = turns;
        self.last = Some(answer);
        Ok(())
    }

    fn generate(&mut self, turns: &[Turn]) -> Result<Answer> {
        self.interrupt.reset();
        let prompt = self.encode(turns)?;
        let request = self.args.sampling.request(prompt.clone(), self.args.cache.kv_policy());
        let json = self.args.json;
        let mut emit = |text: &str| if json { Ok(()) } else { output::text(text) };
        let show = if json { Show::Nothing } else { Show::Progress };
        let answer = generate(&mut self.engine, request, show, &self.interrupt, &mut emit);
        self.interrupt.reset();
        let answer = answer?;
        self.text = [&prompt[..], &answer.ids].concat();
        if json {
            output::json(&AnswerJson {
                text: &answer.text,
                finish_reason: answer.finish_reason,
                timings: Timings::of(&answer, self.load_ms),
                context: answer.usage.context(),
                speculation: SpeculationJson::of(&answer.usage),
                kv_bytes: answer.usage.kv_bytes,
            })?;
        } else {
            output::line("\n")?;
            if let Some(cut) = cut_by(&answer, &self.args.sampling) {
                output::note(format_args!("[{cut}]"));
            }
        }
        Ok(answer)
    }

    fn encode(&self, turns: &[Turn]) -> Result<Vec<u32>> {
        let system = self.system.as_deref();
        if let Some(template) = &self.template {
            let turns = turns.iter().map(|turn| Message::new(&turn.role, &turn.content));
            let messages: Vec<_> = system.map(Message::system).into_iter().chain(turns).collect();
            return Ok(self.loaded.encode_chat(template, &messages)?);
        }
        let turns = turns.iter().map(|turn| turn.content.as_str());
        let parts: Vec<_> = system.into_iter().chain(turns).collect();
        Ok(self.loaded.tokenizer.encode_prompt(&parts.join("\n"), SpecialText::AsText))
    }
}

/// Written beside and renamed: a full disk or a Ctrl-C leaves the old file.
fn save(path: &Path, system: Option<&str>, turns: &[Turn]) -> Result<()> {
    let system = system.map(|content| Turn { role: "system".into(), content: content.to_owned() });
    let all: Vec<_> = system.iter().chain(turns).collect();
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let write = || -> Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))?;
        serde_json::to_writer_pretty(&mut file, &all)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot save to {}", path.display()))
}

fn load(path: &Path) -> Result<(Option<String>, Vec<Turn>)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut turns: Vec<Turn> = serde_json::from_slice(&bytes)
        .with_context(|| format!("{}: not a conversation saved by /save", path.display()))?;
    let has_system = turns.first().is_some_and(|turn| turn.role == "system");
    let system = has_system.then(|| turns.remove(0).content);
    for turn in &turns {
        if !["user", "assistant"].contains(&turn.role.as_str()) {
            bail!("{}: role {:?}: expected user or assistant", path.display(), turn.role);
        }
    }
    Ok((system, turns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        let check = |text, expected| assert_eq!(parse(text), expected);
        check("hello /help", Input::Message("hello /help"));
        check(" /help ", Input::Help);
        check("/system", Input::System(None));
        check("/system Be brief.", Input::System(Some("Be brief.")));
        check("/save a b.json", Input::Save("a b.json"));
        check("/save", Input::Unknown("/save"));
        check("/exit", Input::Exit);
        check("/exit now", Input::Unknown("/exit now"));
        check("/nonsense", Input::Unknown("/nonsense"));
    }

    #[test]
    fn a_saved_conversation_is_loaded_as_it_was() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("chat.json");
        let turn = |role: &str, content: &str| Turn { role: role.into(), content: content.into() };
        let turns = vec![turn("user", "Hi \u{1F999}\n"), turn("assistant", "\"Hello\"")];
        for system in [None, Some("Be brief.")] {
            save(&path, system, &turns).expect("a writable folder");
            let (loaded_system, loaded) = load(&path).expect("what save wrote");
            assert_eq!((loaded_system.as_deref(), &loaded), (system, &turns));
        }
        std::fs::write(&path, "[{\"role\":\"tool\",\"content\":\"\"}]").expect("writable");
        assert!(load(&path).is_err());
    }
}
