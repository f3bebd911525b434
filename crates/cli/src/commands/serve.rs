//! `lookback serve`: models behind an address.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use engine::{Embedder, Engine, Loaded, Recipe};
use inspect::profile::Profiles;
use model::load::ModelFile;
use server::{
    Keys, Limits, Model, Models, Reading, Served, ServedEncoder, Server, ServerOptions, Tls,
};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use super::embed;
use crate::interrupt::Interrupt;
use crate::open::{self, N_LOGIT_ROWS_MAX, N_TOKENS_MAX, Show, Text};
use crate::serve_args::{KvOf, LogForm, ServeArgs};
use crate::{calibration, machine, otlp, output};

pub(crate) fn serve(args: &ServeArgs) -> Result<ExitCode> {
    start_log(args.log)?;
    let options = options(args)?;
    let address = SocketAddr::new(args.host, args.port);
    let server = Server::bind(address, models(args)?, options)?;
    output::line(format_args!("{}", server.url()))?;
    // Nobody stops it but a signal.
    let (_running, stop) = server::stop();
    server.run(stop)?;
    Ok(ExitCode::SUCCESS)
}

fn start_log(form: LogForm) -> Result<()> {
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match form {
        LogForm::Text => Some(lines.with_ansi(std::io::stderr().is_terminal()).boxed()),
        LogForm::Json => Some(lines.json().flatten_event(true).boxed()),
        LogForm::Off => None,
    };
    let layers: Vec<_> = [lines, otlp::layer()?].into_iter().flatten().collect();
    tracing_subscriber::registry().with(layers).with(LevelFilter::INFO).init();
    Ok(())
}

fn options(args: &ServeArgs) -> Result<ServerOptions> {
    let keys = args.api_key_file.as_deref().map(Keys::read).transpose()?.unwrap_or_default();
    let pair = args.tls_cert.as_deref().zip(args.tls_key.as_deref());
    let tls = pair.map(|(certificate, key)| Tls::read(certificate, key)).transpose()?;
    let limits = Limits { answer: Duration::from_secs(args.time_limit), ..Limits::default() };
    let (origins, is_lenient) = (args.origins.clone(), args.lenient);
    Ok(ServerOptions { limits, keys, is_lenient, origins, tls })
}

fn models(args: &ServeArgs) -> Result<Models> {
    let names = names(&args.models)?;
    check_kv_of(&args.kv_of, &names)?;
    let mut models = Models::default();
    models.n_loaded_max = args.loaded_max.map(usize::from);
    models.idle = args.idle_unload.map(Duration::from_secs);
    // Loading can be stopped; later on signals are the server's.
    let interrupt = Interrupt::install()?;
    for (name, model) in names {
        if args.on_demand {
            let (args, interrupt, of_load) = (args.clone(), interrupt.clone(), name.clone());
            let load = move |progress: &mut dyn FnMut(f64)| {
                let loaded = load(&args, &model, of_load.clone(), &interrupt, progress);
                loaded.map_err(|error| format!("{error:#}"))
            };
            models.add_on_demand(name, Box::new(load));
        } else {
            let loaded = load(args, &model, name.clone(), &interrupt, &mut |_| ())?;
            models.add(name, loaded);
        }
    }
    Ok(models)
}

/// What requests call the models, and where these are.
///
/// # Errors
/// Two of one name.
fn names(models: &[String]) -> Result<Vec<(String, String)>> {
    let mut all: Vec<(String, String)> = Vec::with_capacity(models.len());
    for given in models {
        let named = given.split_once('=').filter(|(name, _)| !name.contains('/'));
        let (name, model) = named.unwrap_or((open::short_name(given), given));
        if all.iter().any(|(known, _)| known == name) {
            anyhow::bail!(crate::Usage(format!(
                "-m: two models are called {name}; NAME=MODEL gives one another name"
            )));
        }
        all.push((name.to_owned(), model.to_owned()));
    }
    Ok(all)
}

/// # Errors
/// A cache of a model that is not served, and two of one that is.
fn check_kv_of(kv_of: &[KvOf], names: &[(String, String)]) -> Result<()> {
    for (idx, KvOf { name, .. }) in kv_of.iter().enumerate() {
        if !names.iter().any(|(known, _)| known == name) {
            let known: Vec<&str> = names.iter().map(|(known, _)| &**known).collect();
            let known = known.join(", ");
            anyhow::bail!(crate::Usage(format!(
                "--kv-of {name}: no model is called so; served here: {known}"
            )));
        }
        if kv_of[..idx].iter().any(|other| other.name == *name) {
            anyhow::bail!(crate::Usage(format!(
                "--kv-of {name}: it has a type of cache already; give one"
            )));
        }
    }
    Ok(())
}

fn load(
    args: &ServeArgs,
    model: &str,
    name: String,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(f64),
) -> Result<Model> {
    let model = args.model(model);
    let arithmetic = open::arithmetic(&args.runtime);
    let (file, opened) = open::load(&model, arithmetic, Show::Progress, interrupt, progress)?;
    open::check_one_text(&opened.loaded.model, &name)?;
    Ok(match opened.loaded.model.continues_text() {
        true => Model::Writer(Arc::new(writer(args, name, opened.loaded)?)),
        false if args.kv_of.iter().any(|of| of.name == name) => anyhow::bail!(crate::Usage(
            format!("--kv-of {name}: it makes vectors of texts, and keeps no cache")
        )),
        false => Model::Encoder(Arc::new(encoder(args, name, opened.loaded, &file)?)),
    })
}

fn writer(args: &ServeArgs, name: String, loaded: Loaded) -> Result<Served> {
    let template = loaded.compile_template()?;
    if template.is_none() {
        output::note(format_args!(
            "note: {name} has no chat template; conversations are joined as plain text"
        ));
    }
    let sizes = (N_LOGIT_ROWS_MAX, args.parallel.into());
    let cache = args.cache_of(&name);
    let runner = open::runner(&loaded, &args.runtime, &cache, Text::Conversation, sizes)?;
    let engine = Engine::new(Box::new(runner), loaded.tokenizer.clone());
    let texts = (loaded.tokenizer, template);
    let served = Served::start(name, engine, texts, cache.kv_policy());
    // A model at a path is served on a system without a place for others.
    let profiles = open::hub_config().ok().map(|config| Profiles::beside(&config.models_dir));
    let kv = cache.kv_types(&args.runtime);
    let calibration = calibration::OfServed::new(Arc::clone(&loaded.model), &args.runtime, kv)?;
    Ok(served.inspected(loaded.model, profiles).timed(Box::new(calibration)))
}

fn encoder(
    args: &ServeArgs,
    name: String,
    loaded: Loaded,
    file: &ModelFile,
) -> Result<ServedEncoder> {
    let recipe = Recipe::of(file)?;
    let n_tokens_max = embed::n_tokens_max(&recipe, &loaded.model);
    let reading = Reading {
        prefix: embed::default_prefix(&recipe),
        pooling: embed::pooling(None, &recipe, &loaded.model),
        n_tokens_max,
        tokenizer: loaded.tokenizer,
    };
    let (n_threads, kernels) = (machine::n_threads(args.runtime.threads)?, machine::kernels()?);
    let sizes = (n_tokens_max, N_TOKENS_MAX);
    let embedder = Embedder::new(loaded.model, sizes, n_threads, kernels);
    Ok(ServedEncoder::start(name, embedder, reading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_models_have_two_names() {
        let check = |models: &[&str], expected: Option<&[&str]>| {
            let models: Vec<String> = models.iter().map(|&name| name.into()).collect();
            let found = names(&models).ok();
            let found = found.map(|all| all.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
            let expected = expected.map(|all| all.iter().map(|&name| name.to_owned()).collect());
            assert_eq!(found, expected);
        };
        check(&["a/x.gguf", "qwen"], Some(&["x", "qwen"]));
        check(&["a/x.gguf", "b/x.gguf"], None);
        check(&["a/x.gguf", "y=b/x.gguf"], Some(&["x", "y"]));
    }
}
