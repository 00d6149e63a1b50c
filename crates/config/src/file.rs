//! The configuration file: YAML text to located scalars. It knows the shape of the file and no meaning of any value.
//!
//! Every scalar is read as the text that stands in the file, whatever type YAML would give it, so that a password
//! `0123` stays `0123`.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::error::{Problem, nearest};
use crate::{jobs, setting};

/// A scalar (or a list of them, joined by commas) with the key and the line where it stands.
pub(crate) struct Located {
    pub(crate) key: String,
    pub(crate) line: u64,
    pub(crate) text: String,
}

/// What a file holds. Keys without a value are left out.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) settings: Vec<Located>,
    pub(crate) job_tables: Vec<JobTableEntries>,
    /// Keys that aren't known, with their lines.
    unknown: Vec<Unknown>,
}

/// A job table as it stands in the file.
pub(crate) struct JobTableEntries {
    pub(crate) table: String,
    pub(crate) line: u64,
    pub(crate) entries: Vec<Located>,
    pub(crate) schedules: Vec<ScheduleEntries>,
}

/// A schedule as it stands in the file.
pub(crate) struct ScheduleEntries {
    pub(crate) name: String,
    pub(crate) line: u64,
    pub(crate) entries: Vec<Located>,
    pub(crate) payload: Option<serde_json::Value>,
}

/// Reads the file; what is wrong with single keys goes to `problems`.
pub(crate) fn read(path: &Path, problems: &mut Vec<Problem>) -> Option<Contents> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(Problem::Unreadable { path: path.to_owned(), reason: error.to_string() });
            return None;
        }
    };
    match parse(&text) {
        Ok(contents) => {
            problems.extend(contents.unknown.iter().map(|unknown| unknown.problem(path)));
            Some(contents)
        }
        Err(error) => {
            problems.push(malformed(path.to_owned(), &error));
            None
        }
    }
}

fn parse(text: &str) -> Result<Contents, serde_saphyr::Error> {
    // An excerpt in an error could show a secret; and an anchor or a merge has no business in this file.
    let options = serde_saphyr::options! { with_snippet: false };
    let contents: Option<Contents> = serde_saphyr::from_str_with_options(text, options)?;
    Ok(contents.unwrap_or_default())
}

fn malformed(path: PathBuf, error: &serde_saphyr::Error) -> Problem {
    let line = error.location().map_or(0, |location| location.line());
    Problem::Malformed { path, line, reason: error.to_string() }
}

struct Unknown {
    key: String,
    line: u64,
    place: Place,
}

/// What a key is a key of.
#[derive(Clone, Copy)]
enum Place {
    Top,
    JobTable,
    Schedule,
}

impl Unknown {
    fn problem(&self, path: &Path) -> Problem {
        let nearest = match self.place {
            Place::JobTable => nearest(&self.key, jobs::KEYS.into_iter().chain([jobs::SCHEDULE])),
            Place::Schedule => nearest(&self.key, jobs::SCHEDULE_KEYS.into_iter().chain([jobs::PAYLOAD])),
            Place::Top => {
                let keys = setting::SETTINGS.iter().flat_map(|spec| std::iter::once(&spec.key).chain(spec.also_key));
                nearest(&self.key, keys.copied().chain([setting::JOB_TABLES]))
            }
        };
        Problem::UnknownKey {
            path: path.to_owned(),
            line: self.line,
            key: self.key.clone(),
            nearest: nearest.map_or(setting::JOB_TABLES, |(_, name)| name),
        }
    }
}

impl<'de> Deserialize<'de> for Contents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Top)
    }
}

struct Top;

impl<'de> Visitor<'de> for Top {
    type Value = Contents;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Contents, A::Error> {
        let mut contents = Contents::default();
        while let Some(Spanned { value: key, referenced, .. }) = map.next_key::<Spanned<String>>()? {
            let line = referenced.line();
            if key == setting::JOB_TABLES {
                map.next_value_seed(Tables(&mut contents))?;
            } else if let Some(spec) = setting::by_key(&key) {
                if let Some(text) = map.next_value_seed(Text { key: &key, list: spec.list })? {
                    contents.settings.push(Located { key, line, text });
                }
            } else {
                map.next_value::<IgnoredAny>()?;
                contents.unknown.push(Unknown { key, line, place: Place::Top });
            }
        }
        Ok(contents)
    }
}

/// The value of `job_tables`.
struct Tables<'a>(&'a mut Contents);

impl<'de> DeserializeSeed<'de> for Tables<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Tables<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of job tables")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Spanned { value: table, referenced, .. }) = map.next_key::<Spanned<String>>()? {
            let (entries, schedules) = map.next_value_seed(Table(self.0))?;
            self.0.job_tables.push(JobTableEntries { table, line: referenced.line(), entries, schedules });
        }
        Ok(())
    }
}

/// One table of `job_tables`.
struct Table<'a>(&'a mut Contents);

impl<'de> DeserializeSeed<'de> for Table<'_> {
    type Value = (Vec<Located>, Vec<ScheduleEntries>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Table<'_> {
    type Value = (Vec<Located>, Vec<ScheduleEntries>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping that describes a backend")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut entries, mut schedules) = (Vec::new(), Vec::new());
        while let Some(Spanned { value: key, referenced, .. }) = map.next_key::<Spanned<String>>()? {
            let line = referenced.line();
            if key == jobs::SCHEDULE {
                map.next_value_seed(Schedules { contents: self.0, schedules: &mut schedules })?;
            } else if !jobs::KEYS.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
                self.0.unknown.push(Unknown { key, line, place: Place::JobTable });
            } else if let Some(text) = map.next_value_seed(Text { key: &key, list: false })? {
                entries.push(Located { key, line, text });
            }
        }
        Ok((entries, schedules))
    }
}

/// The value of `schedule` of a job table.
struct Schedules<'a> {
    contents: &'a mut Contents,
    schedules: &'a mut Vec<ScheduleEntries>,
}

impl<'de> DeserializeSeed<'de> for Schedules<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Schedules<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of schedules by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Spanned { value: name, referenced, .. }) = map.next_key::<Spanned<String>>()? {
            let (entries, payload) = map.next_value_seed(Schedule(self.contents))?;
            self.schedules.push(ScheduleEntries { name, line: referenced.line(), entries, payload });
        }
        Ok(())
    }
}

/// One schedule.
struct Schedule<'a>(&'a mut Contents);

impl<'de> DeserializeSeed<'de> for Schedule<'_> {
    type Value = (Vec<Located>, Option<serde_json::Value>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Schedule<'_> {
    type Value = (Vec<Located>, Option<serde_json::Value>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping that describes a schedule")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut entries, mut payload) = (Vec::new(), None);
        while let Some(Spanned { value: key, referenced, .. }) = map.next_key::<Spanned<String>>()? {
            let line = referenced.line();
            if key == jobs::PAYLOAD {
                payload = Some(map.next_value()?);
            } else if !jobs::SCHEDULE_KEYS.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
                self.0.unknown.push(Unknown { key, line, place: Place::Schedule });
            } else if let Some(text) = map.next_value_seed(Text { key: &key, list: false })? {
                entries.push(Located { key, line, text });
            }
        }
        Ok((entries, payload))
    }
}

/// A scalar as its text, a list (where one is allowed) as its texts joined by commas, and nothing as `None`.
struct Text<'a> {
    key: &'a str,
    list: bool,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value for `{}`", self.key)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.list {
            return deserializer.deserialize_any(self);
        }
        // The parser gives a scalar's own text to whoever asks for a string, and refuses lists and mappings there.
        deserializer.deserialize_str(self)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            texts.push(text);
        }
        Ok(Some(texts.join(",")))
    }
}
