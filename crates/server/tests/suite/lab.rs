//! A server on a free port of this machine over a scripted model, and a plain client.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use engine::Engine;
use model::kv::KvPolicy;
use scripted_runner::{Limits as Sizes, ScriptedRunner, Vocabulary, only};
use serde_json::{Value, json};
use server::{Model, Models, Served, Server, ServerOptions, Stop};

/// What the script answers with, over and over, to a prompt that ends in the word before it.
pub(crate) const WORDS: [&str; 6] = [" one", " two", " three", "go", "on", "llama"];
/// Its answers: a text with a character of four tokens, and one that never ends.
pub(crate) const SHORT: &str = "go";
pub(crate) const ENDLESS: &str = "on";
pub(crate) const ANSWER: &str = " one🦙 two three";

pub(crate) struct Lab {
    pub(crate) address: SocketAddr,
    stop: Option<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary::new(&WORDS)
}

/// After `go` the answer, after `on` the same word forever.
pub(crate) fn script(vocabulary: &Vocabulary) -> impl Fn(&[u32]) -> Vec<f32> + Send + 'static {
    let (n_vocab, go, on) =
        (vocabulary.n_vocab(), vocabulary.word(SHORT), vocabulary.word(ENDLESS));
    let (one, rest) = (vocabulary.words(&[" one"]), vocabulary.words(&[" two", " three"]));
    let answer = [one, vocabulary.bytes("🦙".as_bytes()), rest].concat();
    move |tokens| {
        let asked = tokens.iter().rposition(|&id| id == go || id == on);
        let Some(asked) = asked else { return only(Vocabulary::EOS, n_vocab) };
        let id = match tokens[asked] == on {
            true => answer[0],
            false => *answer.get(tokens.len() - asked - 1).unwrap_or(&Vocabulary::EOS),
        };
        // The second likeliest is another one.
        let mut logits = only(id, n_vocab);
        logits[go as usize] = logits[go as usize].max(-4.0);
        logits
    }
}

/// Its prompts end in `go`.
pub(crate) fn saying(text: &str) -> impl Fn(&[u32]) -> Vec<f32> + Send + 'static {
    let vocabulary = vocabulary();
    let answer = vocabulary.bytes(text.as_bytes());
    move |tokens| {
        let go = tokens.iter().rposition(|&id| id == vocabulary.word(SHORT));
        let n_written = tokens.len() - 1 - go.expect("a prompt that ends in it");
        let id = *answer.get(n_written).unwrap_or(&Vocabulary::EOS);
        let mut logits: Vec<f32> =
            (0..vocabulary.n_vocab()).map(|other| (other * 7 % 11) as f32 / 10.0).collect();
        // Words of the script are never a part of it.
        for word in WORDS {
            logits[vocabulary.word(word) as usize] = f32::NEG_INFINITY;
        }
        logits[id as usize] = 50.0;
        logits
    }
}

/// A scripted model.
pub(crate) fn served(
    name: &str,
    script: impl Fn(&[u32]) -> Vec<f32> + Send + 'static,
    template: Option<&str>,
) -> Model {
    Model::Writer(Arc::new(writer(name, script, template)))
}

pub(crate) fn writer(
    name: &str,
    script: impl Fn(&[u32]) -> Vec<f32> + Send + 'static,
    template: Option<&str>,
) -> Served {
    let vocabulary = vocabulary();
    let sizes = Sizes {
        n_vocab: vocabulary.n_vocab(),
        n_ctx: 100_000,
        n_positions_max: 1_000_000,
        n_tokens_max: 64,
    };
    let runner = ScriptedRunner::new(sizes, script);
    let tokenizer = vocabulary.tokenizer();
    let template = template.map(|source| tokenizer.compile_template(source).expect("a template"));
    let engine = Engine::new(Box::new(runner), tokenizer.clone());
    Served::start(name.into(), engine, (tokenizer, template), KvPolicy::KeepAll)
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(ServerOptions::default(), None)
    }

    pub(crate) fn with(options: ServerOptions, template: Option<&str>) -> Self {
        Self::of_script(script(&vocabulary()), options, template)
    }

    /// With a model that would write this text after any prompt, and would rather write something
    /// else than nothing where it may not.
    pub(crate) fn saying(text: &str, template: &str) -> Self {
        Self::of_script(saying(text), ServerOptions::default(), Some(template))
    }

    /// With a model that takes its thread down with it.
    pub(crate) fn panicking() -> Self {
        let script = |_: &[u32]| -> Vec<f32> { panic!("as the test wants") };
        Self::of_script(script, ServerOptions::default(), None)
    }

    fn of_script(
        script: impl Fn(&[u32]) -> Vec<f32> + Send + 'static,
        options: ServerOptions,
        template: Option<&str>,
    ) -> Self {
        let mut models = Models::default();
        models.add("script".into(), served("script", script, template));
        Self::serve(models, options)
    }

    pub(crate) fn serve(models: Models, options: ServerOptions) -> Self {
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let server = Server::bind(anywhere, models, options).expect("a free port");
        let (address, (stop, stopped)) = (server.address(), server::stop());
        let thread = std::thread::spawn(move || server.run(stopped).expect("it runs"));
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("the server listens");
        stream.write_all(request.as_bytes()).expect("the server reads");
        stream
    }

    /// Of HTTP 1.0: the connection ends with the answer.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let head =
            format!("{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        let mut stream = self.send(&head);
        // A body that is refused is not read to its end.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Reply::of(&String::from_utf8(bytes).expect("text"))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "", b"").json()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, "", body.to_string().as_bytes())
    }

    /// The objects of a stream.
    pub(crate) fn stream(&self, path: &str, mut body: Value) -> Vec<Value> {
        body["stream"] = json!(true);
        let reply = self.post(path, &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.headers.contains("content-type: text/event-stream"), "{reply:?}");
        let frames: Vec<&str> = reply.body.split("\n\n").collect();
        let [data @ .., "data: [DONE]", ""] = &frames[..] else { panic!("{reply:?}") };
        let parse = |frame: &&str| {
            let json = frame.strip_prefix("data: ").expect("data");
            serde_json::from_str(json).expect("JSON")
        };
        data.iter().map(parse).collect()
    }

    /// Waits until nothing runs.
    pub(crate) fn wait_until_idle(&self) {
        const N_TRIES: usize = 10_000;
        let is_idle = |_: &usize| self.get("/health")["in_flight"] == 0;
        (0..N_TRIES).find(is_idle).expect("every slot is free in time");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.stop.take().expect("it was not stopped").send(());
        self.thread.take().expect("it was not joined").join().expect("it ends by itself");
    }
}

impl Reply {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, headers: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
