//! `model get`: a model from the hub onto this machine; the one command that opens a connection.

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};
use soundseek::display::{printable, printable_path};
use soundseek::hub::{DownloadEvent, Hub, ModelName, Offer, Repository};
use soundseek::model::Checkpoint;

use super::consent;
use crate::cli::args::Common;
use crate::cli::{Outcome, complain};

/// How often a plain line is written where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// `soundseek model get NAME`.
pub fn get(common: &Common, name: &OsStr, yes: bool, out: &mut dyn Write) -> Result<Outcome> {
    let ModelName::Hub(repository) = ModelName::parse(name)? else {
        bail!(
            "{} is on this machine already: there is nothing to get",
            name.display()
        );
    };
    let hub = Hub::from_environment();
    let folder = match hub.snapshot(&repository) {
        Some(folder) => folder,
        None => {
            let offer = hub.offer(&repository)?;
            hub.check_room(&offer)?;
            let what = described(&hub, &repository, &offer)?;
            if !yes && !consent(&what, "Download it?")? {
                bail!("nothing was downloaded");
            }
            let mut progress = Progress::new(common.quiet, offer.bytes);
            hub.download(&offer, &mut |event| progress.show(event))?
        }
    };
    Checkpoint::Folder(folder.clone()).prepare()?;
    if !common.quiet {
        writeln!(out, "{repository} is in {}", printable_path(&folder))?;
    }
    Ok(Outcome::Found)
}

/// What would come, and under which terms.
fn described(hub: &Hub, repository: &Repository, offer: &Offer) -> Result<String> {
    let licence = offer.licence.as_deref().unwrap_or("not stated");
    let missing = DecimalBytes(offer.missing_bytes);
    let whole = match offer.bytes {
        bytes if bytes == offer.missing_bytes => String::new(),
        bytes => format!(" of {}", DecimalBytes(bytes)),
    };
    let folder = printable_path(hub.downloads()?);
    Ok(format!(
        "{repository}: {missing}{whole} to download into {folder}; licence: {}",
        printable(licence)
    ))
}

/// What is shown while a model comes.
struct Progress {
    quiet: bool,
    /// On a terminal.
    bar: Option<ProgressBar>,
    bytes: u64,
    told: Instant,
}

impl Progress {
    fn new(quiet: bool, bytes: u64) -> Progress {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(bytes);
            let template =
                "{spinner} {wide_bar} {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}  ETA {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Progress {
            quiet,
            bar,
            bytes,
            told: Instant::now(),
        }
    }

    fn show(&mut self, event: DownloadEvent) {
        match (event, &self.bar) {
            (DownloadEvent::Waiting { file }, bar) => {
                let say = || complain(&format!("another program downloads {file}; waiting for it"));
                match bar {
                    Some(bar) => bar.suspend(say),
                    None => say(),
                }
            }
            (DownloadEvent::Arrived { bytes }, Some(bar)) => {
                // What was there before the run says nothing of the rate.
                if bar.position() == 0 {
                    bar.set_position(bytes);
                    bar.reset_eta();
                }
                bar.set_position(bytes);
                if bytes == self.bytes {
                    bar.finish_and_clear();
                }
            }
            (DownloadEvent::Arrived { bytes }, None) => {
                if !self.quiet && self.told.elapsed() >= PLAIN_EVERY {
                    self.told = Instant::now();
                    let (bytes, whole) = (DecimalBytes(bytes), DecimalBytes(self.bytes));
                    complain(&format!("{bytes} of {whole}"));
                }
            }
        }
    }
}
