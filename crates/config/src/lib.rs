#![warn(missing_docs)]
//! The configuration of Sp00ky: one typed [`Config`] from flags, environment, file and defaults, in this order of
//! precedence.
//!
//! [`SETTINGS`] is the one table of everything that can be set. A row gives the key in the file, the environment
//! variables (canonical and older), the default and the meaning; `spky lint --list` prints it. The file is `sp00ky.yml`
//! or, as it was called before, `spooky.yml`, in the working directory, or whatever `SPKY_CONFIG_PATH` names:
//!
//! ```yaml
//! ssp_listen_addr: 127.0.0.1:8667
//! db_url: ws://127.0.0.1:8000
//! db_ns: app
//! db_name: main
//! refMode: dedicated            # same as ssp_ref_mode
//! spi_allow: [127.0.0.0/8, 10.0.0.0/8]
//! job_tables:
//!   mail_job:
//!     name: mailer
//!     base_url: https://mail.example.com
//!     timeout: 30s
//!     schedule:
//!       digest:
//!         cron: "30 7 * * MON-FRI"
//!         time_zone: Europe/Berlin
//!         path: /digest
//! ```
//!
//! A key without a value, and a variable with an empty one, count as not set. An unknown key is an error that names
//! the nearest known one, a value that can't be used is an error that names where it came from, and all problems are
//! reported at once. Older names work and are reported as [`Notice`]s.
//!
//! This crate reads the file and nothing else: no network, no log, and no environment but the one that is handed to it.

mod error;
mod file;
mod jobs;
mod load;
mod secret;
mod setting;
mod source;
mod values;

pub use error::{Error, Notice, Origin, Problem};
pub use jobs::{JobMode, JobTable, JobTables, Schedule};
pub use load::{Config, Database, Loaded, Scheduler, Spi, Ssp};
pub use secret::Secret;
pub use setting::{CONFIG_PATH, JOB_TABLES, SETTINGS, Setting, Spec};
pub use source::Sources;
pub use values::{Capture, DatabaseUrl, LoadBalance, RefMode};
