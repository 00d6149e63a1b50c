//! Where values come from, and which of them wins.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Notice, Origin, Problem, nearest};
use crate::file::{self, Contents};
use crate::setting::{self, CONFIG_PATH, SETTINGS, Setting, Spec};

/// The file's names in the order in which they are looked for: canonical, older.
const FILE_NAMES: [&str; 2] = ["sp00ky.yml", "spooky.yml"];

/// Everything that can set something, gathered before [`crate::Config::load`] decides.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    flags: Vec<(Setting, &'static str, String)>,
    environment: BTreeMap<String, OsString>,
    directory: PathBuf,
    file: Option<PathBuf>,
}

impl Sources {
    /// The environment of this process, and its working directory as the place of the file.
    pub fn from_process() -> Self {
        let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self { environment: named.collect(), ..Self::default() }
    }

    /// No environment, and `directory` as the place of the file.
    pub fn from_directory(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..Self::default() }
    }

    /// Sets one variable of the environment.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// A value from the command line, if there is one; `flag` is its name with dashes, for errors.
    pub fn flag(mut self, setting: Setting, flag: &'static str, value: Option<impl ToString>) -> Self {
        self.flags.extend(value.map(|value| (setting, flag, value.to_string())));
        self
    }

    /// A file named on the command line: it must exist, and is read instead of any other.
    pub fn file(mut self, path: Option<PathBuf>) -> Self {
        self.file = path.or(self.file);
        self
    }
}

/// The winning text of every setting that is set somewhere.
pub(crate) struct Resolved {
    values: Vec<Option<(String, Origin)>>,
    pub(crate) contents: Contents,
    pub(crate) file: Option<PathBuf>,
    pub(crate) notices: Vec<Notice>,
}

impl Resolved {
    /// The text of a setting (its default's if nothing sets it) and its origin.
    pub(crate) fn get(&self, setting: Setting) -> (Option<&str>, Origin) {
        match self.values.get(setting as usize) {
            Some(Some((text, origin))) => (Some(text), origin.clone()),
            _ => (setting.spec().default, Origin::Default),
        }
    }
}

/// Decides every setting, and checks the decided values; a value that loses isn't checked.
pub(crate) fn resolve(sources: &Sources, problems: &mut Vec<Problem>) -> Resolved {
    let mut notices = Vec::new();
    let file = find_file(sources, problems, &mut notices);
    let contents = file.as_ref().and_then(|path| file::read(path, problems)).unwrap_or_default();

    let mut values: Vec<Option<(String, Origin)>> = vec![None; SETTINGS.len()];
    if let Some(path) = &file {
        for located in &contents.settings {
            let Some(spec) = setting::by_key(&located.key) else { continue };
            let value = &mut values[spec.setting as usize];
            if value.is_some() {
                problems.push(Problem::GivenTwice {
                    path: path.clone(),
                    line: located.line,
                    key: located.key.clone(),
                    canonical: spec.key,
                });
                continue;
            }
            let origin = Origin::File { path: path.clone(), line: located.line, key: located.key.clone() };
            *value = Some((located.text.clone(), origin));
        }
    }
    for spec in SETTINGS {
        if let Some(found) = from_environment(spec, sources, problems, &mut notices) {
            values[spec.setting as usize] = Some(found);
        }
    }
    for (setting, flag, text) in &sources.flags {
        values[*setting as usize] = Some((text.clone(), Origin::Flag(flag)));
    }
    for spec in SETTINGS {
        if let Some((text, origin)) = &values[spec.setting as usize]
            && let Err(reason) = (spec.check)(text)
        {
            problems.push(Problem::BadValue { origin: origin.clone(), reason });
        }
    }
    notices.extend(mistyped_variables(sources));
    Resolved { values, contents, file, notices }
}

fn find_file(sources: &Sources, problems: &mut Vec<Problem>, notices: &mut Vec<Notice>) -> Option<PathBuf> {
    if let Some(path) = &sources.file {
        return Some(path.clone());
    }
    let (canonical, older) = CONFIG_PATH;
    let mut named = None;
    for name in [older, canonical] {
        if let Some(path) = sources.environment.get(name).filter(|path| !path.is_empty()) {
            if name == older {
                let ignored = sources.environment.get(canonical).is_some_and(|path| !path.is_empty());
                notices.push(Notice::Deprecated { name: older.to_owned(), instead: canonical, ignored });
            }
            named = Some((name, sources.directory.join(path)));
        }
    }
    if let Some((variable, path)) = named {
        if path.is_file() {
            return Some(path);
        }
        // A default that everybody's environment repeats (`SPKY_CONFIG_PATH=sp00ky.yml`) still has to exist: whoever
        // names a file means it to be read.
        let reason = format!("there is no file {}", path.display());
        problems.push(Problem::BadValue { origin: Origin::Variable(variable), reason });
        return None;
    }
    let [name, older_name] = FILE_NAMES;
    let path = sources.directory.join(name);
    let older_path = sources.directory.join(older_name);
    let older_exists = older_path.is_file();
    let ignored = path.is_file();
    if older_exists {
        notices.push(Notice::Deprecated { name: older_name.to_owned(), instead: name, ignored });
    }
    if ignored { Some(path) } else { older_exists.then_some(older_path) }
}

fn from_environment(
    spec: &'static Spec,
    sources: &Sources,
    problems: &mut Vec<Problem>,
    notices: &mut Vec<Notice>,
) -> Option<(String, Origin)> {
    let mut found: Option<(String, Origin)> = None;
    let canonical = spec.env.iter().map(|name| (*name, false));
    let older = spec.older_env.iter().map(|name| (*name, true));
    for (name, is_older) in canonical.chain(older) {
        let Some(value) = sources.environment.get(name).filter(|value| !value.is_empty()) else { continue };
        if is_older && let Some(instead) = spec.env.first() {
            notices.push(Notice::Deprecated { name: name.to_owned(), instead, ignored: found.is_some() });
        }
        if found.is_some() {
            continue;
        }
        match value.to_str() {
            Some(text) => found = Some((text.to_owned(), Origin::Variable(name))),
            None => {
                let reason = "the value is not UTF-8".to_owned();
                problems.push(Problem::BadValue { origin: Origin::Variable(name), reason });
            }
        }
    }
    found
}

/// A variable that nearly has the name of a setting is most likely meant to be one. Others may belong to other
/// programs, and pass.
fn mistyped_variables(sources: &Sources) -> impl Iterator<Item = Notice> {
    const SIMILAR_ENOUGH: f64 = 0.85;
    let known = || SETTINGS.iter().flat_map(|spec| spec.env).copied().chain([CONFIG_PATH.0]);
    sources.environment.keys().filter(|name| name.starts_with("SPKY_")).filter_map(move |name| {
        match nearest(name, known()) {
            Some((similarity, nearest)) if similarity >= SIMILAR_ENOUGH && nearest != name => {
                Some(Notice::UnknownVariable { name: name.clone(), nearest })
            }
            _ => None,
        }
    })
}
