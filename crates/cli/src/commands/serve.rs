//! `lookback serve`: models behind an address.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use engine::Engine;
use server::{Keys, Limits, Served, Server, ServerOptions};

use crate::interrupt::Interrupt;
use crate::open::{self, N_LOGIT_ROWS_MAX, Show, Text};
use crate::output;
use crate::serve_args::ServeArgs;

pub(crate) fn serve(args: &ServeArgs) -> Result<ExitCode> {
    let keys = args.api_key_file.as_deref().map(Keys::read).transpose()?.unwrap_or_default();
    let options = ServerOptions { limits: Limits::default(), keys, is_lenient: args.lenient };
    let names = names(&args.models)?;
    let mut models = Vec::new();
    {
        // Loading can be stopped; later on signals are the server's.
        let interrupt = Interrupt::install()?;
        for (model, name) in args.models.iter().zip(names) {
            models.push(load(args, model, name, &options.limits, &interrupt)?);
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
    limits: &Limits,
    interrupt: &Interrupt,
) -> Result<Served> {
    let model = args.model(model);
    let opened = open::open(&model, open::arithmetic(&args.runtime), Show::Progress, interrupt)?;
    let loaded = opened.loaded;
    let template = loaded.compile_template()?;
    if template.is_none() {
        output::note(format_args!(
            "note: {name} has no chat template; conversations are joined as plain text"
        ));
    }
    let sizes = (N_LOGIT_ROWS_MAX, args.parallel.into());
    let runner = open::runner(&loaded, &args.runtime, &args.cache, Text::Conversation, sizes)?;
    let engine = Engine::new(Box::new(runner), loaded.tokenizer.clone());
    let texts = (loaded.tokenizer, template);
    Ok(Served::start(name, engine, texts, args.cache.kv_policy(), limits))
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
