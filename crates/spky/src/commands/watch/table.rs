//! The result as a table on the terminal's alternate screen, with rows that came, changed or went marked for a moment.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use circuit::Value;
use comfy_table::{Cell, Color, ContentArrangement, presets};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{execute, queue};
use tokio::time::Instant;

use super::text;
use super::view::{Changed, Kind, View};
use crate::error::Error;

/// For how long a row stays marked, and one that went stays visible.
const MARKED: Duration = Duration::from_secs(2);

/// The screen. Dropping it gives the terminal back as it was.
pub(super) struct Table {
    query: String,
    marks: HashMap<String, Mark>,
}

struct Mark {
    kind: Kind,
    until: Instant,
    /// What a row that went was.
    shown: Value,
}

impl Table {
    pub(super) fn open(query: &str) -> Result<Self, Error> {
        execute!(io::stdout(), EnterAlternateScreen, Hide).map_err(Error::Output)?;
        Ok(Self { query: text::visible(query), marks: HashMap::new() })
    }

    /// When the next mark goes.
    pub(super) fn fades_at(&self) -> Option<Instant> {
        self.marks.values().map(|mark| mark.until).min()
    }

    /// Draws everything.
    pub(super) fn show(&mut self, view: &View, changed: &[Changed]) -> Result<(), Error> {
        let now = Instant::now();
        self.marks.retain(|_, mark| mark.until > now);
        for Changed { kind, id, shown } in changed {
            let mark = Mark { kind: *kind, until: now + MARKED, shown: shown.clone() };
            self.marks.insert(id.clone(), mark);
        }
        let (width, height) = terminal::size().map_err(Error::Output)?;
        let text = self.draw(view, width, usize::from(height));
        let mut output = io::stdout().lock();
        queue!(output, MoveTo(0, 0), Clear(ClearType::All)).map_err(Error::Output)?;
        output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Error::Output)
    }

    fn draw(&self, view: &View, width: u16, height: usize) -> String {
        // The head line, the table's frame and names, and the line below.
        const OTHER_LINES: usize = 6;
        let rows = view.rows();
        let count = rows.len();
        let mut lines: Vec<(Option<Kind>, &str, &Value)> = Vec::new();
        for (id, row) in &rows {
            lines.push((self.marks.get(*id).map(|mark| mark.kind), id, &row.shown));
        }
        // Rows that went have no place in the order any more.
        let mut gone: Vec<_> = self.marks.iter().filter(|(_, mark)| mark.kind == Kind::Removed).collect();
        gone.sort_by_key(|(id, _)| *id);
        lines.extend(gone.into_iter().map(|(id, mark)| (Some(Kind::Removed), id.as_str(), &mark.shown)));

        let hidden = lines.len().saturating_sub(height.saturating_sub(OTHER_LINES).max(1));
        lines.truncate(lines.len() - hidden);
        let columns = self.columns(&lines);
        let mut table = comfy_table::Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        table.set_header(std::iter::once("").chain(columns.iter().map(String::as_str)));
        for (kind, id, shown) in lines {
            let (sign, color) = match kind {
                None => (" ", None),
                Some(Kind::Added) => ("+", Some(Color::Green)),
                Some(Kind::Updated) => ("~", Some(Color::Yellow)),
                Some(Kind::Removed) => ("-", Some(Color::Red)),
            };
            let texts = std::iter::once(sign.to_owned()).chain(columns.iter().map(|column| field(shown, id, column)));
            table.add_row(texts.map(|text| match color {
                Some(color) => Cell::new(text).fg(color),
                None => Cell::new(text),
            }));
            if let Some(row) = table.row_mut(table.row_count().saturating_sub(1)) {
                row.max_height(1);
            }
        }
        let more = if hidden == 0 { String::new() } else { format!(", {hidden} more below") };
        let query: String = self.query.chars().take(usize::from(width)).collect();
        format!("{query}\n{table}\n{count} rows{more}. Ctrl-C ends.")
    }

    /// The names of all fields, in the order in which the query mentions them, `id` before those that it doesn't.
    fn columns(&self, lines: &[(Option<Kind>, &str, &Value)]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (_, _, shown) in lines {
            let Value::Object(object) = shown else { continue };
            for (name, _) in object.iter() {
                if !names.iter().any(|known| known.as_str() == &**name) {
                    names.push(name.to_string());
                }
            }
        }
        if names.is_empty() {
            names.push("id".to_owned());
        }
        let selected = self.query.to_ascii_uppercase().find(" FROM ").map_or("", |end| &self.query[..end]);
        let rank = |name: &String| (selected.find(name.as_str()).unwrap_or(usize::MAX), name != "id", name.clone());
        names.sort_by_cached_key(rank);
        names
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // There is no one to tell if the terminal itself has gone.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    }
}

fn field(shown: &Value, id: &str, name: &str) -> String {
    match shown {
        Value::Object(object) => object.get(name).map(text::cell).unwrap_or_default(),
        // The record is gone already, and only its id is known.
        _ if name == "id" => text::visible(id),
        _ => String::new(),
    }
}
