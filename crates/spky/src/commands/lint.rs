//! `spky lint`: is this configuration right?

use clap::Args;
use config::{Config, Origin, SETTINGS, Sources, Spec};

use crate::error::Error;
use crate::output::line;

/// Options of `spky lint`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print every setting with its variables, default and meaning, instead of checking
    #[arg(long)]
    list: bool,
}

/// Checks the configuration that every other subcommand would see from here, or lists all settings.
pub(crate) fn run(options: &Options, sources: Sources) -> Result<(), Error> {
    if options.list {
        return SETTINGS.iter().try_for_each(|spec| line(&description(spec)));
    }
    let loaded = Config::load(&sources)?;
    for notice in &loaded.notices {
        line(&format!("warning: {notice}"))?;
    }
    match &loaded.file {
        Some(file) => line(&format!("{} is right", file.display()))?,
        None => line("there is no configuration file; the environment is right")?,
    }
    for spec in SETTINGS {
        match loaded.config.origin(spec.setting) {
            Origin::Default => {}
            origin => line(&format!("  {:<32} set by {origin}", spec.key))?,
        }
    }
    for (table, backend) in &loaded.config.job_tables {
        line(&format!("  jobs of {table:<24} go to {} at {}", backend.name, backend.base_url))?;
    }
    Ok(())
}

fn description(spec: &Spec) -> String {
    let mut names = vec![spec.key];
    names.extend(spec.also_key);
    let mut text = format!("{}\n    {}\n    variables: {}", names.join(", "), spec.about, spec.env.join(", "));
    if !spec.older_env.is_empty() {
        text.push_str(&format!(" (older: {})", spec.older_env.join(", ")));
    }
    if let Some(default) = spec.default {
        text.push_str(&format!("\n    default: {default}"));
    }
    text
}
