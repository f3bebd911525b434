//! Models by name: in memory from the start, or as soon as somebody asks for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::encoder::ServedEncoder;
use crate::error::ApiError;
use crate::served::Served;

/// A model in memory.
#[derive(Clone)]
pub enum Model {
    Writer(Arc<Served>),
    Encoder(Arc<ServedEncoder>),
}

/// Brings a model into memory and tells how far it is, from 0 to 1; the error is one line for
/// people.
pub type Load = Box<dyn Fn(&mut dyn FnMut(f64)) -> Result<Model, String> + Send + Sync>;

/// What a server serves: one model at the least.
#[derive(Default)]
pub struct Models {
    entries: Vec<Arc<Entry>>,
    /// Held while a model is loaded.
    loading: Arc<tokio::sync::Mutex<()>>,
    /// Most models in memory at once, of those that are loaded when they are asked for.
    pub n_loaded_max: Option<usize>,
    /// For how long a model that can be loaded again stays without being asked.
    pub idle: Option<Duration>,
}

struct Entry {
    name: String,
    /// `None`: it is there from the start, and stays.
    load: Option<Load>,
    place: Mutex<Place>,
    progress: watch::Sender<Progress>,
}

/// How far the loading of a model is, from 0 to 1; `None`: it is not being loaded.
pub(crate) type Progress = Option<f64>;

struct Place {
    model: Option<Model>,
    used: Instant,
}

/// A model as lists show it.
pub(crate) struct Listed {
    pub(crate) name: String,
    /// `None`: it is not in memory.
    pub(crate) model: Option<Model>,
    pub(crate) progress: Progress,
}

impl Listed {
    pub(crate) fn status(&self) -> &'static str {
        match (&self.model, self.progress) {
            (Some(_), _) => "loaded",
            (None, Some(_)) => "loading",
            (None, None) => "unloaded",
        }
    }
}

impl Model {
    /// Requests that run or wait; `None`: its thread has ended.
    pub(crate) fn n_in_flight(&self) -> Option<usize> {
        match self {
            Self::Writer(served) => served.engine.n_in_flight(),
            Self::Encoder(encoder) => Some(encoder.n_waiting()),
        }
    }

    /// The longest text, in tokens.
    pub(crate) fn n_ctx(&self) -> usize {
        match self {
            Self::Writer(served) => served.n_ctx,
            Self::Encoder(encoder) => encoder.n_tokens_max,
        }
    }

    /// Whether its attention can be seen.
    pub(crate) fn shows_attention(&self) -> bool {
        match self {
            Self::Writer(served) => served.model.is_some(),
            Self::Encoder(_) => false,
        }
    }
}

impl Models {
    /// A model that is there from the start.
    pub fn add(&mut self, name: String, model: Model) {
        self.entry(name, None, Some(model));
    }

    /// A model that is loaded when it is asked for.
    pub fn add_on_demand(&mut self, name: String, load: Load) {
        self.entry(name, Some(load), None);
    }

    fn entry(&mut self, name: String, load: Option<Load>, model: Option<Model>) {
        let place = Mutex::new(Place { model, used: Instant::now() });
        let progress = watch::Sender::new(None);
        self.entries.push(Arc::new(Entry { name, load, place, progress }));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn listed(&self) -> impl Iterator<Item = Listed> {
        self.entries.iter().map(|entry| entry.listed())
    }

    /// The model of this name, and what tells how far its loading is.
    ///
    /// # Errors
    /// A name that nobody has here.
    pub(crate) fn named(
        &self,
        name: &str,
    ) -> Result<(Listed, watch::Receiver<Progress>), ApiError> {
        let entry = self.entry_of(name)?;
        Ok((entry.listed(), entry.progress.subscribe()))
    }

    /// The models in memory.
    pub(crate) fn in_memory(&self) -> impl Iterator<Item = Model> {
        self.listed().filter_map(|listed| listed.model)
    }

    /// The model of a request: the first one that answers, where it names none.
    ///
    /// # Errors
    /// A name that nobody has here, a model of another kind, and one that cannot be loaded.
    pub(crate) async fn writer(&self, name: Option<&str>) -> Result<Arc<Served>, ApiError> {
        let writer = |model| match model {
            Model::Writer(served) => Some(served),
            Model::Encoder(_) => None,
        };
        self.find(name, writer, "it makes vectors: ask /v1/embeddings").await
    }

    /// The same among those that make vectors.
    ///
    /// # Errors
    /// As for [`Models::writer`].
    pub(crate) async fn encoder(&self, name: Option<&str>) -> Result<Arc<ServedEncoder>, ApiError> {
        let encoder = |model| match model {
            Model::Encoder(encoder) => Some(encoder),
            Model::Writer(_) => None,
        };
        self.find(name, encoder, "it answers: ask /v1/chat/completions").await
    }

    /// The model of this name, whatever it does.
    ///
    /// # Errors
    /// As for [`Models::writer`].
    pub(crate) async fn any(&self, name: &str) -> Result<Model, ApiError> {
        self.find(Some(name), Some, "").await
    }

    async fn find<T>(
        &self,
        name: Option<&str>,
        kind: impl Fn(Model) -> Option<T>,
        of_other_kind: &str,
    ) -> Result<T, ApiError> {
        let Some(name) = name else {
            for entry in &self.entries {
                if let Some(found) = kind(self.get(entry).await?) {
                    return Ok(found);
                }
            }
            return Err(self.no_such("of this kind"));
        };
        let entry = self.entry_of(name)?;
        kind(self.get(entry).await?).ok_or_else(|| {
            let message = format!("{name:?} is not for this address, {of_other_kind}");
            ApiError::field("model", message)
        })
    }

    fn entry_of(&self, name: &str) -> Result<&Arc<Entry>, ApiError> {
        let entry = self.entries.iter().find(|entry| entry.has_name(name));
        entry.ok_or_else(|| self.no_such(name))
    }

    fn no_such(&self, name: &str) -> ApiError {
        let known: Vec<&str> = self.entries.iter().map(|entry| &*entry.name).collect();
        ApiError::no_such_model(name, &format!("{} is", known.join(", ")))
    }

    async fn get(&self, entry: &Arc<Entry>) -> Result<Model, ApiError> {
        if let Some(model) = entry.in_use() {
            return Ok(model);
        }
        // One at a time: those who ask for the same model meanwhile find it there.
        let loading = Arc::clone(&self.loading).lock_owned().await;
        if let Some(model) = entry.in_use() {
            return Ok(model);
        }
        self.make_room()?;
        let loader = Arc::clone(entry);
        // Who goes stops waiting; the model is there for those who come next.
        let load = move || {
            let _loading = loading;
            loader.load()
        };
        let loaded = tokio::task::spawn_blocking(load).await;
        let loaded = loaded.unwrap_or_else(|_| Err("loading it failed".into()));
        loaded.map_err(|problem| ApiError::cannot_load(&entry.name, &problem))
    }

    /// Lets go of the model that was used least recently, where there are as many as may be.
    fn make_room(&self) -> Result<(), ApiError> {
        let on_demand = || self.entries.iter().filter(|entry| entry.load.is_some());
        let n_loaded = on_demand().filter(|entry| entry.place().model.is_some()).count();
        if self.n_loaded_max.is_none_or(|n_max| n_loaded < n_max) {
            return Ok(());
        }
        let mut idle: Vec<&Arc<Entry>> = on_demand().filter(|entry| entry.is_idle()).collect();
        idle.sort_by_key(|entry| entry.place().used);
        idle.first().ok_or_else(|| ApiError::no_room(n_loaded))?.unload();
        Ok(())
    }

    /// Lets go of the models that nobody has asked for long enough.
    pub(crate) fn unload_idle(&self) {
        let Some(idle) = self.idle else { return };
        for entry in self.entries.iter().filter(|entry| entry.load.is_some()) {
            if !entry.is_idle() {
                // Its time begins when its last answer ends.
                entry.place().used = Instant::now();
            } else if entry.place().used.elapsed() >= idle {
                entry.unload();
            }
        }
    }
}

impl Entry {
    fn place(&self) -> MutexGuard<'_, Place> {
        // Nothing in there can be left half done.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names of other programs say a version after a colon; here there is one of each.
    fn has_name(&self, name: &str) -> bool {
        self.name == name || name.strip_suffix(":latest") == Some(&*self.name)
    }

    fn listed(&self) -> Listed {
        let (name, progress) = (self.name.clone(), *self.progress.borrow());
        Listed { name, model: self.place().model.clone(), progress }
    }

    fn load(&self) -> Result<Model, String> {
        let load = self.load.as_ref().ok_or("it cannot be loaded again")?;
        let telling = Telling::new(&self.progress);
        let model = load(&mut |progress| telling.tell(progress))?;
        *self.place() = Place { model: Some(model.clone()), used: Instant::now() };
        Ok(model)
    }

    fn in_use(&self) -> Option<Model> {
        let mut place = self.place();
        place.used = Instant::now();
        if self.load.is_some() {
            // One whose thread has ended is loaded anew.
            place.model.take_if(|model| model.n_in_flight().is_none());
        }
        place.model.clone()
    }

    fn is_idle(&self) -> bool {
        self.place().model.as_ref().is_some_and(|model| model.n_in_flight().unwrap_or(0) == 0)
    }

    fn unload(&self) {
        let model = self.place().model.take();
        // Giving memory back takes its time.
        tokio::task::spawn_blocking(move || drop(model));
    }
}

/// A model is being loaded as long as this is there, however its loading ends.
struct Telling<'a>(&'a watch::Sender<Progress>);

impl<'a> Telling<'a> {
    fn new(progress: &'a watch::Sender<Progress>) -> Self {
        progress.send_replace(Some(0.0));
        Self(progress)
    }

    fn tell(&self, progress: f64) {
        self.0.send_replace(Some(progress));
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}
