//! Ctrl-C: the first asks the work to stop, a second ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::SIGINT;

/// Exit status of a run that Ctrl-C stopped (128 + SIGINT).
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// Set by Ctrl-C; work looks at it between steps.
#[derive(Clone)]
pub(crate) struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes over SIGINT for the rest of the process.
    pub(crate) fn install() -> Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        let register = || -> std::io::Result<()> {
            // In this order: the second signal finds the flag that the first one set.
            let status = EXIT_INTERRUPTED.into();
            signal_hook::flag::register_conditional_shutdown(
                SIGINT,
                status,
                Arc::clone(&requested),
            )?;
            signal_hook::flag::register(SIGINT, Arc::clone(&requested))?;
            Ok(())
        };
        register().context("cannot watch for Ctrl-C")?;
        Ok(Self { requested })
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Forgets a Ctrl-C that was dealt with.
    pub(crate) fn reset(&self) {
        self.requested.store(false, Ordering::Relaxed);
    }

    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.requested
    }
}
