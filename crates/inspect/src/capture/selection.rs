//! Some layers and heads of a model.

use model::ModelConfig;

/// Layers and heads, each ascending and in range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    layers: Vec<usize>,
    heads: Vec<usize>,
    /// Place in `layers` of each layer of the model.
    places: Vec<Option<usize>>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    #[error("layer {found}: the model has layers 0 to {last}")]
    Layer { found: usize, last: usize },
    #[error("head {found}: the model has heads 0 to {last} in each layer")]
    Head { found: usize, last: usize },
    #[error("no layer or no head is chosen: leave the choice out for all")]
    Nothing,
}

impl Selection {
    pub fn all(config: &ModelConfig) -> Self {
        let all = (0..config.n_layers).collect();
        Self::checked(config, all, (0..config.n_heads).collect())
    }

    /// `None`: all of them.
    ///
    /// # Errors
    /// A layer or head that the model does not have, or none.
    pub fn new(
        config: &ModelConfig,
        layers: Option<&[usize]>,
        heads: Option<&[usize]>,
    ) -> Result<Self, SelectionError> {
        let (n_layers, n_heads) = (config.n_layers, config.n_heads);
        let sorted = |chosen: Option<&[usize]>, n: usize| {
            let mut chosen = chosen.map_or_else(|| (0..n).collect(), <[usize]>::to_vec);
            chosen.sort_unstable();
            chosen.dedup();
            chosen
        };
        let (layers, heads) = (sorted(layers, n_layers), sorted(heads, n_heads));
        match (layers.last(), heads.last()) {
            (Some(&found), _) if found >= n_layers => {
                Err(SelectionError::Layer { found, last: n_layers - 1 })
            }
            (_, Some(&found)) if found >= n_heads => {
                Err(SelectionError::Head { found, last: n_heads - 1 })
            }
            (None, _) | (_, None) => Err(SelectionError::Nothing),
            _ => Ok(Self::checked(config, layers, heads)),
        }
    }

    fn checked(config: &ModelConfig, layers: Vec<usize>, heads: Vec<usize>) -> Self {
        let mut places = vec![None; config.n_layers];
        layers.iter().enumerate().for_each(|(place, &layer_idx)| places[layer_idx] = Some(place));
        Self { layers, heads, places }
    }

    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    pub fn heads(&self) -> &[usize] {
        &self.heads
    }

    /// Heads of all layers.
    pub fn n_heads(&self) -> usize {
        self.layers.len() * self.heads.len()
    }

    /// Which of the chosen layers it is.
    pub fn place(&self, layer_idx: usize) -> Option<usize> {
        self.places.get(layer_idx).copied().flatten()
    }
}
