//! `lookback serve`: models behind an address.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use engine::{Embedder, Engine, Loaded, Recipe};
use model::load::ModelFile;
use server::{Keys, Limits, Models, Reading, Served, ServedEncoder, Server, ServerOptions};

use super::embed;
use crate::interrupt::Interrupt;
use crate::open::{self, N_LOGIT_ROWS_MAX, N_TOKENS_MAX, Show, Text};
use crate::serve_args::ServeArgs;
use crate::{machine, output};

pub(crate) fn serve(args: &ServeArgs) -> Result<ExitCode> {
    let keys = args.api_key_file.as_deref().map(Keys::read).transpose()?.unwrap_or_default();
    let options = ServerOptions { limits: Limits::default(), keys, is_lenient: args.lenient };
    let names = names(&args.models)?;
    let mut models = Models::default();
    {
        // Loading can be stopped; later on signals are the server's.
        let interrupt = Interrupt::install()?;
        for (model, name) in args.models.iter().zip(names) {
            load(args, model, name, &mut models, &interrupt)?;
        }
    }
    let address = SocketAddr::new(args.host, args.port);
    let server = Server::bind(address, models, options)?;
    output::line(format_args!("http://{}", server.address()))?;
    // Nobody stops it but a signal.
    let (_running, stop) = server::stop();
    server.run(stop)?;
    Ok(ExitCode::SUCCESS)
}

/// What requests call the models.
///
/// # Errors
/// Two of one name.
fn names(models: &[String]) -> Result<Vec<String>> {
    let names: Vec<String> = models.iter().map(|name| open::short_name(name).to_owned()).collect();
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            anyhow::bail!(crate::Usage(format!("-m: two models are called {name}")));
        }
    }
    Ok(names)
}

fn load(
    args: &ServeArgs,
    model: &str,
    name: String,
    models: &mut Models,
    interrupt: &Interrupt,
) -> Result<()> {
    let model = args.model(model);
    let arithmetic = open::arithmetic(&args.runtime);
    let (file, opened) = open::load(&model, arithmetic, Show::Progress, interrupt)?;
    open::check_one_text(&opened.loaded.model, &name)?;
    match opened.loaded.model.continues_text() {
        true => models.writers.push(writer(args, name, opened.loaded)?),
        false => models.encoders.push(encoder(args, name, opened.loaded, &file)?),
    }
    Ok(())
}

fn writer(args: &ServeArgs, name: String, loaded: Loaded) -> Result<Served> {
    let template = loaded.compile_template()?;
    if template.is_none() {
        output::note(format_args!(
            "note: {name} has no chat template; conversations are joined as plain text"
        ));
    }
    let sizes = (N_LOGIT_ROWS_MAX, args.parallel.into());
    let runner = open::runner(&loaded, &args.runtime, &args.cache, Text::Conversation, sizes)?;
    let engine = Engine::new(Box::new(runner), loaded.tokenizer.clone());
    let (texts, policy) = ((loaded.tokenizer, template), args.cache.kv_policy());
    Ok(Served::start(name, engine, texts, policy, &Limits::default()))
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
            let expected = expected.map(|all| all.iter().map(|&name| name.to_owned()).collect());
            assert_eq!(found, expected);
        };
        check(&["a/x.gguf", "qwen"], Some(&["x", "qwen"]));
        check(&["a/x.gguf", "b/x.gguf"], None);
    }
}
